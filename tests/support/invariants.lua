--[[ invariants.lua - what must be true of a lane at any moment between two calls. One EVAL, for tests; shares nothing with lua/.

  KEYS  1 rota:{k}
  ARGV  1 now_us   the time functions go by, or '': the server's
        2 words    what to check besides what always holds:
                   'caps'  running <= max_running; not if a test lowered max_running below what was running
                   'wake'  a wake-up token lies where there is work; not if anybody took tokens (BZPOPMIN)
        3.. queue, v    the virtual times that the check before this one has answered
  Returns {{violation, ...}, {queue, v, ...}}

  I1  an organization is in active:<queue> or parked:<queue>, and in one of them only, if and only if it has ready jobs there,
      fewer running than max_running, and is not paused; what is in active has a rate token now
  I2  what is in parked has a rate, and its score is the moment of its next token. (It may lie in the past: claims bring it back. If it
      lies further ahead than any token, the clock was set back: the audit mends it.)
      quiet:<queue> is the part of active with nothing running, with the same tags. Tags and V are whole numbers below 2^53
  I3  due has each organization with scheduled jobs at its earliest; if that is past, at anything from there to now, because promote
      sends an organization that had its part behind the others
  I4  a running job has one entry in held:<session> of a session in `sessions`, whose deadline is its score in running, whose queue
      and key are the record's, and whose session is the one in its state; held has nothing else. An open session is in `sessions`; an
      ended one only while it still holds something
  I5  each job is in one place: ready of its own queue, waiting, scheduled, running, done, dead, cancelled. Each member of these has a record, each
      record a place. Only never-claimed ready jobs may be without state. Done records, and only those, are without payload. Waiting jobs have
      neither session nor start, running ones both; exactly dead and cancelled ones have a reason; notes are known ones, and no done job has any; attempts kept <= 100; the score of a
      ready job is the order in its state
  I6  V of a queue never falls
  I7  expiring has each organization with ended jobs, ended keys or jobs that expire while they wait for a limit, not after the first moment there is something to trim
  I8  an idempotency key names a job that exists, or has an end in unique_until; unique_until has no other keys; the key of a job that
      waits or runs has no end
  I11 logs and log_order have the same jobs, which exist; a score says how long the field is and when it was written; log_bytes is
      the sum, and not above log_bytes_max (unless that was lowered)
  I9  an organization with any key is in `orgs`; every ready set is in the organization's list of queues
  I10 `inboxes` has each organization with a private inbox, and only those have the streams inbox and rejected, and both of them
  I11 who waits for a limit is in `waiting`, and in waiting:<that limit>, which its state names, at its order; its organization is in
      that limit's line, and nobody else is; each line has a time in `lines`, and the first of these is in the clock
  I12 limited:<limit> has the jobs whose leases name it, at the ms of their claims, and (caps) no more than the limit's concurrency
  I13 waiting_until has the jobs in `waiting` that expire, at their ms, and no others
  I15 an organization that is being deleted is paused, has neither idempotency keys nor a private inbox, and is in the clock's list of
      those; nothing else is in there
  I14 a schedule is in the organization's `schedules`, and in the lane's at its next tick, or at +inf if there is none or it is paused;
      nothing else is in these
  I15 one of every organization stands in `schedules` at its next tick, or where it is looked at before; each organization has an entry there
      or a schedule of its own of that name, unless a walk is still to come to it. `templates` has each template, `walks` in the clock those
      with a walk to be made
  I16 `coalesce` names for a key a job with that key that waits or runs and, only behind one that was delivered, one that waits for it: in
      scheduled, at 2^47, and its state says after whom; nothing else says so, or is there. With each stand at most 16 changes. (One that is
      deleted has no `coalesce`; what waits there waits for the end)
  W   active:<queue> not empty and nothing paused: a token lies in wake:<queue>. What Rota promises is less: of the tokens
      and the workers that were woken by one and have not claimed since, there is at least one. Nobody pops in these tests ]]

-- luacheck: read globals KEYS ARGV
local lane, prefix = KEYS[1], KEYS[1] .. ':'
local call, format = redis.call, string.format
local wrong = {}

