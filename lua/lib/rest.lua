--[[ rest.lua - jobs of a type that the claiming worker does not know.

  Such a job rests in `scheduled`: 5 s, then 10, 20, 40, and 60 s from then on (notes.rests counts). It keeps its order, and nothing
  is counted as an attempt. Because another worker may know the type, now or soon, it can be woken before: a claim that names the
  type brings as many jobs of it back to their queues as it wants itself.

  rota:{k}:resting:<queue>:<type>  zset org/job -> due ms: hints where to find them. A job that has left `scheduled` otherwise may
                                   still stand there. It expires 120 s after the last one has come, when all have rested
  `resting:<queue>` in the clock   "TYPE MS ORG TYPE MS ORG": the types that have such a set, and when the last of their jobs of an
                                   organization has rested. A claim reads it with the virtual time, so that it costs nothing where
                                   no job rests. Where it is full, whoever has most in it gives way: no organization's types can
                                   displace those of others ]]

local rest_job, note_resting, wake_resting, forget_resting -- what other files use
do

local RESTS_MS = { 5000, 10000, 20000, 40000, 60000 }
local FORGET_S = '120'
local HINTS_MAX = 10000 -- of a type
local TYPES_MAX = 64 -- remembered of a queue, each for each organization
local WAKE_TYPES, WAKE_ORGS = 4, 8 -- looked at in one call

local function resting_key(lane, queue, kind)
  return lane.prefix .. 'resting:' .. queue .. ':' .. kind
end

