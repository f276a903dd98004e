--[[ limit_set - defines a limit in this lane, or changes it: effective at the next claim. A definition is the same in all lanes; of
  what it allows to all organizations together each lane has a part (limit_part), and lane 0 has all of it at first. Where it
  becomes lower, the part does in proportion: once all lanes are told, their parts together are no more than the new whole.
  ARGV  1 who, 2 name, 3 concurrency int 1..1000000 or '', 4 rate '5/s', '1.5/m', '1/h' or '', 5 burst int 1..1000000 or '' (1)
  Returns {'new' | 'changed', concurrency, rate, burst}: what it was before, '' for what there was not
  Calls <= 30; 10 for each of at most 8 lines of its keys, 32 for each of at most 16 organizations that get jobs back, 12 more for each
        further queue of it ]]
local LIMITS_MAX = 1000 -- names that are defined

-- The name of a limit for all organizations.
local function check_limit_name(value)
  local name, colon = check_limit(value)
  if colon then refuse('INVALID', format('limit "%s" is one of a key: %s is what is defined', sub(name, 1, 140), sub(name, 1, colon - 1))) end
  return name
end

-- A definition as one text, '' if there is none: 'concurrency 1 rate 5/s burst 5'.
local function definition_text(d)
  local words = {}
  if d.concurrency ~= '' then words[1] = 'concurrency ' .. d.concurrency end
  if d.rate ~= '' then words[#words + 1] = 'rate ' .. d.rate .. ' burst ' .. d.burst end
  return table.concat(words, ' ')
end

local function read_definition(lane, name)
  local found = call('HMGET', lane.prefix .. 'limit:' .. name, 'concurrency', 'rate', 'burst', 'slots', 'tokens')
  return { concurrency = found[1] or '', rate = found[2] or '', burst = found[3] or '', slots = found[4], tokens = found[5] }
end

-- Looks at a limit's line anew, now that something else holds, and at those of its keys if it holds for them, too. Calls: those of
-- serve_line and serve_keys.
local function apply_limit(lane, org_name, name, keys_too)
  lane.limits = nil
  serve_line(lane, find_limit(lane, org_name, name))
  if keys_too then serve_keys(lane, name) end
end

-- What this lane has of a bound that becomes `new`, if it has `part` of `old`. Of what does not divide evenly one lane rounds up: so
-- the sum of all parts is not above the new bound, and not nothing.
local function part_after(first, part, old, new)
  if not part then return first and new or 0 end
  if tonumber(old) <= tonumber(new) then return part end
  return (first and math.ceil or floor)(min(part, old) * new / old)
end

-- The fields of a definition that takes the place of `old`. Calls: 1.
local function definition_fields(lane, old, new)
  local fields, lanes = { 'concurrency', new.concurrency, 'rate', new.rate, 'burst', new.burst }, call('HMGET', lane.clock, 'lanes', 'lane')
  local function add(field, value) fields[#fields + 1], fields[#fields + 2] = field, value end
  if tonumber(lanes[1]) > 1 then
    local first = lanes[2] == '0'
    if new.concurrency ~= '' then add('slots', part_after(first, old.slots, old.concurrency, new.concurrency)) end
    if new.rate ~= '' then add('tokens', part_after(first, old.tokens, old.burst, new.burst)) end
  end
  return fields
end

-- What whoever divides limits has seen of this lane is not true any more. Calls: 1.
local function refuse_parts(lane) call('HDEL', lane.clock, 'limits_stamp') end

-- Tokens that were spent stay spent under the new definition, at what they are worth now. Calls: 2.
local function keep_spent(lane, before)
  lane.limits = nil
  local after, spent = find_limit(lane, '', before.name), 0
  if before.period_us and after.period_us then spent = min(max(0, before.tat_us - lane.now_us) / before.period_us, after.burst) end
  if spent > 0 then call('HSET', after.key, 'tat_us', int_text(lane.now_us + spent * after.period_us)) end
end

local function limit_set(keys, args)
  local lane, who, name = open_lane(keys), check_who(args[1]), check_limit_name(args[2])
  local new = { concurrency = args[3] or '', rate = args[4] or '', burst = args[5] or '' }
  if new.concurrency ~= '' then to_int(new.concurrency, 'concurrency', 1, 1000000) end
  if new.rate ~= '' and not rate_period_us(new.rate) then
    refuse('INVALID', format('rate is "%s", it must be 0.001..1000000 with /s, /m or /h behind it, as in 5/s', sub(new.rate, 1, 40)))
  end
  if new.burst ~= '' then to_int(new.burst, 'burst', 1, 1000000) end
  if new.concurrency == '' and new.rate == '' then refuse('INVALID', format('limit %s has neither a concurrency nor a rate', name)) end
  if new.burst ~= '' and new.rate == '' then refuse('INVALID', format('limit %s has a burst of %s and no rate', name, new.burst)) end
  if new.burst == '' then new.burst = '1' end
  local old, registry = read_definition(lane, name), lane.prefix .. 'limits'
  local known = old.concurrency ~= '' or old.rate ~= ''
  if not known and call('ZCARD', registry) >= LIMITS_MAX then refuse('INVALID', format('limit %s would be number %d of the lane', name, LIMITS_MAX + 1)) end
  local before, fields, gone = find_limit(lane, '', name), definition_fields(lane, old, new), {}
  for i = #fields - 1, 1, -2 do
    if fields[i + 1] == '' then
      gone[#gone + 1] = fields[i]
      table.remove(fields, i + 1)
      table.remove(fields, i)
    end
  end
  call('ZADD', registry, lane.now_text, name)
  call('HSET', lane.prefix .. 'limit:' .. name, unpack(fields))
  if gone[1] then call('HDEL', lane.prefix .. 'limit:' .. name, unpack(gone)) end
  if new.concurrency == '' then call('HDEL', lane.prefix .. 'limit:' .. name, 'slots') end
  if new.rate == '' then call('HDEL', lane.prefix .. 'limit:' .. name, 'tokens', 'tat_us', 'burst') end
  local changed = definition_text(old) ~= definition_text(new)
  if changed then refuse_parts(lane) end
  keep_spent(lane, before)
  apply_limit(lane, '', name, changed)
  save_lane(lane)
  if changed then note_change(lane, who, 'limit_set', '', name, definition_text(old), definition_text(new)) end
  return { known and 'changed' or 'new', old.concurrency, old.rate, old.rate ~= '' and old.burst or '' }
end
register('limit_set', limit_set, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ limit_clear - forgets a limit: jobs that name it run without one, also those that wait for it.
  ARGV  1 who, 2 name
  Returns {'cleared', concurrency, rate, burst}: what it was | {'unknown'}
  Calls <= those of limit_set ]]
local function limit_clear(keys, args)
  local lane, who, name = open_lane(keys), check_who(args[1]), check_limit_name(args[2])
  local old = read_definition(lane, name)
  if old.concurrency == '' and old.rate == '' then return { 'unknown' } end
  call('DEL', lane.prefix .. 'limit:' .. name)
  call('ZREM', lane.prefix .. 'limits', name)
  refuse_parts(lane)
  apply_limit(lane, '', name, true)
  save_lane(lane)
  note_change(lane, who, 'limit_clear', '', name, definition_text(old), '')
  return { 'cleared', old.concurrency, old.rate, old.rate ~= '' and old.burst or '' }
end
register('limit_clear', limit_clear, { 'allow-oom' }, {
  'DEL', 'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ limit_pause - nothing starts under a limit for a while, or does again. What runs under it goes on. A pause does not shorten another.
  ARGV  1 who, 2 name, with its key if it is that of one key, 3 org for the limit of a key, else '', 4 ms int 0..2592000000 (30 days); 0 resumes,
        5 '1' where a handler asks for it, not a person: an event then and no change, and for the limit of a key neither; else absent
  Returns {'ok', paused until ms, and until when it was before; 0: not} | {'unknown'}: nobody has defined it
  Calls <= those of limit_set ]]
local PAUSE_MS_MAX = 2592000000
local function limit_pause(keys, args)
  local lane, who, name, colon = open_lane(keys), check_who(args[1]), check_limit(args[2])
  local org, pause_ms = args[3] or '', to_int(args[4], 'ms', 0, PAUSE_MS_MAX)
  if args[5] and args[5] ~= '1' and args[5] ~= '' then refuse('INVALID', format('"%s" is neither 1 nor empty', sub(args[5], 1, 40))) end
  if colon then check_org(org) elseif org ~= '' then refuse('INVALID', format('limit %s is for all organizations, not for %s', name, sub(org, 1, 80))) end
  local limit = find_limit(lane, org, name)
  if not limit.concurrency and not limit.period_us then return { 'unknown' } end
  local was_ms = tonumber(call('HGET', limit.key, 'paused_ms') or 0)
  if was_ms <= lane.now_ms then was_ms = 0 end
  if pause_ms == 0 then
    call('HDEL', limit.key, 'paused_ms', 'paused_by')
    limit.until_ms = 0
  elseif lane.now_ms + pause_ms > was_ms then
    limit.until_ms = lane.now_ms + pause_ms
    save_limit(lane, limit, 'paused_ms', int_text(limit.until_ms), 'paused_by', who)
  end
  local until_ms = pause_ms == 0 and 0 or max(was_ms, lane.now_ms + pause_ms)
  apply_limit(lane, org, name, until_ms == 0 and not colon)
  local news = (was_ms == 0) ~= (until_ms == 0) -- one that becomes longer, as at every answer of a service that is busy, is none
  if args[5] ~= '1' then
    if news then note_change(lane, who, until_ms == 0 and 'limit_resume' or 'limit_pause', org, name, int_text(was_ms), int_text(until_ms)) end
  elseif news and until_ms > 0 and not colon then
    note_often(lane, 'limit_pause', name, '', name, format('0 -> %s, by %s', int_text(until_ms), who), 1)
  end
  save_lane(lane)
  return { 'ok', until_ms, was_ms }
end
register('limit_pause', limit_pause, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})

--[[ limits - a page of the limits that are defined, with what this lane has of them. Writes nothing.
  ARGV  1 first name to list ('' for the first of all), 2 limit int 1..100
  Returns {now_ms, {name, concurrency, rate, burst, slots, tokens, running, organizations in line, jobs of the first 16 of them, ms at which
          the next may start or 0, paused until ms or 0, paused_by, level, ...}}: thirteen each, '' for what there is not; by name. level is
          what it has of tokens now, in thousandths
  Calls <= 3 + 22 for each limit ]]
local COUNTED_MAX = 16
local function describe_limit(lane, name, listed)
  local found = read_definition(lane, name)
  local limit, jobs = find_limit(lane, '', name), 0
  for _, org in ipairs(call('ZRANGE', limit.line_key, '0', COUNTED_MAX - 1)) do
    jobs = jobs + call('ZCARD', lane.prefix .. 'org:' .. org .. ':waiting:' .. name)
  end
  local _, next_ms = limit_room(lane, limit)
  local paused = limit.until_ms > lane.now_ms
  for _, value in ipairs({
    name, found.concurrency, found.rate, found.rate ~= '' and found.burst or '', found.slots or '', found.tokens or '', call('ZCARD', limit.running_key),
    call('ZCARD', limit.line_key), jobs, next_ms, paused and limit.until_ms or 0, paused and call('HGET', limit.key, 'paused_by') or '',
    floor(limit_level(lane, limit) * 1000),
  }) do
    listed[#listed + 1] = value
  end
end

local function list_limits(lane, first, most)
  local names, listed = call('ZRANGE', lane.prefix .. 'limits', '0', '-1'), {}
  table.sort(names)
  for _, name in ipairs(names) do
    if name >= first and most > 0 then
      describe_limit(lane, name, listed)
      most = most - 1
    end
  end
  return { lane.now_ms, listed }
end

local function limits(keys, args)
  local lane, most = open_lane(keys), to_int(args[2], 'limit', 1, 100)
  return list_limits(lane, args[1], most)
end
register('limits', limits, { 'no-writes' }, { 'HGET', 'HMGET', 'TIME', 'ZCARD', 'ZRANGE' })

--[[ limit_look - as limits, for whoever divides limits among lanes: what this call tells of the lane's parts stays true until limit_part is
  called with its stamp, limit_look with another, or a limit is changed. So of two who divide at a time one is refused.
  ARGV  1 stamp, 1..64 bytes, drawn for a round, 2, 3 as for limits
  Returns as limits
  Calls <= 4 + 22 for each limit ]]
local function limit_look(keys, args)
  local lane, stamp, most = open_lane(keys), args[1] or '', to_int(args[3], 'limit', 1, 100)
  if #stamp < 1 or #stamp > 64 then refuse('INVALID', format('a stamp has 1..64 bytes, this one has %d', #stamp)) end
  call('HSET', lane.clock, 'limits_stamp', stamp)
  return list_limits(lane, args[2], most)
end
register('limit_look', limit_look, { 'allow-oom' }, { 'HGET', 'HMGET', 'HSET', 'TIME', 'ZCARD', 'ZRANGE' })

--[[ limit_part - this lane's part of a limit: how many of its jobs may run here at once, and how much of its burst is here, to which the
  rate is in proportion. Who raises a part has lowered others before, by what their answers say is free.
  ARGV  1 stamp of the round, 2 name, 3 slots int or '' (as it is), 4 tokens int or '' (as it is), 5 level int: thousandths of tokens to add
  Returns {'ok', running, thousandths of tokens that there was no room for} - slots that are in use although there are not so many any
          more are free when their jobs end | {'stale'}: another one has begun to divide, or a limit was changed | {'unknown'}
  Calls <= those of limit_set ]]
local function limit_part(keys, args)
  local lane, name = open_lane(keys), check_limit_name(args[2])
  local slots, tokens = args[3] ~= '' and to_int(args[3], 'slots', 0, 1000000), args[4] ~= '' and to_int(args[4], 'tokens', 0, 1000000)
  local level = to_int(args[5], 'level', 0, 1000000000) / 1000
  if call('HGET', lane.clock, 'limits_stamp') ~= args[1] then return { 'stale' } end
  local limit = find_limit(lane, '', name)
  if not limit.concurrency and not limit.period_us then return { 'unknown' } end
  local key, over = lane.prefix .. 'limit:' .. name, level
  if slots and limit.concurrency then call('HSET', key, 'slots', slots) end
  if tokens and limit.period_us then
    local sum = limit_level(lane, limit) + level
    call('HSET', key, 'tokens', tokens)
    lane.limits = nil
    limit = find_limit(lane, '', name)
    over = max(0, sum - limit.burst)
    if limit.burst > 0 then call('HSET', key, 'tat_us', int_text(lane.now_us + (limit.burst - (sum - over)) * limit.period_us)) end
  end
  apply_limit(lane, '', name, false)
  save_lane(lane)
  return { 'ok', call('ZCARD', limit.running_key), floor(over * 1000) }
end
register('limit_part', limit_part, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'ZADD', 'ZCARD', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})
