--[[ schedule.lua - recurrences of an organization. C knows when a due time is (docs/SCHEDULES.md); that each one is served once is decided
  here: a tick names the due time that it serves, and it must be the one that is stored.

  Hash `rota:{k}:org:<org>:schedule:<name>`:
    definition   recurrence (text of common/recurrence.h, opaque here) · missed skip | once | all · window_ms ·
                 overlap allow | skip | queue-one | cancel-running · spread_ms, offset_ms (0..spread_ms) · from_ms, until_ms (0: none) ·
                 record (lib/record.lua; without due_ms, delay_ms, expires_ms, key)
    state        rev (counts the definitions) · created_ms, changed_ms · next_ms, the next due time; absent: there is none · since_ms
                 (due times up to then are not its own) · retry_ms (put off until then) ·
                 paused, paused_by, paused_ms
    history      last_ms (the last due time that has passed) · last_job, late_ms (of it) · runs (jobs) · missed_count, skipped_count
                 (due times that had none: too late, the one before not over) · pending_ms (a due time whose job waits until the one before is
                 over; pending_go: it is) · refused_count, refused (why, the last time)
    health       unhealthy_ms (since when the leader says so: docs/SCHEDULES.md) · mended, mended_ms (what was wrong with it, the last time)
    outcome      done, failed (jobs that are over) · last_ended_ms, last_outcome · last_done_ms, failed_since_done

  zset `rota:{k}:schedules`: org/name -> ms of the next tick: next_ms + offset_ms, or retry_ms if that is later; +inf if it is paused or
                              there is none
  zset `rota:{k}:org:<org>:schedules`: names, all with score 0: in their order ]]

local check_schedule, load_schedule, new_schedule, save_schedule, place_schedule, forget_schedule, schedule_job -- what other files use
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

-- A schedule as a table {name, key, fields, changed}, or nil if there is none. Calls: 1.
function load_schedule(org, name)
  local key = schedule_key(org, name)
  local flat, fields = call('HGETALL', key), {}
  if not flat[1] then return nil end
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return { name = name, key = key, fields = fields }
end

-- One that is not written yet.
function new_schedule(org, name)
  return { name = name, key = schedule_key(org, name), fields = {} }
end

-- Writes fields (name -> value; '' removes). Calls: <= 2.
function save_schedule(schedule, changes)
  local set, gone = {}, {}
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
  if fields.paused then return NO_TICK end
  if fields.pending_go then return int_text(max(tonumber(fields.pending_ms) or 0, tonumber(fields.retry_ms) or 0)) end
  if not fields.next_ms then return NO_TICK end
  return int_text(max((tonumber(fields.next_ms) or 0) + (tonumber(fields.offset_ms) or 0), tonumber(fields.retry_ms) or 0))
end

-- Puts it where the leader looks for what is due, unless that is where it stands (`score`; nil: nowhere). True if it was put there.
-- Calls: <= 4.
function place_schedule(lane, org, schedule, score)
  local index, at = lane.prefix .. 'schedules', next_tick(schedule.fields)
  if score and tonumber(score) == tonumber(at) then return false end
  local first = call('ZRANGE', index, 0, 0, 'WITHSCORES')
  call('ZADD', org_key(org, 'schedules'), 0, schedule.name)
  call('ZADD', index, at, org.name .. '/' .. schedule.name)
  if at ~= NO_TICK and (not first[2] or tonumber(at) < tonumber(first[2])) then wake_scheduler(lane) end
  return true
end

-- Calls: 3.
function forget_schedule(lane, org, name)
  call('UNLINK', schedule_key(org, name))
  call('ZREM', org_key(org, 'schedules'), name)
  call('ZREM', lane.prefix .. 'schedules', org.name .. '/' .. name)
end

-- The id of the job of a due time.
function schedule_job(name, due_ms)
  return name .. '@' .. int_text(due_ms)
end

-- Its last job is over: what waits for that is due. Calls: <= 6.
local function let_go(lane, org, name)
  local schedule = load_schedule(org, name)
  save_schedule(schedule, { pending_go = '1' })
  place_schedule(lane, org, schedule)
end

-- Jobs that are over tell the schedules they came from: {id, 'done' | 'dead' | 'cancelled' | 'expired', ...}. One that is cancelled is
-- neither done nor failed; of a schedule that is gone nothing is noted.
-- Calls: <= 8 for each.
function note_outcomes(lane, org, over)
  for i = 1, #over, 2 do
    local name, outcome = string.match(over[i], '^(.+)@%d+$'), over[i + 1]
    local key = name and schedule_key(org, name)
    local found = key and call('HMGET', key, 'rev', 'pending_ms', 'last_job', 'done', 'failed', 'failed_since_done') or {}
    if found[1] then
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
      call('HSET', key, unpack(changes))
      if found[2] and found[3] == over[i] then let_go(lane, org, name) end
    end
  end
end

end
