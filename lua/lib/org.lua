--[[ org.lua - an organization: its settings, and the one function that decides in which index it stands.

  Source of the algorithm: start-time fair queueing (Goyal, Vin, Cheng 1996), with worker time as cost.

  Hash `rota:{k}:org:<org>`, all fields optional:
    settings   weight 1..10000 (100) · max_running 1..1000000 · rate jobs/s · burst (1) · max_queued (10000000) ·
               max_payload_bytes (1000000) · log_bytes_max (16 MiB) · keep_logs_ms (24 h) · keep_done_ms (3600000) · keep_done_max (10000) · keep_dead_ms (30 days) ·
               keep_dead_max (10000) · keep_unique_ms (24 h) · max_crashes (3) · paused, paused_by, paused_ms; private_inbox;
               created_ms, if it was made by org_set; deleting: it is being deleted (org_delete), and paused, too
    fairness   queues ("default mail": those it has used) · vt:<queue> start tag while it is not in active ·
               est:<queue> estimated worker-ms of a job · tat_us theoretical arrival time of the rate limit (GCRA) ·
               large (it has had records above 32 KiB)
    logs       log_bytes (lib/logs.lua)
    limits     waits_until (lib/limit.lua)

  Invariants that place_org() keeps for each queue of the organization (ready, running: its sets):
    I1  org in active:<queue>  <=> ready not empty, running < max_running, a rate token is there, not paused
    I2  org in parked:<queue>  <=> ready not empty, running < max_running, no rate token yet, not paused
    quiet:<queue> is the part of active that has nothing running, with the same start tags ]]

local ESTIMATE_MS = 5 -- of an organization that has not run anything yet
local COST_MS_MIN, COST_MS_MAX = 0.0625, 60000 -- of one job, and of one charge
local TAG_UNITS_PER_MS = 16 -- start tags and V are integers: sixteenths of a worker-ms at weight 100
local WAKE_TOKENS_MAX = 8
local FOLLOWS_MS = 2 ^ 47 -- score in scheduled, beyond every due time, of what waits for another job: lib/coalesce.lua
local LOG_UNIT = 2097152 -- of the scores of log_order: lib/logs.lua
local EXPIRING = { { 'done', 'keep_done_ms' }, { 'cancelled', 'keep_done_ms' }, { 'dead', 'keep_dead_ms' } }

local save_limits -- lib/limit.lua
local load_org, check_stays, setting, set_field, org_key, org_queues, use_queue, tag_units, rate_tokens, spend_tokens, wake, wake_quiet,
      tag_of, place_org, wake_scheduler, reindex_due, log_ends_ms, first_to_trim, reindex_expiring, reindex, place_after, save_lane -- what other files use
do

local DITHER_UNITS = 64 -- below one quantum
local DEFAULTS = {
  weight = 100, burst = 1, max_queued = 10000000, max_payload_bytes = 1000000, keep_done_ms = 3600000, keep_done_max = 10000,
  keep_dead_ms = 2592000000, keep_dead_max = 10000, keep_unique_ms = 86400000, max_crashes = 3,
  log_bytes_max = 16777216, keep_logs_ms = 86400000,
}

