--[[ org_set - changes settings of an organization, effective at the next claim; it exists from then on.
  ARGV  1 who, 2 org, 3.. field, value: 1..16 pairs; value '' puts the default back (lib/org.lua names fields and defaults). paused is
        '1' or ''; so is private_inbox, which is not taken away while it has entries
  Returns 'ok'
  Errors  INVALID naming field, value and range; nothing was changed
  Calls <= 30 + 12 for each of its queues ]]
local SETTINGS = {
  weight = { 1, 10000 }, max_running = { 1, 1000000 }, burst = { 1, 1000000 }, max_queued = { 1, 100000000 },
  max_payload_bytes = { 0, 1040000 }, keep_done_ms = { 0, 2592000000 }, keep_done_max = { 0, 1000000 },
  keep_dead_ms = { 1000, 31536000000 }, keep_dead_max = { 1, 1000000 }, keep_unique_ms = { 0, 2592000000 }, max_crashes = { 1, 1000 },
  log_bytes_max = { 0, 1073741824 }, keep_logs_ms = { 1000, 2592000000 },
}

local function check_setting(lane, org, name, value)
  if name == 'paused' or name == 'private_inbox' then
    if value ~= '1' and value ~= '' then refuse('INVALID', format('%s is "%s", it must be 1 or empty', name, sub(value, 1, 40))) end
    if name == 'private_inbox' then check_private_inbox(lane, org, value) end
  elseif name == 'rate' then
    local rate = tonumber(value)
    if value ~= '' and not (rate and find(value, '^%d+%.?%d*$') and rate >= 0.001 and rate <= 1000000) then
      refuse('INVALID', format('rate is "%s", it must be 0.001..1000000 jobs per second', sub(value, 1, 40)))
    end
  elseif SETTINGS[name] then
    if value ~= '' then to_int(value, name, SETTINGS[name][1], SETTINGS[name][2]) end
  else
    refuse('INVALID', format('unknown setting "%s"', sub(name, 1, 40)))
  end
end

-- A new weight changes what the organization owes beyond V in proportion. Calls: <= 4 for each queue.
local function rescale_debts(lane, org, old, new)
  for _, queue in ipairs(org_queues(org)) do
    local v, tag = virtual_time(lane, queue).v, tag_of(lane, org, queue)
    local owed = tag or tonumber(org.fields['vt:' .. queue] or 0)
    if owed > v then
      owed = v + max(1, floor((owed - v) * old / new))
      if tag then
        call('ZADD', lane.prefix .. 'active:' .. queue, owed, org.name)
        call('ZADD', lane.prefix .. 'quiet:' .. queue, 'XX', owed, org.name)
        org.tags[queue] = owed
      else
        set_field(org, 'vt:' .. queue, owed)
      end
    end
  end
end

-- The tokens that were spent ahead of time stay spent, at what they are worth now: a raised rate is effective at the next claim.
local function rescale_tokens(lane, org, old, new)
  local ahead_us = tonumber(org.fields.tat_us or 0) - lane.now_us
  if ahead_us > 0 then set_field(org, 'tat_us', int_text(old and new and lane.now_us + ahead_us * old / new or 0)) end
end

-- More than `burst` jobs ahead of time they cannot be: a lowered burst is effective at the next claim.
local function limit_tokens(lane, org)
  local most_us = lane.now_us + setting(org, 'burst') * 1000000 / tonumber(org.fields.rate)
  if tonumber(org.fields.tat_us or 0) > most_us then set_field(org, 'tat_us', int_text(most_us)) end
end

