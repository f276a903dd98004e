--[[ limit.lua - limits beyond the organization: so many jobs at once, so many in a time, of whatever has a name.

  `NAME` is one limit for all organizations. `NAME:KEY` is one for each organization and KEY, with the definition of NAME. A job may
  run under two of them: the one that it names itself, and the one of its type's handler. Each must have room when it is claimed, in
  the same call. A job that finds none waits: it leaves ready for `waiting`, and its organization stands in the line of that limit.
  When there is room again the organizations in the line get jobs back to their queues, one each, in turns. What runs under a limit
  is the size of a set, left by whatever ends the lease: nothing is counted, so nothing leaks.

  <limit> is NAME, or NAME:KEY@ORG:
  rota:{k}:limit:<limit>      hash. Of NAME, the definition: concurrency, rate ('5/s'), burst; where there are several lanes slots and
                              tokens: this lane's part of concurrency and burst. Of each, its state: tat_us (GCRA),
                              paused_ms (until then), paused_by; of NAME:KEY@ORG this expires when it says nothing any more
  rota:{k}:limits             zset NAME -> ms of the last change: those that are defined
  rota:{k}:limited:<limit>    zset org/job -> ms of its claim: what runs under it
  rota:{k}:line:<limit>       zset org -> turn: who waits for it; the lowest is next
  rota:{k}:lines              zset <limit> -> ms: when to look at its line again. The lowest is `lines_ms` in the clock. NAME::FROM:TO
                              in it is no limit: the lines of NAME's keys whose time is after FROM, up to TO, are to be looked at now
  ...:org:<org>:waiting       zset job -> order: jobs that wait for a limit; notes in its state say for which
  ...:org:<org>:waiting:<name>  zset job -> order: those of them that wait for that one (NAME or NAME:KEY)
  ...:org:<org>:waiting_until   zset job -> ms: when those of them expire that do; trim ends them then. Only an organization with the
                              field `waits_until` has had any ]]

local LEASE_LIMITS = 8
local find_limit, limits_of, full_limit, enter_limits, leave_limits, wait_for, join_lines, leave_waiting, serve_lines, serve_line
local limit_room, limit_level, rate_period_us, save_limit, serve_keys
do

local UNIT_US = { s = 1000000, m = 60000000, h = 3600000000 }
local LOOK_MS_MAX = 10000 -- a line is looked at again after so long, whatever is expected
local LOOK_EACH_MS = 20 -- of them
local LOOK_AGAIN_MS = 200 -- where jobs were let go, and perhaps nobody takes them
local KEPT_S = 60 -- beyond the time that the state of a key matters
local VISITS_MAX = 16 -- of organizations in lines, in one call
local LINES_MAX = 8 -- looked at in one call because it is time
local RELEASE_MAX = 32 -- jobs let go in one visit
local KEYS_PAGE = 500 -- lines among which those of a limit's keys are looked for in one call

-- The time for one token of a rate, as '5/s', in µs; nil if it is none.
function rate_period_us(rate)
  local count, unit = string.match(rate or '', '^(%d+%.?%d*)/([smh])$')
  count = tonumber(count)
  if count and count >= 0.001 and count <= 1000000 then return UNIT_US[unit] / count end
end

-- What a lane's part of a definition is, by the fields of limit:NAME: concurrency, period_us and burst, each nil where there is no such bound.
local function part_of(found)
  local concurrency, period_us, burst = tonumber(found[1]), found[2] and rate_period_us(found[2]), tonumber(found[3] or 1)
  local slots, tokens = tonumber(found[6]), tonumber(found[7])
  if slots and concurrency then concurrency = min(slots, concurrency) end
  if tokens and period_us then
    tokens = min(tokens, burst)
    if tokens < burst then period_us, burst = period_us * burst / max(tokens, 1), tokens end
  end
  return concurrency, period_us, burst
end

