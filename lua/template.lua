--[[ template_set - defines a schedule of every organization, or changes it (lib/template.lua). In lane 0, which has the say.
  ARGV  1 who, 2 name, 3 rev: int, that of the definition this one takes the place of; 0: there is none; '' : whatever there is
        4.. field, value: each of recurrence, missed, window_ms, overlap, spread_ms, from_ms, until_ms, record (lib/schedule.lua); of one that
        is to begin so, if there is none yet: paused_by ('': who), paused_ms (0: now); shadow '1': another schedule is to move to it, its due
        times are shadows until template_turn says otherwise
  Returns {'new' | 'changed' | 'same', rev} | {'exists', rev}: there is another definition than `rev` | {'unknown'}: there is none |
          {'removing', organizations looked at}: the one of that name is being removed
  Errors  INVALID naming field, value and range; nothing was changed
  Calls <= 14 ]]
local TEMPLATES_MAX = 64
local PAYLOAD_BYTES_MAX = 1000000
local STATE = { 'rev', 'created_ms', 'changed_ms', 'since_ms', 'paused', 'paused_by', 'paused_ms', 'removed', 'turns' } -- besides the definition

local function check_first_lane(lane)
  if not find(lane.prefix, '{0}:', 1, true) then refuse('INVALID', 'schedules of every organization are changed in lane 0') end
end

