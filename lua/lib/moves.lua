--[[ moves.lua - a job changes its place. A job is in exactly one of ready:<queue>, waiting (for a
  limit), scheduled, running, done, dead, cancelled.
  The new place is always written before the old one is left, so that nothing could leave a job nowhere. ]]

local note_outcomes -- lib/schedule.lua
local coalescing = {} -- lib/coalesce.lua: what other files use

-- A batch of changes to one organization's jobs, written by write_moves(): the table of the sets to add to.
local function new_moves(org)
  return { org = org, add = {}, state = {}, record = {}, forget = {}, queues = {}, keys = {}, key_jobs = {}, over = {}, coalesced = {}, let_go = {} }
end

local function move_to(moves, set, score, id)
  local pairs_of = moves.add[set]
  if not pairs_of then
    pairs_of = {}
    moves.add[set] = pairs_of
  end
  pairs_of[#pairs_of + 1] = score
  pairs_of[#pairs_of + 1] = id
end

local function set_state(moves, id, state)
  moves.state[#moves.state + 1] = id
  moves.state[#moves.state + 1] = pack_state(state)
end

local move_to_ready, move_to_scheduled, move_to_end, move_to_done, job_is_over
do

-- It waits for no limit and for no other job any more.
local function end_wait(state)
  set_note(state, 'limit', nil)
  set_note(state, 'after', nil)
end

-- Back to its queue, at the order in its state.
function move_to_ready(moves, id, state)
  local queue = state[QUEUE] or QUEUE_DEFAULT
  state[SESSION], state[STARTED_MS] = nil, nil
  if state[NOTES] then end_wait(state) end
  move_to(moves, 'ready:' .. queue, state[ORDER], id)
  set_state(moves, id, state)
  moves.queues[queue] = true
end

-- To scheduled, until `due_ms`. `keep_order`: it rests, and takes its old place in the queue afterwards.
function move_to_scheduled(moves, id, state, due_ms, keep_order)
  if not keep_order then
    if state[NOTES] then set_note(state, 'rests', nil) end
    state[ENQUEUED_MS] = enqueued_ms(state)
    state[ORDER] = due_ms - (state[PRIORITY] or 0) * PRIORITY_MS
  end
  state[SESSION], state[STARTED_MS] = nil, nil
  if state[NOTES] then end_wait(state) end
  move_to(moves, 'scheduled', due_ms, id)
  set_state(moves, id, state)
  moves.due = true
end

-- The job is over; `report` is that of its last attempt, nil or '' for none. Only jobs of schedules have '@' in their ids.
function job_is_over(moves, id, outcome, report)
  if find(id, '@', 1, true) then
    local n = #moves.over
    moves.over[n + 1], moves.over[n + 2], moves.over[n + 3] = id, outcome, report or ''
  end
end

-- To dead or cancelled, with the reason and all of its record.
function move_to_end(moves, set, lane, id, state, reason)
  state[SESSION], state[STARTED_MS], state[REASON] = nil, nil, reason
  if state[NOTES] then
    end_wait(state)
    set_note(state, 'rests', nil)
  end
  move_to(moves, set, lane.now_text, id)
  set_state(moves, id, state)
  job_is_over(moves, id, reason == 'expired' and reason or set)
end

-- To done, without its payload.
function move_to_done(moves, lane, id, state, record, report)
  state[SESSION], state[STARTED_MS], state[NOTES] = nil, nil, nil
  move_to(moves, 'done', lane.now_text, id)
  set_state(moves, id, state)
  job_is_over(moves, id, 'done', report)
  if record then
    local n = #moves.record
    moves.record[n + 1], moves.record[n + 2] = id, record_without_payload(record)
  end
end

end

-- The key of a job, as its lease has it: its idempotency key, or a byte 0 and its coalescing key.
local function own_key(options)
  return options.key or (options.coalesce and '\0' .. options.coalesce) or nil
end

-- The key (of own_key) of a job that is over: an idempotency key is kept for keep_unique_ms more, a coalescing key is free, or the job's that
-- waited for this one. (Written by write_moves, if it still stands for that job: a job that was redriven after its key had been forgotten
-- has none.)
local function end_key(moves, key, id)
  if byte(key) == 0 then
    local last = #moves.coalesced
    moves.coalesced[last + 1], moves.coalesced[last + 2] = sub(key, 2), id
    return
  end
  local n = #moves.keys + 1 -- the same key may come twice: of the job it stands for, and of one that was redriven
  moves.keys[n], moves.key_jobs[n] = key, id
end

-- True if `owner`, a value of the hash `unique`, names job `id`.
local function owns_key(owner, id)
  return owner and sub(owner, 1, #id + 1) == id .. ' '
end

local write_moves
do

-- Calls: <= 2.
local function end_keys(lane, moves)
  local org, until_ms = moves.org, lane.now_ms + setting(moves.org, 'keep_unique_ms')
  local owners, text = call('HMGET', org_key(org, 'unique'), unpack(moves.keys)), int_text(until_ms)
  for i, key in ipairs(moves.keys) do
    if owns_key(owners[i], moves.key_jobs[i]) then move_to(moves, 'unique_until', text, key) end
  end
  if moves.add.unique_until then call('ZADD', lane.prefix .. 'expiring', 'LT', text, org.name) end
end

-- Writes the batch: states and records first, then the sets. The caller then leaves the old places, and sees to it that the queues in
-- `moves.queues` are placed, and with `moves.due` what is due: jobs that waited for others may be among them. Calls: <= 14, 8 for each job of
-- a schedule that is over, 6 where coalescing keys end.
function write_moves(lane, moves)
  local org = moves.org
  if moves.keys[1] then end_keys(lane, moves) end
  if moves.coalesced[1] then coalescing.end_keys(lane, moves) end
  if #moves.state > 0 then call('HSET', org_key(org, 'state'), unpack(moves.state)) end
  if #moves.record > 0 then call('HSET', org_key(org, 'jobs'), unpack(moves.record)) end
  for set, flat in pairs(moves.add) do call('ZADD', org_key(org, set), unpack(flat)) end
  if moves.let_go[1] then call('ZREM', org_key(org, 'scheduled'), unpack(moves.let_go)) end
  if moves.over[1] then note_outcomes(lane, org, moves.over) end
end

end

-- Forgets jobs that have left all sets, and their logs. Calls: 5 for at most 500 ids.
local function forget_jobs(org, ids)
  if #ids > 0 then
    call('HDEL', org_key(org, 'jobs'), unpack(ids))
    call('HDEL', org_key(org, 'state'), unpack(ids))
    forget_logs(org, ids)
  end
end

-- What an end may leave to trim: keeps `set` within its limit by forgetting its oldest, `excess` at most, and sees to it that
-- the organization is in `expiring`. Calls: <= 9.
local function after_ends(lane, org, set, most, keep_ms)
  local excess = min(call('ZCARD', org_key(org, set)) - most, 500)
  if excess > 0 then
    local oldest = call('ZRANGE', org_key(org, set), 0, excess - 1)
    call('ZREM', org_key(org, set), unpack(oldest))
    forget_jobs(org, oldest)
  end
  call('ZADD', lane.prefix .. 'expiring', 'LT', int_text(lane.now_ms + keep_ms), org.name)
end
