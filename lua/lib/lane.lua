--[[ lane.lua - what every function of the library stands on: the lane it was called for, its clock, refusals.

  A lane is a set of organizations whose keys share one hash tag, so that one call may change them together. Every
  function is called with two keys, `rota:{k}` and `rota:{k}:clock`; all other keys of the lane are built here and in
  org_key() from the first one. Reads the server's time once, so that one call has one "now".

  Errors  NOTREADY  the lane has not been set up (`rota setup`)
          SCHEMA    the lane was written by a newer Rota
          INVALID   an argument is out of its grammar or range
          NOPERM    the user lacks a right that the function needs
  After each of them nothing has changed. ]]

-- Redis gives a library its globals only while a function runs: use_globals() sets these at the first call.
local call, byte, find, floor, format, max, min, sub

local SCHEMA = 1
local QUEUE_DEFAULT = 'default'
local QUEUES_MAX = 16 -- of an organization, and in a claim
local TYPE_BYTES_MAX = 64
local JOB_PATTERN = '^[A-Za-z0-9._:@-]+$'
local JOB_BYTES_MAX = 64
local RECORDS_BYTES_MAX = 1048576 -- that one enqueue or claim may carry

local function refuse(code, text)
  error(redis.error_reply(code .. ' ' .. text))
end

-- An integer as text: `..` and tostring() keep only 14 digits.
local function int_text(number)
  return format('%.0f', number)
end

-- Argument `value` as an integer in low..high, or INVALID naming it.
local function to_int(value, name, low, high)
  local number = (type(value) ~= 'string' or find(value, '^%-?%d+$')) and tonumber(value)
  if not number or number ~= floor(number) or number < low or number > high then
    refuse('INVALID', format('%s is "%s", it must be an integer in %.0f..%.0f', name, sub(tostring(value), 1, 40), low, high))
  end
  return number
end

local check_name, check_org, check_limit, check_job_id, check_cursor, check_session
do

local ORGS_PATTERN = '^[a-z0-9][a-z0-9_-]*$'
local NAME_BYTES_MAX = 63

function check_name(value, what)
  if not value or #value > NAME_BYTES_MAX or not find(value, ORGS_PATTERN) then
    refuse('INVALID', format('%s "%s" must match [a-z0-9][a-z0-9_-]{0,62}', what, sub(tostring(value), 1, 80)))
  end
  return value
end

function check_org(value)
  return check_name(value, 'organization')
end

-- The name of a limit: NAME, or NAME:KEY. Returns it, and where its key begins behind the colon, nil if it has none.
function check_limit(value)
  local text = value or ''
  local colon = find(text, ':', 1, true)
  local name, key = sub(text, 1, (colon or 0) - 1), colon and sub(text, colon + 1)
  if #name > NAME_BYTES_MAX or not find(name, ORGS_PATTERN) or (key and (#key > TYPE_BYTES_MAX or not find(key, '^[A-Za-z0-9._-]+$'))) then
    refuse('INVALID', format('limit "%s" must match [a-z0-9][a-z0-9_-]{0,62}, for a key with :[A-Za-z0-9._-]{1,64} behind it', sub(text, 1, 140)))
  end
  return value, colon
end

local function is_job_id(value)
  return value and #value <= JOB_BYTES_MAX and find(value, JOB_PATTERN) ~= nil
end

function check_job_id(value)
  if not is_job_id(value) then
    refuse('INVALID', format('job id "%s" must match [A-Za-z0-9._:@-]{1,64}', sub(tostring(value), 1, 80)))
  end
  return value
end

-- A cursor of SCAN's family.
function check_cursor(value)
  if not value or #value > 19 or not find(value, '^%d+$') then
    refuse('INVALID', format('cursor "%s" is not one that this function has answered', sub(tostring(value), 1, 40)))
  end
  return value
end

function check_session(value)
  if not value or #value > 64 or not find(value, '^[a-z0-9]+$') then
    refuse('INVALID', format('session "%s" must match [a-z0-9]{1,64}', sub(tostring(value), 1, 80)))
  end
  return value