local function org_set(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org = load_org(lane, check_org(args[2]))
  check_stays(org)
  if #args < 4 or #args % 2 == 1 or #args > 34 then refuse('INVALID', 'org_set takes 1..16 pairs of field and value') end
  local weight, rate, private_inbox = setting(org, 'weight'), org.fields.rate, org.fields.private_inbox
  for i = 3, #args, 2 do check_setting(lane, org, args[i], args[i + 1]) end
  if not org.known then set_field(org, 'created_ms', lane.now_text) end
  register_org(lane, org)
  local removed, before, after = {}, {}, {}
  for i = 3, #args, 2 do
    local name, value = args[i], args[i + 1]
    local old = org.fields[name] or ''
    if old ~= value then before[#before + 1], after[#after + 1] = name .. '=' .. old, name .. '=' .. value end
    if value == '' then
      removed[#removed + 1] = name
      set_field(org, name, nil)
      if name == 'paused' then
        removed[#removed + 1] = 'paused_ms'
        removed[#removed + 1] = 'paused_by'
      end
    else
      if name == 'paused' and not org.fields.paused then
        set_field(org, 'paused_ms', lane.now_text)
        set_field(org, 'paused_by', who)
      end
      set_field(org, name, value)
    end
  end
  if #removed > 0 then call('HDEL', org.key, unpack(removed)) end
  if setting(org, 'weight') ~= weight then rescale_debts(lane, org, weight, setting(org, 'weight')) end
  if org.fields.rate ~= rate then rescale_tokens(lane, org, rate, org.fields.rate) end
  if org.fields.rate then limit_tokens(lane, org) end
  if org.fields.private_inbox ~= private_inbox then reindex_inbox(lane, org) end
  reindex(lane, org)
  save_lane(lane)
  if before[1] then note_change(lane, who, 'org_set', org.name, '', table.concat(before, ' '), table.concat(after, ' ')) end
  return 'ok'
end
register('org_set', org_set, { 'allow-oom' }, {
  'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'UNLINK', 'XADD', 'XLEN', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ org - what there is to know of an organization. Writes nothing.
  ARGV  1 org
  Returns {{field, value, ...}, {set, jobs, first score, ...}, {queue, start tag or '', parked until ms or 0, ...}}; empty lists if it does not exist.
          sets: ready:<queue> for each of its queues, scheduled, running, done, dead, cancelled, waiting; inbox, if it has a private one
  Calls <= 15 + 4 for each of its queues ]]
local function org(keys, args)
  local lane = open_lane(keys)
  local found = load_org(lane, check_org(args[1]))
  local fields, sets, places = {}, {}, {}
  for name, value in pairs(found.fields) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if not found.known then return { fields, sets, places } end
  local names = {}
  for _, queue in ipairs(org_queues(found)) do
    names[#names + 1] = 'ready:' .. queue
    local n = #places
    places[n + 1] = queue
    places[n + 2] = call('ZSCORE', lane.prefix .. 'active:' .. queue, found.name) or ''
    places[n + 3] = tonumber(call('ZSCORE', lane.prefix .. 'parked:' .. queue, found.name) or 0)
  end
  for _, place in ipairs(PLACES) do names[#names + 1] = place end
  for _, name in ipairs(names) do
    local head = call('ZRANGE', org_key(found, name), 0, 0, 'WITHSCORES')
    local n = #sets
    local first = tonumber(head[2] or 0)
    sets[n + 1], sets[n + 2], sets[n + 3] = name, call('ZCARD', org_key(found, name)), first < FOLLOWS_MS and first or 0
  end
  if found.fields.private_inbox then
    local n = #sets
    sets[n + 1], sets[n + 2], sets[n + 3] = 'inbox', call('XLEN', org_key(found, 'inbox')), 0
  end
  return { fields, sets, places }
end
register('org', org, { 'no-writes' }, { 'HGETALL', 'HMGET', 'TIME', 'XLEN', 'ZCARD', 'ZRANGE', 'ZSCORE' })

--[[ job - one job, whole. Writes nothing.
  ARGV  1 org, 2 id
  Returns {place, score, record, state or '', deadline_ms or 0, cancel 0|1} or {} - place is 'ready', 'waiting', 'scheduled', 'running',
          'done', 'dead', 'cancelled' or 'lost' (in no set: the audit mends it); score is its score there; the last two of a running job
  Calls <= 12 ]]
local function job(keys, args)
  local lane = open_lane(keys)
  local found_org = load_org(lane, check_org(args[1]))
  local found = find_job(found_org, check_job_id(args[2]))
  if not found then return {} end
  local deadline_ms, cancelling = 0, 0
  if found.place == 'running' then
    local _, _, lease = find_lease(lane, found_org, found)
    if lease then deadline_ms, cancelling = lease[DEADLINE_MS], is_cancelled(found_org, lease) and 1 or 0 end
  end
  return { found.place or 'lost', found.score or 0, found.record, found.state_text, deadline_ms, cancelling }
end
register('job', job, { 'no-writes' }, { 'HGET', 'HGETALL', 'HMGET', 'TIME', 'ZSCORE' })

--[[ jobs - a page of an organization's jobs in one set, in the set's order, without payloads. Writes nothing.
  ARGV  1 org, 2 set ('ready:<queue>', 'waiting', 'scheduled', 'running', 'done', 'dead', 'cancelled'), 3 from int: rank of the first, 4 limit int 1..500
        jobs to look at, 5 '1': from the newest on; then, for only those that match all of them, pairs of
          type     its type
          error    text, 1..256 bytes, that is in the report of one of its attempts
          payload  text, 1..256 bytes, that is in its payload
          since_ms ended, or if it has not ended was enqueued, at that time or later
  Returns {looked at, id and score of the last one looked at, {id, score, record, state or '', ...}}, four each. A page may look at fewer than the
          limit (where records are large): none is left when it has looked at none
  Calls <= 6 ]]
local FILTER_BYTES_MAX = 256
local ENDED = { done = true, dead = true, cancelled = true }

-- The filter described by args[6..]; nil for none.
local function read_filter(args)
  if #args <= 5 then return nil end
  local filter = {}
  for i = 6, #args, 2 do
    local name, value = args[i], args[i + 1]
    if name == 'since_ms' then
      filter.since_ms = to_int(value or '', name, 0, 2 ^ 46)
    elseif (name == 'type' or name == 'error' or name == 'payload') and value and #value >= 1 and #value <= FILTER_BYTES_MAX then
      filter[name] = value
    else
      refuse('INVALID', format('filter "%s" must be type, error or payload with 1..%d bytes, or since_ms', sub(name, 1, 40), FILTER_BYTES_MAX))
    end
  end
  return filter
end

-- True if `text` is in the report of an attempt. Most states are ruled out without unpacking them.
local function has_error(state_text, text)
  if not find(state_text, text, 1, true) then return false end
  for _, attempt in ipairs(cmsgpack.unpack(state_text)[ATTEMPTS]) do
    if find(attempt[6], text, 1, true) then return true end
  end
  return false
end

-- When the job ended, or was enqueued.
local function time_of(set, score, record, state_text)
  if ENDED[set] then return score end
  if not state_text then return score + (record_options(record).priority or 0) * PRIORITY_MS end
  local _, order, enqueued, _, priority = cmsgpack.unpack_limit(state_text, 4, 1) -- of an array with a header of one byte
  return enqueued or order + (priority or 0) * PRIORITY_MS
end

local function matches(filter, set, score, record, state_text)
  if not record or (filter.type and record_type(record) ~= filter.type) then return false end
  if filter.since_ms and time_of(set, score, record, state_text) < filter.since_ms then return false end
  if filter.error and not (state_text and has_error(state_text, filter.error)) then return false end
  return not filter.payload or
         (byte(record, 1) == 0x94 and find(record, filter.payload, #record_without_payload(record) + 1, true) ~= nil)
end

local function jobs(keys, args)
  local lane = open_lane(keys)
  local found, set, filter = load_org(lane, check_org(args[1])), args[2] or '', read_filter(args)
  local known = find(set, '^ready:[a-z0-9][a-z0-9_-]*$')
  for _, place in ipairs(PLACES) do known = known or place == set end
  if not known then refuse('INVALID', format('there is no set "%s"', sub(set, 1, 80))) end
  local from, limit = to_int(args[3], 'from', 0, 2 ^ 40), to_int(args[4], 'limit', 1, 500)
  if found.fields.large then limit = min(limit, LARGE_PAGE) end
  local flat = call(args[5] == '1' and 'ZREVRANGE' or 'ZRANGE', org_key(found, set), int_text(from), int_text(from + limit - 1), 'WITHSCORES')
  local ids, listed = {}, {}
  for i = 1, #flat, 2 do ids[#ids + 1] = flat[i] end
  if #ids == 0 then return { 0, '', 0, listed } end
  local records = call('HMGET', org_key(found, 'jobs'), unpack(ids))
  local states = call('HMGET', org_key(found, 'state'), unpack(ids))
  for i, id in ipairs(ids) do
    local score, record, state_text = tonumber(flat[2 * i]), records[i] or nil, states[i] or nil
    if not filter or matches(filter, set, score, record, state_text) then
      local n = #listed
      listed[n + 1], listed[n + 2] = id, score
      listed[n + 3], listed[n + 4] = record and record_without_payload(record) or '', state_text or ''
    end
  end
  return { #ids, ids[#ids], tonumber(flat[#flat]), listed }
end
register('jobs', jobs, { 'no-writes' }, { 'HGETALL', 'HMGET', 'TIME', 'ZRANGE', 'ZREVRANGE' })
