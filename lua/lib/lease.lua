--[[ lease.lua - a claim makes a lease; here is what a lease is, and the one function that ends leases.

  Hash `rota:{k}:held:<session>`: field `org/job`, value msgpack array of 7, or of 8 with limits:
    1 token        str16  drawn by the worker for the call that claimed the job; whoever names it owns the job
    2 started_ms   int    when it was claimed
    3 deadline_ms  int    hard deadline: start + time-out + grace; also its score in `running`
    4 charged_ms   number worker-ms charged to the organization so far
    5 queue        str
    6 cancel       0 | 1  an operator has cancelled the job
    7 key          str | nil  its idempotency key, or a byte 0 and its coalescing key
    8 limits       str    those that it runs under, with a space between (lib/limit.lua) ]]

local TOKEN, LEASE_STARTED_MS, DEADLINE_MS, CHARGED_MS, LEASE_QUEUE, CANCEL, LEASE_KEY = 1, 2, 3, 4, 5, 6, 7
local TOKEN_BYTES = 16
local GRACE_MS = 15000 -- between a job's time-out and its hard deadline: TERM, KILL and the report fit in
local DELIVERIES_MAX = 1010 -- of a job that is handed back again and again, if its worker names no other limit

local function pack_lease(l)
  if l[LEASE_LIMITS] then return '\152' .. cmsgpack.pack(l[1], l[2], l[3], l[4], l[5], l[6], l[7], l[8]) end
  return '\151' .. cmsgpack.pack(l[1], l[2], l[3], l[4], l[5], l[6], l[7])
end

-- True if whoever holds the lease is to stop its job.
local function is_cancelled(org, lease)
  return lease[CANCEL] == 1 or org.fields.deleting ~= nil
end

local function split_name(name)
  local slash = find(name, '/', 1, true)
  if not slash then refuse('INVALID', format('job "%s" must be named org/id', sub(name, 1, 80))) end
  return sub(name, 1, slash - 1), sub(name, slash + 1)
end

-- Settles what the organization owes: `delta_ms` worker-ms more (or less) in `queue`. Never down to V: no credit is kept, and the valve
-- must tell it from a newcomer.
local function settle(lane, org, queue, delta_ms)
  local delta = floor(delta_ms * TAG_UNITS_PER_MS * 100 / setting(org, 'weight') + 0.5)
  local tag = tag_of(lane, org, queue)
  if tag then
    tag = max(tag + delta, virtual_time(lane, queue).v + 1)
    org.settled[queue] = tag
  else
    local vt = tonumber(org.fields['vt:' .. queue] or 0) + delta
    set_field(org, 'vt:' .. queue, max(vt, 0))
  end
end

local SUCCESS = { done = true, discard = true }
local new_batch, worker_ms_max, after_all_ends, end_leases -- what other files use: the rest is local to this block, because Lua allows 200 names
do

local ESTIMATE_WEIGHT = 0.1 -- of one new duration in the moving average

-- Moves the estimate of a job's duration towards `mean_ms`, as `jobs` single steps would.
local function learn_duration(org, queue, mean_ms, jobs)
  local name = 'est:' .. queue
  local old = tonumber(org.fields[name] or ESTIMATE_MS)
  local new = mean_ms + (old - mean_ms) * (1 - ESTIMATE_WEIGHT) ^ jobs
  set_field(org, name, format('%.4f', min(max(new, COST_MS_MIN), COST_MS_MAX)))
end

-- A batch of leases of one organization that end alike: {lease, verdict, delay_ms, limit, ids, reports, run_ms}: one of the leases
-- (they differ in nothing that matters), the verdict, when to try again and how many attempts (of a release: deliveries) there
-- are, the jobs' ids and the reports of their attempts, the worker-ms they took together, and for a few jobs, by the same index,
-- extras {log, omitted, progress, checkpoint}. Verdicts:
--   done, discard       ended well; a discarded one is kept as such (its worker reports no result)
--   retry, timeout      used an attempt: after delay_ms again, or dead when `limit` attempts are used up (0: its handler wants so)
--   crash               the same, and counts a crash: dead from max_crashes on
--   dead                used an attempt, dead at once
--   release             handed back: uses no attempt, keeps its order (after delay_ms, if any); dead after `limit` deliveries
--   lost                its worker died: counts a crash, uses no attempt, keeps its order
local OUTCOMES = { done = 'done', discard = 'discarded', retry = 'failed', timeout = 'timed_out', crash = 'crashed', dead = 'failed', release = 'released', lost = 'lost' }

