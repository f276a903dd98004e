--[[ schedule_set - defines a recurrence of an organization, or changes it. The next due time is the caller's to compute, from this definition
  and the server's time; one that is due at the same times as before keeps the one it had.
  ARGV  1 who, 2 org, 3 name, 4 rev: int, that of the definition this one takes the place of; 0: there is none; '' : whatever there is
        5 next_ms int, '' if it has no due time any more; 6 offset_ms int 0..spread_ms
        7.. field, value: each of recurrence, missed, window_ms, overlap, spread_ms, from_ms, until_ms, record (lib/schedule.lua); of one that
        is to be paused from the first, if there is none yet: paused_by ('': who), paused_ms (0: now)
  Returns {'new' | 'changed' | 'same', rev, next_ms or ''} | {'exists', rev}: there is another definition than `rev` | {'unknown'}: there is none
  Errors  INVALID naming field, value and range, or where there is one of every organization with this name (lib/template.lua); nothing was changed
  Calls <= 20 ]]
local SCHEDULES_MAX = 100000 -- of an organization

local function read_next(value)
  return value ~= '' and to_int(value, 'next_ms', 0, definition.TIME_MS_MAX) or ''
end

-- From when on due times are its own: now, but the next one is.
local function since(lane, next_ms)
  return next_ms ~= '' and min(lane.now_ms, next_ms - 1) or lane.now_ms
end

-- One of every organization is not for a single one to define, or to remove.
local function refuse_instance(lane, schedule, name, instead)
  local template = schedule and schedule.template or (not schedule and every_org.load(lane, name))
  if template then refuse('INVALID', format('schedule %s is one of every organization: %s', name, instead)) end
end

