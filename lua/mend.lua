--[[ mend.lua - the leader walks all schedules in bounded steps, round after round, and puts right what has come out of order, by damage or
  in a Redis that was restored. What follows from what is stored is decided here; when a schedule is due is C's to know, and so is whether
  it is healthy: C names what it has seen, and whoever was overtaken changes nothing. ]]

local MEND_MAX = 100 -- schedules that are mended, or looked at, in a call
local RETRY_MS_MAX = 3600000 -- that tick_later puts a schedule off for
local AUDIT_FIELDS = {
  'rev', 'recurrence', 'missed', 'overlap', 'window_ms', 'spread_ms', 'offset_ms', 'from_ms', 'until_ms', 'created_ms', 'changed_ms', 'next_ms', 'since_ms',
  'last_ms', 'retry_ms', 'pending_ms', 'pending_go', 'paused', 'last_job', 'last_done_ms', 'unhealthy_ms', 'template', 'off', 'moves_to',
}

-- As much of an organization as finds the keys of its schedules and jobs.
local function org_named(lane, name)
  return { name = name, key = lane.prefix .. 'org:' .. name }
end

-- A schedule as agenda.load has it, with '' for its record; nil if there is none. One that is damaged lacks its record; so does one of every
-- organization that has no hash yet (`is_fresh`), or whose template is being removed: those are `unsettled`, and others come for them. Calls: <= 3, and 1 for
-- each template.
local function look_at(lane, org, name)
  local schedule = agenda.new(org, name)
  local kind = call('TYPE', schedule.key).ok
  if kind == 'none' then
    schedule.template, schedule.unsettled, schedule.is_fresh = every_org.read(lane, name), true, true
    return schedule.template and schedule or nil
  end
  if kind ~= 'hash' then return schedule end
  local fields = schedule.fields
  for i, value in ipairs(call('HMGET', schedule.key, unpack(AUDIT_FIELDS))) do fields[AUDIT_FIELDS[i]] = value or nil end
  if fields.template then
    schedule.template = every_org.read(lane, name)
    if not schedule.template then return nil end
    schedule.unsettled = schedule.template.removed ~= nil
    if not schedule.unsettled then every_org.lay_over(schedule.template, fields) end
    fields.record = not schedule.unsettled and '' or nil
  elseif call('HSTRLEN', schedule.key, 'record') > 0 then
    fields.record = ''
    agenda.add_turns(lane, fields)
  end
  return schedule
end

-- True if one of every organization stands where it does (`score`) because the leader is to look at it, or has not yet, since all of them were
-- paused or changed: its next due time is still that of before.
local function is_marked(lane, schedule, score)
  local template = schedule.template
  return template and (tonumber(score or 0) <= lane.now_ms or template.paused or template.cursor)
end

-- What a call has mended: {what, org/name, ...}, and of which organization, if it is but one.
local function new_mended()
  return { list = {}, org = nil }
end