local function violation(...) wrong[#wrong + 1] = format(...) end

local time = call('TIME')
local now_us = ARGV[1] ~= '' and tonumber(ARGV[1]) or tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local check_caps, check_wake = string.find(ARGV[2], 'caps') ~= nil, string.find(ARGV[2], 'wake') ~= nil

-- ---- Reading ----

local function hash(key)
  local map, flat = {}, call('HGETALL', key)
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function zset(key)
  local map, flat = {}, call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do map[flat[i]] = tonumber(flat[i + 1]) end
  return map
end

local function size(map)
  local n = 0
  for _ in pairs(map) do n = n + 1 end
  return n
end

local function lowest(map)
  local low
  for _, score in pairs(map) do if not low or score < low then low = score end end
  return low
end

-- ---- Which keys there are ----

local KINDS = { -- key part, type, and whether the rest is a name
  { 'clock', 'hash' }, { 'due', 'zset' }, { 'expiring', 'zset' }, { 'schedules', 'zset' }, { 'templates', 'zset' }, { 'template', 'hash', true }, { 'sessions', 'zset' }, { 'orgs', 'zset' },
  { 'inbox_seen', 'zset' }, { 'inboxes', 'zset' }, { 'wake_due', 'zset' }, { 'wake_leader', 'zset' }, { 'events', 'stream' },
  { 'audit', 'stream' },
  { 'active', 'zset', true }, { 'quiet', 'zset', true }, { 'parked', 'zset', true }, { 'wake', 'zset', true },
  { 'limit', 'hash', true }, { 'limits', 'zset' }, { 'limited', 'zset', true }, { 'line', 'zset', true }, { 'lines', 'zset' },
  { 'resting', 'zset', true }, { 'session', 'hash', true }, { 'beat', 'string', true }, { 'held', 'hash', true },
}
local PARTS = { scheduled = 'zset', waiting = 'zset', running = 'zset', done = 'zset', dead = 'zset', cancelled = 'zset', jobs = 'hash', state = 'hash',
                coalesce = 'hash', logs = 'hash', log_order = 'zset', unique = 'hash', unique_until = 'zset', waiting_until = 'zset', inbox = 'stream', rejected = 'stream',
                schedules = 'zset' }

local lane_keys, orgs = {}, {} -- part or part:name -> true; org -> its parts
for _, kind in ipairs(KINDS) do if kind[3] then lane_keys[kind[1]] = {} end end

local function note_key(key)
  local rest, kind = string.sub(key, #prefix + 1), call('TYPE', key).ok
  local org, part = string.match(rest, '^org:([^:]+):?(.*)$')
  if org then
    orgs[org] = orgs[org] or { ready = {}, limits = {}, schedules = {} }
    local queue, limit, schedule = string.match(part, '^ready:(.+)$'), string.match(part, '^waiting:(.+)$'), string.match(part, '^schedule:(.+)$')
    local wanted = part == '' and 'hash' or PARTS[part] or ((queue or limit) and 'zset') or ((schedule or string.find(part, '^results:.')) and 'hash')
    if kind ~= wanted then violation('key %s is a %s', key, kind) end
    if queue then orgs[org].ready[queue] = true end
    if part == 'inbox' or part == 'rejected' then orgs[org][part] = true end
    if limit then orgs[org].limits[limit] = true end
    if schedule then orgs[org].schedules[schedule] = true end
    return
  end
  for _, known in ipairs(KINDS) do
    local name = known[3] and string.match(rest, '^' .. known[1] .. ':(.+)$')
    if name or (not known[3] and rest == known[1]) then
      if kind ~= known[2] then violation('key %s is a %s', key, kind) end
      if name then lane_keys[known[1]][name] = true end
      return
    end
  end
  violation('key %s is unknown', key)
end

for _, key in ipairs(call('KEYS', prefix .. '*')) do note_key(key) end

local clock, registry, inboxes = hash(prefix .. 'clock'), zset(prefix .. 'orgs'), zset(prefix .. 'inboxes')
local sessions, due, expiring = zset(prefix .. 'sessions'), zset(prefix .. 'due'), zset(prefix .. 'expiring')
local active, quiet, parked = {}, {}, {}
for index, map in pairs({ active = active, quiet = quiet, parked = parked }) do
  for queue in pairs(lane_keys[index]) do map[queue] = zset(prefix .. index .. ':' .. queue) end
end

local function in_index(index, queue, org)
  return index[queue] and index[queue][org]
end

-- ---- Records, states and leases ----

-- The index after the msgpack str or bin at `at`. (cmsgpack knows no bin.)
local function after_blob(text, at)
  local head, a, b, c, d = string.byte(text, at, at + 4)
  if head >= 0xa0 and head <= 0xbf then return at + 1 + head - 0xa0 end
  if head == 0xd9 or head == 0xc4 then return at + 2 + a end
  if head == 0xda or head == 0xc5 then return at + 3 + a * 256 + b end
  return at + 5 + ((a * 256 + b) * 256 + c) * 256 + d
end

-- msgpack [type, nonce (five bytes), options, payload] or, of a done job, the first three.
local function read_record(text)
  local options_at = after_blob(text, 2) + 5
  local _, options = cmsgpack.unpack_one(text, options_at - 1)
  if type(options) ~= 'table' then options = {} end
  return { length = string.byte(text) - 0x90, options = options, queue = options.queue or 'default' }
end

local held = {} -- org/job -> { session, lease }
for session in pairs(lane_keys.held) do
  if not sessions[session] then violation('I4 held:%s: the session is not in sessions', session) end
  for name, value in pairs(hash(prefix .. 'held:' .. session)) do
    if held[name] then violation('I4 %s is held by %s and %s', name, held[name].session, session) end
    held[name] = { session = session, lease = cmsgpack.unpack(value) }
  end
end
for session in pairs(lane_keys.session) do
  if not sessions[session] then violation('I4 session %s is open but not in sessions', session) end
end
for session in pairs(sessions) do
  if not lane_keys.session[session] and not lane_keys.held[session] then violation('I4 session %s has ended and holds nothing, but is in sessions', session) end
end

local function check_lease(org, id, score, state, record)
  local name = org .. '/' .. id
  local holder = held[name]
  if not holder then return violation('I4 %s is running but not held', name) end
  local lease = holder.lease
  if #lease[1] ~= 16 then violation('I4 %s: the token has %d bytes', name, #lease[1]) end
  if lease[3] ~= score then violation('I4 %s: deadline %.0f in held, %.0f in running', name, lease[3], score) end
  if lease[5] ~= record.queue then violation('I4 %s: queue %s in held, %s in the record', name, lease[5], record.queue) end
  local own = record.options.key or (record.options.coalesce and '\0' .. record.options.coalesce) or nil
  if lease[7] ~= own then violation('I4 %s: key %s in held, %s in the record', name, tostring(lease[7]), tostring(own)) end
  if state and state[8] ~= holder.session then violation('I4 %s: session %s in the state, held by %s', name, tostring(state[8]), holder.session) end
  if state and state[9] ~= lease[2] then violation('I4 %s: started %s in the state, %s in held', name, tostring(state[9]), tostring(lease[2])) end
  holder.found = true
end

local NOTES = { checkpoint = 'string', progress = 'table', limit = 'string', rests = 'number', redriven = 'number', after = 'string' }

local in_line = {} -- limit -> org -> true: who must be there

-- The limit that organization `org` knows as `name`.
local function full_name(org, name)
  return string.find(name, ':', 1, true) and name .. '@' .. org or name
end

local function check_waiting(org, id, score, state)
  local limit = state and state[12] and state[12].limit
  if not limit then return violation('I11 %s/%s waits for no limit', org, id) end
  local full = full_name(org, limit)
  in_line[full] = in_line[full] or {}
  in_line[full][org] = true
  local own = call('ZSCORE', prefix .. 'org:' .. org .. ':waiting:' .. limit, id)
  if tonumber(own or -1) ~= score then violation('I11 %s/%s waits at %.0f, for %s at %s', org, id, score, limit, tostring(own)) end
end

local function check_state(name, place, score, state, record)
  if not state then
    if place ~= 'ready' then violation('I5 %s is %s and has no state', name, place) end
    return
  end
  if (place == 'running') ~= (state[8] ~= nil) then violation('I5 %s is %s, session %s', name, place, tostring(state[8])) end
  if (place == 'running') ~= (state[9] ~= nil) then violation('I5 %s is %s, started %s', name, place, tostring(state[9])) end
  if (place == 'waiting') ~= (state[12] and state[12].limit and true or false) then violation('I11 %s is %s, its state names limit %s', name, place, tostring(state[12] and state[12].limit)) end
  if (place == 'dead' or place == 'cancelled') ~= (state[11] ~= nil) then violation('I5 %s is %s, reason %s', name, place, tostring(state[11])) end
  if (place == 'ready' or place == 'waiting') and state[1] ~= score then violation('I5 %s: order %s, score %s', name, tostring(state[1]), tostring(score)) end
  if (state[3] or 'default') ~= record.queue then violation('I5 %s: queue %s in the state, %s in the record', name, tostring(state[3]), record.queue) end
  if (state[4] or 0) ~= (record.options.priority or 0) then violation('I5 %s: priority %s in the state', name, tostring(state[4])) end
  if state[12] ~= nil and (place == 'done' or type(state[12]) ~= 'table' or not next(state[12])) then violation('I5 %s is %s, notes %s', name, place, tostring(state[12])) end
  for note, value in pairs(type(state[12]) == 'table' and state[12] or {}) do
    if not NOTES[note] or type(value) ~= NOTES[note] then violation('I5 %s has the note %s, a %s', name, tostring(note), type(value)) end
  end
  if #state[10] > 100 then violation('I5 %s keeps %d attempts', name, #state[10]) end
end

-- ---- One organization ----

-- Places of the organization's jobs: id -> { place, score }. Adds the number of ready ones to org.ready[queue].
local function read_places(name, org)
  local key, places = prefix .. 'org:' .. name .. ':', {}
  local function add(place, set, queue)
    local members = zset(key .. set)
    for id, score in pairs(members) do
      if places[id] then violation('I5 %s/%s is in %s and %s', name, id, places[id].place, place) end
      places[id] = { place = place, score = score, queue = queue }
    end
    return members
  end
  for queue in pairs(org.ready) do org.ready[queue] = size(add('ready', 'ready:' .. queue, queue)) end
  for _, place in ipairs({ 'waiting', 'scheduled', 'running', 'done', 'dead', 'cancelled' }) do org[place] = add(place, place) end
  return places
end

-- `jobs`: id -> { place, score, key, after, deliveries } of those that wait or run.
local function check_coalescing(name, jobs)
  local named = {}
  local function look(key, word, after)
    local id, count = string.match(word, '^([^,]+)'), -1
    for change in string.gmatch(word, '[^,]+') do
      count = count + 1
      if count > 0 and not string.find(change, '^[A-Za-z0-9._:@-]+=%x%x%x%x%x%x%x%x$') then violation('I16 %s: "%s" of key %s is no change', name, change, key) end
    end
    if count > 16 then violation('I16 %s: %d changes of key %s', name, count, key) end
    local job = jobs[id]
    if not job or job.key ~= key or job.after ~= after then
      violation('I16 %s: key %s names %s, whose key is %s, after %s', name, key, id, tostring(job and job.key), tostring(job and job.after))
    end
    named[id] = true
    return id, job or {}
  end
  for key, text in pairs(hash(prefix .. 'org:' .. name .. ':coalesce')) do
    local first, second = string.match(text, '^(%S+) ?(%S*)$')
    local id, job = look(key, first, nil)
    if second ~= '' then
      look(key, second, id)
      if job.deliveries == 0 then violation('I16 %s/%s has not begun, and one waits for it', name, id) end
    end
  end
  for id, job in pairs(jobs) do
    if job.after and not named[id] then violation('I16 %s/%s waits for %s, and its key does not say so', name, id, job.after) end
    if (job.after ~= nil) ~= (job.place == 'scheduled' and job.score == 2 ^ 47) then
      violation('I16 %s/%s is %s at %s, after %s', name, id, job.place, tostring(job.score), tostring(job.after))
    end
    if job.place == 'scheduled' and job.score > 2 ^ 47 then violation('I16 %s/%s is due at %.0f', name, id, job.score) end
  end
end

local LIVE = { ready = true, waiting = true, scheduled = true, running = true }

local function check_jobs(name, org, deleting)
  local key, places, live = prefix .. 'org:' .. name .. ':', read_places(name, org), {}
  local records, states, expire, under_way = hash(key .. 'jobs'), hash(key .. 'state'), {}, {}
  for id, at in pairs(places) do
    if not records[id] then violation('I5 %s/%s is %s and has no record', name, id, at.place) end
  end
  for id in pairs(states) do
    if not records[id] then violation('I5 %s/%s has a state and no record', name, id) end
  end
  for id, text in pairs(records) do
    local at, record, job = places[id], read_record(text), name .. '/' .. id
    local state = states[id] and cmsgpack.unpack(states[id])
    if not at then
      violation('I5 %s is nowhere', job)
    else
      if at.queue and at.queue ~= record.queue then violation('I5 %s of queue %s is in ready:%s', job, record.queue, at.queue) end
      if (at.place == 'done') ~= (record.length == 3) then violation('I5 %s is %s, its record has %d parts', job, at.place, record.length) end
      check_state(job, at.place, at.score, state, record)
      if at.place == 'waiting' then
        check_waiting(name, id, at.score, state)
        expire[id] = record.options.expires_ms
      end
      if at.place == 'running' then check_lease(name, id, at.score, state, record) end
      if record.options.key and LIVE[at.place] then live[id] = record.options.key end
      if LIVE[at.place] then
        local notes = state and state[12]
        under_way[id] = { place = at.place, score = at.score, key = record.options.coalesce, after = notes and notes.after, deliveries = state and state[6] or 0 }
      end
    end
  end
  if not deleting then check_coalescing(name, under_way) end
  org.waiting_until = zset(key .. 'waiting_until')
  for id, ms in pairs(expire) do
    if org.waiting_until[id] ~= ms then violation('I13 %s/%s waits until %.0f, waiting_until says %s', name, id, ms, tostring(org.waiting_until[id])) end
  end
  for id in pairs(org.waiting_until) do if not expire[id] then violation('I13 %s/%s does not wait and expire, it is in waiting_until', name, id) end end
  return records, live
end

local function check_unique(name, records, live)
  local key = prefix .. 'org:' .. name .. ':'
  local unique, ends, owners = hash(key .. 'unique'), zset(key .. 'unique_until'), {}
  for word, owner in pairs(unique) do
    local id = string.match(owner, '^(%S+) %x+$')
    owners[word] = id
    if not records[id] and not ends[word] then violation('I8 %s: key %s names %s, which is gone', name, word, tostring(id)) end
  end
  for word in pairs(ends) do
    if not unique[word] then violation('I8 %s: key %s has an end but no job', name, word) end
  end
  for id, word in pairs(live) do
    if owners[word] == id and ends[word] then violation('I8 %s/%s waits or runs, but its key ends', name, id) end
  end
  return ends
end

-- The first moment at which one of its logs is too old.
local function check_logs(name, records, settings)
  local key, sum, first = prefix .. 'org:' .. name .. ':', 0, nil
  local logs, order = hash(key .. 'logs'), zset(key .. 'log_order')
  for id, text in pairs(logs) do
    local score = order[id]
    if not records[id] then violation('I11 %s/%s has logs and no record', name, id) end
    if not score then violation('I11 %s/%s has logs and is not in log_order', name, id) end
    if score and score % 2097152 ~= #text then violation('I11 %s/%s has %d bytes of logs, log_order says %d', name, id, #text, score % 2097152) end
    if #text > 262144 then violation('I11 %s/%s has %d bytes of logs', name, id, #text) end
    for _, entry in ipairs({ cmsgpack.unpack(text) }) do
      if #entry ~= 4 or type(entry[4]) ~= 'string' then violation('I11 %s/%s has a log of another shape', name, id) end
    end
    sum = sum + #text
  end
  for id, score in pairs(order) do
    if not logs[id] then violation('I11 %s/%s is in log_order and has no logs', name, id) end
    local at = (math.floor(score / 2097152) + 1) * 1000 + tonumber(settings.keep_logs_ms or 86400000)
    if not first or at < first then first = at end
  end
  if sum ~= tonumber(settings.log_bytes or 0) then violation('I11 %s has %d bytes of logs, log_bytes is %s', name, sum, tostring(settings.log_bytes)) end
  if sum > tonumber(settings.log_bytes_max or 16777216) and check_caps then violation('I11 %s has %d bytes of logs', name, sum) end
  return first
end

local function check_indexes(name, org, settings)
  local running, limit, rate = size(org.running), tonumber(settings.max_running), tonumber(settings.rate)
  if check_caps and limit and running > limit then violation('caps: %s has %d running, the limit is %d', name, running, limit) end
  local token_us = now_us
  if rate then
    local period_us, burst, tat_us = 1000000 / rate, tonumber(settings.burst or 1), tonumber(settings.tat_us or 0)
    if tat_us > now_us + (burst + 1) * period_us then tat_us = 0 end -- of a clock that was set back
    token_us = math.max(tat_us, now_us) - (burst - 1) * period_us
  end
  local known = {}
  for queue in string.gmatch(settings.queues or '', '%S+') do
    known[queue] = true
  end
  for queue in pairs(org.ready) do
    if not known[queue] then violation('I9 %s has ready:%s, which is not in its queues', name, queue) end
  end
  local all = {}
  for _, index in ipairs({ active, quiet, parked }) do for queue in pairs(index) do all[queue] = true end end
  for queue in pairs(known) do all[queue] = true end
  for queue in pairs(all) do
    local ready = org.ready[queue] or 0
    local tag, wait, calm = in_index(active, queue, name), in_index(parked, queue, name), in_index(quiet, queue, name)
    local servable = ready > 0 and not settings.paused and not (limit and running >= limit)
    if tag and wait then violation('I1 %s is in active and parked of %s', name, queue) end
    if servable and not tag and not wait then violation('I1 %s can be served in %s but is in neither active nor parked', name, queue) end
    if not servable and tag then violation('I1 %s is in active:%s: ready %d, running %d', name, queue, ready, running) end
    if not servable and wait then violation('I2 %s is in parked:%s: ready %d, running %d', name, queue, ready, running) end
    if tag and token_us > now_us + 1 then violation('I1 %s is in active:%s, its next token comes in %.0f us', name, queue, token_us - now_us) end
    if wait and not rate then violation('I2 %s is in parked:%s and has no rate', name, queue) end
    if wait and rate then
      local period_ms, burst = 1000 / rate, tonumber(settings.burst or 1)
      local free_us = tonumber(settings.tat_us or 0) - (burst - 1) * period_ms * 1000
      if wait > now_ms and wait <= now_ms + 2 * period_ms and math.abs(wait - free_us / 1000) > 1.001 then violation('I2 %s is parked until %.0f, its token comes at %.3f', name, wait, free_us / 1000) end
    end
    if (tag and running == 0 and tag or nil) ~= calm then
      violation('quiet:%s has %s at %s; active at %s, %d running', queue, name, tostring(calm), tostring(tag), running)
    end
    if tag and (tag ~= math.floor(tag) or tag < 0 or tag > 2 ^ 53) then violation('tag of %s in %s is %.17g', name, queue, tag) end
  end
end

local function check_times(name, org, settings, ends, first_log_ms)
  local head = lowest(org.scheduled)
  if head and head >= 2 ^ 47 then head = nil end -- it waits for another job
  if not head and due[name] then violation('I3 %s is in due and has nothing scheduled', name) end
  if head and not due[name] then violation('I3 %s has a job due at %.0f and is not in due', name, head) end
  if head and due[name] and due[name] ~= head and not (due[name] > head and due[name] <= now_ms) then
    violation('I3 %s is due at %.0f, its first job at %.0f', name, due[name], head)
  end
  local first = lowest(ends)
  local expires = lowest(org.waiting_until)
  if expires and (not first or expires < first) then first = expires end
  if first_log_ms and (not first or first_log_ms < first) then first = first_log_ms end
  local function ending(set, keep_ms)
    local at = lowest(set)
    if at and (not first or at + keep_ms < first) then first = at + keep_ms end
  end
  local keep_done_ms = tonumber(settings.keep_done_ms or 3600000)
  ending(org.done, keep_done_ms)
  ending(org.cancelled, keep_done_ms)
  ending(org.dead, tonumber(settings.keep_dead_ms or 2592000000))
  if first and (not expiring[name] or expiring[name] > first) then
    violation('I7 %s has something to trim at %.0f, expiring says %s', name, first, tostring(expiring[name]))
  end
end

local function check_inbox(name, org, settings)
  local wanted = settings.private_inbox == '1'
  if wanted ~= (inboxes[name] ~= nil) then violation('I10 %s: private_inbox is %s, listed: %s', name, tostring(settings.private_inbox), tostring(inboxes[name])) end
  for _, part in ipairs({ 'inbox', 'rejected' }) do
    if wanted ~= (org[part] == true) then violation('I10 %s: private_inbox is %s, stream %s: %s', name, tostring(settings.private_inbox), part, tostring(org[part])) end
  end
end

local going = {}
for name in string.gmatch(clock.deleting or '', '%S+') do
  if going[name] then violation('I15 %s is twice among those that are deleted', name) end
  going[name] = true
end

local function check_deletion(name, settings)
  if (settings.deleting ~= nil) ~= (going[name] == true) then violation('I15 %s: deleting is %s, in the list: %s', name, tostring(settings.deleting), tostring(going[name])) end
  if not settings.deleting then return end
  going[name] = nil
  if settings.deleting ~= '1' or not settings.paused or not settings.paused_by or settings.private_inbox then violation('I15 %s is deleted, and not paused as that', name) end
  if next(hash(prefix .. 'org:' .. name .. ':unique')) then violation('I15 %s is deleted, and has idempotency keys', name) end
  if next(hash(prefix .. 'org:' .. name .. ':coalesce')) then violation('I15 %s is deleted, and has coalescing keys', name) end
end

for name, org in pairs(orgs) do
  if not registry[name] then violation('I9 %s has keys and is not in orgs', name) end
  local settings = hash(prefix .. 'org:' .. name)
  local records, live = check_jobs(name, org, settings.deleting)
  local ends = check_unique(name, records, live)
  check_indexes(name, org, settings)
  check_times(name, org, settings, ends, check_logs(name, records, settings))
  check_inbox(name, org, settings)
  check_deletion(name, settings)
end
for name in pairs(going) do violation('I15 %s is in the list of those that are deleted', name) end
for name in pairs(inboxes) do
  if not orgs[name] then violation('I10 inboxes has %s, which has no keys', name) end
end

-- ---- Limits ----

local function check_limits()
  local lines, first = zset(prefix .. 'lines'), nil
  for _, at in pairs(lines) do
    if not first or at < first then first = at end
  end
  if tonumber(clock.lines_ms) ~= first then violation('I11 lines_ms is %s, the first of lines is %s', tostring(clock.lines_ms), tostring(first)) end
  for full, waiting in pairs(in_line) do
    if not lines[full] then violation('I11 there is a line for %s, and no time to look at it', full) end
    local line = zset(prefix .. 'line:' .. full)
    for org in pairs(waiting) do if not line[org] then violation('I11 %s waits for %s and is not in its line', org, full) end end
  end
  for full in pairs(lane_keys.line) do
    for org in pairs(zset(prefix .. 'line:' .. full)) do
      if not (in_line[full] and in_line[full][org]) then violation('I11 %s is in the line of %s and does not wait for it', org, full) end
    end
  end
  for name, org in pairs(orgs) do
    for limit in pairs(org.limits) do
      for id in pairs(zset(prefix .. 'org:' .. name .. ':waiting:' .. limit)) do
        if not org.waiting[id] then violation('I11 %s/%s waits for %s and is not in waiting', name, id, limit) end
      end
    end
  end
  local under = {}
  for name, holder in pairs(held) do
    for full in string.gmatch(holder.lease[8] or '', '%S+') do
      under[full] = under[full] or {}
      under[full][name] = holder.lease[2]
    end
  end
  for full in pairs(lane_keys.limited) do under[full] = under[full] or {} end
  for full, leases in pairs(under) do
    local running = zset(prefix .. 'limited:' .. full)
    for job, started_ms in pairs(leases) do
      if running[job] ~= started_ms then violation('I12 %s runs under %s since %.0f, limited says %s', job, full, started_ms, tostring(running[job])) end
    end
    for job in pairs(running) do if not leases[job] then violation('I12 limited:%s has %s, which does not run under it', full, job) end end
    local definition = hash(prefix .. 'limit:' .. string.match(full, '^[^:]+'))
    local most = tonumber(definition.concurrency)
    if check_caps and most and size(running) > most then violation('I12 %d jobs run under %s, the limit is %d', size(running), full, most) end
  end
  for name in pairs(zset(prefix .. 'limits')) do
    if not lane_keys.limit[name] then violation('limit %s is registered and has no definition', name) end
  end
end
check_limits()

-- ---- Schedules ----

-- Where it stands in the lane's index.
local function tick_of(fields)
  local at = tonumber(fields.next_ms or nil) and tonumber(fields.next_ms) + tonumber(fields.offset_ms or 0)
  if fields.pending_go then at = tonumber(fields.pending_ms) end
  return at and not fields.paused and not fields.off and math.max(at, tonumber(fields.retry_ms or 0)) or math.huge
end

-- One of every organization may also stand where it is looked at next: at a moment that has passed; and if its template is paused, or a walk is still to come
-- to it, where it was before. It has a template, or one that is being removed.
local function check_instance(full, fields, template, at, found)
  if not template then violation('I15 %s is of every organization, there is no such template', full) end
  if not template or template.removed then return end
  if fields.record then violation('I15 %s has a record', full) end
  if not found or (found ~= at and found > now_ms and not template.paused and not template.cursor) then violation('I15 schedule %s ticks at %s, schedules says %s', full, tostring(at), tostring(found)) end
end

local function check_schedules()
  local ticks, templates, names = zset(prefix .. 'schedules'), {}, zset(prefix .. 'templates')
  for name in pairs(lane_keys.template) do
    templates[name] = hash(prefix .. 'template:' .. name)
    if names[name] ~= (templates[name].removed and 1 or 0) then violation('I15 template %s is in templates with %s', name, tostring(names[name])) end
    local walks = string.find(' ' .. (clock.walks or '') .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
    if walks ~= (templates[name].cursor ~= nil) then violation('I15 template %s: walks is "%s", its cursor %s', name, tostring(clock.walks), tostring(templates[name].cursor)) end
    names[name] = nil
  end
  for name in pairs(names) do violation('I15 templates has %s, which does not exist', name) end
  for name, org in pairs(orgs) do
    local listed = zset(prefix .. 'org:' .. name .. ':schedules')
    for schedule in pairs(org.schedules) do
      local fields, full = hash(prefix .. 'org:' .. name .. ':schedule:' .. schedule), name .. '/' .. schedule
      local at = tick_of(fields)
      if fields.pending_go and not fields.pending_ms then violation('I14 schedule %s: nothing waits to go', full) end
      if fields.template then
        check_instance(full, fields, templates[schedule], at, ticks[full])
      else
        if listed[schedule] ~= 0 then violation('I14 schedule %s is not listed', full) end
        if ticks[full] ~= at then violation('I14 schedule %s ticks at %s, schedules says %s', full, tostring(at), tostring(ticks[full])) end
        if not tonumber(fields.rev) or not fields.record then violation('I14 schedule %s has no definition', full) end
      end
      listed[schedule], ticks[full] = nil, nil
    end
    for schedule in pairs(listed) do violation('I14 %s/%s is listed, and there is no such schedule', name, schedule) end
    for schedule, template in pairs(templates) do
      local full = name .. '/' .. schedule
      if not org.schedules[schedule] and not template.removed and not template.cursor and registry[name] and not ticks[full] then
        violation('I15 %s is neither armed nor to be looked at, and there is no walk', full)
      end
      ticks[full] = nil
    end
  end
  for full in pairs(ticks) do violation('I14 schedules has %s, which does not exist', full) end
end
check_schedules()

-- ---- The lane ----

for name, holder in pairs(held) do
  if not holder.found then violation('I4 %s is held by %s and is not running', name, holder.session) end
end
for label, index in pairs({ active = active, quiet = quiet, parked = parked }) do
  for queue, members in pairs(index) do
    for org in pairs(members) do if not orgs[org] then violation('%s:%s has %s, which has no keys', label, queue, org) end end
  end
end
for label, index in pairs({ due = due, expiring = expiring }) do
  for org in pairs(index) do if label == 'due' and not orgs[org] then violation('due has %s, which has no keys', org) end end
end

local virtual = {}
for field, v in pairs(clock) do
  local queue = string.match(field, '^v:(.+)$')
  if queue then
    virtual[#virtual + 1], virtual[#virtual + 2] = queue, v
    if tonumber(v) ~= math.floor(tonumber(v)) or tonumber(v) < 0 or tonumber(v) > 2 ^ 53 then violation('V of %s is %s', queue, v) end
  end
end
for i = 3, #ARGV, 2 do
  local v = tonumber(clock['v:' .. ARGV[i]])
  if not v or v < tonumber(ARGV[i + 1]) then violation('I6 V of %s fell from %s to %s', ARGV[i], ARGV[i + 1], tostring(v)) end
end

if check_wake and not clock.paused then
  for queue, members in pairs(active) do
    if next(members) and not clock['paused:' .. queue] and not lane_keys.wake[queue] then
      violation('W active:%s of %s is not empty and no wake-up token lies there', queue, lane)
    end
  end
end

return { wrong, virtual }
