--[[ take.lua - the claim: which organizations are next, and which of their jobs.

  On each pick the organization with the lowest start tag S in active:<queue> is visited; V = max(V, S); it pays by
  tag = max(S, V) + cost. Newcomers start at V or a little before it; who has been served is always above it. So every 16th
  pick, the valve, takes the lowest tag above V and leaves V alone: a flood of newcomers cannot starve those who have been
  served. A visit takes as many jobs as fit into a quantum of worker time at the organization's estimate: long jobs
  alternate one by one, short ones move in batches. ]]

local CLAIM_MAX = 32
local take_jobs, after_take -- what other files use: the rest is local to this block, because Lua allows 200 names in one
do

local QUANTUM_MS = 5
local VALVE_PICKS = 16
local VISITS_EXTRA = 16
local RESTS_MAX = 64 -- jobs set aside in one call
local ASIDE_WINDOW = 16 -- looked at, where the first one is set aside; where it is for a limit, RESTS_MAX
local PAGE, PAGES_MAX = 32, 8 -- jobs looked at further on, where those before have no room; such looks in one call
local PARKED_MAX = 32

-- The ms at which the next organization leaves parked, or 0: nobody is there. Notes that, since nearly always nobody is. Calls: <= 1.
local function next_parked_ms(lane, queue)
  local state = virtual_time(lane, queue)
  if state.parked == false then return 0 end
  local head = call('ZRANGE', lane.prefix .. 'parked:' .. queue, '0', '0', 'WITHSCORES')
  state.parked = head[1] ~= nil
  return tonumber(head[2] or 0)
end

-- Organizations whose rate limit has a token again come back from parked. Calls: 2, and 12 for each that comes (<= 32).
local function unpark(lane, queue)
  local next_ms = next_parked_ms(lane, queue)
  if next_ms == 0 or next_ms > lane.now_ms then return end
  local back = call('ZRANGEBYSCORE', lane.prefix .. 'parked:' .. queue, '-inf', lane.now_text, 'LIMIT', '0', PARKED_MAX)
  for _, name in ipairs(back) do reindex(lane, load_org(lane, name)) end
end

-- The first organization of `found`, and its start tag, that is not among those passed; nil if there is none.
local function first_of(found, passed)
  for i = 1, #found, 2 do
    if not passed[found[i]] then return found[i], tonumber(found[i + 1]) end
  end
end

-- The next organization of `queue` and its start tag, or nil. Calls: <= 2.
-- `passed`: those of whom all jobs stayed in this call, and their number under 1.
local function pick(lane, queue, quiet, passed)
  local state, active = virtual_time(lane, queue), lane.prefix .. 'active:' .. queue
  if quiet then return first_of(call('ZRANGE', lane.prefix .. 'quiet:' .. queue, 0, passed[1], 'WITHSCORES'), passed) end
  local name, tag
  if (state.picks + 1) % VALVE_PICKS == 0 then
    name, tag = first_of(call('ZRANGEBYSCORE', active, '(' .. int_text(state.v), '+inf', 'WITHSCORES', 'LIMIT', 0, passed[1] + 1), passed)
  end
  if not name then
    name, tag = first_of(call('ZRANGE', active, 0, passed[1], 'WITHSCORES'), passed)
    if not name then return nil end
    state.v = max(state.v, tag)
  end
  state.picks, state.dirty = state.picks + 1, true
  return name, tag
end

-- What does not become a lease although it was next: expired, of a type this worker does not know, of a limit without room, or without a
-- record.
local function set_aside(lane, moves, claim, queue_entry, record, state_text, options, limit)
  local id, order = queue_entry[1], queue_entry[2]
  claim.rests = claim.rests + 1
  if not record then return end -- an entry without a job must not stop the queue; it just leaves
  local state = state_text and cmsgpack.unpack(state_text) or new_state(tonumber(order), options)
  if options.expires_ms and options.expires_ms <= lane.now_ms then
    move_to_end(moves, 'cancelled', lane, id, state, 'expired')
    if own_key(options) then end_key(moves, own_key(options), id) end
  elseif limit then
    wait_for(moves, id, state, limit, options.expires_ms)
  else
    rest_job(lane, moves, id, state, record)
  end
