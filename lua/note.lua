--[[ note - what running jobs tell about themselves: their progress, a checkpoint for the next attempt, that they need more time.
  ARGV  1 session   an open one
        2.. for each of 1..64 jobs, five:
          name        org/id
          token       the token of the claim that took it
          progress    '' (nothing new) or 'PERCENT TEXT': 0..100, and at most 256 bytes
          checkpoint  '' (nothing new) or '=' and at most 16 KiB: what the next attempt is to find; '=' alone forgets it
          timeout_ms  '' (nothing new) or int 1..2^36: its time-out, counted from the claim. The hard deadline is only ever put off
  Returns a word for each, 'ok' or 'stale' (the caller does not own the job any more: nothing changed)
          {'lost'}: the session is over; nothing changed
  Calls <= 4 + 4 for each job ]]
local NOTES_MAX = 64

local function check_notes(args)
  local count = (#args - 1) / 5
  if count ~= floor(count) or count < 1 or count > NOTES_MAX then refuse('INVALID', format('note takes 1..%d jobs of 5 arguments', NOTES_MAX)) end
  local names, seen = {}, {}
  for at = 2, #args, 5 do
    names[#names + 1] = args[at]
    split_name(args[at])
    if seen[args[at]] then refuse('INVALID', format('job %s is named twice', sub(args[at], 1, 80))) end
    seen[args[at]] = true
    check_note(args[at + 2], args[at + 3])
    if args[at + 4] ~= '' then to_int(args[at + 4], 'timeout_ms', 1, 2 ^ 36) end
  end
  return names
end

-- Puts off the hard deadline of a lease. Calls: <= 2.
local function extend(prefix, session, name, id, lease, timeout_ms)
  local deadline_ms = lease[LEASE_STARTED_MS] + timeout_ms + GRACE_MS
  if deadline_ms <= lease[DEADLINE_MS] then return end
  lease[DEADLINE_MS] = deadline_ms
  call('ZADD', prefix .. ':running', int_text(deadline_ms), id)
  call('HSET', session.held, name, pack_lease(lease))
end

local function note(keys, args)
  local lane = open_lane(keys)
  local names, answers = check_notes(args), {}
  local session = load_session(lane, args[1])
  if not session then return { 'lost' } end
  for i, value in ipairs(call('HMGET', session.held, unpack(names))) do
    local at, lease = 5 * i - 3, value and cmsgpack.unpack(value)
    answers[i] = 'stale'
    if lease and lease[TOKEN] == args[at + 1] then
      local name, id = split_name(names[i])
      local prefix = lane.prefix .. 'org:' .. name
      if args[at + 2] ~= '' or args[at + 3] ~= '' then
        local text = call('HGET', prefix .. ':state', id)
        if text then -- each running job has one
          local state = cmsgpack.unpack(text)
          apply_note(state, lane.now_ms, args[at + 2], args[at + 3])
          call('HSET', prefix .. ':state', id, pack_state(state))
        end
      end
      if args[at + 4] ~= '' then extend(prefix, session, names[i], id, lease, tonumber(args[at + 4])) end
      answers[i] = 'ok'
    end
  end
  return answers
end
register('note', note, { 'allow-oom' }, { 'HGET', 'HMGET', 'HSET', 'TIME', 'ZADD' })
