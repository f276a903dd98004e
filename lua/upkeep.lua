--[[ promote - moves due jobs from scheduled to ready, and those that waited for a limit which has room.
  ARGV  1 limit  int 1..256 jobs
  Returns {due jobs moved, ms at which to come again or 0, now_ms}
  Calls <= 6 + 26 for each of at most 8 organizations, 12 more for each further queue of it that gets jobs; those of claim for
        lines

  An organization that has more due jobs than its part of a call goes behind the others that are due (its entry in `due` is
  set to now): a million due jobs of one organization do not delay another one's. ]]
local PROMOTE_ORGS = 8
local LINES_LATER_MS = 100 -- claims look at lines as soon as it is time: this is for where nobody claims
local function promote(keys, args)
  local lane, limit = open_lane(keys), to_int(args[1], 'limit', 1, 256)
  local due = lane.prefix .. 'due'
  local names = call('ZRANGEBYSCORE', due, '-inf', lane.now_text, 'LIMIT', 0, PROMOTE_ORGS)
  local part, moved = max(1, floor(limit / max(1, #names))), 0
  for _, name in ipairs(names) do
    local org = load_org(lane, name)
    local ids = call('ZRANGEBYSCORE', org_key(org, 'scheduled'), '-inf', lane.now_text, 'LIMIT', 0, part)
    if #ids > 0 then
      local states, moves = call('HMGET', org_key(org, 'state'), unpack(ids)), new_moves(org)
      for i, id in ipairs(ids) do
        move_to_ready(moves, id, states[i] and cmsgpack.unpack(states[i]) or new_state(lane.now_ms, NONE))
      end
      write_moves(lane, moves)
      call('ZREM', org_key(org, 'scheduled'), unpack(ids))
      place_after(lane, org, moves.queues, 0)
      moved = moved + #ids
    end
    reindex_due(lane, org)
    if #ids == part then call('ZADD', due, 'XX', 'GT', lane.now_text, name) end
  end
  serve_lines(lane)
  save_lane(lane)
  local head = call('ZRANGE', due, 0, 0, 'WITHSCORES')
  local next_ms, lines_ms = tonumber(head[2] or 0), lane.lines_ms and max(lane.lines_ms, lane.now_ms + LINES_LATER_MS)
  if lines_ms and (next_ms == 0 or lines_ms < next_ms) then next_ms = lines_ms end
  return { moved, next_ms, lane.now_ms }
end
register('promote', promote, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'ZADD', 'ZCARD', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ inbox - moves entries of the inbox stream to their organization: as enqueue, but an entry that was moved in the last 24 h
  is not moved again, whatever became of its job since.
  ARGV  1 org, 2.. id, record: 1..128 pairs; the job's id is that of the entry, 'p:' before it if the entry is of its private inbox
  Returns as enqueue, and 'moved' for an entry whose job was accepted before (or was there already); 'closed': its private inbox is
          gone; 'deleted': the organization was deleted after the entry had come. A refused entry is refused again when it is tried
          again. All answers but 'intake_paused' are final
  Calls <= those of enqueue and 3 ]]
local INBOX_TAKEN = { new = true, exists = true, coalesced = true, merged = true, follows = true }
local function inbox(keys, args)
  check_batch(args, BATCH_MAX)
  local lane = open_lane(keys)
  local org, seen_key = load_org(lane, check_org(args[1])), lane.prefix .. 'inbox_seen'
  local entries, rest, at, answers, seen = {}, {}, {}, {}, {}
  for i = 2, #args, 2 do entries[#entries + 1] = org.name .. '/' .. check_job_id(args[i]) end
  entries[#entries + 1] = deletion_entry(org)
  local known = call('ZMSCORE', seen_key, unpack(entries))
  local deleted_ms = tonumber(known[#entries] or -1)
  for i = 1, #entries - 1 do
    if known[i] then
      answers[i] = 'moved'
    elseif came_before(args[2 * i], deleted_ms) then
      answers[i] = 'deleted'
    elseif is_private(args[2 * i]) and not org.fields.private_inbox then
      answers[i] = 'closed'
    else
      rest[#rest + 1] = args[2 * i]
      rest[#rest + 1] = args[2 * i + 1]
      at[#at + 1] = i
    end
  end
  if #rest == 0 then return answers end
  for i, answer in ipairs(enqueue_jobs(lane, org, rest, 1)) do
    answers[at[i]] = answer
    if INBOX_TAKEN[string.match(answer, '^%S+')] then
      seen[#seen + 1] = lane.now_text
      seen[#seen + 1] = entries[at[i]]
    end
  end
  if #seen > 0 then call('ZADD', seen_key, unpack(seen)) end
  return answers
end
register('inbox', inbox, {}, {
  'EXISTS', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ trim - forgets what retention no longer keeps: ended jobs, logs, idempotency keys, moved inbox entries. Ends jobs that have
  expired while they waited for a limit, and notes what came too often to be noted one by one (lib/events.lua).
  ARGV  1 limit  int 1..500, of each kind
  Returns {jobs ended, and jobs, logs, keys and inbox entries forgotten, ms of the next thing to do or 0, now_ms}
  Calls <= 12 + 60 for each of at most 8 organizations, 5 for each limit that jobs of it waited for which have expired (<= 64) ]]
local TRIM_ORGS = 8
local EXPIRED_MAX = 64 -- jobs of an organization: their records are read
local INBOX_SEEN_MS = 86400000

-- Forgets up to `limit` jobs of one ended set that are older than `keep_ms`. Calls: 7.
local function trim_set(lane, org, set, keep_ms, limit)
  local old = call('ZRANGEBYSCORE', org_key(org, set), '-inf', int_text(lane.now_ms - keep_ms), 'LIMIT', 0, limit)
  if #old > 0 then
    call('ZREM', org_key(org, set), unpack(old))
    forget_jobs(org, old)
  end
  return #old
end

-- Ends jobs that have expired while they waited for a limit; how many. Calls: <= 19, 5 for each limit that they waited for.
local function expire_waiting(lane, org, limit)
  if not org.fields.waits_until then return 0 end
  local until_key, most = org_key(org, 'waiting_until'), min(limit, org.fields.large and LARGE_PAGE or EXPIRED_MAX)
  local ids = call('ZRANGEBYSCORE', until_key, '-inf', lane.now_text, 'LIMIT', 0, most)
  if not ids[1] then return 0 end
  local records, states = call('HMGET', org_key(org, 'jobs'), unpack(ids)), call('HMGET', org_key(org, 'state'), unpack(ids))
  local moves, lines, ended = new_moves(org), {}, 0
  for i, id in ipairs(ids) do
    local state = states[i] and cmsgpack.unpack(states[i])
    local name = records[i] and state and state[NOTES] and state[NOTES].limit
    if name then
      local key = own_key(record_options(records[i]))
      move_to_end(moves, 'cancelled', lane, id, state, 'expired')
      if key then end_key(moves, key, id) end
      lines[name] = lines[name] or {}
      table.insert(lines[name], id)
      ended = ended + 1
    end
  end
  write_moves(lane, moves)
  for name, gone in pairs(lines) do leave_waiting(lane, org, name, gone) end
  after_all_ends(lane, org, moves)
  if next(moves.queues) then place_after(lane, org, moves.queues, 0) end
  if moves.due then reindex_due(lane, org) end
  call('ZREM', until_key, unpack(ids)) -- also what does not wait, after damage
  return ended
end

local function trim(keys, args)
  local lane, limit = open_lane(keys), to_int(args[1], 'limit', 1, 500)
  local forgotten = 0
  local seen = lane.prefix .. 'inbox_seen'
  local entries = call('ZRANGEBYSCORE', seen, '-inf', int_text(lane.now_ms - INBOX_SEEN_MS), 'LIMIT', 0, limit)
  if #entries > 0 then forgotten = call('ZREM', seen, unpack(entries)) end
  for _, name in ipairs(call('ZRANGEBYSCORE', lane.prefix .. 'expiring', '-inf', lane.now_text, 'LIMIT', 0, TRIM_ORGS)) do
    local org = load_org(lane, name)
    forgotten = forgotten + expire_waiting(lane, org, limit)
    for _, set in ipairs(EXPIRING) do forgotten = forgotten + trim_set(lane, org, set[1], setting(org, set[2]), limit) end
    local over = call('ZRANGEBYSCORE', org_key(org, 'unique_until'), '-inf', lane.now_text, 'LIMIT', 0, limit)
    if #over > 0 then
      call('HDEL', org_key(org, 'unique'), unpack(over))
      call('ZREM', org_key(org, 'unique_until'), unpack(over))
      forgotten = forgotten + #over
    end
    local logs = old_logs(lane, org, limit)
    forget_logs(org, logs)
    forgotten = forgotten + #logs
    reindex_expiring(lane, org)
  end
  note_rest(lane)
  save_lane(lane)
  local head = call('ZRANGE', lane.prefix .. 'expiring', 0, 0, 'WITHSCORES')
  return { forgotten, tonumber(head[2] or 0), lane.now_ms }
end
register('trim', trim, { 'allow-oom' }, {
  'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ lead - asks for the lead of the schedulers, which lasts as long as the session does (lane 0 only).
  ARGV  1 session  an open one, of kind scheduler
  Returns {'leader', epoch} | {'follower', epoch, leader's session} | {'lost'}: the session is over
  Calls <= 8 ]]
local function lead(keys, args)
  local lane = open_lane(keys)
  local session = load_session(lane, args[1])
  if not session then return { 'lost' } end
  if session.kind ~= 'scheduler' then refuse('INVALID', 'only a scheduler can lead') end
  local found = call('HMGET', lane.clock, 'leader', 'epoch')
  local epoch = tonumber(found[2] or 0)
  if found[1] == session.id then return { 'leader', epoch } end
  if found[1] and call('EXISTS', lane.prefix .. 'session:' .. found[1]) == 1 then return { 'follower', epoch, found[1] } end
  call('HSET', lane.clock, 'leader', session.id, 'epoch', epoch + 1)
  note_event(lane, 'leader', '', session.id, format('epoch %d', epoch + 1))
  return { 'leader', epoch + 1 }
end
register('lead', lead, { 'allow-oom' }, { 'EXISTS', 'HMGET', 'HSET', 'TIME', 'XADD' })