local function schedule_set(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  check_stays(org)
  local new = definition.read(args, 7)
  local pause = definition.take_pause(lane, who, new)
  definition.check(new, setting(org, 'max_payload_bytes'))
  local wanted, next_ms = args[4] ~= '' and to_int(args[4], 'rev', 0, 2 ^ 50), read_next(args[5])
  local offset_ms = to_int(args[6], 'offset_ms', 0, tonumber(new.spread_ms))
  local schedule = agenda.load(lane, org.name, name)
  local rev = schedule and tonumber(schedule.fields.rev) or 0
  if wanted and wanted ~= rev then return rev > 0 and { 'exists', rev } or { 'unknown' } end
  refuse_instance(lane, schedule, name, 'rota schedule set changes what an organization has of it')
  if schedule and definition.same(schedule.fields, new, definition.FIELDS) then return { 'same', rev, schedule.fields.next_ms or '' } end
  if not schedule and call('ZCARD', org_key(org, 'schedules')) >= SCHEDULES_MAX then
    refuse('INVALID', format('schedule %s would be number %d of the organization', name, SCHEDULES_MAX + 1))
  end
  local keeps_times = schedule and definition.same(schedule.fields, new, definition.DUE)
  if keeps_times then next_ms = schedule.fields.next_ms or '' end -- whatever was ticked since the caller has looked
  register_org(lane, org)
  local before = schedule and definition.text(schedule.fields) or ''
  local created = schedule == nil
  schedule = schedule or agenda.new(org, name)
  new.rev, new.changed_ms, new.next_ms, new.offset_ms, new.retry_ms = rev + 1, lane.now_ms, next_ms, offset_ms, ''
  if created then
    new.created_ms = lane.now_ms
    for field, value in pairs(pause or {}) do new[field] = value end
  end
  if not keeps_times then new.since_ms = since(lane, next_ms) end
  agenda.save(schedule, new)
  agenda.place(lane, org, schedule)
  note_change(lane, who, 'schedule_set', org.name, name, before, definition.text(schedule.fields) .. (created and pause and ' paused' or ''))
  return { created and 'new' or 'changed', rev + 1, next_ms }
end
register('schedule_set', schedule_set, {}, { 'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZSCORE' })

--[[ schedule_own - what an organization says itself of a schedule of every organization; the rest stays that of the template.
  ARGV  1 who, 2 org, 3 name, 4 rev: int, that of the definition this is about; '': whatever there is, also of an organization that is not known
        yet; then 5 and 6 are '': the leader finds them
        5 next_ms int, '' if it has no due time any more; it counts if its times become others that the caller knows; 6 offset_ms int 0..spread_ms
        7.. field, value: of recurrence, missed, window_ms, overlap, spread_ms, from_ms, until_ms; own_parts (type, payload and options of the
        record that are its own, with spaces between) with own_record, a record that has them; off: '1', due times pass, and the job of
        it that waits is cancelled. '' gives the template's back. Besides, of one of which nothing was said yet, and that is to be paused:
        paused_by ('': who), paused_ms (0: now)
  Returns {'changed' | 'same', rev, next_ms or '', id of the job that was cancelled or ''} | {'exists', rev}: there is another definition than `rev` | {'unknown'}
  Errors  INVALID naming field, value and range, or if it is the organization's alone; nothing was changed
  Calls <= 80 ]]
local OWN = { 'recurrence', 'missed', 'window_ms', 'overlap', 'spread_ms', 'from_ms', 'until_ms', 'own_record', 'own_parts', 'off' }
local PARTS = 'type payload queue priority timeout_ms max_attempts limit headers'

local function check_parts(org, new)
  if (new.own_parts == nil) ~= (new.own_record == nil) or (new.own_parts == '') ~= (new.own_record == '') then
    refuse('INVALID', 'own_parts and own_record go together')
  end
  if not new.own_parts or new.own_parts == '' then return end
  for part in string.gmatch(new.own_parts, '[^ ]+') do
    if not has_word(PARTS, part) then refuse('INVALID', format('own_parts has "%s", it may have %s', sub(part, 1, 40), PARTS)) end
  end
  definition.check_record(new.own_record, setting(org, 'max_payload_bytes'))
end

-- The fields of args[7..], checked, and those of a pause or nil.
local function read_own(lane, who, org, args)
  local new, defined = definition.read(args, 7), {}
  local pause = definition.take_pause(lane, who, new)
  for name, value in pairs(new) do
    if not has_word(table.concat(OWN, ' '), name) then refuse('INVALID', format('unknown field "%s"', sub(name, 1, 40))) end
    if value ~= '' and has_word(table.concat(definition.FIELDS, ' '), name) then defined[name] = value end
  end
  definition.check_fields(defined, 0)
  check_parts(org, new)
  if new.off and new.off ~= '' and new.off ~= '1' then refuse('INVALID', format('off is "%s", it must be 1 or empty', sub(new.off, 1, 40))) end
  return new, pause
end

-- What it says now, and what it would say. Of the record its parts.
local function own_text(fields)
  local words = {}
  for _, name in ipairs(OWN) do
    if name ~= 'own_record' and (fields[name] or '') ~= '' then words[#words + 1] = name .. '=' .. fields[name] end
  end
  return table.concat(words, ' ')
end

-- What it says now, what it is to say, and whether that differs. Calls: 1.
local function compare_own(schedule, new)
  local before, after, differs = {}, {}, false
  for i, value in ipairs(call('HMGET', schedule.key, unpack(OWN))) do
    local field = OWN[i]
    before[field] = value or ''
    after[field] = new[field] or before[field]
    differs = differs or (field ~= 'own_record' and before[field] ~= after[field])
  end
  return before, after, differs or not every_org.same_parts(before.own_record, after.own_record, after.own_parts)
end

-- True if nobody but the leader can say when it is due next: the template's times are its times again, or the caller does not know those.
local function is_leaders(before, after, blind)
  if blind and before.spread_ms ~= after.spread_ms then return true end
  for _, field in ipairs(definition.DUE) do
    if before[field] ~= after[field] and (blind or after[field] == '') then return true end
  end
  return false
end

local function schedule_own(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  check_stays(org)
  local blind, new, pause = args[4] == '', read_own(lane, who, org, args)
  local wanted, next_ms = not blind and to_int(args[4], 'rev', 1, 2 ^ 50), blind and '' or read_next(args[5])
  local offset_ms = not blind and to_int(args[6], 'offset_ms', 0, definition.SPREAD_MS_MAX)
  local schedule = agenda.load(lane, org.name, name, blind)
  if not schedule then return { 'unknown' } end
  if not schedule.template then refuse('INVALID', format('schedule %s is of this organization alone: schedule_set changes it', name)) end
  local fields, rev = schedule.fields, tonumber(schedule.fields.rev)
  if wanted and rev ~= wanted then return { 'exists', rev } end
  local before, after, differs = compare_own(schedule, new)
  if schedule.own_rev > 0 or fields.own_paused_by then pause = nil end
  if not differs and not pause and not schedule.early then return { 'same', rev, fields.next_ms or '', '' } end
  local on = before.off ~= '' and after.off == ''
  local moves_times = on or not definition.same(before, after, definition.DUE)
  local leaders = is_leaders(before, after, blind) or (blind and (on or not fields.next_ms))
  if leaders then next_ms = '' end
  register_org(lane, org)
  local changes = { rev = schedule.own_rev + 1, changed_ms = lane.now_ms, retry_ms = '' }
  for field, value in pairs(new) do changes[field] = value end
  for field, value in pairs(pause or {}) do changes[field] = value end
  if offset_ms then changes.offset_ms = offset_ms > 0 and offset_ms or '' end
  if moves_times or schedule.early then changes.since_ms = since(lane, next_ms) end
  if leaders or moves_times or not fields.next_ms then changes.next_ms = next_ms end
  if after.off ~= '' then changes.pending_ms, changes.pending_go = '', '' end
  agenda.save(schedule, changes)
  agenda.place(lane, org, schedule)
  if leaders and not fields.off and not fields.paused then
    call('ZADD', lane.prefix .. 'schedules', lane.now_text, org.name .. '/' .. name) -- the leader looks at it
    wake_scheduler(lane)
  end
  local job = after.off ~= '' and before.off == '' and agenda.take_job_back(lane, org, schedule) or ''
  save_lane(lane)
  note_change(lane, who, 'schedule_own', org.name, name, own_text(before), own_text(after) .. (pause and ' paused' or ''))
  return { 'changed', rev + 1, schedule.fields.next_ms or '', job }
end
register('schedule_own', schedule_own, {}, {
  'EXISTS', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ schedule_pause - its due times pass without a job, until it is resumed. What has been enqueued stays.
  ARGV  1 who, 2 org, 3 name
  Returns 'paused' | 'same': it was paused before | 'unknown'
  Calls <= 15 ]]
local function schedule_pause(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  local schedule = agenda.load(lane, org.name, name)
  if not schedule then return 'unknown' end
  if schedule.fields.paused then return 'same' end
  agenda.save(schedule, { paused = '1', paused_by = who, paused_ms = lane.now_ms })
  agenda.place(lane, org, schedule)
  note_change(lane, who, 'schedule_pause', org.name, name, '', 'paused')
  return 'paused'
end
register('schedule_pause', schedule_pause, { 'allow-oom' }, { 'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZRANGE', 'ZSCORE' })

--[[ schedule_resume - it goes on with its first due time from now on; those that passed meanwhile are not missed.
  ARGV  1 who, 2 org, 3 name, 4 rev int: of the definition that next_ms was computed from, 5 next_ms int, '' if there is none
  Returns 'resumed' | 'same': it is not paused | 'template': that of every organization is | 'changed': there is another definition now |
          'unknown'
  Calls <= 16 ]]
local function schedule_resume(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name, next_ms = load_org(lane, check_org(args[2])), check_schedule(args[3]), read_next(args[5])
  local rev, schedule = to_int(args[4], 'rev', 1, 2 ^ 50), agenda.load(lane, org.name, name)
  if not schedule then return 'unknown' end
  if not schedule.fields.paused then return 'same' end
  if schedule.fields.paused_all then return 'template' end
  if tonumber(schedule.fields.rev) ~= rev then return 'changed' end
  local own_rev = schedule.template and schedule.own_rev + 1 or nil -- something was said of it: schedule_own does not pause it again
  agenda.save(schedule, { paused = '', paused_by = '', paused_ms = '', next_ms = next_ms, since_ms = since(lane, next_ms), rev = own_rev })
  agenda.place(lane, org, schedule)
  note_change(lane, who, 'schedule_resume', org.name, name, 'paused', '')
  return 'resumed'
end
register('schedule_resume', schedule_resume, { 'allow-oom' }, { 'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZRANGE', 'ZSCORE' })

--[[ schedule_remove - forgets a schedule. A job of it that has not begun yet is cancelled; one that runs goes on.
  ARGV  1 who, 2 org, 3 name
  Returns {'removed', id of the job that was cancelled or ''} | {'unknown'}
  Errors  INVALID if it is one of every organization
  Calls <= 75 ]]
local function schedule_remove(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  local schedule = agenda.load(lane, org.name, name)
  if not schedule then return { 'unknown' } end
  refuse_instance(lane, schedule, name, 'schedule_own with off turns it off for one of them')
  agenda.forget(lane, org, name)
  if every_org.load(lane, name) then call('ZADD', lane.prefix .. 'schedules', lane.now_text, org.name .. '/' .. name) end -- from now on it has that
  local job = agenda.take_job_back(lane, org, schedule, true)
  save_lane(lane)
  note_change(lane, who, 'schedule_remove', org.name, name, definition.text(schedule.fields), '')
  return { 'removed', job }
end
register('schedule_remove', schedule_remove, { 'allow-oom' }, {
  'EXISTS', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'UNLINK', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ schedule_move - says that one of every organization is to take the place of a schedule: they take turns (template_turn).
  ARGV  1 who, 2 org, 3 name, 4 name of the one of every organization, or '': it does not move any more
  Returns 'moves' | 'same' | 'unknown' | 'alone': that one does not exist here, or was not made to be moved to
  Errors  INVALID if it is one of every organization
  Calls <= 10 ]]
local function schedule_move(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name, to = load_org(lane, check_org(args[2])), check_schedule(args[3]), args[4] ~= '' and check_schedule(args[4]) or ''
  local schedule, template = agenda.load(lane, org.name, name), to ~= '' and every_org.load(lane, to)
  if not schedule then return 'unknown' end
  refuse_instance(lane, schedule, name, 'it does not move')
  if to ~= '' and not (template and template.turns) then return 'alone' end
  local before = schedule.fields.moves_to or ''
  if before == to then return 'same' end
  agenda.save(schedule, { moves_to = to })
  note_change(lane, who, 'schedule_move', org.name, name, before, to)
  return 'moves'
end
register('schedule_move', schedule_move, {}, { 'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZSCORE' })

--[[ results - what became of the newest due times of a schedule that moves, or of one of every organization that is moved to. Writes nothing.
  ARGV  1 org, or '' for all organizations of the lane; 2 name; 3 cursor: '' at first, then that of the page before; 4 limit int 1..100
  Returns {cursor of the next page, '' after the last, {org, {due ms, outcome and report, ...}, ...}}: only those that have some. A page may
          have more than `limit`, and none
  Calls <= 3 + 1 for each organization ]]
local function results(keys, args)
  local lane, name, listed = open_lane(keys), check_schedule(args[2]), {}
  local cursor, orgs = '', { args[1] }
  local limit = to_int(args[4], 'limit', 1, 100)
  if args[1] ~= '' then
    check_org(args[1])
  else
    local page = call('ZSCAN', lane.prefix .. 'orgs', check_cursor(args[3] == '' and '0' or args[3]), 'COUNT', limit)
    cursor, orgs = page[1] == '0' and '' or page[1], {}
    for i = 1, #page[2], 2 do orgs[#orgs + 1] = page[2][i] end
  end
  for _, org in ipairs(orgs) do
    local flat = call('HGETALL', lane.prefix .. 'org:' .. org .. ':results:' .. name)
    if flat[1] then listed[#listed + 1], listed[#listed + 2] = org, flat end
  end
  return { cursor, listed }
end
register('results', results, { 'no-writes' }, { 'HGETALL', 'HMGET', 'TIME', 'ZSCAN' })

--[[ schedule_run - enqueues a job of it now, beside its due times, whatever its overlap says.
  ARGV  1 who, 2 org, 3 name
  Returns {answer, id of the job}: as enqueue answers | {'unknown'}
  Calls <= 65, and those for a new queue as of enqueue ]]
local function schedule_run(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, name = load_org(lane, check_org(args[2])), check_schedule(args[3])
  local schedule = agenda.load(lane, org.name, name)
  if not schedule then return { 'unknown' } end
  local id, record, turns = agenda.job_id(name, lane.now_ms), schedule.fields.record, schedule.fields.turns
  if schedule.template and turns and not every_org.owns(turns, lane.now_ms) then record = every_org.as_shadow(record) end
  local answer = enqueue_jobs(lane, org, { id, record }, 1)[1]
  if answer == 'new' then
    agenda.save(schedule, { runs = tonumber(schedule.fields.runs or 0) + 1 })
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
  Calls <= 5 + 4 for each schedule ]]
-- The names of an organization: its own, and those of every organization.
local function names_of(lane, org_name, cursor, limit)
  if cursor ~= '' then check_schedule(cursor) end
  local key, names, seen = lane.prefix .. 'org:' .. check_org(org_name) .. ':schedules', {}, {}
  local function add(name)
    if not seen[name] and name >= cursor then names[#names + 1], seen[name] = name, true end
  end
  for _, name in ipairs(call('ZRANGEBYLEX', key, cursor == '' and '-' or '[' .. cursor, '+', 'LIMIT', 0, limit + 1)) do add(name) end
  if call('ZSCORE', lane.prefix .. 'orgs', org_name) then
    for _, name in ipairs(call('ZRANGE', lane.prefix .. 'templates', '0', '0', 'BYSCORE')) do add(name) end
  end
  table.sort(names)
  local after = names[limit + 1] or ''
  for i, name in ipairs(names) do names[i] = i <= limit and org_name .. '/' .. name or nil end
  return names, after
end

local function list_names(lane, org_name, cursor, limit)
  if org_name ~= '' then return names_of(lane, org_name, cursor, limit) end
  local page, names = call('ZSCAN', lane.prefix .. 'schedules', check_cursor(cursor == '' and '0' or cursor), 'COUNT', limit), {}
  for i = 1, #page[2], 2 do names[#names + 1] = page[2][i] end
  return names, page[1] == '0' and '' or page[1]
end

-- As a flat list; without what `but` says, the record without its payload.
local function listed_fields(fields, but)
  local flat = {}
  for field, value in pairs(fields) do
    if field ~= but then
      flat[#flat + 1], flat[#flat + 2] = field, field == 'record' and but and record_without_payload(value) or value
    end
  end
  return flat
end

local function schedules(keys, args)
  local lane, listed = open_lane(keys), {}
  local names, after = list_names(lane, args[1] or '', args[2] or '', to_int(args[3], 'limit', 1, 100))
  for _, full in ipairs(names) do
    local org, name = split_name(full)
    local found = agenda.load(lane, org, name)
    if found then
      listed[#listed + 1], listed[#listed + 2], listed[#listed + 3] = org, name, listed_fields(found.fields, 'own_record')
    end
  end
  return { lane.now_ms, after, listed }
end
register('schedules', schedules, { 'no-writes' }, { 'EXISTS', 'HGETALL', 'HMGET', 'TIME', 'ZRANGE', 'ZRANGEBYLEX', 'ZSCAN', 'ZSCORE' })

--[[ schedule - one of them, with all of its record. Writes nothing.
  ARGV  1 org, 2 name
  Returns {now_ms, {field, value, ...}}; no fields if there is none. Of one of every organization they are those of its template and its own;
          `own` names those that are its own
  Calls <= 6 ]]
local function schedule(keys, args)
  local lane = open_lane(keys)
  local found = agenda.load(lane, check_org(args[1]), check_schedule(args[2]))
  return { lane.now_ms, found and listed_fields(found.fields) or {} }
end
register('schedule', schedule, { 'no-writes' }, { 'EXISTS', 'HGETALL', 'HMGET', 'TIME', 'ZSCORE' })
