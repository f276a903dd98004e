--[[ record.lua - the immutable part of a job, field of the hash `jobs`.

  msgpack array [type, nonce, options, payload]:
    type     str, [A-Za-z0-9._-]{1,64}
    nonce    uint32 in five bytes: random, drawn once per enqueued record; a retry sends the same one, a stranger does not
    options  nil, or a map with any of
               queue str · priority int -100..100 · due_ms int (epoch) · delay_ms int · expires_ms int (epoch) ·
               timeout_ms int · max_attempts int · key str (idempotency) · coalesce str, earliest true (lib/coalesce.lua; not with key) ·
               limit str (lib/limit.lua) · headers map of str to str, at most 32 (opaque)
    payload  str or bin, never looked into
  A job that ended well keeps its record without the payload: [type, nonce, options]. ]]

local NONE = {} -- the options of a record that has none
local record_type, record_options, record_due_ms, record_without_payload, same_record, parse_record -- what other files use
do

local OPTIONS_BYTES_MAX = 8192
local KEY_BYTES_MAX = 256
local HEADERS_MAX = 32

-- Start of the bytes of the str or bin whose header is at `at`, and their number; nil if there is no such header.
local function blob_at(record, at)
  local head, a, b, c, d = byte(record, at, at + 4)
  if not head then return nil end
  if head >= 0xa0 and head <= 0xbf then return at + 1, head - 0xa0 end
  if head == 0xd9 or head == 0xc4 then return a and at + 2, a end
  if head == 0xda or head == 0xc5 then return b and at + 3, b and a * 256 + b end
  if head == 0xdb or head == 0xc6 then return d and at + 5, d and ((a * 256 + b) * 256 + c) * 256 + d end
  return nil
end

-- The type of a record that enqueue accepted, and where its nonce stands.
function record_type(record)
  local head = byte(record, 2)
  if head <= 0xbf then return sub(record, 3, head - 158), head - 157 end -- a fixstr: 0xa0 + its bytes
  local from, bytes = blob_at(record, 2)
  return sub(record, from, from + bytes - 1), from + bytes
end

-- The options of a record that enqueue accepted; never nil.
function record_options(record)
  local _, at = record_type(record)
  if byte(record, at + 5) == 0xc0 then return NONE end
  local _, options = cmsgpack.unpack_one(record, at + 4)
  return options
end

-- When a job that is accepted now is due; 0: at once.
function record_due_ms(options, now_ms)
  return options.delay_ms and now_ms + options.delay_ms or options.due_ms or 0
end

-- The record of an ended job: what `record` holds without the payload.
function record_without_payload(record)
  if byte(record, 1) ~= 0x94 then return record end
  local _, at = record_type(record)
  at = at + 5
  if byte(record, at) == 0xc0 then return '\147' .. sub(record, 2, at) end
  local after = cmsgpack.unpack_one(record, at - 1)
  return '\147' .. sub(record, 2, after == -1 and -1 or after)
end

