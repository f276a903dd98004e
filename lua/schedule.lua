--[[ schedule_set - defines a recurrence of an organization, or changes it. The next due time is the caller's to compute, from this definition
  and the server's time; one that is due at the same times as before keeps the one it had.
  ARGV  1 who, 2 org, 3 name, 4 rev: int, that of the definition this one takes the place of; 0: there is none; '' : whatever there is
        5 next_ms int, '' if it has no due time any more; 6 offset_ms int 0..spread_ms
        7.. field, value: each of recurrence, missed, window_ms, overlap, spread_ms, from_ms, until_ms, record (lib/schedule.lua); of one that
        is to be paused from the first, if there is none yet: paused_by ('': who), paused_ms (0: now)
  Returns {'new' | 'changed' | 'same', rev, next_ms or ''} | {'exists', rev}: there is another definition than `rev` | {'unknown'}: there is none
  Errors  INVALID naming field, value and range; nothing was changed
  Calls <= 15 ]]
local TIME_MS_MAX = 2 ^ 46
local SCHEDULES_MAX = 100000 -- of an organization
local RECURRENCE_BYTES_MAX = 1280
local SPREAD_MS_MAX, WINDOW_MS_MAX = 31 * 86400000, 366 * 86400000
local MISSED, OVERLAP = { skip = true, once = true, all = true }, { allow = true, skip = true, ['queue-one'] = true, ['cancel-running'] = true }
local DEFINITION = { 'recurrence', 'missed', 'window_ms', 'overlap', 'spread_ms', 'from_ms', 'until_ms', 'record' }
local OF_TIME = { 'due_ms', 'delay_ms', 'expires_ms', 'key', 'coalesce', 'earliest' } -- options that belong to one job

local function check_record(org, record)
  if #record > RECORDS_BYTES_MAX then refuse('INVALID', format('a record has %d bytes, the limit is %d', #record, RECORDS_BYTES_MAX)) end
  local options, payload_bytes = parse_record(record, {})
  for _, name in ipairs(OF_TIME) do
    if options[name] then refuse('INVALID', format('option %s belongs to one job, the record of a schedule must not have it', name)) end
  end
  local most = setting(org, 'max_payload_bytes')
  if payload_bytes > most then refuse('INVALID', format('the payload has %d bytes, the limit of the organization is %d', payload_bytes, most)) end
end