-- The limit that organization `org_name` knows as `name`. Calls: <= 2, once.
function find_limit(lane, org_name, name)
  local colon = find(name, ':', 1, true)
  local full = colon and name .. '@' .. org_name or name
  local limits = lane.limits
  if not limits then
    limits = {}
    lane.limits = limits
  end
  local limit = limits[full]
  if limit then return limit end
  local found = call('HMGET', lane.prefix .. 'limit:' .. (colon and sub(name, 1, colon - 1) or name), 'concurrency', 'rate', 'burst', 'tat_us', 'paused_ms', 'slots', 'tokens')
  limit = { name = name, full = full, keyed = colon ~= nil, key = lane.prefix .. 'limit:' .. full, running_key = lane.prefix .. 'limited:' .. full, line_key = lane.prefix .. 'line:' .. full }
  if colon then
    local own = (found[1] or found[2]) and call('HMGET', limit.key, 'tat_us', 'paused_ms') or NONE
    found[6], found[7], found[4], found[5] = false, false, own[1], max(tonumber(found[5] or 0), tonumber(own[2] or 0)) -- a key has all of the definition
  end
  limit.concurrency, limit.period_us, limit.burst = part_of(found)
  limit.rate = found[2] or nil
  limit.tat_us, limit.until_ms = tonumber(found[4] or 0), tonumber(found[5] or 0)
  limits[full] = limit
  return limit
end

local function defined(limit)
  return limit.concurrency or limit.period_us
end

-- Jobs that may start under the limit now, and if none may the ms at which that may change by itself (0: only an end changes it).
-- Calls: <= 1, once.
function limit_room(lane, limit)
  if not defined(limit) then return math.huge, 0 end
  if limit.until_ms > lane.now_ms then return 0, limit.until_ms end
  local room = math.huge
  if limit.concurrency then
    limit.running = limit.running or call('ZCARD', limit.running_key)
    room = limit.concurrency - limit.running
    if room <= 0 then return 0, 0 end
  end
  if limit.period_us then
    if limit.burst == 0 then return 0, 0 end
    if limit.tat_us > lane.now_us + (limit.burst + 1) * limit.period_us then limit.tat_us = 0 end -- of a clock that was set back
    local tat_us = max(limit.tat_us, lane.now_us)
    local tokens = floor(limit.burst - (tat_us - lane.now_us) / limit.period_us + 1e-6)
    if tokens < 1 then return 0, math.ceil((tat_us - (limit.burst - 1) * limit.period_us) / 1000) end
    room = min(room, tokens)
  end
  return room, 0
end

-- The limits that a job of a type runs under if it is claimed now, in a list, or nil; `full` names them for its lease. Calls: <= 4.
function limits_of(lane, org, claim, kind, options)
  local of_type = claim.limits and (claim.types[kind] and (claim.limits[kind] or '') or claim.limits['*'] or '')
  if of_type == '' then of_type = nil end
  local own, list = options.limit, nil
  if own then
    local limit = find_limit(lane, org.name, own)
    if defined(limit) then list = { limit, text = limit.full } end
  end
  if of_type and of_type ~= own then
    local limit = find_limit(lane, org.name, of_type)
    if defined(limit) then
      if list then
        list[2], list.text = limit, list.text .. ' ' .. limit.full
      else
        list = { limit, text = limit.full }
      end
    end
  end
  return list
end

-- The first of the limits that has no room, or nil. Calls: <= 1 for each.
function full_limit(lane, list)
  for i = 1, #list do
    if limit_room(lane, list[i]) < 1 then return list[i] end
  end
  return nil
end

-- A job that is claimed now runs under the limits. Calls: 1 for each.
function enter_limits(lane, list, name)
  for i = 1, #list do
    local limit = list[i]
    call('ZADD', limit.running_key, lane.now_text, name)
    if limit.running then limit.running = limit.running + 1 end
    if limit.period_us then
      limit.tat_us = max(limit.tat_us, lane.now_us) + limit.period_us
      limit.changed, lane.limits_changed = true, true
    end
  end
end

-- Jobs of one organization whose leases ended, and named the limits in `text`, leave them. Calls: 1 for each limit.
function leave_limits(lane, org, text, ids)
  local names = {}
  for i, id in ipairs(ids) do names[i] = org.name .. '/' .. id end
  lane.freed = lane.freed or {}
  for full in string.gmatch(text, '%S+') do
    call('ZREM', lane.prefix .. 'limited:' .. full, unpack(names))
    lane.freed[full] = true
    if lane.limits and lane.limits[full] then lane.limits[full].running = nil end
  end