-- Calls: 1, unless the schedule is gone.
local function add_mended(lane, mended, org, name, what, schedule)
  if schedule then agenda.save(schedule, { mended = what, mended_ms = lane.now_ms }) end
  mended.org = (mended.org == nil or mended.org == org.name) and org.name or ''
  mended.list[#mended.list + 1], mended.list[#mended.list + 2] = what, org.name .. '/' .. name
end

-- One event for all of it. Calls: <= 2.
local function note_mended(lane, who, mended)
  local names, kinds, seen = {}, {}, {}
  for i = 1, #mended.list, 2 do
    names[#names + 1] = mended.org ~= '' and sub(mended.list[i + 1], #mended.org + 2) or mended.list[i + 1]
    if not seen[mended.list[i]] then kinds[#kinds + 1] = mended.list[i] end
    seen[mended.list[i]] = true
  end
  if #names > 0 then note_change(lane, who, 'schedule_mend', mended.org, some_of(names), table.concat(kinds, ' '), 'mended') end
end

--[[ schedule_audit - a page of the lane's schedules: mends what is wrong with each by what is stored of it.
  ARGV  1 who, 2 cursor: '0' to begin; over at '0'; 3 limit int 1..100 schedules (about)
  Returns {next cursor, now_ms, {org, name, {field, value, ...}, ...}, {what, org/name, ...}}: the schedules as in lib/schedule.lua, with '' as
          their record, or without it if they are damaged, and nobody can mend them; and what was mended:
          'gone'     it was to tick, and there is no such schedule         mended: nobody comes for it
          'index'    it was not listed, or was to tick at another moment   mended; so is one of every organization that has no hash yet, and that
                     nobody would look at
          'pending'  a due time waits for a job that is over or gone       mended: its own job may go
          'retry'    it is put off for longer than anybody puts it off     mended: it is not put off
  Calls <= 5 + 22 for each schedule, and 1 for each template ]]

local function audit_schedule(lane, org, schedule, score)
  local fields, what = schedule.fields, nil
  local job = fields.pending_ms and not fields.pending_go and fields.last_job and find_job(org, fields.last_job)
  if tonumber(fields.retry_ms or 0) > lane.now_ms + RETRY_MS_MAX then
    what = 'retry'
    agenda.save(schedule, { retry_ms = '' })
  end
  if fields.pending_go and not fields.pending_ms then
    what = 'pending'
    agenda.save(schedule, { pending_go = '' })
  elseif fields.pending_ms and not fields.pending_go and not (job and job.is_open) then
    what = 'pending'
    agenda.save(schedule, { pending_go = '1' })
  end
  if is_marked(lane, schedule, score) then return what end
  local listed = schedule.template or call('ZSCORE', org_key(org, 'schedules'), schedule.name)
  local moved = agenda.place(lane, org, schedule, listed and score)
  return what or (moved and 'index') or nil
end

-- One of every organization that has no hash yet stands at a moment that has passed; at another one nobody would come for it. Calls: <= 1.
local function look_sooner(lane, org, schedule, score)
  if schedule.template.removed or not schedule.is_fresh or tonumber(score) <= lane.now_ms then return nil end
  call('ZADD', lane.prefix .. 'schedules', lane.now_text, org.name .. '/' .. schedule.name)
  return 'index'
end

local function schedule_audit(keys, args)
  local lane, who, limit = open_lane(keys), check_who(args[1]), to_int(args[3], 'limit', 1, MEND_MAX)
  local page = call('ZSCAN', lane.prefix .. 'schedules', check_cursor(args[2]), 'COUNT', limit)
  local listed, mended = {}, new_mended()
  for i = 1, #page[2], 2 do
    local org_name, name = split_name(page[2][i])
    local org = org_named(lane, org_name)
    local schedule = look_at(lane, org, name)
    local what = 'gone'
    if schedule and schedule.unsettled then
      what = look_sooner(lane, org, schedule, page[2][i + 1])
      if what then schedule = nil end -- there is no hash to note it in
    elseif schedule then
      what = schedule.fields.record and audit_schedule(lane, org, schedule, page[2][i + 1])
      local flat = {}
      for field, value in pairs(schedule.fields) do flat[#flat + 1], flat[#flat + 2] = field, value end
      listed[#listed + 1], listed[#listed + 2], listed[#listed + 3] = org_name, name, flat
    else
      agenda.leave(lane, org, name)
    end
    if what then add_mended(lane, mended, org, name, what, schedule) end
  end
  note_mended(lane, who, mended)
  return { page[1], lane.now_ms, listed, mended.list }
end
register('schedule_audit', schedule_audit, { 'allow-oom' }, {
  'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'HSTRLEN', 'TIME', 'TYPE', 'UNLINK', 'XADD', 'ZADD', 'ZRANGE', 'ZREM', 'ZSCAN', 'ZSCORE',
})

--[[ schedule_relist - the same from the other side: names that organizations list and that never tick. Mends at most 100 in a call; then it
  answers its own cursor, to be called again.
  ARGV  1 who, 2 org: a page of its names; '': a page of organizations; 3 cursor: '' at first; '' when it is over; 4 limit int 1..100 names, or
        organizations (about)
  Returns {next cursor, {org, ...}: of this page, with more names than `limit`: each wants calls of its own; {what, org/name, ...}} as
          schedule_audit: 'gone' | 'index'
  Calls <= 6 + 3 for each organization, 8 for each schedule that is mended, and 1 for each template ]]
local function relist_names(lane, org, names, mended)
  local scores, fulls = {}, {}
  for i, name in ipairs(names) do fulls[i] = org.name .. '/' .. name end
  if #names > 0 then scores = call('ZMSCORE', lane.prefix .. 'schedules', unpack(fulls)) end
  for i, name in ipairs(names) do
    local schedule = not scores[i] and look_at(lane, org, name)
    if not scores[i] and #mended.list == 2 * MEND_MAX then return false end
    if schedule and schedule.fields.record and not schedule.template then
      agenda.place(lane, org, schedule)
      add_mended(lane, mended, org, name, 'index', schedule)
    elseif not scores[i] and (not schedule or schedule.template) then
      agenda.leave(lane, org, name)
      add_mended(lane, mended, org, name, 'gone', nil)
    end
  end
  return true
end

-- The schedules of every organization that this one has nothing of: the leader is to look at them. What was due before it came (`known_ms`) is
-- not its own. Calls: <= 1, 4 for each that is mended.
local function relist_instances(lane, org, known_ms, templates, mended)
  local fulls = {}
  for i, name in ipairs(templates) do fulls[i] = org.name .. '/' .. name end
  for i, score in ipairs(fulls[1] and call('ZMSCORE', lane.prefix .. 'schedules', unpack(fulls)) or {}) do
    local schedule = not score and look_at(lane, org, templates[i])
    if not score and #mended.list == 2 * MEND_MAX then return false end
    if schedule and schedule.template and not schedule.template.removed then
      local since_ms = min(max(tonumber(schedule.template.since_ms), known_ms), lane.now_ms)
      call('ZADD', lane.prefix .. 'schedules', schedule.is_fresh and int_text(since_ms) or lane.now_text, fulls[i])
      add_mended(lane, mended, org, templates[i], 'index', nil)
    end
  end
  return true
end

-- Templates of which each organization has something: not those that a walk is still to be made of. Calls: 1, and 1 for each.
local function settled_templates(lane)
  local names = {}
  for _, name in ipairs(call('ZRANGE', lane.prefix .. 'templates', '0', '0', 'BYSCORE')) do
    local template = every_org.load(lane, name)
    if template and not template.cursor then names[#names + 1] = name end
  end
  return names
end

local function relist_org(lane, org, cursor, limit, mended)
  local names = call('ZRANGEBYLEX', org_key(org, 'schedules'), cursor == '' and '-' or '[' .. cursor, '+', 'LIMIT', 0, limit + 1)
  local after = names[limit + 1] or ''
  names[limit + 1] = nil
  relist_names(lane, org, names, mended) -- of no more names than may be mended in a call
  return after
end

local function schedule_relist(keys, args)
  local lane, who, cursor, limit = open_lane(keys), check_who(args[1]), args[3] or '', to_int(args[4], 'limit', 1, MEND_MAX)
  local more, mended = {}, new_mended()
  if args[2] ~= '' then
    cursor = relist_org(lane, org_named(lane, check_org(args[2])), cursor == '' and '' or check_schedule(cursor), limit, mended)
  else
    local page, whole = call('ZSCAN', lane.prefix .. 'orgs', check_cursor(cursor == '' and '0' or cursor), 'COUNT', limit), true
    local templates = settled_templates(lane)
    for i = 1, #page[2], 2 do
      local org = org_named(lane, page[2][i])
      local names = call('ZRANGEBYLEX', org_key(org, 'schedules'), '-', '+', 'LIMIT', 0, limit + 1)
      if #names > limit then
        more[#more + 1] = org.name
      else
        whole = relist_names(lane, org, names, mended) and whole
      end
      whole = relist_instances(lane, org, tonumber(page[2][i + 1]), templates, mended) and whole
    end
    if not whole then cursor = cursor == '' and '0' or cursor
    else cursor = page[1] == '0' and '' or page[1] end
  end
  note_mended(lane, who, mended)
  return { cursor, more, mended.list }
end
register('schedule_relist', schedule_relist, { 'allow-oom' }, {
  'HGETALL', 'HMGET', 'HSET', 'HSTRLEN', 'TIME', 'TYPE', 'UNLINK', 'XADD', 'ZADD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYLEX', 'ZREM', 'ZSCAN',
})

--[[ schedule_arm - gives schedules the next due time that follows from their recurrence, where another one, or none, is stored.
  ARGV  1 who, and for each of 1..100 schedules: org, name, rev int, the stored next_ms or '', next_ms int, offset_ms int
  Returns a word for each: 'armed' | 'stale': another definition or another next due time is stored, or it is paused or off, or it is
          one of every organization that the leader is to look at anyway: nothing changed
  Calls <= 4 + 10 for each schedule, and 1 for each template ]]
local function arm(lane, args, at, mended)
  local org, name = org_named(lane, check_org(args[at])), check_schedule(args[at + 1])
  local next_ms, offset_ms = to_int(args[at + 4], 'next_ms', 0, 2 ^ 46), to_int(args[at + 5], 'offset_ms', 0, 2 ^ 46)
  local schedule = look_at(lane, org, name)
  local fields = schedule and schedule.fields or {}
  if not fields.record or fields.rev ~= args[at + 2] or (fields.next_ms or '') ~= args[at + 3] or fields.paused or fields.off then return 'stale' end
  if schedule.template and is_marked(lane, schedule, call('ZSCORE', lane.prefix .. 'schedules', org.name .. '/' .. name)) then return 'stale' end
  agenda.save(schedule, { next_ms = next_ms, offset_ms = offset_ms })
  agenda.place(lane, org, schedule)
  add_mended(lane, mended, org, name, 'next', schedule)
  return 'armed'
end

local function schedule_arm(keys, args)
  local lane, who, words, mended = open_lane(keys), check_who(args[1]), {}, new_mended()
  if #args < 7 or #args > 1 + 6 * MEND_MAX or (#args - 1) % 6 ~= 0 then refuse('INVALID', format('a call has 1..%d schedules of 6 arguments', MEND_MAX)) end
  for at = 2, #args, 6 do words[#words + 1] = arm(lane, args, at, mended) end
  note_mended(lane, who, mended)
  return words
end
register('schedule_arm', schedule_arm, { 'allow-oom' }, {
  'HDEL', 'HGETALL', 'HMGET', 'HSET', 'HSTRLEN', 'TIME', 'TYPE', 'XADD', 'ZADD', 'ZRANGE', 'ZSCORE',
})

--[[ schedule_health - notes which schedules have become unhealthy, and which are healthy again: each change once, as an event.
  ARGV  for each of 1..100 schedules: org, name, rev int, unhealthy '1' | '0'
  Returns a word for each: 'noted' | 'same' | 'stale': another definition is stored, or none
  Calls <= 4 + 4 for each schedule, and 1 for each template ]]
local function schedule_health(keys, args)
  local lane, words, changed = open_lane(keys), {}, { ['0'] = {}, ['1'] = {} }
  if #args < 4 or #args > 4 * MEND_MAX or #args % 4 ~= 0 then refuse('INVALID', format('a call has 1..%d schedules of 4 arguments', MEND_MAX)) end
  for at = 1, #args, 4 do
    local org, name, now = org_named(lane, check_org(args[at])), check_schedule(args[at + 1]), args[at + 3]
    if not changed[now] then refuse('INVALID', format('unhealthy is "%s", it must be 0 or 1', sub(now, 1, 40))) end
    local schedule, word = look_at(lane, org, name), 'noted'
    if not schedule or not schedule.fields.record or schedule.fields.rev ~= args[at + 2] then word = 'stale'
    elseif (schedule.fields.unhealthy_ms and '1' or '0') == now then word = 'same'
    else
      agenda.save(schedule, { unhealthy_ms = now == '1' and lane.now_ms or '' })
      changed[now][#changed[now] + 1] = org.name .. '/' .. name
    end
    words[#words + 1] = word
  end
  for now, names in pairs(changed) do
    local org = names[1] and not names[2] and split_name(names[1]) or ''
    if names[1] then
      note_event(lane, now == '1' and 'schedule_unhealthy' or 'schedule_healthy', org, some_of(names),
                 now == '1' and 'no job was done for more than two periods' or 'a job was done, or it was changed or paused')
    end
  end
  return words
end
register('schedule_health', schedule_health, { 'allow-oom' }, {
  'HDEL', 'HGETALL', 'HMGET', 'HSET', 'HSTRLEN', 'TIME', 'TYPE', 'XADD',
})
