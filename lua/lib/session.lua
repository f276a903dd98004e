--[[ session.lua - one run of a worker or scheduler process, in one lane.

  rota:{k}:session:<id>   hash: kind, timeout_ms, beat_ms, beat (a counter), opened_ms; of its last claim or finish:
                          call (its token) and answers; what operators have asked for last: order ("NUMBER VERB WHO") and dump
                          ("NUMBER WHO"). Gone: the session is over, whatever it says is LOST or STALE.
  rota:{k}:beat:<id>      string with the time-out as expiry: the beat's number. Gone: suspect
  rota:{k}:sessions       zset session -> deadline ms
  rota:{k}:held:<id>      hash org/job -> lease ]]

-- The open session `id`, or nil. Calls: 1.
local function load_session(lane, id)
  check_session(id)
  local key = lane.prefix .. 'session:' .. id
  local found = call('HMGET', key, 'timeout_ms', 'beat', 'call', 'answers', 'kind', 'order', 'dump')
  if not found[1] then return nil end
  return {
    id = id, key = key, held = lane.prefix .. 'held:' .. id, timeout_ms = tonumber(found[1]), beat = tonumber(found[2]),
    call = found[3], answers = found[4], kind = found[5], order = found[6] or '', dump = found[7] or '',
  }
end

-- One heartbeat. The deadline is set absolutely, so that a clock that was stepped back heals at the next beat. Calls: 3.
local function beat_session(lane, session, ...)
  session.beat = session.beat + 1
  call('HSET', session.key, 'beat', session.beat, ...)
  call('SET', lane.prefix .. 'beat:' .. session.id, session.beat, 'PX', session.timeout_ms)
  call('ZADD', lane.prefix .. 'sessions', int_text(lane.now_ms + session.timeout_ms), session.id)
end

-- Ends a session in this lane: from here on its owner is a stranger. What it held is given back by the caller. True if it was
-- open. Calls: 4.
local function end_session(lane, id)
  local was_open = call('DEL', lane.prefix .. 'session:' .. id, lane.prefix .. 'beat:' .. id) > 0
  if call('HGET', lane.clock, 'leader') == id then
    call('HDEL', lane.clock, 'leader')
    call('ZADD', lane.prefix .. 'wake_leader', 0, 0)
  end
  return was_open
end

-- Ends at most `limit` of the leases of an ended session, each with `verdict`. When none is left the session is forgotten.
-- Returns leases ended, and whether some are left. Calls: 4 and those of end_all.
local function give_back(lane, id, verdict, limit)
  local held = lane.prefix .. 'held:' .. id
  local flat = call('HRANDFIELD', held, limit, 'WITHVALUES') -- any will do; HSCAN may find none in a sparse table
  local ends, names = new_ends(), {}
  for i = 1, #flat, 2 do
    add_single(lane, ends, flat[i], cmsgpack.unpack(flat[i + 1]), verdict)
    names[#names + 1] = flat[i]
  end
  if #names > 0 then
    end_all(lane, ends)
    call('HDEL', held, unpack(names))
  end
  local left = call('HLEN', held)
  if left == 0 then call('ZREM', lane.prefix .. 'sessions', id) end
  return #names, left
end
