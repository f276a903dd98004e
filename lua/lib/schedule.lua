--[[ schedule.lua - recurrences of an organization. C knows when a due time is (docs/SCHEDULES.md); that each one is served once is decided
  here: a tick names the due time that it serves, and it must be the one that is stored.

  Hash `rota:{k}:org:<org>:schedule:<name>`:
    definition   recurrence (text of common/recurrence.h, opaque here) · missed skip | once | all · window_ms ·
                 overlap allow | skip | queue-one | cancel-running · spread_ms, offset_ms (0..spread_ms) · from_ms, until_ms (0: none) ·
                 record (lib/record.lua; without due_ms, delay_ms, expires_ms, key)
    state        rev (counts the definitions) · created_ms, changed_ms · next_ms, the next due time; absent: there is none · since_ms
                 (due times up to then are not its own) · retry_ms (put off until then) ·
                 paused, paused_by, paused_ms · moves_to, the one of every organization that is to take its place (lib/template.lua)
    history      last_ms (the last due time that has passed) · last_job, late_ms (of it) · runs (jobs) · missed_count, skipped_count
                 (due times that had none: too late, the one before not over) · pending_ms (a due time whose job waits until the one before is
                 over; pending_go: it is) · refused_count, refused (why, the last time)
    health       unhealthy_ms (since when the leader says so: docs/SCHEDULES.md) · mended, mended_ms (what was wrong with it, the last time)
    outcome      done, failed (jobs that are over) · last_ended_ms, last_outcome · last_done_ms, failed_since_done

  zset `rota:{k}:schedules`: org/name -> ms of the next tick: next_ms + offset_ms, or retry_ms if that is later; +inf if it is paused or
                              there is none
  Hash `rota:{k}:org:<org>:results:<name>`, of one that moves or is moved to: due ms of a job that is over -> how it ended, and after a space its
                              report (lib/lease.lua), at most 8 KiB of one organization's; the newest 8, which the field `kept` of the schedule names
  zset `rota:{k}:org:<org>:schedules`: names, all with score 0: in their order. Not those of every organization: lib/template.lua ]]

local check_schedule -- what other files use; the rest of it: a table, because a Lua function has at most 200 locals
local agenda = {}
do

local SCHEDULE_PATTERN = '^[A-Za-z0-9._-]+$'
local SCHEDULE_BYTES_MAX = 48 -- with '@' and a due time of 14 digits it is a job id
local NO_TICK = '+inf'

function check_schedule(value)
  if not value or #value > SCHEDULE_BYTES_MAX or not find(value, SCHEDULE_PATTERN) then
    refuse('INVALID', format('schedule "%s" must match [A-Za-z0-9._-]{1,48}', sub(tostring(value), 1, 80)))
  end
  return value
end

local function schedule_key(org, name)
  return org_key(org, 'schedule:' .. name)
end

-- What a schedule may be.
local RECURRENCE_BYTES_MAX = 1280
local WINDOW_MS_MAX = 366 * 86400000
local MISSED, OVERLAP = { skip = true, once = true, all = true }, { allow = true, skip = true, ['queue-one'] = true, ['cancel-running'] = true }
local OF_TIME = { 'due_ms', 'delay_ms', 'expires_ms', 'key', 'coalesce', 'earliest' } -- options that belong to one job

-- Refuses a record that no schedule may have, or whose payload has more than `most` bytes.
function definition.check_record(record, most)
  if #record > RECORDS_BYTES_MAX then refuse('INVALID', format('a record has %d bytes, the limit is %d', #record, RECORDS_BYTES_MAX)) end
  local options, payload_bytes = parse_record(record, {})
  for _, name in ipairs(OF_TIME) do
    if options[name] then refuse('INVALID', format('option %s belongs to one job, the record of a schedule must not have it', name)) end
  end
  if payload_bytes > most then refuse('INVALID', format('the payload has %d bytes, the limit of the organization is %d', payload_bytes, most)) end
end