end

-- The end of the packed state of a job at its first claim, if it has no options: all but the order, so that the jobs of a call share it.
local function pack_first_claim(session, now_ms)
  return cmsgpack.pack(nil, nil, nil, 0, 1, 0, session, now_ms, {}, nil, nil)
end

-- The packed state of a job that is claimed now.
local function claimed_state(lane, claim, order, state_text, options)
  if not state_text and options == NONE then
    claim.first = claim.first or pack_first_claim(claim.session.id, lane.now_ms)
    return '\156' .. cmsgpack.pack(tonumber(order)) .. claim.first
  end
  local state = state_text and cmsgpack.unpack(state_text) or new_state(tonumber(order), options)
  if state[NOTES] then set_note(state, 'rests', nil) end
  state[DELIVERIES], state[SESSION], state[STARTED_MS] = state[DELIVERIES] + 1, claim.session.id, lane.now_ms
  if state[NOTES] then set_note(state, 'progress', nil) end
  return pack_state(state)
end

-- The packed lease of a job that is claimed now, and its hard deadline as text. Most jobs of a call have the lease of the one before.
local function new_lease(lane, claim, queue, charge_ms, timeout_ms, key, limits)
  local last = claim.last_lease
  if last and not key and last.queue == queue and last.charge_ms == charge_ms and last.timeout_ms == timeout_ms and last.limits == limits then
    return last.packed, last.deadline
  end
  local deadline_ms = lane.now_ms + timeout_ms + GRACE_MS
  local packed, deadline = pack_lease({ claim.token, lane.now_ms, deadline_ms, charge_ms, queue, 0, key, limits }), int_text(deadline_ms)
  if not key then
    claim.last_lease = { queue = queue, charge_ms = charge_ms, timeout_ms = timeout_ms, limits = limits, packed = packed, deadline = deadline }
  end
  return packed, deadline
end

-- How many jobs of a type the worker has room for: {left}, or nil where it named no number.
local function room_of(claim, kind)
  if not claim.rooms then return nil end
  if claim.types[kind] then return claim.rooms[kind] end
  return claim.rooms['*']
end

-- Takes the first job of a ready set, as most visits do. False, and nothing was changed, if that does not become a lease. Calls: 7, and <= 6 for its
-- limits.
local function take_one(lane, org, queue, ready, claim, charge_ms)
  local jobs_key, state_key, head = org_key(org, 'jobs'), org_key(org, 'state'), call('ZRANGE', ready, '0', '0', 'WITHSCORES')
  local id = head[1]
  local record = id and call('HGET', jobs_key, id)
  if not record then return false end
  local state_text = call('HGET', state_key, id)
  local bytes = claim.bytes + #record + (state_text and #state_text or 0)
  if claim.bytes > 0 and bytes > RECORDS_BYTES_MAX then return false end
  local kind, at = record_type(record)
  local options, timeout_ms = byte(record, at + 5) == 0xc0 and NONE or record_options(record), claim.types[kind] or claim.types['*']
  if not timeout_ms or (options.expires_ms and options.expires_ms <= lane.now_ms) then return false end
  local room = room_of(claim, kind)
  if room and room.left == 0 then return false end
  local limits = (options.limit or claim.limits) and limits_of(lane, org, claim, kind, options)
  if limits and full_limit(lane, limits) then return false end
  if room then room.left = room.left - 1 end
  local state = claimed_state(lane, claim, head[2], state_text, options)
  local lease, deadline = new_lease(lane, claim, queue, charge_ms, options.timeout_ms or timeout_ms, own_key(options), limits and limits.text)
  local name, jobs, n = org.name .. '/' .. id, claim.jobs, 3 * claim.taken
  call('ZADD', org_key(org, 'running'), deadline, id)
  if limits then enter_limits(lane, limits, name) end
  call('HSET', claim.session.held, name, lease)
  call('HSET', state_key, id, state)
  call('ZREM', ready, id)
  jobs[n + 1], jobs[n + 2], jobs[n + 3] = name, record, state
  claim.bytes, claim.taken = bytes, claim.taken + 1
  return true
