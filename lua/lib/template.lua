--[[ template.lua - a schedule of every organization: defined once for the lane; what an organization says itself lies over it.

  Hash `rota:{k}:template:<name>`, in all lanes the same but for the walk. Lane 0 has the say; others have copies:
    definition   as that of a schedule (lib/schedule.lua)
    state        rev (the number of the change, of all templates: none has that of another one) · created_ms, changed_ms · since_ms (due times
                 up to then are nobody's) · paused, paused_by, paused_ms · removed (its instances go, then it does)
    moving       turns: of which due times it is in charge, and of which another schedule is that moves to it (moves_to); common/turns.h.
                 Due times of the other one are shadows here: their jobs have the header rota-shadow. Only what is to come is changed
    walk         cursor, walked: how far the walk over the organizations is, and how many it has looked at; absent: there is none to make

  zset `rota:{k}:templates`: names, with score 0; 1 of one that is removed
  clock: `templates`: the number of the last change that is known here · `walks`: names of which a walk is to be made, with spaces between

  An *instance* is the schedule hash of an organization with the field `template`. It has the state and the history of a schedule, and of the
  definition only what the organization says itself: its own fields, `own_record` of which the parts named in `own_parts` count (type,
  payload, options), and `off`: due times pass. It has no hash before its first tick: then it stands in `schedules` at the ms up to which
  due times are not its own. So a new organization costs one entry there (register_org), and a walk puts all others there that are to be
  looked at: those whose times have changed. ]]

-- What other files use: functions; and, of lib/schedule.lua, what a definition is. (Tables, because a Lua function has at most 200 locals.)
local every_org = {}
local definition = {
  FIELDS = { 'recurrence', 'missed', 'window_ms', 'overlap', 'spread_ms', 'from_ms', 'until_ms', 'record' },
  DUE = { 'recurrence', 'from_ms', 'until_ms' }, -- those that say when it is due
  TIME_MS_MAX = 2 ^ 46, SPREAD_MS_MAX = 31 * 86400000,
}
do

-- A record of the type of `kind`, the nonce of `record`, `options`, and the payload of `payload`. All were accepted before.
local function make_record(record, kind, options, payload)
  local _, kind_end = record_type(kind)
  local _, nonce_at = record_type(record)
  return sub(kind, 1, kind_end - 1) .. sub(record, nonce_at, nonce_at + 4) .. (next(options) and cmsgpack.pack(options) or '\192') ..
         sub(payload, #record_without_payload(payload) + 1)
end

-- The record with those parts that `parts` names taken from `own`. Both were accepted before.
local function join_records(record, own, parts)
  local function part_of(name) return has_word(parts, name) and own or record end
  local options, own_options, joined = record_options(record), record_options(own), {}
  for name, value in pairs(options) do joined[name] = value end
  for name in string.gmatch(parts, '%S+') do
    if name ~= 'type' and name ~= 'payload' then joined[name] = own_options[name] end
  end
  if joined.headers and not next(joined.headers) then joined.headers = nil end -- an empty map would be packed as an array
  return make_record(record, part_of('type'), joined, part_of('payload'))
end

-- The record with the header that makes it a shadow. Where there is no room for one more, that is its only header.
function every_org.as_shadow(record)
  local SHADOW, HEADERS_MAX, OPTIONS_BYTES_MAX = 'rota-shadow', 32, 8192
  local options, count = { headers = {} }, 0
  for name, value in pairs(record_options(record)) do
    if name ~= 'headers' then options[name] = value end
  end
  for name, value in pairs(record_options(record).headers or {}) do options.headers[name], count = value, count + 1 end
  options.headers[SHADOW] = '1'
  if count >= HEADERS_MAX or #cmsgpack.pack(options) > OPTIONS_BYTES_MAX then options.headers = { [SHADOW] = '1' } end
  return make_record(record, record, options, record)
end

local function same_value(one, other)
  if type(one) ~= 'table' or type(other) ~= 'table' then return one == other end
  for name, value in pairs(one) do
    if other[name] ~= value then return false end
  end
  for name in pairs(other) do
    if one[name] == nil then return false end
  end
  return true
end

-- True if two records have the same in those parts that `parts` names. '' is none; both were accepted before.
function every_org.same_parts(one, other, parts)
  if one == '' or other == '' then return one == other end
  local options, other_options = record_options(one), record_options(other)
  for name in string.gmatch(parts, '%S+') do
    if name == 'type' then
      if (record_type(one)) ~= (record_type(other)) then return false end
    elseif name == 'payload' then
      if sub(one, #record_without_payload(one) + 1) ~= sub(other, #record_without_payload(other) + 1) then return false end
    elseif not same_value(options[name], other_options[name]) then
      return false
    end
  end
  return true
end

-- True if `turns` say that the due time is the template's, not that of the schedule which moves to it.
function every_org.owns(turns, due_ms)
  local own = sub(turns, 1, 1) == '-' -- before the first word it is the other way round
  for sign, ms in string.gmatch(turns, '([+-])(%d+)') do
    if due_ms >= tonumber(ms) then own = sign == '+' end
  end
  return own
end

-- The turns with one more word, of `at_ms`, which takes the place of those from then on.
function every_org.turn(turns, sign, at_ms)
  local TURNS_MAX, words = 16, {}
  for word in string.gmatch(turns, '[+-]%d+') do
    if tonumber(sub(word, 2)) < at_ms then words[#words + 1] = word end
  end
  if #words == 0 or sub(words[#words], 1, 1) ~= sign then words[#words + 1] = sign .. int_text(at_ms) end
  if #words > TURNS_MAX then
    table.remove(words, 1)
    table.remove(words, 1)
  end
  return table.concat(words, ' ')
end

-- Its fields, also of one that is removed; false if there is none. Calls: 1, once.
function every_org.read(lane, name)
  lane.templates = lane.templates or {}
  local fields = lane.templates[name]
  if fields == nil then
    local flat = call('HGETALL', lane.prefix .. 'template:' .. name)
    fields = flat[1] and {} or false
    for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
    lane.templates[name] = fields
  end
  return fields
end

-- The same; nil if it is removed. Calls: 1, once.
function every_org.load(lane, name)
  local fields = every_org.read(lane, name)
  return fields and not fields.removed and fields or nil
end

-- Completes the fields of an instance by those of its template; `own` names what is the organization's, and own_paused_by and own_paused_ms are
-- those of a pause of its own. Its rev and its since_ms are those of both: they only grow.
function every_org.lay_over(template, fields)
  local own = {}
  for _, name in ipairs(definition.FIELDS) do
    if fields[name] then own[#own + 1] = name else fields[name] = template[name] end
  end
  if fields.own_parts then
    own[#own + 1] = fields.own_parts
    fields.record = join_records(template.record, fields.own_record, fields.own_parts)
  end
  local function later(name) return int_text(max(tonumber(template[name]), tonumber(fields[name] or 0))) end
  fields.template, fields.own, fields.rev = '1', table.concat(own, ' '), int_text(tonumber(template.rev) + tonumber(fields.rev or 0))
  fields.since_ms, fields.changed_ms, fields.turns = later('since_ms'), later('changed_ms'), template.turns
  if fields.paused then fields.own_paused_by, fields.own_paused_ms = fields.paused_by, fields.paused_ms end
  if template.paused then
    fields.paused, fields.paused_by, fields.paused_ms, fields.paused_all = '1', template.paused_by, template.paused_ms, '1'
  end
end

-- The schedules of every organization for one that is new. Calls: <= 2.
function every_org.add_to(lane, org)
  local entries = {}
  for _, name in ipairs(call('ZRANGE', lane.prefix .. 'templates', '0', '0', 'BYSCORE')) do
    entries[#entries + 1], entries[#entries + 2] = lane.now_text, org.name .. '/' .. name
  end
  if entries[1] then call('ZADD', lane.prefix .. 'schedules', unpack(entries)) end
end

-- Takes them from one that goes. Calls: <= 3.
function every_org.take_from(lane, org)
  local keys, entries = {}, {}
  for _, name in ipairs(call('ZRANGE', lane.prefix .. 'templates', '0', '-1')) do
    keys[#keys + 1], entries[#entries + 1] = org_key(org, 'schedule:' .. name), org.name .. '/' .. name
    keys[#keys + 1] = org_key(org, 'results:' .. name)
  end
  if not keys[1] then return end
  call('UNLINK', unpack(keys))
  call('ZREM', lane.prefix .. 'schedules', unpack(entries))
end

-- Notes that a walk is to be made of it, or that there is none any more. Calls: 2.
function every_org.set_walk(lane, name, wanted)
  local walks = {}
  for other in string.gmatch(call('HGET', lane.clock, 'walks') or '', '%S+') do
    if other ~= name then walks[#walks + 1] = other end
  end
  if wanted then walks[#walks + 1] = name end
  if walks[1] then call('HSET', lane.clock, 'walks', table.concat(walks, ' ')) else call('HDEL', lane.clock, 'walks') end
end

end