-- The organization's hash as a table, with the key and name under 1 and 2. Calls: 1, once per call of a function.
function load_org(lane, name)
  local org = lane.orgs[name]
  if org then return org end
  local key, fields = lane.prefix .. 'org:' .. name, {}
  local flat = call('HGETALL', key)
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  org = { key = key, name = name, known = flat[1] ~= nil, fields = fields, changed = nil, queue_list = nil, tags = {}, settled = {} }
  lane.orgs[name] = org
  lane.order[#lane.order + 1] = org
  return org
end

-- Refuses to change what is about to go.
function check_stays(org)
  if org.fields.deleting then refuse('INVALID', format('organization %s is being deleted', org.name)) end
end

function setting(org, name)
  local value = org.fields[name]
  if value then return tonumber(value) end
  return DEFAULTS[name]
end

-- Changes a field in memory; save_orgs() writes it.
function set_field(org, name, value)
  org.fields[name] = value
  org.changed = org.changed or {}
  org.changed[name] = value
end

function org_key(org, part)
  return org.key .. ':' .. part
end

-- The queues of an organization as a list, in the order of their first use.
function org_queues(org)
  local list = org.queue_list
  if not list then
    list = {}
    for queue in string.gmatch(org.fields.queues or '', '%S+') do list[#list + 1] = queue end
    org.queue_list = list
  end
  return list
end

-- Notes the first use of a queue by the organization.
function use_queue(org, queue)
  if has_word(org.fields.queues or '', queue) then return end
  if #org_queues(org) >= QUEUES_MAX then
    refuse('INVALID', format('queue %s would be number %d of the organization, the limit is %d: %s', queue, QUEUES_MAX + 1, QUEUES_MAX, org.fields.queues))
  end
  set_field(org, 'queues', org.fields.queues and org.fields.queues .. ' ' .. queue or queue)
  org.queue_list = nil
end

-- What `ms` of worker time move the organization's start tag by (at least 1).
function tag_units(org, ms)
  return max(1, floor(ms * TAG_UNITS_PER_MS * 100 / setting(org, 'weight') + 0.5))
end

-- Rate limit (generic cell rate algorithm): the theoretical arrival time of the next job, what one job adds to it, and whether the
-- time that is kept is believed. One that is further ahead than tokens can be spent comes from a clock that was set back since.
local function arrival_us(lane, org)
  local period_us, tat_us = 1000000 / tonumber(org.fields.rate), tonumber(org.fields.tat_us or 0)
  local believed = tat_us <= lane.now_us + (setting(org, 'burst') + 1) * period_us
  return believed and max(tat_us, lane.now_us) or lane.now_us, period_us, believed
end

-- Jobs that may start now, and the microsecond at which the next may. No rate: inf, now.
function rate_tokens(lane, org)
  if not org.fields.rate then return math.huge, lane.now_us end
  local tat_us, period_us = arrival_us(lane, org)
  local burst = setting(org, 'burst')
  return floor(burst - (tat_us - lane.now_us) / period_us + 1e-6), tat_us - (burst - 1) * period_us
end

-- Forgets a time that is not believed, before it would be again, and where the organization is parked until then, claims may look at
-- it now. Calls: 1 for each queue, after the clock was set back.
local function check_arrival(lane, org)
  if not org.fields.rate then return end
  local _, _, believed = arrival_us(lane, org)
  if believed then return end
  set_field(org, 'tat_us', '0')
  for _, queue in ipairs(org_queues(org)) do call('ZADD', lane.prefix .. 'parked:' .. queue, 'XX', lane.now_text, org.name) end
end

function spend_tokens(lane, org, jobs)
  if not org.fields.rate then return end
  local tat_us, period_us = arrival_us(lane, org)
  set_field(org, 'tat_us', int_text(tat_us + jobs * period_us))
end

-- Leaves wake-up tokens for workers that sleep on `queue`, so that at least `wanted` lie there (at most one for each
-- organization that can be served: `servable` of them, if that is known). A token wakes exactly one worker (BZPOPMIN); fixed members
-- make it idempotent. Calls: <= 3.
function wake(lane, queue, wanted, servable)
  local key = lane.prefix .. 'wake:' .. queue
  local lying = call('ZCARD', key)
  local target = min(wanted or lying + 1, WAKE_TOKENS_MAX)
  if lying < target then target = min(target, max(1, servable or call('ZCARD', lane.prefix .. 'active:' .. queue))) end
  if lying >= target then return end
  local tokens = {}
  for i = 0, target - 1 do
    tokens[#tokens + 1] = 0
    tokens[#tokens + 1] = i
  end
  call('ZADD', key, unpack(tokens))
end

-- The same for a worker that sleeps on slots kept for quiet organizations. Calls: <= 1, once for each queue.
function wake_quiet(lane, queue)
  local state = virtual_time(lane, queue)
  if not state.quiet_woken then call('ZADD', lane.prefix .. 'wake:' .. queue .. ':quiet', '0', '0') end
  state.quiet_woken = true
end

-- The scheduler sleeps until the earliest due time: this tells it of an earlier one.
function wake_scheduler(lane)
  call('ZADD', lane.prefix .. 'wake_due', 0, 0)
end

-- The organization's start tag in active:<queue>, or false if it is not there. Calls: 1, once.
function tag_of(lane, org, queue)
  local tag = org.tags[queue]
  if tag == nil then
    local score = call('ZSCORE', lane.prefix .. 'active:' .. queue, org.name)
    tag = score and tonumber(score) or false
    org.tags[queue] = tag
  end
  return tag
end

-- Puts the organization where it belongs in the indexes of one queue, given `ready` jobs there and `running` ones in all.
-- `tag` replaces its start tag if it stays in active (a charge or a settlement). `was_quiet`: it may be in quiet. Calls: <= 9.
function place_org(lane, org, queue, ready, running, tag, was_quiet)
  local name, prefix = org.name, lane.prefix
  local old = tag_of(lane, org, queue)
  local limit = setting(org, 'max_running')
  local servable = ready > 0 and not org.fields.paused and not (limit and running >= limit)
  local _, token_us = nil, lane.now_us
  check_arrival(lane, org)
  if servable then _, token_us = rate_tokens(lane, org) end
  local active = servable and token_us <= lane.now_us
  if active then
    local entered = not old
    local new = tag or old
    if entered then
      local state = virtual_time(lane, queue)
      local kept = tag or tonumber(org.fields['vt:' .. queue] or 0)
      new = kept
      if kept <= state.v then -- owes nothing: starts at V, or a little before it, so that the order of coming decides ties, not names
        new = max(kept, state.v - (DITHER_UNITS - 1 - state.entries % DITHER_UNITS))
        state.entries, state.dirty = state.entries + 1, true
      end
    end
    if new ~= old then call('ZADD', prefix .. 'active:' .. queue, int_text(new), name) end
    if running == 0 then
      if entered or new ~= old or not was_quiet or org.unpark then call('ZADD', prefix .. 'quiet:' .. queue, int_text(new), name) end
    elseif was_quiet then
      call('ZREM', prefix .. 'quiet:' .. queue, name)
    end
    org.tags[queue] = new
    if entered then wake(lane, queue) end
    if running == 0 and (entered or not was_quiet) then wake_quiet(lane, queue) end
  else
    local kept = tag or old
    if kept then set_field(org, 'vt:' .. queue, kept) end -- debt is kept while it is away
    if old then call('ZREM', prefix .. 'active:' .. queue, name) end
    if was_quiet and (old or org.unpark) then call('ZREM', prefix .. 'quiet:' .. queue, name) end
    org.tags[queue] = false
  end
  if org.fields.rate or org.unpark then
    if servable and not active then
      virtual_time(lane, queue).parked = nil
      call('ZADD', prefix .. 'parked:' .. queue, int_text(math.ceil(token_us / 1000)), name)
    else
      call('ZREM', prefix .. 'parked:' .. queue, name)
    end
  end
end

-- due:<org> is the organization's earliest scheduled job. Calls: <= 4.
function reindex_due(lane, org)
  local head = call('ZRANGE', org_key(org, 'scheduled'), 0, 0, 'WITHSCORES')
  local due = lane.prefix .. 'due'
  if head[2] and tonumber(head[2]) < FOLLOWS_MS then
    local first = call('ZRANGE', due, 0, 0, 'WITHSCORES')
    call('ZADD', due, head[2], org.name)
    if not first[2] or tonumber(head[2]) < tonumber(first[2]) then wake_scheduler(lane) end
  else
    call('ZREM', due, org.name)
  end
end

-- When the logs of a job are too old, by their score in log_order.
function log_ends_ms(org, score)
  return (floor(score / LOG_UNIT) + 1) * 1000 + setting(org, 'keep_logs_ms')
end

-- The first moment at which trim has something to do for the organization, or nil. Calls: <= 6.
function first_to_trim(org)
  local first
  for _, set in ipairs(EXPIRING) do
    local head = call('ZRANGE', org_key(org, set[1]), 0, 0, 'WITHSCORES')
    local at = head[2] and tonumber(head[2]) + setting(org, set[2])
    if at and (not first or at < first) then first = at end
  end
  local head = call('ZRANGE', org_key(org, 'unique_until'), 0, 0, 'WITHSCORES')
  if head[2] and (not first or tonumber(head[2]) < first) then first = tonumber(head[2]) end
  head = org.fields.waits_until and call('ZRANGE', org_key(org, 'waiting_until'), 0, 0, 'WITHSCORES') or {}
  if head[2] and (not first or tonumber(head[2]) < first) then first = tonumber(head[2]) end
  head = tonumber(org.fields.log_bytes or 0) > 0 and call('ZRANGE', org_key(org, 'log_order'), 0, 0, 'WITHSCORES') or {}
  if head[2] then
    local at = log_ends_ms(org, tonumber(head[2]))
    if not first or at < first then first = at end
  end
  return first
end

-- Puts the organization into `expiring` at that moment. Calls: <= 7.
function reindex_expiring(lane, org)
  local first = first_to_trim(org)
  if first then
    call('ZADD', lane.prefix .. 'expiring', int_text(first), org.name)
  else
    call('ZREM', lane.prefix .. 'expiring', org.name)
  end
end

-- Decides all indexes of an organization from its sets alone, whatever they said before. Idempotent: calling it repairs drift.
-- Calls: 1 + 10 for each of its queues, and 12.
function reindex(lane, org)
  local running = call('ZCARD', org_key(org, 'running'))
  org.unpark = true
  for _, queue in ipairs(org_queues(org)) do
    place_org(lane, org, queue, call('ZCARD', org_key(org, 'ready:' .. queue)), running, nil, true)
  end
  reindex_due(lane, org)
  reindex_expiring(lane, org)
end

-- After `ended` jobs left the organization's running set: places it in the queues of the set `queues` or, if it was at its cap
-- or has nothing running any more, in all of its queues. Calls: <= 11 for each queue placed.
function place_after(lane, org, queues, ended)
  local running = call('ZCARD', org_key(org, 'running'))
  local limit = setting(org, 'max_running')
  local all = ended > 0 and (running == 0 or (limit and running + ended >= limit))
  for _, queue in ipairs(org_queues(org)) do
    if all or queues[queue] then
      local tag = org.settled[queue]
      org.settled[queue] = nil
      place_org(lane, org, queue, call('ZCARD', org_key(org, 'ready:' .. queue)), running, tag, running + ended == 0)
    end
  end
end

-- Writes what changed in memory: organizations, virtual times, limits, what was noted. The last step of every function that writes.
function save_lane(lane)
  if lane.limits_changed or lane.lines_changed then save_limits(lane) end
  if lane.often_changed then save_often(lane) end
  for _, org in ipairs(lane.order) do
    if org.changed then
      local flat = {}
      for name, value in pairs(org.changed) do
        flat[#flat + 1] = name
        flat[#flat + 1] = value
      end
      if flat[1] then call('HSET', org.key, unpack(flat)) end
      org.changed = nil
    end
  end
  for queue, state in pairs(lane.virtual) do
    if state.dirty then
      call('HSET', lane.clock, 'v:' .. queue, state.v, 'picks:' .. queue, state.picks, 'entries:' .. queue, state.entries)
    end
    state.dirty = false
  end
end

end
