--[[ answer.lua - reading the arguments of a claim and answering it, once or again: shared by claim and finish. ]]

local LEASES_MAX = 4096 -- of a session: beats and repeated calls look at all of them

-- The claim described by args[at..], see take_jobs(), and the index after it.
local function claim_args(args)
  local id, token, floors, types, limits, queues = check_session(args[1]), args[2], {}, {}, nil, {}
  if not token or #token ~= TOKEN_BYTES then refuse('INVALID', format('a token has %d bytes', TOKEN_BYTES)) end
  local want, at = to_int(args[3], 'want', 0, CLAIM_MAX), 6
  for i = 1, to_int(args[5], 'queues', 1, QUEUES_MAX) do
    queues[i] = check_name(args[at], 'queue')
    floors[args[at]] = to_int(args[at + 1], 'floor', 0, 2 ^ 50)
    at = at + 2
  end
  local count = to_int(args[at], 'types', 1, 64)
  at = at + 1
  for _ = 1, count do
    if not args[at] then refuse('INVALID', 'a type is missing') end
    local timeout_ms, limit = args[at + 1], nil
    if timeout_ms and find(timeout_ms, ' ', 1, true) then timeout_ms, limit = string.match(timeout_ms, '^(%S*) (.*)$') end
    types[args[at]] = to_int(timeout_ms, 'time-out of a type', 1, 2 ^ 36)
    if limit then
      limits = limits or {}
      limits[args[at]] = check_limit(limit)
    end
    at = at + 2
  end
  return {
    id = id, token = token, want = want, quiet = args[4] == '1', queues = queues, floors = floors, types = types, limits = limits, session = false,
    jobs = new_list(3 * want), taken = 0, bytes = 0, rests = 0, woken = 0, woken_orgs = 0, full = false, first = false, last_lease = false,
  }, at
end

-- The jobs that an earlier call with this token has claimed. Calls: 1 + 2 for each organization.
local function claimed_before(lane, session, token)
  local groups, names, jobs = {}, {}, {}
  local flat = call('HGETALL', session.held)
  for i = 1, #flat, 2 do
    if cmsgpack.unpack(flat[i + 1])[TOKEN] == token then
      local org, id = split_name(flat[i])
      if not groups[org] then
        groups[org] = {}
        names[#names + 1] = org
      end
      table.insert(groups[org], id)
    end
  end
  for _, name in ipairs(names) do
    local key = lane.prefix .. 'org:' .. name
    local records = call('HMGET', key .. ':jobs', unpack(groups[name]))
    local states = call('HMGET', key .. ':state', unpack(groups[name]))
    for i, id in ipairs(groups[name]) do
      jobs[#jobs + 1] = name .. '/' .. id
      jobs[#jobs + 1] = records[i] or ''
      jobs[#jobs + 1] = states[i] or ''
    end
  end
  return jobs
end

-- The common end of claim and finish: claims, beats, saves, answers.
local function claim_and_answer(lane, session, claim, answers)
  claim.session = session
  if claim.want > 0 then claim.want = max(0, min(claim.want, LEASES_MAX - call('HLEN', session.held))) end
  take_jobs(lane, claim)
  local v, active, next_ms = after_take(lane, claim)
  save_lane(lane)
  beat_session(lane, session, 'call', claim.token, 'answers', table.concat(answers, ' '))
  return { 'ok', lane.now_ms, v, active, next_ms, answers, claim.jobs }
end

-- The answer to a call that was made before with the same token.
local function answer_again(lane, session, claim)
  local answers, queue = {}, claim.queues[1]
  for word in string.gmatch(session.answers, '%S+') do answers[#answers + 1] = word end
  local jobs = claimed_before(lane, session, claim.token)
  beat_session(lane, session)
  return { 'ok', lane.now_ms, int_text(virtual_time(lane, queue).v), call('ZCARD', lane.prefix .. 'active:' .. queue), 0, answers, jobs }
end