-- True if `stored` is `record`, or what is left of it after the job ended.
function same_record(stored, record)
  return stored == record or (byte(stored, 1) == 0x93 and sub(record, 2, #stored) == sub(stored, 2))
end

local OPTION_INTS = {
  priority = { -100, 100 }, due_ms = { 0, 2 ^ 46 }, delay_ms = { 0, 2 ^ 42 }, expires_ms = { 1, 2 ^ 46 },
  timeout_ms = { 1, 2 ^ 36 }, max_attempts = { 1, 1000 },
}

-- `key` and `coalesce`. A byte 0 at the beginning of a key would make a lease take it for a coalescing one: own_key().
local function check_key(name, value)
  if type(value) ~= 'string' or #value < 1 or #value > KEY_BYTES_MAX then
    refuse('INVALID', format('option %s must have 1..%d bytes', name, KEY_BYTES_MAX))
  end
  if byte(value) == 0 then refuse('INVALID', format('option %s must not begin with a byte 0', name)) end
end

-- What options may not have together.
local function check_together(options)
  if options.coalesce and options.key then refuse('INVALID', 'options key and coalesce exclude each other') end
  if options.earliest and not options.coalesce then refuse('INVALID', 'option earliest is for jobs with option coalesce') end
end

local function check_options(options)
  if type(options) ~= 'table' then refuse('INVALID', 'the options of a record must be a map or nil') end
  for name, value in pairs(options) do
    local range = OPTION_INTS[name]
    if range then
      if type(value) ~= 'number' then refuse('INVALID', format('option %s must be an integer', name)) end
      to_int(value, 'option ' .. name, range[1], range[2])
    elseif name == 'queue' then
      if type(value) ~= 'string' then refuse('INVALID', 'option queue must be a string') end
      check_name(value, 'queue')
    elseif name == 'key' or name == 'coalesce' then
      check_key(name, value)
    elseif name == 'earliest' then
      if value ~= true then refuse('INVALID', 'option earliest must be true') end
    elseif name == 'limit' then
      if type(value) ~= 'string' then refuse('INVALID', 'option limit must be a string') end
      check_limit(value)
    elseif name == 'headers' then
      if type(value) ~= 'table' then refuse('INVALID', 'option headers must be a map') end
      local count = 0
      for header, text in pairs(value) do
        count = count + 1
        if count > HEADERS_MAX then refuse('INVALID', format('option headers has more than %d headers', HEADERS_MAX)) end
        if type(header) ~= 'string' or type(text) ~= 'string' then refuse('INVALID', 'names and values of headers must be strings') end
      end
    else
      refuse('INVALID', format('unknown option "%s"', sub(tostring(name), 1, 40)))
    end
  end
  check_together(options)
  return options
end

-- Checks the type of a record from outside, for parse_record(); returns where its nonce stands.
local function check_type(record)
  local from, bytes = blob_at(record, 2)
  if byte(record, 1) ~= 0x94 or not from then refuse('INVALID', 'a record must be a msgpack array of type, nonce, options, payload') end
  local kind = sub(record, from, from + bytes - 1)
  if bytes > TYPE_BYTES_MAX or #kind ~= bytes or not find(kind, '^[A-Za-z0-9._-]+$') then
    refuse('INVALID', format('type "%s" must match [A-Za-z0-9._-]{1,64}', sub(kind, 1, 80)))
  end
  return from + bytes
end

-- Checks a record from outside. Returns its options (never nil) and the bytes of its payload. `types` remembers the beginnings
-- of records that were found good in this call: most records of a batch begin alike.
function parse_record(record, types)
  local head = byte(record, 2) or 0
  local start = sub(record, 1, head <= 0xbf and head - 158 or 70)
  local at = types[start]
  if not at then
    at = check_type(record)
    if head <= 0xbf then types[start] = at end
  end
  local mark, _, _, _, _, first, payload_head, payload_length = byte(record, at, at + 7)
  if mark ~= 0xce then refuse('INVALID', 'the nonce of a record must be a uint32 in five bytes') end
  if first == 0xc0 and payload_head == 0xd9 and at + 7 + (payload_length or 0) == #record then return NONE, payload_length end
  at = at + 5
  local options = NONE
  if first == 0xc0 then
    at = at + 1
  elseif first and ((first >= 0x80 and first <= 0x8f) or first == 0xde) then
    local head_only = sub(record, at, at + OPTIONS_BYTES_MAX) -- one byte more than they may have: what costs to unpack is bounded
    local unpacked, after, value = pcall(cmsgpack.unpack_one, head_only, 0) -- no redis.call is in there
    if after == -1 and #record <= at + OPTIONS_BYTES_MAX then refuse('INVALID', 'a record ends before its payload') end
    if after == -1 or (not unpacked and #record > at + OPTIONS_BYTES_MAX) then
      refuse('INVALID', format('options that are not msgpack, or have more than %d bytes', OPTIONS_BYTES_MAX))
    end
    if not unpacked then refuse('INVALID', 'the options of a record are not msgpack: ' .. sub(tostring(after), 1, 80)) end
    options, at = check_options(value), at + after
  else
    refuse('INVALID', 'the options of a record must be a map or nil')
  end
  local payload, payload_bytes = blob_at(record, at)
  if not payload or payload + payload_bytes - 1 ~= #record then refuse('INVALID', 'the payload of a record must be one str or bin at its end') end
  return options, payload_bytes
end

end
