--[[ open - begins a session: one run of a worker or scheduler process, in this lane.
  ARGV  1 session     [a-z0-9]{1,64}, random
        2 kind        'worker' | 'scheduler'
        3 timeout_ms  int 1000..3600000: without a beat for so long it is taken for dead
        4 beat_ms     int: at most a third of timeout_ms
  Returns 'ok' | 'exists' (it is open: this is a retry) | 'ended' (it ended here and its jobs are being given back: draw another id)
  Calls <= 8 ]]
local SESSION_MS_MIN, SESSION_MS_MAX, BEATS_MIN = 1000, 3600000, 3
local function open(keys, args)
  local lane, id, kind = open_lane(keys), check_session(args[1]), args[2]
  if kind ~= 'worker' and kind ~= 'scheduler' then refuse('INVALID', 'the kind of a session is worker or scheduler') end
  local timeout_ms = to_int(args[3], 'timeout_ms', SESSION_MS_MIN, SESSION_MS_MAX)
  local beat_ms = to_int(args[4], 'beat_ms', 1, floor(timeout_ms / BEATS_MIN))
  if load_session(lane, id) then return 'exists' end
  if call('ZSCORE', lane.prefix .. 'sessions', id) then return 'ended' end
  local session = { id = id, key = lane.prefix .. 'session:' .. id, timeout_ms = timeout_ms, beat = 0 }
  beat_session(lane, session, 'kind', kind, 'timeout_ms', timeout_ms, 'beat_ms', beat_ms, 'opened_ms', lane.now_text)
  note_event(lane, 'session_opened', '', id, kind)
  return 'ok'
end
register('open', open, { 'allow-oom' }, { 'HMGET', 'HSET', 'SET', 'TIME', 'XADD', 'ZADD', 'ZSCORE' })

--[[ beat - the heartbeat. Also charges jobs that run longer than they were charged for, and takes those away that are over
  their hard deadline.
  ARGV  1 session
        2 'keep' or absent: 'keep' takes no job away. The caller ends what is over its time itself, on a clock that nobody sets;
          the server's may have been stepped
  Returns {'ok', now_ms, held, {name, ...}, order, dump}: leases held after the call, and those (at most 64) that an operator has
          cancelled, or whose organization is being deleted; what an operator has asked for last, 'NUMBER VERB WHO' and 'NUMBER WHO', or '' (`order`)
          {'lost'}: the session is over; kill its handlers
  Calls <= 13, 14 for each organization and queue charged (<= 64 jobs), 3 for each overdue job (<= 16), 53 for the organization
        of one, 12 for each further queue of it; 11 for each limit that is left, and those of claim for lines ]]
local BEAT_CHARGES_MAX, BEAT_OVERDUE_MAX, BEAT_CANCELS_MAX = 64, 16, 64
local CHARGE_STEP_MS = 1000
local OVERDUE_DELAY_MS, OVERDUE_ATTEMPTS = 5000, 25 -- the latter of a job that names no limit of its own