function new_batch(lease, verdict, delay_ms, limit)
  return { lease = lease, verdict = verdict, delay_ms = delay_ms or 0, limit = limit or DELIVERIES_MAX, ids = {}, reports = {}, run_ms = 0, extras = nil }
end

-- The worker-ms that one job may have taken: the time since its claim.
function worker_ms_max(lane, lease)
  return max(lane.now_ms - lease[LEASE_STARTED_MS] + 1, COST_MS_MIN)
end

local function deliveries_since_redriven(state)
  return state[DELIVERIES] - (state[NOTES] and state[NOTES].redriven or 0)
end

-- Sends a job of a batch that ended without success where the verdict says.
local function route_failure(moves, lane, batch, id, state, report)
  local org, verdict, lease = moves.org, batch.verdict, batch.lease
  local crashed, uses_attempt = verdict == 'crash' or verdict == 'lost', verdict ~= 'release' and verdict ~= 'lost'
  add_attempt(state, lane.now_ms, OUTCOMES[verdict], report)
  if uses_attempt then state[ATTEMPT] = state[ATTEMPT] + 1 end
  if crashed then state[CRASHES] = state[CRASHES] + 1 end
  local reason
  if lease[CANCEL] == 1 then reason = 'operator'
  elseif verdict == 'dead' or batch.limit == 0 then reason = 'handler'
  elseif crashed and state[CRASHES] >= setting(org, 'max_crashes') then reason = 'crashes'
  elseif uses_attempt and state[ATTEMPT] >= batch.limit then reason = 'attempts'
  elseif not uses_attempt and deliveries_since_redriven(state) >= batch.limit then reason = 'deliveries' end
  if reason then
    if reason ~= 'operator' then
      local died = moves.died or { reasons = {} }
      moves.died, died[#died + 1] = died, id
      if not died.reasons[reason] then died.reasons[#died.reasons + 1], died.reasons[reason] = reason, true end
    end
    move_to_end(moves, reason == 'operator' and 'cancelled' or 'dead', lane, id, state, reason)
    if lease[LEASE_KEY] then end_key(moves, lease[LEASE_KEY], id) end
  elseif verdict == 'lost' or (verdict == 'release' and batch.delay_ms == 0) then
    move_to_ready(moves, id, state)
  else
    move_to_scheduled(moves, id, state, lane.now_ms + batch.delay_ms, verdict == 'release')
  end
end

-- What a job leaves behind beside its report. Calls: <= 9.
local function keep_extra(lane, org, id, state, extra)
  if extra.progress then apply_note(state, lane.now_ms, extra.progress, extra.checkpoint) end
  if extra.log then keep_log(lane, org, id, state[DELIVERIES], extra.omitted, extra.log) end
end

-- Ends the jobs of a batch in memory. Calls: <= 2, 9 for each job with a log.
local function route_batch(moves, lane, batch, keep)
  local org, ids, verdict, key = moves.org, batch.ids, batch.verdict, batch.lease[LEASE_KEY]
  if org.fields.deleting then -- however it ended: nothing of it stays
    moves.forget[#moves.forget + 1] = ids
    return
  end
  local success = SUCCESS[verdict]
  if success and key then end_key(moves, key, ids[1]) end
  if success and not keep then
    moves.forget[#moves.forget + 1] = ids
    for i = 1, #ids do job_is_over(moves, ids[i], 'done', batch.reports[i]) end
    return
  end
  local states = call('HMGET', org_key(org, 'state'), unpack(ids))
  local records = success and call('HMGET', org_key(org, 'jobs'), unpack(ids))
  for i = 1, #ids do
    local state = states[i] and cmsgpack.unpack(states[i]) or new_state(batch.lease[LEASE_STARTED_MS], NONE)
    if batch.extras and batch.extras[i] then keep_extra(lane, org, ids[i], state, batch.extras[i]) end
    if success then
      add_attempt(state, lane.now_ms, OUTCOMES[verdict], batch.reports[i])
      state[ATTEMPT] = state[ATTEMPT] + 1
      move_to_done(moves, lane, ids[i], state, records[i], batch.reports[i])
    else
      route_failure(moves, lane, batch, ids[i], state, batch.reports[i])
    end
  end
end

-- Sees to it that what was just put into ended sets will be trimmed. Calls: <= 24.
function after_all_ends(lane, org, moves)
  local keep_ms, keep_most, add = setting(org, 'keep_done_ms'), setting(org, 'keep_done_max'), moves.add
  if add.done then after_ends(lane, org, 'done', keep_most, keep_ms) end
  if add.cancelled then after_ends(lane, org, 'cancelled', keep_most, keep_ms) end
  if add.dead then after_ends(lane, org, 'dead', setting(org, 'keep_dead_max'), setting(org, 'keep_dead_ms')) end
end

-- Settles the ended leases with the organization and learns from their durations. Calls: <= 2 for each queue.
local function settle_batches(lane, org, batches, queues)
  local totals = {}
  for _, batch in ipairs(batches) do
    local lease, jobs = batch.lease, #batch.ids
    local total = totals[lease[LEASE_QUEUE]]
    if not total then
      total = { owed = 0, ran = 0, jobs = 0 }
      totals[lease[LEASE_QUEUE]] = total
    end
    total.owed = total.owed + batch.run_ms - jobs * lease[CHARGED_MS]
    if batch.verdict ~= 'release' and batch.verdict ~= 'lost' then
      total.ran, total.jobs = total.ran + batch.run_ms, total.jobs + jobs
    end
  end
  for queue, total in pairs(totals) do
    settle(lane, org, queue, total.owed)
    if total.jobs > 0 then learn_duration(org, queue, total.ran / total.jobs, total.jobs) end
    queues[queue] = true
  end
end

-- Ends leases of one organization, in batches: the only way out of `running`. Each job is in `running`, and its field in `held` is
-- deleted by the caller afterwards. Calls: <= 53, 2 for each batch, 9 for each job with a log,
-- 12 for each further queue.
function end_leases(lane, org, batches)
  local moves, keep = new_moves(org), setting(org, 'keep_done_ms') > 0 and setting(org, 'keep_done_max') > 0
  local ended = 0
  for _, batch in ipairs(batches) do route_batch(moves, lane, batch, keep) end
  write_moves(lane, moves)
  for _, batch in ipairs(batches) do
    call('ZREM', org_key(org, 'running'), unpack(batch.ids))
    if batch.lease[LEASE_LIMITS] then leave_limits(lane, org, batch.lease[LEASE_LIMITS], batch.ids) end
    ended = ended + #batch.ids
  end
  for _, ids in ipairs(moves.forget) do forget_jobs(org, ids) end
  settle_batches(lane, org, batches, moves.queues)
  after_all_ends(lane, org, moves)
  if moves.due then reindex_due(lane, org) end
  place_after(lane, org, moves.queues, ended)
  if moves.died then note_often(lane, 'dead', org.name, org.name, some_of(moves.died), table.concat(moves.died.reasons, ' '), #moves.died) end
end

end

-- The batches that a call ends, by organization.
local function new_ends()
  return { names = {}, batches = {} }
end

local function add_batch(ends, name, batch)
  local batches = ends.batches[name]
  if not batches then
    batches = {}
    ends.batches[name] = batches
    ends.names[#ends.names + 1] = name
  end
  batches[#batches + 1] = batch
end

-- Adds a single lease to `ends`, for which nothing was measured: its organization pays for the time since the claim, but not for
-- more than a beat would charge beyond the last one: nobody knows that anything ran longer.
local function add_single(lane, ends, name, lease, verdict, delay_ms, limit)
  local org, id = split_name(name)
  local batch = new_batch(lease, verdict, delay_ms, limit)
  batch.ids[1], batch.reports[1], batch.run_ms = id, '', min(worker_ms_max(lane, lease), lease[CHARGED_MS] + COST_MS_MAX)
  add_batch(ends, org, batch)
end

-- Ends leases of several organizations, and lets those go that waited for limits which they have left. Calls: those of end_leases, and of
-- serve_lines.
local function end_all(lane, ends)
  for _, name in ipairs(ends.names) do end_leases(lane, load_org(lane, name), ends.batches[name]) end
  if lane.freed then serve_lines(lane) end
end