-- Refuses fields of a definition that are out of range; those that are not there are not looked at, but for their names.
function definition.check_fields(new, most)
  for name in pairs(new) do
    if not has_word(table.concat(definition.FIELDS, ' '), name) then refuse('INVALID', format('unknown field "%s"', sub(name, 1, 40))) end
  end
  if new.recurrence and (#new.recurrence < 1 or #new.recurrence > RECURRENCE_BYTES_MAX) then
    refuse('INVALID', format('a recurrence has 1..%d bytes, this one %d', RECURRENCE_BYTES_MAX, #new.recurrence))
  end
  if new.missed and not MISSED[new.missed] then refuse('INVALID', format('missed is "%s", it must be skip, once or all', sub(new.missed, 1, 40))) end
  if new.overlap and not OVERLAP[new.overlap] then
    refuse('INVALID', format('overlap is "%s", it must be allow, skip, queue-one or cancel-running', sub(new.overlap, 1, 40)))
  end
  if new.window_ms then to_int(new.window_ms, 'window_ms', 1000, WINDOW_MS_MAX) end
  if new.spread_ms then to_int(new.spread_ms, 'spread_ms', 0, definition.SPREAD_MS_MAX) end
  if new.from_ms then to_int(new.from_ms, 'from_ms', 0, definition.TIME_MS_MAX) end
  if new.until_ms then to_int(new.until_ms, 'until_ms', 0, definition.TIME_MS_MAX) end
  if new.record then definition.check_record(new.record, most) end
end

-- The fields and values of args[from..].
function definition.read(args, from)
  local new = {}
  for i = from, #args, 2 do new[args[i]] = args[i + 1] or '' end
  return new
end

-- Takes out what is said of its pause: the fields of one that begins with it, or nil. It is no part of the definition.
function definition.take_pause(lane, who, new)
  local by, at_ms = new.paused_by, to_int(new.paused_ms or '0', 'paused_ms', 0, definition.TIME_MS_MAX)
  new.paused_by, new.paused_ms = nil, nil
  if not by then return nil end
  return { paused = '1', paused_by = by == '' and who or check_who(by), paused_ms = int_text(at_ms > 0 and at_ms or lane.now_ms) }
end

-- Refuses what is no definition: each of its fields must be there.
function definition.check(new, most)
  for _, name in ipairs(definition.FIELDS) do
    if not new[name] then refuse('INVALID', format('field %s is missing', name)) end
  end
  definition.check_fields(new, most)
end

-- A definition as one text for the log of who changed what. The record is shown by its type.
function definition.text(fields)
  local words = {}
  for _, name in ipairs(definition.FIELDS) do
    local value = fields[name]
    if name == 'record' and value then value = record_type(value) end
    if value and value ~= '' and value ~= '0' then words[#words + 1] = (name == 'record' and 'type' or name) .. '=' .. value end
  end
  return table.concat(words, ' ')
end

-- True if it says the same as `new`, of the fields that `names` has.
function definition.same(fields, new, names)
  for _, name in ipairs(names) do
    if fields[name] ~= new[name] then return false end
  end
  return true
end

-- Of one that moves to one of every organization: whose due times are whose. Calls: <= 1, once for each template.
function agenda.add_turns(lane, fields)
  local template = fields.moves_to and every_org.load(lane, fields.moves_to)
  fields.turns = template and (template.turns or '+0') or nil -- without turns it has moved for good
end

-- A schedule as a table {name, key, fields}; nil if there is none. Of one of every organization (lib/template.lua) the fields are those of its
-- template and its own; besides template (the fields of that), own_rev, fresh (it has no hash yet). `anyway`: that one also of an organization
-- that is not known; then it is `early`. Calls: <= 4, the template's once.
function agenda.load(lane, org_name, name, anyway)
  local key = lane.prefix .. 'org:' .. org_name .. ':schedule:' .. name
  local flat, fields = call('HGETALL', key), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  local schedule = { name = name, key = key, fields = fields, own_rev = tonumber(fields.rev or 0) }
  if flat[1] and not fields.template then
    agenda.add_turns(lane, fields)
    return schedule
  end
  schedule.template = every_org.load(lane, name)
  if not schedule.template then return nil end
  if not flat[1] then
    local entry = call('ZSCORE', lane.prefix .. 'schedules', org_name .. '/' .. name)
    schedule.early = not entry and call('EXISTS', lane.prefix .. 'org:' .. org_name) == 0
    if schedule.early and not anyway then return nil end
    schedule.fresh, fields.since_ms = true, entry or nil
  end
  every_org.lay_over(schedule.template, fields)
  return schedule
end

-- One that is not written yet.
function agenda.new(org, name)
  return { name = name, key = schedule_key(org, name), fields = {} }
end

-- Writes fields (name -> value; '' removes). Calls: <= 2.
function agenda.save(schedule, changes)
  local set, gone = {}, {}
  if schedule.fresh then
    changes.template, changes.since_ms, schedule.fresh = '1', changes.since_ms or schedule.fields.since_ms, nil
  end
  for name, value in pairs(changes) do
    if value == '' then
      gone[#gone + 1] = name
      schedule.fields[name] = nil
    else
      set[#set + 1], set[#set + 2] = name, type(value) == 'number' and int_text(value) or value
      schedule.fields[name] = set[#set]
    end
  end
  if set[1] then call('HSET', schedule.key, unpack(set)) end
  if gone[1] then call('HDEL', schedule.key, unpack(gone)) end
end

-- The score of its next tick, as text.
local function next_tick(fields)
  if fields.paused or fields.off then return NO_TICK end
  if fields.pending_go then return int_text(max(tonumber(fields.pending_ms) or 0, tonumber(fields.retry_ms) or 0)) end
  if not fields.next_ms then return NO_TICK end
  return int_text(max((tonumber(fields.next_ms) or 0) + (tonumber(fields.offset_ms) or 0), tonumber(fields.retry_ms) or 0))
end

-- Puts it where the leader looks for what is due, unless that is where it stands (`score`; nil: nowhere). True if it was put there.
-- Calls: <= 4.
function agenda.place(lane, org, schedule, score)
  local index, at = lane.prefix .. 'schedules', next_tick(schedule.fields)
  if score and tonumber(score) == tonumber(at) then return false end
  local first = call('ZRANGE', index, 0, 0, 'WITHSCORES')
  if not schedule.template then call('ZADD', org_key(org, 'schedules'), 0, schedule.name) end
  call('ZADD', index, at, org.name .. '/' .. schedule.name)
  if at ~= NO_TICK and (not first[2] or tonumber(at) < tonumber(first[2])) then wake_scheduler(lane) end
  return true
end

-- Calls: 3.
function agenda.forget(lane, org, name)
  call('UNLINK', schedule_key(org, name), org_key(org, 'results:' .. name))
  agenda.leave(lane, org, name)
end

-- Nobody is to come any more for one that agenda.load() does not find: it was removed with its template, or damaged by hand. Calls: 2.
function agenda.leave(lane, org, name)
  call('ZREM', org_key(org, 'schedules'), name)
  call('ZREM', lane.prefix .. 'schedules', org.name .. '/' .. name)
end

-- Ends its last job if that waits; `unbegun`: and has not begun before. Returns its id, or ''. Calls: <= 54.
function agenda.take_job_back(lane, org, schedule, unbegun)
  local job = schedule.fields.last_job and find_job(org, schedule.fields.last_job)
  if not job or not WAITS[job.place] or (unbegun and job.state[DELIVERIES] > 0) then return '' end
  cancel_waiting(lane, org, job)
  return job.id
end

-- The id of the job of a due time.
function agenda.job_id(name, due_ms)
  return name .. '@' .. int_text(due_ms)
end

-- Its last job is over: what waits for that is due. Calls: <= 10.
local function let_go(lane, org, name)
  local schedule = agenda.load(lane, org.name, name)
  if not schedule then return end -- its template was removed
  agenda.save(schedule, { pending_go = '1' })
  agenda.place(lane, org, schedule)
end

-- Keeps what became of a due time, to be compared: `kept` are those that are there, with spaces between; a large report of one
-- organization's is left out. Returns what is kept then. Calls: <= 2.
local function keep_result(org, name, kept, due_ms, outcome, report, is_own)
  local RESULTS_MAX, OWN_RESULT_BYTES_MAX = 8, 8192
  local key, dues = org_key(org, 'results:' .. name), { due_ms }
  for other in string.gmatch(kept or '', '%d+') do
    if other ~= due_ms then dues[#dues + 1] = other end
  end
  table.sort(dues, function(a, b) return tonumber(a) > tonumber(b) end)
  call('HSET', key, due_ms, outcome .. ' ' .. (is_own and #report > OWN_RESULT_BYTES_MAX and '' or report))
  if #dues > RESULTS_MAX then call('HDEL', key, table.remove(dues)) end
  return table.concat(dues, ' ')
end

-- Forgets them, when nothing moves any more. Calls: <= 1.
local function forget_results(org, name, kept)
  local dues = {}
  for due_ms in string.gmatch(kept, '%d+') do dues[#dues + 1] = due_ms end
  call('HDEL', org_key(org, 'results:' .. name), unpack(dues))
  return ''
end

-- Jobs that are over tell the schedules they came from: {id, 'done' | 'dead' | 'cancelled' | 'expired', report, ...}. One that is
-- cancelled is neither done nor failed; of a schedule that is gone nothing is noted.
-- Calls: <= 15 for each.
function note_outcomes(lane, org, over)
  for i = 1, #over, 3 do
    local name, due_ms = string.match(over[i], '^(.+)@(%d+)$')
    local outcome, key = over[i + 1], name and schedule_key(org, name)
    local found = key and call('HMGET', key, 'rev', 'pending_ms', 'last_job', 'done', 'failed', 'failed_since_done', 'template', 'moves_to', 'kept') or {}
    if found[1] or found[7] then
      local good = outcome == 'done'
      local changes = { 'last_ended_ms', lane.now_text, 'last_outcome', outcome }
      local function add(field, value) changes[#changes + 1], changes[#changes + 2] = field, value end
      if good then
        add('done', tonumber(found[4] or 0) + 1)
        add('last_done_ms', lane.now_text)
        add('failed_since_done', 0)
      elseif outcome ~= 'cancelled' then
        add('failed', tonumber(found[5] or 0) + 1)
        add('failed_since_done', tonumber(found[6] or 0) + 1)
      end
      local template = (found[7] or found[8]) and every_org.load(lane, found[7] and name or found[8])
      if template and template.turns then
        add('kept', keep_result(org, name, found[9], due_ms, outcome, over[i + 2], found[7]))
      elseif found[9] and found[9] ~= '' then
        add('kept', forget_results(org, name, found[9]))
      end
      call('HSET', key, unpack(changes))
      if found[2] and found[3] == over[i] then let_go(lane, org, name) end
    end
  end
end

end