end

-- A job that found no room, and expires at `expires_ms` or never (nil): to be written by write_moves(), and the line joined by join_lines().
function wait_for(moves, id, state, limit, expires_ms)
  set_note(state, 'limit', limit.name)
  if expires_ms then
    move_to(moves, 'waiting_until', int_text(expires_ms), id)
    moves.expires_ms = min(moves.expires_ms or expires_ms, expires_ms)
  end
  move_to(moves, 'waiting', int_text(state[ORDER]), id)
  move_to(moves, 'waiting:' .. limit.name, int_text(state[ORDER]), id)
  set_state(moves, id, state)
  moves.lines = moves.lines or {}
  moves.lines[limit.full] = limit
end

-- Each line is looked at again after so long; the more there are, the later: a multitude of keys is in nobody's way. Calls: <= 1, once.
local function look_ms_max(lane)
  lane.look_ms_max = lane.look_ms_max or max(LOOK_MS_MAX, LOOK_EACH_MS * call('ZCARD', lane.prefix .. 'lines'))
  return lane.look_ms_max
end

-- When to look at the line of a limit that has no room until `next_ms` (0: until something ends).
local function look_at(lane, limit, next_ms)
  lane.lines_changed = true
  call('ZADD', lane.prefix .. 'lines', int_text(next_ms == 0 and lane.now_ms + look_ms_max(lane) or min(next_ms, lane.now_ms + look_ms_max(lane))), limit.full)
end

-- The turn of one who goes to the end of a line. Calls: 1.
local function last_turn(limit)
  return tonumber(call('ZRANGE', limit.line_key, '-1', '-1', 'WITHSCORES')[2] or 0) + 1
end

-- The organization of `moves` stands in the line of each limit that its jobs wait for. Calls: <= 4 for each, and 1.
function join_lines(lane, moves)
  if moves.expires_ms then
    if not moves.org.fields.waits_until then set_field(moves.org, 'waits_until', '1') end
    call('ZADD', lane.prefix .. 'expiring', 'LT', int_text(moves.expires_ms), moves.org.name)
  end
  for _, limit in pairs(moves.lines) do
    local turn = last_turn(limit)
    call('ZADD', limit.line_key, 'NX', int_text(turn), moves.org.name)
    if turn == 1 then
      local _, next_ms = limit_room(lane, limit)
      look_at(lane, limit, next_ms)
    end
  end
end

-- Jobs leave the place `waiting`, where they waited for `name`, after their new place was written. Returns how many wait for it on.
-- Calls: <= 5.
function leave_waiting(lane, org, name, ids)
  local key = org_key(org, 'waiting:' .. name)
  if org.fields.waits_until then call('ZREM', org_key(org, 'waiting_until'), unpack(ids)) end
  call('ZREM', key, unpack(ids))
  call('ZREM', org_key(org, 'waiting'), unpack(ids))
  local left = call('ZCARD', key)
  if left == 0 then call('ZREM', lane.prefix .. 'line:' .. (find(name, ':', 1, true) and name .. '@' .. org.name or name), org.name) end
  return left
end

-- The tokens that a limit with a rate has now: a fraction.
function limit_level(lane, limit)
  if not limit.period_us or limit.burst == 0 then return 0 end
  return max(0, limit.burst - max(0, limit.tat_us - lane.now_us) / limit.period_us)
end

-- True if nothing of the organization could start in the queue. Calls: <= 2.
local function is_held_up(lane, org, queue)
  local most = setting(org, 'max_running')
  return org.fields.paused or lane.paused or virtual_time(lane, queue).paused or rate_tokens(lane, org) < 1 or
         (most and call('ZCARD', org_key(org, 'running')) >= most)
end