-- The types that rest in a queue, a list of {kind, until_ms, org}, each once for each organization; nil if there are none.
local function resting_types(lane, queue)
  local state = virtual_time(lane, queue)
  if not state.resting and state.resting_text then
    state.resting = {}
    for kind, until_ms, org in string.gmatch(state.resting_text, '(%S+) (%d+) (%S+)') do
      state.resting[#state.resting + 1] = { kind = kind, until_ms = tonumber(until_ms), org = org }
    end
  end
  return state.resting
end

-- The index of the entry that gives way: of the organization with most of them, there one whose type others remember, too, there
-- the one that has rested first.
local function least_missed(resting)
  local of_org, of_kind, worst = {}, {}, nil
  for _, entry in ipairs(resting) do
    of_org[entry.org], of_kind[entry.kind] = (of_org[entry.org] or 0) + 1, (of_kind[entry.kind] or 0) + 1
  end
  local function is_worse(a, b)
    if of_org[a.org] ~= of_org[b.org] then return of_org[a.org] > of_org[b.org] end
    if (of_kind[a.kind] > 1) ~= (of_kind[b.kind] > 1) then return of_kind[a.kind] > 1 end
    return a.until_ms < b.until_ms
  end
  for i, entry in ipairs(resting) do
    if not worst or is_worse(entry, resting[worst]) then worst = i end
  end
  return worst
end

-- Calls: 1.
local function save_resting(lane, queue, resting)
  local words = {}
  for i = #resting, 1, -1 do
    if resting[i].until_ms <= lane.now_ms then table.remove(resting, i) end
  end
  while #resting > TYPES_MAX do table.remove(resting, least_missed(resting)) end
  for i, entry in ipairs(resting) do words[i] = format('%s %s %s', entry.kind, int_text(entry.until_ms), entry.org) end
  if words[1] then
    call('HSET', lane.clock, 'resting:' .. queue, table.concat(words, ' '))
  else
    call('HDEL', lane.clock, 'resting:' .. queue)
  end
end

-- Remembers a type of an organization until a job of it has rested.
local function remember(resting, kind, org, until_ms)
  for _, entry in ipairs(resting) do
    if entry.kind == kind and entry.org == org then
      entry.until_ms = max(entry.until_ms, until_ms)
      return
    end
  end
  resting[#resting + 1] = { kind = kind, until_ms = until_ms, org = org }
end

-- Lets a job rest that was next in its queue.
function rest_job(lane, moves, id, state, record)
  local kind = record_type(record)
  local rests = (state[NOTES] and state[NOTES].rests or 0) + 1
  local due_ms = lane.now_ms + RESTS_MS[min(rests, #RESTS_MS)]
  set_note(state, 'rests', rests)
  move_to_scheduled(moves, id, state, due_ms, true)
  moves.resting = moves.resting or { queue = state[QUEUE] or QUEUE_DEFAULT, hints = {}, first = false }
  if not find(kind, '^[%w._-]+$') then return end -- of a damaged record
  local hints = moves.resting.hints[kind] or {}
  hints[#hints + 1], hints[#hints + 2] = due_ms, moves.org.name .. '/' .. id
  moves.resting.hints[kind], moves.resting.first = hints, moves.resting.first or rests == 1
end

-- Leaves hints where to find the jobs of a visit that rest. Calls: 1, and 3 for each type.
function note_resting(lane, moves)
  local queue = moves.resting.queue
  local state, resting = virtual_time(lane, queue), resting_types(lane, queue) or {}
  state.resting, state.rested = resting, state.rested or moves.resting.first
  for kind, hints in pairs(moves.resting.hints) do
    local key = resting_key(lane, queue, kind)
    call('ZADD', key, unpack(hints))
    call('ZREMRANGEBYRANK', key, 0, -HINTS_MAX - 1) -- jobs that are gone since leave theirs behind
    call('EXPIRE', key, FORGET_S)
    for i = 1, #hints, 2 do remember(resting, kind, moves.org.name, hints[i]) end
  end
  save_resting(lane, queue, resting)
end

-- A job (found by find_job) that rests is about to get another record: no hint of its old type and queue is to wake it. Calls: 1.
function coalescing.forget_hint(lane, org, job)
  call('ZREM', resting_key(lane, job.queue, (record_type(job.record))), org.name .. '/' .. job.id)
end

-- Brings jobs of one organization back that still rest; how many. Calls: <= 25.
local function wake_jobs(lane, org, ids)
  local scheduled, moves, back = org_key(org, 'scheduled'), new_moves(org), {}
  local due, states = call('ZMSCORE', scheduled, unpack(ids)), call('HMGET', org_key(org, 'state'), unpack(ids))
  for i, id in ipairs(ids) do
    local state = due[i] and states[i] and cmsgpack.unpack(states[i])
    if state and state[NOTES] and state[NOTES].rests then
      set_note(state, 'rests', nil)
      move_to_ready(moves, id, state)
      back[#back + 1] = id
    end
  end
  if not back[1] then return 0 end
  write_moves(lane, moves)
  call('ZREM', scheduled, unpack(back))
  place_after(lane, org, moves.queues, 0)
  reindex_due(lane, org)
  return #back
end

-- Brings jobs of one type back, those first that have rested longest. False if none is left. Calls: 2 and those of wake_jobs.
local function wake_type(lane, queue, kind, claim)
  local key, most = resting_key(lane, queue, kind), claim.want - claim.woken
  local names, groups, orgs, found = call('ZRANGE', key, 0, most), {}, {}, {} -- one more: is one left?
  for i = 1, min(#names, most) do
    local name = names[i]
    local org, id = split_name(name)
    if not groups[org] and claim.woken_orgs < WAKE_ORGS then
      groups[org], orgs[#orgs + 1], claim.woken_orgs = {}, org, claim.woken_orgs + 1
    end
    if groups[org] then
      table.insert(groups[org], id)
      found[#found + 1] = name
    end
  end
  for _, org in ipairs(orgs) do claim.woken = claim.woken + wake_jobs(lane, load_org(lane, org), groups[org]) end
  if found[1] then call('ZREM', key, unpack(found)) end
  return #found < #names
end

-- Before a claim in `queue`: brings jobs of the types that it names back from their rest, as many as it wants. Calls: none where no
-- job rests in the queue, else 1, and those of wake_type for at most 4 types and 8 organizations.
function wake_resting(lane, queue, claim)
  local state, resting, kept, is_left, looks = virtual_time(lane, queue), resting_types(lane, queue), {}, {}, 0
  if not resting then return end
  for _, entry in ipairs(resting) do -- those first that have been there longest
    local kind, over = entry.kind, entry.until_ms <= lane.now_ms
    if not over and (claim.types[kind] or claim.types['*']) then
      if is_left[kind] == nil and looks < WAKE_TYPES and claim.woken < claim.want then
        looks, is_left[kind] = looks + 1, wake_type(lane, queue, kind, claim)
      end
      over = is_left[kind] == false
      state.may_wake = state.may_wake or not over
    end
    if not over then kept[#kept + 1] = entry end
  end
  state.resting = kept
  if #kept < #resting then save_resting(lane, queue, kept) end
end

-- No job of an organization rests any more. What other organizations have of the same types stays; among that its hints may, for as long
-- as any. Calls: <= 3 for each of its queues.
function forget_resting(lane, org)
  for _, queue in ipairs(org_queues(org)) do
    local kept, gone, of_others = {}, {}, {}
    for _, entry in ipairs(resting_types(lane, queue) or NONE) do
      if entry.org ~= org.name then kept[#kept + 1], of_others[entry.kind] = entry, true end
    end
    for _, entry in ipairs(resting_types(lane, queue) or NONE) do
      if not of_others[entry.kind] then gone[#gone + 1] = resting_key(lane, queue, entry.kind) end
    end
    if gone[1] then call('UNLINK', unpack(gone)) end
    if #kept < #(resting_types(lane, queue) or NONE) then
      virtual_time(lane, queue).resting = kept
      save_resting(lane, queue, kept)
    end
  end
end

end