end

-- `count` jobs of a ready set from rank `first` on: ids, and their order if they have one in common, else a list of orders. Jobs that were
-- enqueued together have, and most of what a score costs is its way to text and back. Calls: <= 4.
local function page_of(ready, first, count)
  local ids = call('ZRANGE', ready, first, first + count - 1)
  if not ids[1] then return ids end
  local order = call('ZSCORE', ready, ids[1])
  if call('ZSCORE', ready, ids[#ids]) == order then return ids, order end
  return ids, nil, call('ZMSCORE', ready, unpack(ids))
end

-- Looks at `look` jobs of a ready set from rank `first` on, decides about each, and moves them: takes `count` at most. Appends to
-- claim.jobs (name, record, state). Jobs of a type that the worker has no room for stay. Returns jobs taken, that left the set, that stay.
-- Calls: <= 16, those of the rests and ends, and <= 10 for the limits of each job.
local function take_from(lane, org, queue, ready, first, look, count, claim, charge_ms)
  local running_key, state_key = org_key(org, 'running'), org_key(org, 'state')
  local ids, common_order, orders = page_of(ready, first, look)
  if not ids[1] then return 0, 0, 0 end
  local records = call('HMGET', org_key(org, 'jobs'), unpack(ids))
  local states = call('HMGET', state_key, unpack(ids))

  local moves, left, gone, stay = nil, #ids, nil, 0
  local running, held, kept = new_list(2 * left), new_list(2 * left), new_list(2 * left)
  local jobs, job_words, types, any, words, prefix, bytes = claim.jobs, 3 * claim.taken, claim.types, claim.types['*'], 0, org.name .. '/', claim.bytes
  local state, plain_order, lease, deadline, plain_timeout_ms, plain_limits
  for i = 1, left do
    local id, record, state_text, order = ids[i], records[i], states[i], common_order or orders[i]
    local options, timeout_ms, limits, full, room, more = NONE, nil, nil, nil, nil, 0
    if words == 2 * count then
      left = i - 1
      break
    end
    if record then
      more = #record + (state_text and #state_text or 0)
      if bytes + more > RECORDS_BYTES_MAX and bytes > 0 then
        claim.full, left = true, i - 1
        break
      end
      bytes = bytes + more
      local kind, at = record_type(record)
      if byte(record, at + 5) ~= 0xc0 then options = record_options(record) end
      timeout_ms = types[kind] or any
      room = timeout_ms and room_of(claim, kind)
      limits = timeout_ms and (options.limit or claim.limits) and limits_of(lane, org, claim, kind, options) or nil
      full = limits and full_limit(lane, limits)
    end
    local expired = options.expires_ms and options.expires_ms <= lane.now_ms
    if room and room.left == 0 and not expired then
      gone, stay, bytes = gone or { unpack(ids, 1, i - 1) }, stay + 1, bytes - more
    elseif timeout_ms and not full and not expired then
      if room then room.left = room.left - 1 end
      if gone then gone[#gone + 1] = id end
      local plain, name = options == NONE, prefix .. id
      if not plain or state_text or order ~= plain_order then -- what neighbours have in common is made once
        state = claimed_state(lane, claim, order, state_text, options)
        plain_order = plain and not state_text and order
      end
      local text = limits and limits.text
      if not plain or timeout_ms ~= plain_timeout_ms or text ~= plain_limits then
        lease, deadline = new_lease(lane, claim, queue, charge_ms, options.timeout_ms or timeout_ms, own_key(options), text)
        plain_timeout_ms, plain_limits = plain and timeout_ms, text
      end
      if limits then enter_limits(lane, limits, name) end
      running[words + 1], running[words + 2] = deadline, id
      held[words + 1], held[words + 2] = name, lease
      kept[words + 1], kept[words + 2] = id, state
      words = words + 2
      jobs[job_words + 1], jobs[job_words + 2], jobs[job_words + 3] = name, record, state
      job_words = job_words + 3
    else
      if gone then gone[#gone + 1] = id end
      moves, bytes = moves or new_moves(org), bytes - (full and more or 0)
      set_aside(lane, moves, claim, { id, order }, record, state_text, options, full)
    end
  end
  claim.bytes = bytes

  if words > 0 then
    if words > 2 then turn_round(running, words) end
    call('ZADD', running_key, unpack(running, 1, words))
    call('HSET', claim.session.held, unpack(held, 1, words))
    call('HSET', state_key, unpack(kept, 1, words))
  end
  if moves then
    write_moves(lane, moves)
    after_all_ends(lane, org, moves)
    if moves.lines then join_lines(lane, moves) end
    if moves.due then reindex_due(lane, org) end
    if moves.resting then note_resting(lane, moves) end
    if next(moves.queues) then -- what waited until one that expired was over has come, perhaps to this very set
      gone, claim.came, moves.queues[queue] = gone or { unpack(ids, 1, left) }, claim.came + #(moves.add['ready:' .. queue] or NONE) / 2, nil
      place_after(lane, org, moves.queues, 0)
    end
  end
  if not gone and left > 0 then
    call('ZREMRANGEBYRANK', ready, first, first + left - 1)
  elseif gone and gone[1] then
    call('ZREM', ready, unpack(gone))
  end
  claim.taken = claim.taken + words / 2
  return words / 2, left - stay, stay
end

-- Takes up to `count` of the `size` jobs in a ready set. Where jobs are in front that the worker has no room for, it looks at two more
-- pages: the last one, to which new jobs come, and one that moves on with each pick, so that a job behind any number of them is found in
-- the end. Returns jobs taken and jobs that left the set. Calls: those of take_from, three times.
local function take_around(lane, org, queue, ready, size, count, claim, charge_ms)
  if count == 1 and take_one(lane, org, queue, ready, claim, charge_ms) then return 1, 1 end
  local look = (count > 1 or org.fields.large) and count or (lane.limits and RESTS_MAX or ASIDE_WINDOW)
  local taken, left, stay = take_from(lane, org, queue, ready, 0, look, count, claim, charge_ms)
  if stay == 0 then return taken, left end
  local page, behind = org.fields.large and 2 or PAGE, stay
  for _, is_last in ipairs({ true, false }) do
    local rest = size - left - behind
    if taken == count or rest < 1 or claim.pages == PAGES_MAX or claim.full then break end
    local rank = is_last and max(rest - page, 0) or virtual_time(lane, queue).picks * page % rest
    claim.pages = claim.pages + 1
    local more, more_left = take_from(lane, org, queue, ready, behind + rank, page, count - taken, claim, charge_ms)
    taken, left = taken + more, left + more_left
  end
  return taken, left
end

-- A claim in one queue may put the organization out of quiet, at its cap, or out of rate tokens in its other queues. Calls: <= 11
-- for each of them.
local function place_elsewhere(lane, org, queue, running, taken, limit, tokens)
  if org.fields.queues == queue or (running > 0 and running + taken < limit and taken < tokens) then return end
  for _, other in ipairs(org_queues(org)) do
    if other ~= queue then
      place_org(lane, org, other, call('ZCARD', org_key(org, 'ready:' .. other)), running + taken, nil, running == 0)
    end
  end
end

-- One visit. Calls: <= 35, 11 more for each further queue of the organization.
local function visit(lane, queue, name, tag, claim)
  local org = load_org(lane, name)
  if claim.quiet then tag_of(lane, org, queue) else org.tags[queue] = tag end
  local ready_key = org_key(org, 'ready:' .. queue)
  local running, ready = call('ZCARD', org_key(org, 'running')), call('ZCARD', ready_key)
  local limit, tokens = setting(org, 'max_running') or math.huge, (rate_tokens(lane, org))
  local estimate_ms = tonumber(org.fields['est:' .. queue] or ESTIMATE_MS)
  local count = min(claim.want - claim.taken, limit - running, tokens, max(1, floor(QUANTUM_MS / estimate_ms)))
  if org.fields.large then count = min(count, 1) end
  if claim.quiet then count = min(count, 1) end
  if count < 1 or ready < 1 or org.fields.paused or not org.tags[queue] then
    reindex(lane, org) -- it should not have been here: repair, and go on
    if not has_word(org.fields.queues or '', queue) then -- and is not even known to have this queue
      call('ZREM', lane.prefix .. 'active:' .. queue, name)
      call('ZREM', lane.prefix .. 'quiet:' .. queue, name)
    end
    return
  end
  claim.came = 0 -- to this queue, during the visit
  local taken, left = take_around(lane, org, queue, ready_key, ready, count, claim, estimate_ms)
  if taken > 0 then spend_tokens(lane, org, taken) end
  local cost_ms = taken > 0 and taken * estimate_ms or QUANTUM_MS -- to set jobs aside is not free: others must get their turn
  local paid = max(org.tags[queue], virtual_time(lane, queue).v) + tag_units(org, cost_ms)
  place_org(lane, org, queue, ready - left + claim.came, running + taken, paid, running == 0)
  if taken > 0 then place_elsewhere(lane, org, queue, running, taken, limit, tokens) end
  return left == 0
end

-- Claims up to claim.want jobs for an open session: fills claim.jobs (name, record, state; each one job). `claim`:
--   session, token, want 0..32, quiet (only organizations with nothing running), queues (list, in the order to visit),
--   types (map type -> time-out ms; '*' for any), limits (map type -> limit, or nil),
--   rooms (map type -> {left}: how many of it the worker has room for, or nil), floors (map queue -> V of the other lanes)
-- Calls: <= 8 per queue, 35 per visit, want + 16 visits; and those of unpark.
function take_jobs(lane, claim)
  if lane.paused or claim.want == 0 then return end
  if lane.lines_ms then serve_lines(lane) end
  local visits, visits_max = 0, claim.want + VISITS_EXTRA
  for _, queue in ipairs(claim.queues) do
    local state = virtual_time(lane, queue)
    if not state.paused then
      local floor_v = claim.floors[queue]
      if floor_v and floor_v > state.v then state.v, state.dirty = floor_v, true end
      unpark(lane, queue)
      wake_resting(lane, queue, claim)
      local passed = { 0 }
      while claim.taken < claim.want and visits < visits_max and claim.rests < RESTS_MAX and not claim.full do
        visits = visits + 1
        local name, tag = pick(lane, queue, claim.quiet, passed)
        if not name then break end
        if visit(lane, queue, name, tag, claim) then passed[1], passed[name] = passed[1] + 1, true end
      end
    end
  end
end

-- After a claim: work that is left wakes further workers (each woken one wakes up to two more); none left, none woken.
-- Returns V and organizations left in active, of the first queue, and the ms at which the next one leaves parked in any, or a line is
-- looked at (0: none).
-- Calls: <= 6 per queue.
function after_take(lane, claim)
  local v, active, next_ms
  if lane.lines_changed then save_limits(lane) end
  next_ms = lane.lines_ms
  for _, queue in ipairs(claim.queues) do
    local left, state = call('ZCARD', lane.prefix .. 'active:' .. queue), virtual_time(lane, queue)
    if state.may_wake then left = left + 1 end
    if left == 0 and state.rested then
      wake(lane, queue, 1, 1) -- perhaps another worker knows the type of what has begun to rest
    elseif left == 0 then
      call('DEL', lane.prefix .. 'wake:' .. queue, lane.prefix .. 'wake:' .. queue .. ':quiet')
    elseif (claim.taken > 0 or claim.rests > 0) and not lane.paused and not virtual_time(lane, queue).paused then
      wake(lane, queue, 2, left)
      if claim.quiet and call('EXISTS', lane.prefix .. 'quiet:' .. queue) == 1 then wake_quiet(lane, queue) end
    end
    if not v then v, active = int_text(virtual_time(lane, queue).v), left end
    local parked_ms = next_parked_ms(lane, queue)
    if parked_ms > 0 and not (next_ms and next_ms < parked_ms) then next_ms = parked_ms end
  end
  return v, active, next_ms or 0
end

end