-- Charges jobs that run on: an hour-long job pays while it runs. Calls: 2 and 10 for each organization and queue.
local function charge_running(lane, session, charges)
  local held, due = {}, {}
  for _, c in ipairs(charges) do
    local more = min(c.elapsed - c.lease[CHARGED_MS], COST_MS_MAX)
    c.lease[CHARGED_MS] = c.lease[CHARGED_MS] + more
    held[#held + 1] = c.name
    held[#held + 1] = pack_lease(c.lease)
    local slot = c.org .. ' ' .. c.lease[LEASE_QUEUE]
    due[slot] = (due[slot] or 0) + more
  end
  call('HSET', session.held, unpack(held))
  for slot, more in pairs(due) do
    local name, queue = string.match(slot, '^(%S+) (%S+)$')
    local org = load_org(lane, name)
    settle(lane, org, queue, more)
    place_after(lane, org, { [queue] = true }, 0)
  end
end

-- The attempts that a job may use. Calls: 1.
local function attempts_of(lane, name)
  local org, id = split_name(name)
  local record = call('HGET', lane.prefix .. 'org:' .. org .. ':jobs', id)
  return record and record_options(record).max_attempts or OVERDUE_ATTEMPTS
end

local function beat(keys, args)
  local lane = open_lane(keys)
  local session = load_session(lane, args[1])
  if not session then return { 'lost' } end
  local flat, cancelled, charges, overdue, gone = call('HGETALL', session.held), {}, {}, new_ends(), {}
  local unpacked = {}
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    local lease = unpacked[value] or cmsgpack.unpack(value)
    unpacked[value] = lease
    local elapsed = lane.now_ms - lease[LEASE_STARTED_MS]
    if args[2] ~= 'keep' and lease[DEADLINE_MS] <= lane.now_ms and #gone < BEAT_OVERDUE_MAX then
      add_single(lane, overdue, name, lease, 'timeout', OVERDUE_DELAY_MS, attempts_of(lane, name))
      gone[#gone + 1] = name
    else
      local stop = lease[CANCEL] == 1 or (lane.deleting ~= '' and has_word(lane.deleting, (split_name(name))))
      if stop and #cancelled < BEAT_CANCELS_MAX then cancelled[#cancelled + 1] = name end
      if elapsed > lease[CHARGED_MS] + CHARGE_STEP_MS and #charges < BEAT_CHARGES_MAX then
        charges[#charges + 1] = { name = name, org = (split_name(name)), lease = cmsgpack.unpack(value), elapsed = elapsed }
      end
    end
  end
  if #charges > 0 then charge_running(lane, session, charges) end
  if #gone > 0 then
    end_all(lane, overdue)
    call('HDEL', session.held, unpack(gone))
  end
  save_lane(lane)
  beat_session(lane, session)
  return { 'ok', lane.now_ms, #flat / 2 - #gone, cancelled, session.order, session.dump }
end
register('beat', beat, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'SET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ order - asks something of a worker. Its next beat takes that along, and so does each one after it: the worker does once what has a
  number that it has not seen. A new order takes the place of the one before, but not of a dump that was asked for.
  ARGV  1 who (lib/events.lua), 2 session, 3 'quiet' | 'resume' | 'stop' | 'dump'
  Returns {'ok', number, timeout_ms}: when it is done the worker's card names that number, or a higher one, as `order`; of a dump the
          key `rota:worker:<session>:dump` does. The time-out is the session's
          {'gone'}: it is not open in this lane
          {'scheduler'}: it is one, and takes no orders
  Calls <= 6 ]]
local ORDERS = { quiet = 'order', resume = 'order', stop = 'order', dump = 'dump' }
local function order(keys, args)
  local lane, who, verb = open_lane(keys), check_who(args[1]), args[3]
  local field = verb and ORDERS[verb]
  if not field then refuse('INVALID', format('"%s" is no order: quiet, resume, stop, dump', sub(tostring(verb), 1, 40))) end
  local session = load_session(lane, args[2])
  if not session then return { 'gone' } end
  if session.kind ~= 'worker' then return { 'scheduler' } end
  local last = max(tonumber(string.match(session.order, '^%d+') or 0), tonumber(string.match(session.dump, '^%d+') or 0))
  local number, before = max(lane.now_ms, last + 1), string.match(session.order, '^%d+ (%a+)') or ''
  call('HSET', session.key, field, int_text(number) .. (field == 'order' and ' ' .. verb or '') .. ' ' .. who)
  note_change(lane, who, verb, '', session.id, before, verb)
  return { 'ok', number, session.timeout_ms }
end
register('order', order, { 'allow-oom' }, { 'HMGET', 'HSET', 'TIME', 'XADD' })

--[[ close - ends a session and hands its jobs back, uncounted, in bounded steps. Repeat until it answers 0.
  ARGV  1 session, 2 limit int 1..64
  Returns leases left
  Calls <= 15, 2 for each lease, 53 for each organization, 12 for each further queue of it; 11 for each limit that is left, and
        those of claim for lines ]]
local function close(keys, args)
  local lane, id, limit = open_lane(keys), check_session(args[1]), to_int(args[2], 'limit', 1, 64)
  local was_open = end_session(lane, id)
  local ended, left = give_back(lane, id, 'release', limit)
  save_lane(lane)
  if was_open then note_event(lane, 'session_closed', '', id, format('%d jobs handed back', ended + left)) end
  return left
end
register('close', close, { 'allow-oom' }, {
  'DEL', 'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HRANDFIELD', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ watch - the sessions a recoverer must look at: those whose deadline is near or past, and those whose deadline is further
  away than any time-out (the clock was stepped back). Writes nothing.
  ARGV  1 horizon_ms  int: deadlines up to now + horizon_ms are listed
        2 far_ms      int: deadlines beyond now + far_ms are listed
        3 limit       int 1..500, of each kind
  Returns {now_ms, {session, deadline_ms, beat, timeout_ms, beat_ms, ...}} - five each; beat '' where the session has ended already
  Calls <= 4 + 1 for each session listed ]]
local function watch(keys, args)
  local lane = open_lane(keys)
  local near, far = to_int(args[1], 'horizon_ms', 0, 2 ^ 40), to_int(args[2], 'far_ms', 0, 2 ^ 40)
  local limit, sessions = to_int(args[3], 'limit', 1, 500), lane.prefix .. 'sessions'
  local listed = {}
  for _, found in ipairs({
    call('ZRANGEBYSCORE', sessions, '-inf', int_text(lane.now_ms + near), 'WITHSCORES', 'LIMIT', 0, limit),
    call('ZRANGEBYSCORE', sessions, '(' .. int_text(lane.now_ms + max(near, far)), '+inf', 'WITHSCORES', 'LIMIT', 0, limit),
  }) do
    for i = 1, #found, 2 do
      local session = call('HMGET', lane.prefix .. 'session:' .. found[i], 'beat', 'timeout_ms', 'beat_ms')
      local n = #listed
      listed[n + 1], listed[n + 2] = found[i], tonumber(found[i + 1])
      listed[n + 3], listed[n + 4], listed[n + 5] = session[1] or '', tonumber(session[2] or 0), tonumber(session[3] or 0)
    end
  end
  return { lane.now_ms, listed }
end
register('watch', watch, { 'no-writes' }, { 'HMGET', 'TIME', 'ZRANGEBYSCORE' })

--[[ recover - gives the jobs of a dead session back, in bounded steps. The first step ends the session: from then on its beats,
  claims and finishes are answered 'lost'. Repeat, with beat '', until it answers left 0.
  ARGV  1 session
        2 beat   the beat's number that the caller has watched for a time-out, or '' for a session that has ended
        3 limit  int 1..64
  Returns {'ok', jobs given back, leases left} | {'moved'}: the session has beaten since, or its deadline is yet to come; nothing changed
  Calls <= 15, 2 for each lease, 53 for each organization, 12 for each further queue of it; 11 for each limit that is left, and
        those of claim for lines ]]
local function recover(keys, args)
  local lane, id, limit = open_lane(keys), check_session(args[1]), to_int(args[3], 'limit', 1, 64)
  local session = load_session(lane, id)
  if session then
    local deadline_ms = tonumber(call('ZSCORE', lane.prefix .. 'sessions', id) or 0)
    local pending = deadline_ms > lane.now_ms and deadline_ms <= lane.now_ms + session.timeout_ms
    if args[2] ~= tostring(session.beat) or pending then return { 'moved' } end
    end_session(lane, id)
  end
  local ended, left = give_back(lane, id, 'lost', limit)
  save_lane(lane)
  if session then note_event(lane, 'session_lost', '', id, format('%d jobs recovered', ended + left)) end
  return { 'ok', ended, left }
end
register('recover', recover, { 'allow-oom' }, {
  'DEL', 'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HRANDFIELD', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})
