--[[ logs.lua - what handlers wrote to stderr, kept for a while.

  hash  …:logs       job -> the logs of its attempts, one msgpack array [delivery, ended_ms, omitted_bytes, text] after the other;
                     of a job with more than 256 KiB of them the oldest are gone
  zset  …:log_order  job -> second of its newest log * 2^21 + bytes of its field in `logs`: the oldest come first, and what they
                     take is known without reading them
  Field log_bytes of the organization: what all of them take. It is changed in the call that changes them. ]]

local forget_logs, keep_log, old_logs -- what other files use
do

local JOB_LOGS_BYTES_MAX = 262144
local DROPPED_MAX = 256 -- jobs whose logs give way to one new log

local function kept_bytes(org)
  return tonumber(org.fields.log_bytes or 0)
end

-- Forgets the logs of jobs. Calls: 0 where the organization has none, else <= 3 for at most 500 ids.
function forget_logs(org, ids)
  local kept = kept_bytes(org)
  if kept == 0 or #ids == 0 then return end
  local order, gone = org_key(org, 'log_order'), {}
  for i, score in ipairs(call('ZMSCORE', order, unpack(ids))) do
    if score then
      gone[#gone + 1] = ids[i]
      kept = kept - tonumber(score) % LOG_UNIT
    end
  end
  if #gone == 0 then return end
  call('HDEL', org_key(org, 'logs'), unpack(gone))
  call('ZREM', order, unpack(gone))
  set_field(org, 'log_bytes', max(kept, 0))
end

-- What stays of `old`, a field of `logs`, if it may have `room` bytes: the newest.
local function cut_oldest(old, room)
  local at = 0
  while #old - at > room do
    local after = cmsgpack.unpack_one(old, at)
    at = after == -1 and #old or after
  end
  return sub(old, at + 1)
end

-- The oldest logs give way until `wanted` bytes more fit; those of job `id`, which are about to be replaced, do not count as
-- others. Calls: <= 4.
local function make_room(org, id, wanted)
  local excess, others = kept_bytes(org) + wanted - setting(org, 'log_bytes_max'), {}
  if excess <= 0 then return end
  local oldest = call('ZRANGE', org_key(org, 'log_order'), 0, DROPPED_MAX, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    if excess <= 0 then break end
    if oldest[i] ~= id then
      others[#others + 1] = oldest[i]
      excess = excess - tonumber(oldest[i + 1]) % LOG_UNIT
    end
  end
  forget_logs(org, others)
end

-- Keeps the log of an attempt of job `id` that ends now, if it can be made to fit. Calls: <= 9.
function keep_log(lane, org, id, delivery, omitted_bytes, text)
  local entry = cmsgpack.pack({ delivery, lane.now_ms, omitted_bytes, text })
  local kept = kept_bytes(org)
  local old = kept > 0 and call('HGET', org_key(org, 'logs'), id) or ''
  local value = cut_oldest(old, JOB_LOGS_BYTES_MAX - #entry) .. entry
  if #value > setting(org, 'log_bytes_max') and kept <= setting(org, 'log_bytes_max') then return end -- others would give way in vain
  make_room(org, id, #value - #old)
  kept = kept_bytes(org) + #value - #old
  if kept > setting(org, 'log_bytes_max') then return end
  call('HSET', org_key(org, 'logs'), id, value)
  local score = floor(lane.now_ms / 1000) * LOG_UNIT + #value
  call('ZADD', org_key(org, 'log_order'), int_text(score), id)
  call('ZADD', lane.prefix .. 'expiring', 'LT', int_text(log_ends_ms(org, score)), org.name)
  set_field(org, 'log_bytes', kept)
end

-- At most `limit` jobs whose newest log is older than keep_logs_ms. Calls: 1.
function old_logs(lane, org, limit)
  local second = floor((lane.now_ms - setting(org, 'keep_logs_ms')) / 1000)
  return call('ZRANGEBYSCORE', org_key(org, 'log_order'), '-inf', '(' .. int_text(second * LOG_UNIT), 'LIMIT', 0, limit)
end

end
