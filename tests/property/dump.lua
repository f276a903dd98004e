--[[ dump.lua - what a lane holds, flat, for compare.c.

  KEYS  1 rota:{k}
  ARGV  1 '1': everything; '0': sizes only
        2 number of organizations; then their names; then session ids
  Returns {sizes, tags, jobs, keys, sessions}
    sizes     for each organization: registered 0|1, ready in default, mail, slow, scheduled, running, done, dead, cancelled, waiting, records,
              private inbox listed 0|1
    tags      for each organization, in default, mail, slow: its start tag in active, or ''; and last V of each queue
    jobs      org, id, place, queue, score, attempt, deliveries, crashes, session, started_ms, attempts kept, reason, cancel 0|1, limit that it waits for, rests,
              percent of progress + 1 or 0, checkpoint, deliveries when redriven, second of the newest log or 0, job that it waits for
    keys      org, key, owner, until ms or 0
    sessions  for each session: open 0|1, listed 0|1, beat, deadline ms, held ]]

local prefix, full, count = KEYS[1] .. ':', ARGV[1] == '1', tonumber(ARGV[2])
local queues = { 'default', 'mail', 'slow' }
local places = { 'scheduled', 'running', 'done', 'dead', 'cancelled', 'waiting' }
local sizes, tags, jobs, keys, sessions = {}, {}, {}, {}, {}

local function text(number) return string.format('%.0f', number or 0) end

local function add_jobs(org, place, set, queue)
  local key = prefix .. 'org:' .. org .. ':'
  local flat = redis.call('ZRANGE', key .. set, 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local state = redis.call('HGET', key .. 'state', flat[i])
    local s = state and cmsgpack.unpack(state) or { 0, false, queue, false, 0, 0, 0, false, 0, {}, '' }
    local cancel = 0
    if s[8] then
      local lease = redis.call('HGET', prefix .. 'held:' .. s[8], org .. '/' .. flat[i])
      if lease then cancel = cmsgpack.unpack(lease)[6] end
    end
    local notes, log = s[12] or {}, redis.call('ZSCORE', key .. 'log_order', flat[i])
    for _, value in ipairs({ org, flat[i], place, s[3] or 'default', text(tonumber(flat[i + 1])), s[5], s[6], s[7], s[8] or '', text(s[9]), #s[10], s[11] or '', cancel, notes.limit or '', notes.rests or 0,
                             notes.progress and notes.progress[1] + 1 or 0, notes.checkpoint or '', notes.redriven or 0, text(math.floor(tonumber(log or 0) / 2097152)), notes.after or '' }) do
      jobs[#jobs + 1] = value
    end
  end
end

for i = 1, count do
  local org = ARGV[2 + i]
  local key = prefix .. 'org:' .. org .. ':'
  sizes[#sizes + 1] = redis.call('ZSCORE', prefix .. 'orgs', org) and 1 or 0
  for _, queue in ipairs(queues) do
    sizes[#sizes + 1] = redis.call('ZCARD', key .. 'ready:' .. queue)
    tags[#tags + 1] = redis.call('ZSCORE', prefix .. 'active:' .. queue, org) or ''
  end
  for _, place in ipairs(places) do sizes[#sizes + 1] = redis.call('ZCARD', key .. place) end
  sizes[#sizes + 1] = redis.call('HLEN', key .. 'jobs')
  sizes[#sizes + 1] = redis.call('ZSCORE', prefix .. 'inboxes', org) and 1 or 0
  if full then
    for _, queue in ipairs(queues) do add_jobs(org, 'ready', 'ready:' .. queue, queue) end
    for _, place in ipairs(places) do add_jobs(org, place, place, 'default') end
    local unique = redis.call('HGETALL', key .. 'unique')
    for n = 1, #unique, 2 do
      for _, value in ipairs({ org, unique[n], string.match(unique[n + 1], '^%S+'),
                               text(tonumber(redis.call('ZSCORE', key .. 'unique_until', unique[n]) or 0)) }) do
        keys[#keys + 1] = value
      end
    end
  end
end

for i = 3 + count, full and #ARGV or 0 do
  local session = ARGV[i]
  local beat, deadline = redis.call('HGET', prefix .. 'session:' .. session, 'beat'), redis.call('ZSCORE', prefix .. 'sessions', session)
  for _, value in ipairs({ beat and 1 or 0, deadline and 1 or 0, tonumber(beat or 0), text(tonumber(deadline or 0)),
                           redis.call('HLEN', prefix .. 'held:' .. session) }) do
    sessions[#sessions + 1] = value
  end
end

for _, queue in ipairs(queues) do tags[#tags + 1] = redis.call('HGET', prefix .. 'clock', 'v:' .. queue) or '0' end

return { sizes, tags, jobs, keys, sessions }