-- Makes it what `fields` say, all of them. Where its times are others than before, a walk begins. Calls: <= 6.
local function write_template(lane, name, old, fields)
  local key, flat, gone = lane.prefix .. 'template:' .. name, {}, {}
  for field, value in pairs(fields) do flat[#flat + 1], flat[#flat + 2] = field, value end
  for _, field in ipairs(STATE) do
    if not fields[field] then gone[#gone + 1] = field end
  end
  call('HSET', key, unpack(flat))
  if gone[1] then call('HDEL', key, unpack(gone)) end
  call('ZADD', lane.prefix .. 'templates', fields.removed and '1' or '0', name)
  if not old or old.since_ms ~= fields.since_ms or old.removed ~= fields.removed then
    call('HSET', key, 'cursor', '0', 'walked', '0')
    every_org.set_walk(lane, name, true)
    wake_scheduler(lane)
  end
  lane.templates[name] = nil
end

-- The number of a change that is made now. Calls: 2.
local function next_change(lane)
  return int_text(call('HINCRBY', lane.clock, 'templates', '1'))
end

local function copy_of(fields)
  local copy = {}
  for _, names in ipairs({ definition.FIELDS, STATE }) do
    for _, name in ipairs(names) do copy[name] = fields[name] end
  end
  return copy
end

-- The turns of one that begins as a shadow, or nil.
local function take_shadow(value)
  if value and value ~= '1' then refuse('INVALID', format('shadow is "%s", it must be 1', sub(value, 1, 40))) end
  return value and '-0' or nil
end

local function template_set(keys, args)
  local lane, who, name = open_lane(keys), check_who(args[1]), check_schedule(args[2])
  check_first_lane(lane)
  local wanted, new = args[3] ~= '' and to_int(args[3], 'rev', 0, 2 ^ 50), definition.read(args, 4)
  local state = definition.take_pause(lane, who, new) or {}
  state.turns, new.shadow = take_shadow(new.shadow), nil
  definition.check(new, PAYLOAD_BYTES_MAX)
  local old = every_org.read(lane, name)
  if old and old.removed then return { 'removing', tonumber(old.walked or 0) } end
  local rev = old and tonumber(old.rev) or 0
  if wanted and wanted ~= rev then return rev > 0 and { 'exists', rev } or { 'unknown' } end
  if old and definition.same(old, new, definition.FIELDS) then return { 'same', rev } end
  if not old and call('ZCARD', lane.prefix .. 'templates') >= TEMPLATES_MAX then
    refuse('INVALID', format('schedule %s would be number %d of those of every organization', name, TEMPLATES_MAX + 1))
  end
  local fields = old and copy_of(old) or state
  fields.created_ms = fields.created_ms or lane.now_text
  for _, field in ipairs(definition.FIELDS) do fields[field] = new[field] end
  fields.rev, fields.changed_ms = next_change(lane), lane.now_text
  if not old or not definition.same(old, new, definition.DUE) then fields.since_ms = lane.now_text end
  write_template(lane, name, old, fields)
  note_change(lane, who, 'template_set', '', name, old and definition.text(old) or '', definition.text(fields) .. (not old and state.paused and ' paused' or ''))
  return { old and 'changed' or 'new', tonumber(fields.rev) }
end
register('template_set', template_set, {}, { 'HDEL', 'HGET', 'HGETALL', 'HINCRBY', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD' })

--[[ template_change - pauses a schedule of every organization, resumes or removes it. In lane 0. Resumed, it goes on with the first due time from
  now on. Removed, it has no due time any more; the leader's walk takes it from the organizations.
  ARGV  1 who, 2 name, 3 'pause' | 'resume' | 'remove'
  Returns {'paused' | 'resumed' | 'removed' | 'same', rev} | {'unknown'}
  Calls <= 13 ]]
local CHANGES = { pause = 'paused', resume = 'resumed', remove = 'removed' }
local function template_change(keys, args)
  local lane, who, name, change = open_lane(keys), check_who(args[1]), check_schedule(args[2]), args[3]
  check_first_lane(lane)
  if not CHANGES[change or ''] then refuse('INVALID', format('change is "%s", it must be pause, resume or remove', sub(tostring(change), 1, 40))) end
  local old = every_org.load(lane, name)
  if not old then return { 'unknown' } end
  if change ~= 'remove' and (old.paused ~= nil) == (change == 'pause') then return { 'same', tonumber(old.rev) } end
  local fields = copy_of(old)
  fields.paused, fields.paused_by, fields.paused_ms = nil, nil, nil
  if change == 'pause' then
    fields.paused, fields.paused_by, fields.paused_ms = '1', who, lane.now_text
  elseif change == 'resume' then
    fields.since_ms = lane.now_text
  else
    fields.removed = '1'
  end
  fields.rev = next_change(lane)
  write_template(lane, name, old, fields)
  note_change(lane, who, 'template_' .. change, '', name, change == 'remove' and definition.text(old) or old.paused and 'paused' or '',
              change == 'pause' and 'paused' or '')
  return { CHANGES[change], tonumber(fields.rev) }
end
register('template_change', template_change, { 'allow-oom' }, { 'HDEL', 'HGET', 'HGETALL', 'HINCRBY', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD' })

--[[ template_turn - of which due times a schedule of every organization is in charge, and of which the one that moves to it (schedule_move). In lane 0.
  ARGV  1 who, 2 name, 3 '+': of those from at_ms on, '-': of none from then on, 'end': it is in charge for good, nothing moves to it any more;
        4 at_ms int, at least 5 s from now, so that all lanes know of it by then; '' with 'end'
  Returns {'turned' | 'same' | 'ended', rev} | {'early', ms}: 'end' is not before then, because due times before its turn may still be
          served | {'alone'}: no schedule moves to it, or with 'end', it is not in charge | {'unknown'}
  Errors  INVALID naming at_ms and the least; nothing was changed
  Calls <= 13 ]]
local LEAD_MS = 5000
local function template_turn(keys, args)
  local lane, who, name, sign = open_lane(keys), check_who(args[1]), check_schedule(args[2]), args[3]
  check_first_lane(lane)
  if sign ~= '+' and sign ~= '-' and sign ~= 'end' then refuse('INVALID', format('a turn is "%s", it must be +, - or end', sub(tostring(sign), 1, 40))) end
  local at_ms = sign ~= 'end' and to_int(args[4], 'at_ms', lane.now_ms + LEAD_MS, definition.TIME_MS_MAX)
  local old = every_org.load(lane, name)
  if not old then return { 'unknown' } end
  if not old.turns then return { 'alone' } end
  local fields, last, last_ms = copy_of(old), string.match(old.turns, '([+-])(%d+)$')
  if at_ms then
    fields.turns = every_org.turn(old.turns, sign, at_ms)
  elseif last == '-' then
    return { 'alone' }
  else
    local end_ms = tonumber(last_ms) + tonumber(old.window_ms) + tonumber(old.spread_ms)
    if lane.now_ms < end_ms then return { 'early', end_ms } end
    fields.turns = nil
  end
  if fields.turns == old.turns then return { 'same', tonumber(old.rev) } end
  fields.rev = next_change(lane)
  write_template(lane, name, old, fields)
  note_change(lane, who, 'template_turn', '', name, old.turns, fields.turns or '')
  return { at_ms and 'turned' or 'ended', tonumber(fields.rev) }
end
register('template_turn', template_turn, {}, { 'HDEL', 'HGET', 'HGETALL', 'HINCRBY', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD' })

--[[ template_copy - makes one what it is in lane 0, in another lane, if it is older there.
  ARGV  1 name, 2.. field, value: all that function `template` has answered in lane 0, of one that is not removed
  Returns 'copied' | 'same': it is not older, or was removed meanwhile | 'removing': an earlier one of that name still is being removed here
  Calls <= 10 ]]
local function template_copy(keys, args)
  local lane, name, fields, defined = open_lane(keys), check_schedule(args[1]), definition.read(args, 2), {}
  for _, field in ipairs(definition.FIELDS) do defined[field] = fields[field] end
  definition.check(defined, PAYLOAD_BYTES_MAX)
  fields = copy_of(fields)
  for _, field in ipairs({ 'rev', 'created_ms', 'changed_ms', 'since_ms' }) do to_int(fields[field] or '', field, 0, 2 ^ 50) end
  local old = every_org.read(lane, name)
  if old and old.removed then return 'removing' end
  local known = old and old.rev or call('HGET', lane.clock, 'templates') or 0 -- one that is not there and not newer was removed meanwhile
  if tonumber(known) >= tonumber(fields.rev) then return 'same' end
  write_template(lane, name, old, fields)
  return 'copied'
end
register('template_copy', template_copy, {}, { 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'ZADD' })

--[[ template_sync - compares those of a lane with those of lane 0, and begins to remove those that are not there any more.
  ARGV  1 number of the last change in lane 0; 2.. name, rev: those that are there, and not removed
  Returns the name of one that is older here, or ''; then the lane knows that change
  Calls <= 6 + 9 for each of at most 64 ]]
local function template_sync(keys, args)
  local lane, change, theirs = open_lane(keys), to_int(args[1], 'change', 0, 2 ^ 50), {}
  for i = 2, #args, 2 do theirs[check_schedule(args[i])] = to_int(args[i + 1] or '', 'rev', 1, 2 ^ 50) end
  if tonumber(call('HGET', lane.clock, 'templates') or 0) >= change then return '' end
  for _, name in ipairs(call('ZRANGE', lane.prefix .. 'templates', '0', '-1')) do
    local found = call('HMGET', lane.prefix .. 'template:' .. name, 'rev', 'removed')
    local rev, is_there = tonumber(found[1] or 0), found[1] and not found[2]
    if is_there and not theirs[name] and rev <= change then -- a later one is not in their list yet
      local old = every_org.read(lane, name)
      local fields = copy_of(old)
      fields.removed = '1'
      write_template(lane, name, old, fields)
    elseif is_there and theirs[name] and rev >= theirs[name] then
      theirs[name] = nil
    end
  end
  local older = next(theirs)
  if older then return older end
  call('HSET', lane.clock, 'templates', int_text(change))
  return ''
end
register('template_sync', template_sync, { 'allow-oom' }, { 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'ZADD', 'ZRANGE' })

--[[ template_walk - a step of the walk over the organizations of the lane: those that have none of it yet get one, those whose times may have
  changed are put where the leader looks for what is due; of a removed one theirs is taken away, and a job of it that has not begun is cancelled.
  An organization that comes while the walk is under way has it already (register_org). One that has a schedule of its own of that name is left alone.
  ARGV  1 name, 2 limit int 1..256 organizations (about; of a removed one 32; a step of a lane with few may have 128); 3 'again' to begin anew:
        a cursor means nothing to another Redis server; or ''
  Returns {'walking' | 'done', organizations looked at in this step}
  Calls <= 14 + 2 for each organization, of a removed one 76 ]]

local REMOVED_MAX = 32 -- instances in a step, about

-- Calls: <= 75.
local function remove_instance(lane, org_name, name)
  local org = load_org(lane, org_name)
  local schedule = { fields = { last_job = call('HGET', org_key(org, 'schedule:' .. name), 'last_job') or nil } }
  agenda.forget(lane, org, name)
  agenda.take_job_back(lane, org, schedule, true)
end

local function walk_page(lane, name, template, orgs)
  local fresh, looked_at = {}, {}
  for i = 1, #orgs, 2 do
    local key = lane.prefix .. 'org:' .. orgs[i] .. ':schedule:' .. name
    local kind = call('TYPE', key).ok
    local is_other = kind ~= 'hash' and kind ~= 'none' -- put there by hand: it is not in the way of others
    local found = is_other and {} or call('HMGET', key, 'template', 'rev')
    local is_own, list = is_other or (not found[1] and found[2]), found[1] and looked_at or fresh
    if not is_own and template.removed then
      remove_instance(lane, orgs[i], name)
    elseif not is_own then
      list[#list + 1], list[#list + 2] = found[1] and lane.now_text or template.since_ms, orgs[i] .. '/' .. name
    end
  end
  if looked_at[1] then call('ZADD', lane.prefix .. 'schedules', unpack(looked_at)) end
  if fresh[1] then call('ZADD', lane.prefix .. 'schedules', 'NX', unpack(fresh)) end
end

-- Calls: <= 4.
local function end_walk(lane, name, template)
  local key = lane.prefix .. 'template:' .. name
  every_org.set_walk(lane, name, false)
  if template and template.removed then
    call('UNLINK', key)
    call('ZREM', lane.prefix .. 'templates', name)
  elseif template then
    call('HDEL', key, 'cursor', 'walked')
  end
end

local function template_walk(keys, args)
  local lane, name, limit = open_lane(keys), check_schedule(args[1]), to_int(args[2], 'limit', 1, 256)
  local template = every_org.read(lane, name)
  if not template or not template.cursor then
    end_walk(lane, name, template)
    return { 'done', 0 }
  end
  if args[3] == 'again' then template.cursor, template.walked = '0', '0' end
  local page = call('ZSCAN', lane.prefix .. 'orgs', template.cursor, 'COUNT', template.removed and min(limit, REMOVED_MAX) or limit)
  walk_page(lane, name, template, page[2])
  save_lane(lane)
  if page[1] == '0' then
    end_walk(lane, name, template)
  else
    call('HSET', lane.prefix .. 'template:' .. name, 'cursor', page[1], 'walked', int_text(tonumber(template.walked) + #page[2] / 2))
  end
  return { page[1] == '0' and 'done' or 'walking', #page[2] / 2 }
end
register('template_walk', template_walk, { 'allow-oom' }, {
  'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'TYPE', 'UNLINK', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCAN', 'ZSCORE',
})

--[[ templates - the schedules of every organization, by name. Writes nothing.
  Returns {now_ms, number of the last change, organizations of the lane, {name, {field, value, ...}, ...}}: fields as in lib/template.lua, the
          record without its payload
  Calls <= 5 + 1 for each of at most 64 ]]
local function templates(keys)
  local lane, listed = open_lane(keys), {}
  local names = call('ZRANGE', lane.prefix .. 'templates', '0', '-1')
  table.sort(names)
  for _, name in ipairs(names) do
    local flat = {}
    for field, value in pairs(every_org.read(lane, name) or {}) do
      flat[#flat + 1], flat[#flat + 2] = field, field == 'record' and record_without_payload(value) or value
    end
    listed[#listed + 1], listed[#listed + 2] = name, flat
  end
  return { lane.now_ms, tonumber(call('HGET', lane.clock, 'templates') or 0), call('ZCARD', lane.prefix .. 'orgs'), listed }
end
register('templates', templates, { 'no-writes' }, { 'HGET', 'HGETALL', 'HMGET', 'TIME', 'ZCARD', 'ZRANGE' })

--[[ template - one of them, with all of its record. Writes nothing.
  ARGV  1 name
  Returns {now_ms, {field, value, ...}, organizations of the lane}; no fields if there is none
  Calls <= 4 ]]
local function template(keys, args)
  local lane = open_lane(keys)
  return { lane.now_ms, call('HGETALL', lane.prefix .. 'template:' .. check_schedule(args[1])), call('ZCARD', lane.prefix .. 'orgs') }
end
register('template', template, { 'no-writes' }, { 'HGETALL', 'HMGET', 'TIME', 'ZCARD' })