end

end

local function check_schema(name, schema)
  if tonumber(schema) > SCHEMA then refuse('SCHEMA', format('lane %s has schema %s, this library knows %d', name, schema, SCHEMA)) end
end

-- The lane of this call: {prefix, clock (key), paused, intake, queues, deleting (names, as queues), lines_ms (when to look at the lines of limits, or nil), now_us, now_ms,
-- now_text, orgs, queue states and limits read so far}.
-- Calls: 2.
local function open_lane(keys)
  local prefix = (keys[1] or '') .. ':'
  if keys[2] ~= prefix .. 'clock' then refuse('INVALID', 'the keys of a call are rota:{k} and rota:{k}:clock') end
  local clock = call('HMGET', keys[2], 'schema', 'queues', 'paused', 'intake', 'lines_ms', 'deleting')
  if not clock[1] then refuse('NOTREADY', 'lane ' .. keys[1] .. ' is not set up: run `rota setup`') end
  check_schema(keys[1], clock[1])
  local time = call('TIME')
  local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local now_ms = floor(now_us / 1000)
  return {
    prefix = prefix, clock = keys[2], paused = clock[3], intake = clock[4], queues = clock[2] or QUEUE_DEFAULT, new_queues = false,
    deleting = clock[6] or '', lines_ms = tonumber(clock[5] or nil), line_visits = 0, now_us = now_us, now_ms = now_ms, now_text = int_text(now_ms), orgs = {}, order = {},
    virtual = {},
  }
end

-- An empty list with room for `length` elements, or for 96 at once: to grow one step by step costs more than to fill it.
local function new_list(length)
  if length <= 2 then return { nil, nil } end
  if length <= 16 then return { nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil } end
  return {
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
  }
end

-- Turns a list of pairs round. A small sorted set takes in what comes before all others of a score soonest.
local function turn_round(flat, length)
  for i = 1, length / 2, 2 do
    local j = length - i
    flat[i], flat[i + 1], flat[j], flat[j + 1] = flat[j], flat[j + 1], flat[i], flat[i + 1]
  end
end

-- True if the space-separated `list` has `word`.
local function has_word(list, word)
  return find(' ' .. list .. ' ', ' ' .. word .. ' ', 1, true) ~= nil
end

-- The fair-queueing state of a queue in this lane: v (virtual time, in tag units), picks and entries (counters of organizations
-- picked, and of those that came without debt), paused, dirty (to be saved), parked (false: nobody is there), resting_text, resting
-- (lib/rest.lua), rested (some have begun to rest), may_wake (others are left that the claim may wake). Calls: 1, once.
local function virtual_time(lane, queue)
  local state = lane.virtual[queue]
  if not state then
    local found = call('HMGET', lane.clock, 'v:' .. queue, 'picks:' .. queue, 'entries:' .. queue, 'paused:' .. queue, 'resting:' .. queue)
    state = {
      v = tonumber(found[1] or 0), picks = tonumber(found[2] or 0), entries = tonumber(found[3] or 0), paused = found[4], dirty = false,
      parked = nil, resting_text = found[5], resting = nil, rested = false, may_wake = false,
    }
    lane.virtual[queue] = state
  end
  return state
end

local register
do

local function use_globals()
  call = redis.call
  byte, find, format, sub = string.byte, string.find, string.format, string.sub
  floor, max, min = math.floor, math.max, math.min
end

-- Registers a function. `commands`: those that it may make; a user who has no right to one of them is refused before anything is
-- written, not halfway.
function register(name, callback, flags, commands)
  local function run(keys, args)
    if not call then use_globals() end
    local key = (keys[1] or '') .. ':orgs' -- one of those that are not named in the call
    for i = 1, #commands do
      if not redis.acl_check_cmd(commands[i], key) then
        refuse('NOPERM', format('this user may not call %s on %s, and rota_@ABI@_%s has to', commands[i], key, name))
      end
    end
    return callback(keys, args)
  end
  redis.register_function { function_name = 'rota_@ABI@_' .. name, callback = run, flags = flags }
end

end