local function check_definition(org, new)
  for _, name in ipairs(DEFINITION) do
    if not new[name] then refuse('INVALID', format('field %s is missing', name)) end
  end
  for name in pairs(new) do
    if not has_word(table.concat(DEFINITION, ' '), name) then refuse('INVALID', format('unknown field "%s"', sub(name, 1, 40))) end
  end
  if #new.recurrence < 1 or #new.recurrence > RECURRENCE_BYTES_MAX then
    refuse('INVALID', format('a recurrence has 1..%d bytes, this one %d', RECURRENCE_BYTES_MAX, #new.recurrence))
  end
  if not MISSED[new.missed] then refuse('INVALID', format('missed is "%s", it must be skip, once or all', sub(new.missed, 1, 40))) end
  if not OVERLAP[new.overlap] then refuse('INVALID', format('overlap is "%s", it must be allow, skip, queue-one or cancel-running', sub(new.overlap, 1, 40))) end
  to_int(new.window_ms, 'window_ms', 1000, WINDOW_MS_MAX)
  to_int(new.spread_ms, 'spread_ms', 0, SPREAD_MS_MAX)
  to_int(new.from_ms, 'from_ms', 0, TIME_MS_MAX)
  to_int(new.until_ms, 'until_ms', 0, TIME_MS_MAX)
  check_record(org, new.record)
end

-- A definition as one text for the log of who changed what. The record is shown by its type.
local function definition_text(fields)
  local words = {}
  for _, name in ipairs(DEFINITION) do
    local value = fields[name]
    if name == 'record' then value = record_type(value) end
    if value ~= '' and value ~= '0' then words[#words + 1] = (name == 'record' and 'type' or name) .. '=' .. value end
  end
  return table.concat(words, ' ')
end

local function is_same(fields, new)
  for _, name in ipairs(DEFINITION) do
    if fields[name] ~= new[name] then return false end
  end
  return true
end

-- Takes out what is said of its pause: the fields of one that begins with it, or nil. It is no part of the definition.
local function take_pause(lane, who, new)
  local by, at_ms = new.paused_by, to_int(new.paused_ms or '0', 'paused_ms', 0, TIME_MS_MAX)
  new.paused_by, new.paused_ms = nil, nil
  if not by then return nil end
  return { paused = '1', paused_by = by == '' and who or check_who(by), paused_ms = at_ms > 0 and at_ms or lane.now_ms }
end

local function read_next(value)
  return value ~= '' and to_int(value, 'next_ms', 0, TIME_MS_MAX) or ''
end

-- From when on due times are its own: now, but the next one is.
local function since(lane, next_ms)
  return next_ms ~= '' and min(lane.now_ms, next_ms - 1) or lane.now_ms
end

local function schedule_set(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name, new = load_org(lane, check_org(args[2])), check_schedule(args[3]), {}
  for i = 7, #args, 2 do new[args[i]] = args[i + 1] or '' end
  check_stays(org)
  local pause = take_pause(lane, who, new)
  check_definition(org, new)
  local wanted, next_ms = args[4] ~= '' and to_int(args[4], 'rev', 0, 2 ^ 50), read_next(args[5])
  local offset_ms = to_int(args[6], 'offset_ms', 0, tonumber(new.spread_ms))
  local schedule = load_schedule(org, name)
  local rev = schedule and tonumber(schedule.fields.rev) or 0
  if wanted and wanted ~= rev then return rev > 0 and { 'exists', rev } or { 'unknown' } end
  if schedule and is_same(schedule.fields, new) then return { 'same', rev, schedule.fields.next_ms or '' } end
  if not schedule and call('ZCARD', org_key(org, 'schedules')) >= SCHEDULES_MAX then
    refuse('INVALID', format('schedule %s would be number %d of the organization', name, SCHEDULES_MAX + 1))
  end
  local keeps_times = schedule and schedule.fields.recurrence == new.recurrence and schedule.fields.from_ms == new.from_ms and
                      schedule.fields.until_ms == new.until_ms
  if keeps_times then next_ms = schedule.fields.next_ms or '' end -- whatever was ticked since the caller has looked
  register_org(lane, org)
  local before = schedule and definition_text(schedule.fields) or ''
  local created = schedule == nil
  schedule = schedule or new_schedule(org, name)
  new.rev, new.changed_ms, new.next_ms, new.offset_ms, new.retry_ms = rev + 1, lane.now_ms, next_ms, offset_ms, ''
  if created then
    new.created_ms = lane.now_ms
    for field, value in pairs(pause or {}) do new[field] = value end
  end
  if not keeps_times then new.since_ms = since(lane, next_ms) end
  save_schedule(schedule, new)
  place_schedule(lane, org, schedule)
  note_change(lane, who, 'schedule_set', org.name, name, before, definition_text(schedule.fields) .. (created and pause and ' paused' or ''))
  return { created and 'new' or 'changed', rev + 1, next_ms }
end
register('schedule_set', schedule_set, {}, { 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE' })

--[[ schedule_pause - its due times pass without a job, until it is resumed. What has been enqueued stays.
  ARGV  1 who, 2 org, 3 name
  Returns 'paused' | 'same': it was paused before | 'unknown'
  Calls <= 12 ]]
local function schedule_pause(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  local schedule = load_schedule(org, name)
  if not schedule then return 'unknown' end
  if schedule.fields.paused then return 'same' end
  save_schedule(schedule, { paused = '1', paused_by = who, paused_ms = lane.now_ms })
  place_schedule(lane, org, schedule)
  note_change(lane, who, 'schedule_pause', org.name, name, '', 'paused')
  return 'paused'
end
register('schedule_pause', schedule_pause, { 'allow-oom' }, { 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZRANGE' })

--[[ schedule_resume - it goes on with its first due time from now on; those that passed meanwhile are not missed.
  ARGV  1 who, 2 org, 3 name, 4 rev int: of the definition that next_ms was computed from, 5 next_ms int, '' if there is none
  Returns 'resumed' | 'same': it is not paused | 'changed': there is another definition now | 'unknown'
  Calls <= 13 ]]
local function schedule_resume(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name, next_ms = load_org(lane, check_org(args[2])), check_schedule(args[3]), read_next(args[5])
  local rev, schedule = to_int(args[4], 'rev', 1, 2 ^ 50), load_schedule(org, name)
  if not schedule then return 'unknown' end
  if not schedule.fields.paused then return 'same' end
  if tonumber(schedule.fields.rev) ~= rev then return 'changed' end
  save_schedule(schedule, { paused = '', paused_by = '', paused_ms = '', next_ms = next_ms, since_ms = since(lane, next_ms) })
  place_schedule(lane, org, schedule)
  note_change(lane, who, 'schedule_resume', org.name, name, 'paused', '')
  return 'resumed'
end
register('schedule_resume', schedule_resume, { 'allow-oom' }, { 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZRANGE' })

--[[ schedule_remove - forgets a schedule. A job of it that has not begun yet is cancelled; one that runs goes on.
  ARGV  1 who, 2 org, 3 name
  Returns {'removed', id of the job that was cancelled or ''} | {'unknown'}
  Calls <= 66 ]]
local function schedule_remove(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  local schedule = load_schedule(org, name)
  if not schedule then return { 'unknown' } end
  local job = schedule.fields.last_job and find_job(org, schedule.fields.last_job)
  local cancelled = job and WAITS[job.place] and job.state[DELIVERIES] == 0
  forget_schedule(lane, org, name)
  if cancelled then cancel_waiting(lane, org, job) end
  save_lane(lane)
  note_change(lane, who, 'schedule_remove', org.name, name, definition_text(schedule.fields), '')
  return { 'removed', cancelled and job.id or '' }
end
register('schedule_remove', schedule_remove, { 'allow-oom' }, {
  'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'UNLINK', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ schedule_run - enqueues a job of it now, beside its due times, whatever its overlap says.
  ARGV  1 who, 2 org, 3 name
  Returns {answer, id of the job}: as enqueue answers | {'unknown'}
  Calls <= 58, and those for a new queue as of enqueue ]]
local function schedule_run(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  local schedule = load_schedule(org, name)
  if not schedule then return { 'unknown' } end
  local id = schedule_job(name, lane.now_ms)
  local answer = enqueue_jobs(lane, org, { id, schedule.fields.record }, 1)[1]
  if answer == 'new' then
    save_schedule(schedule, { runs = tonumber(schedule.fields.runs or 0) + 1 })
    note_change(lane, who, 'schedule_run', org.name, name, '', id)
  end
  return { answer, id }
end
register('schedule_run', schedule_run, {}, {
  'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ schedules - a page of schedules: of an organization by name, or of all in the lane, in no order. Writes nothing.
  ARGV  1 org, or '' for all; 2 cursor: '' at first, then that of the page before; 3 limit int 1..100
  Returns {now_ms, cursor of the next page, '' after the last, {org, name, {field, value, ...}, ...}}: fields as in lib/schedule.lua, the
          record without its payload. A page of all may have more than `limit`, and none
  Calls <= 3 + 1 for each schedule ]]
local function list_names(lane, org_name, cursor, limit)
  if org_name == '' then
    local page, names = call('ZSCAN', lane.prefix .. 'schedules', check_cursor(cursor == '' and '0' or cursor), 'COUNT', limit), {}
    for i = 1, #page[2], 2 do names[#names + 1] = page[2][i] end
    return names, page[1] == '0' and '' or page[1]
  end
  if cursor ~= '' then check_schedule(cursor) end
  local org = load_org(lane, check_org(org_name))
  local names = call('ZRANGEBYLEX', org_key(org, 'schedules'), cursor == '' and '-' or '[' .. cursor, '+', 'LIMIT', 0, limit + 1)
  local after = names[limit + 1] or ''
  for i, name in ipairs(names) do names[i] = i <= limit and org_name .. '/' .. name or nil end
  return names, after
end

local function schedules(keys, args)
  local lane, listed = open_lane(keys), {}
  local names, after = list_names(lane, args[1] or '', args[2] or '', to_int(args[3], 'limit', 1, 100))
  for _, full in ipairs(names) do
    local org, name = split_name(full)
    local flat = call('HGETALL', lane.prefix .. 'org:' .. org .. ':schedule:' .. name)
    for i = 1, #flat, 2 do
      if flat[i] == 'record' then flat[i + 1] = record_without_payload(flat[i + 1]) end
    end
    listed[#listed + 1], listed[#listed + 2], listed[#listed + 3] = org, name, flat
  end
  return { lane.now_ms, after, listed }
end
register('schedules', schedules, { 'no-writes' }, { 'HGETALL', 'HMGET', 'TIME', 'ZRANGEBYLEX', 'ZSCAN' })

--[[ schedule - one of them, with all of its record. Writes nothing.
  ARGV  1 org, 2 name
  Returns {now_ms, {field, value, ...}}; no fields if there is none
  Calls <= 3 ]]
local function schedule(keys, args)
  local lane = open_lane(keys)
  return { lane.now_ms, call('HGETALL', lane.prefix .. 'org:' .. check_org(args[1]) .. ':schedule:' .. check_schedule(args[2])) }
end
register('schedule', schedule, { 'no-writes' }, { 'HGETALL', 'HMGET', 'TIME' })
