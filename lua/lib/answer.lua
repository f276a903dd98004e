--[[ answer.lua - reading the arguments of a claim and answering it, once or again: shared by claim and finish. ]]

local claim_args, claim_and_answer, answer_again -- what claim and finish use: the rest is local to this block
do

local LEASES_MAX = 4096 -- of a session: beats and repeated calls look at all of them

-- For maps from type to what a claim says of it: a name like 'report.*' stands for all types that begin so. The longest one counts, where
-- the type itself is not named. What was found is kept for the next job of that type.
local function by_beginning(types, beginnings)
  local names = {}
  table.sort(beginnings, function(a, b) return #a > #b end)
  return {
    __index = function(map, kind)
      local name = names[kind]
      if name == nil then
        name = false
        for _, beginning in ipairs(beginnings) do
          if not name and rawget(types, kind) == nil and kind ~= '*' and sub(kind, 1, #beginning - 1) == sub(beginning, 1, -2) then name = beginning end
        end
        names[kind] = name
      end
      return name and rawget(map, name) or nil
    end,
  }
end

-- One type of a claim: adds 'TIMEOUT_MS', 'TIMEOUT_MS/ROOM' or either and ' LIMIT' to the maps.
local function add_type(maps, name, value)
  local text, limit = value or '', nil
  if find(text, ' ', 1, true) then text, limit = string.match(text, '^(%S*) (.*)$') end
  local timeout_ms, room = string.match(text, '^(%d+)/(%d+)$')
  maps.types[name] = to_int(timeout_ms or text, 'time-out of a type', 1, 2 ^ 36)
  if room then
    maps.rooms = maps.rooms or {}
    maps.rooms[name] = { left = to_int(room, 'room of a type', 0, 1024) }
  end
  if limit then
    maps.limits = maps.limits or {}
    maps.limits[name] = check_limit(limit)
  end
  if #name > 1 and sub(name, -1) == '*' then table.insert(maps.beginnings, name) end
end

-- The claim described by args[at..], see take_jobs(), and the index after it.
function claim_args(args)
  local id, token, floors, maps, queues = check_session(args[1]), args[2], {}, { types = {}, beginnings = {} }, {}
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
    add_type(maps, args[at], args[at + 1])
    at = at + 2
  end
  if maps.beginnings[1] then
    local by_name = by_beginning(maps.types, maps.beginnings)
    for _, map in ipairs({ maps.types, maps.limits or {}, maps.rooms or {} }) do setmetatable(map, by_name) end
  end
  return {
    id = id, token = token, want = want, quiet = args[4] == '1', queues = queues, floors = floors, types = maps.types, limits = maps.limits, rooms = maps.rooms, pages = 0, session = false,
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
function claim_and_answer(lane, session, claim, answers)
  claim.session = session
  if claim.want > 0 then claim.want = max(0, min(claim.want, LEASES_MAX - call('HLEN', session.held))) end
  take_jobs(lane, claim)
  local v, active, next_ms = after_take(lane, claim)
  save_lane(lane)
  beat_session(lane, session, 'call', claim.token, 'answers', table.concat(answers, ' '))
  return { 'ok', lane.now_ms, v, active, next_ms, answers, claim.jobs }
end

-- The answer to a call that was made before with the same token.
function answer_again(lane, session, claim)
  local answers, queue = {}, claim.queues[1]
  for word in string.gmatch(session.answers, '%S+') do answers[#answers + 1] = word end
  local jobs = claimed_before(lane, session, claim.token)
  beat_session(lane, session)
  return { 'ok', lane.now_ms, int_text(virtual_time(lane, queue).v), call('ZCARD', lane.prefix .. 'active:' .. queue), 0, answers, jobs }
end

end