-- The first `count` jobs of an organization that wait for a limit go back to their queues, where they had been. None does if nothing of
-- it could start there: those behind it in the line must not wait for it. Returns jobs let go, and jobs left. Calls: <= 15, 12 for each queue.
local function let_go(lane, org, limit, count)
  local ids = call('ZRANGE', org_key(org, 'waiting:' .. limit.name), '0', int_text(count - 1))
  if not ids[1] then
    call('ZREM', limit.line_key, org.name)
    return 0, 0
  end
  local states, moves, back, others = call('HMGET', org_key(org, 'state'), unpack(ids)), new_moves(org), {}, {}
  for i, id in ipairs(ids) do
    local state = states[i] and cmsgpack.unpack(states[i])
    if state and state[NOTES] and state[NOTES].limit == limit.name then
      if not back[1] and is_held_up(lane, org, state[QUEUE] or QUEUE_DEFAULT) then return 0, 1 end
      move_to_ready(moves, id, state)
      back[#back + 1] = id
    else
      others[#others + 1] = id -- it does not wait: it stays where it is
    end
  end
  if others[1] then call('ZREM', org_key(org, 'waiting:' .. limit.name), unpack(others)) end
  if not back[1] then return 0, 1 end
  write_moves(lane, moves)
  local left = leave_waiting(lane, org, limit.name, back)
  place_after(lane, org, moves.queues, 0)
  return #back, left
end

-- When to look again after `given` jobs were let go, all that there was room for: at the next token; or soon, for nobody may take them.
local function time_after(lane, limit, given)
  local again_ms = lane.now_ms + LOOK_AGAIN_MS
  if not limit.period_us then return again_ms end
  return max(lane.now_ms + 1, min(again_ms, math.ceil((max(limit.tat_us, lane.now_us) + (given - limit.burst + 1) * limit.period_us) / 1000)))
end

-- Lets as many jobs go as the limit has room for, the organizations in its line in turns. Calls: <= 6, and for each visit (of which a call
-- makes at most 16) 4 and those of let_go.
function serve_line(lane, limit)
  local standing = call('ZCARD', limit.line_key)
  if standing == 0 then
    if call('ZREM', lane.prefix .. 'lines', limit.full) == 1 then lane.lines_changed = true end
    return
  end
  local room, next_ms = limit_room(lane, limit)
  local turn, visits, given = room > 0 and last_turn(limit) or 0, 0, 0
  while given < room and standing > 0 and visits < 2 * standing and lane.line_visits < VISITS_MAX do
    local name = call('ZRANGE', limit.line_key, '0', '0')[1]
    if not name then break end
    visits, lane.line_visits = visits + 1, lane.line_visits + 1
    local gone, left = let_go(lane, load_org(lane, name), limit, min(RELEASE_MAX, math.ceil((room - given) / standing)))
    given = given + gone
    if left > 0 then
      call('ZADD', limit.line_key, int_text(turn), name)
      turn = turn + 1
    else
      standing = standing - 1
    end
  end
  if standing == 0 then
    call('ZREM', lane.prefix .. 'lines', limit.full)
    lane.lines_changed = true
  elseif room > 0 then
    local all, none = given >= room, given == 0 and visits > 0
    look_at(lane, limit, (all and time_after(lane, limit, given)) or (none and lane.now_ms + LOOK_AGAIN_MS) or lane.now_ms)
  else
    look_at(lane, limit, next_ms)
  end
end

-- The limit that a line is for: its name as its organization knows it, and which that is.
local function limit_of_line(lane, full)
  local name, org = string.match(full, '^(.*)@([^@]*)$')
  return find_limit(lane, org or '', name or full)
end

-- The lines of the keys of limit `name` are to be looked at now: those among the next KEYS_PAGE lines in time. The others are, when it is
-- time for the entry that stands for them. Calls: <= 2.
local function hasten_keys(lane, name, from_ms, to_ms)
  local lines, hastened, beginning = lane.prefix .. 'lines', {}, name .. ':'
  local flat = call('ZRANGEBYSCORE', lines, '(' .. int_text(from_ms), int_text(to_ms), 'WITHSCORES', 'LIMIT', '0', KEYS_PAGE)
  for i = 1, #flat, 2 do
    if sub(flat[i], 1, #beginning) == beginning then hastened[#hastened + 1], hastened[#hastened + 2] = lane.now_text, flat[i] end
  end
  if #flat == 2 * KEYS_PAGE then
    local last_ms = tonumber(flat[#flat]) -- perhaps not all of this ms
    hastened[#hastened + 1] = lane.now_text
    hastened[#hastened + 1] = format('%s::%s:%s', name, int_text(max(last_ms - 1, min(from_ms + 1, last_ms))), int_text(to_ms))
  end
  if not hastened[1] then return end
  call('ZADD', lines, unpack(hastened))
  lane.lines_changed = true
end

-- Looks at a line because it is time. Calls: those of serve_line.
local function serve_in_time(lane, full)
  local name, from_ms, to_ms = string.match(full, '^([^:]+)::(%d+):(%d+)$')
  if not name then return serve_line(lane, limit_of_line(lane, full)) end
  call('ZREM', lane.prefix .. 'lines', full)
  lane.lines_changed = true
  hasten_keys(lane, name, tonumber(from_ms), tonumber(to_ms))
end

-- Looks at lines whose time is `until_ms` or before. Calls: 1, and those of serve_line for each of at most 8.
local function serve_due(lane, until_ms)
  for _, full in ipairs(call('ZRANGEBYSCORE', lane.prefix .. 'lines', '-inf', until_ms, 'LIMIT', '0', LINES_MAX)) do serve_in_time(lane, full) end
end

-- Looks at the lines of limits that leases have left in this call, and at those whose time has come. Calls: <= 2, 2 for each limit left,
-- 6 for each line looked at, and those of at most 16 visits.
function serve_lines(lane)
  if lane.freed then
    for full in pairs(lane.freed) do
      if call('EXISTS', lane.prefix .. 'line:' .. full) == 1 then serve_line(lane, limit_of_line(lane, full)) end
    end
    lane.freed = nil
  end
  local set_back = lane.lines_ms and lane.lines_ms > lane.now_ms + LOOK_MS_MAX and lane.lines_ms > lane.now_ms + look_ms_max(lane) -- the clock was
  if lane.lines_ms and (lane.lines_ms <= lane.now_ms or set_back) and not lane.lines_looked then
    lane.lines_looked = true
    serve_due(lane, set_back and '+inf' or lane.now_text)
  end
end

-- What holds for all keys of a limit has changed: looks at their lines. Those that are more than one call may are due then: the scheduler
-- comes for them, if no claim does. Calls: <= 4, and those of serve_line for each of at most 8.
function serve_keys(lane, name)
  if not lane.lines_ms then return end -- nobody waits for any limit
  hasten_keys(lane, name, lane.now_ms, lane.now_ms + look_ms_max(lane))
  if not lane.lines_changed then return end
  serve_due(lane, lane.now_text)
  call('ZADD', lane.prefix .. 'wake_due', '0', '0')
end

-- Writes fields of a limit's state. That of a key is kept until it says nothing any more. Calls: <= 2.
function save_limit(lane, limit, ...)
  call('HSET', limit.key, ...)
  if limit.keyed then
    local ahead_ms = max(limit.until_ms, limit.period_us and limit.tat_us / 1000 or 0) - lane.now_ms
    call('EXPIRE', limit.key, int_text(KEPT_S + max(0, math.ceil(ahead_ms / 1000))))
  end
end

-- The part of save_lane() that is about limits. Calls: <= 3, 2 for each limit with a rate that was used.
function save_limits(lane)
  if lane.limits_changed then
    for _, limit in pairs(lane.limits) do
      if limit.changed then save_limit(lane, limit, 'tat_us', int_text(limit.tat_us)) end
      limit.changed = false
    end
    lane.limits_changed = false
  end
  if lane.lines_changed then
    local head = call('ZRANGE', lane.prefix .. 'lines', '0', '0', 'WITHSCORES')
    if head[2] then
      if tonumber(head[2]) ~= lane.lines_ms then call('HSET', lane.clock, 'lines_ms', int_text(tonumber(head[2]))) end
    elseif lane.lines_ms then
      call('HDEL', lane.clock, 'lines_ms')
    end
    lane.lines_ms, lane.lines_changed = tonumber(head[2]), false
  end
end

end
