--[[ accept.lua - taking jobs in: shared by enqueue and inbox. ]]

local BATCH_MAX = 128
local register_org, check_queue, check_batch, parse_batch, enqueue_jobs -- what other files use
do

local LARGE_BYTES = 32768
local LANE_QUEUES_MAX = 64
local OWN_ANSWERS = { new = true, exists = true, coalesced = true, merged = true, follows = true } -- none of its further jobs is lost

-- A new organization must be in its own lane: CRC-32 (zlib's) of the name, modulo the number of lanes. Calls: 1.
local function check_lane(lane, name)
  local found = call('HMGET', lane.clock, 'lanes', 'lane')
  local crc = -1
  for i = 1, #name do
    crc = bit.bxor(crc, byte(name, i))
    for _ = 1, 8 do
      local low = bit.band(crc, 1)
      crc = bit.rshift(crc, 1)
      if low == 1 then crc = bit.bxor(crc, 0xedb88320) end
    end
  end
  local hash = bit.bnot(crc)
  if hash < 0 then hash = hash + 4294967296 end
  if hash % tonumber(found[1]) ~= tonumber(found[2]) then
    refuse('INVALID', format('organization %s belongs to lane %.0f, this is lane %s', name, hash % tonumber(found[1]), found[2]))
  end
end

-- Writes the organization into the registry at its first change. One that is new has the schedules of every organization. Calls: <= 4.
function register_org(lane, org)
  if not org.known then check_lane(lane, org.name) end
  if call('ZADD', lane.prefix .. 'orgs', lane.now_text, org.name) == 1 then every_org.add_to(lane, org) end
  org.known = true
end

-- Notes a queue in the lane's list. In a full list it takes the place of one that nobody waits in and nobody has paused, which
-- comes back with its next job. Calls: <= 2 for each of 64 names, if the list is full.
function check_queue(lane, queue)
  if has_word(lane.queues, queue) then return end
  local names, idle = {}, nil
  for name in string.gmatch(lane.queues, '%S+') do names[#names + 1] = name end
  if #names < LANE_QUEUES_MAX then
    idle = #names + 1
  else
    for i, name in ipairs(names) do
      if not idle and name ~= QUEUE_DEFAULT and call('EXISTS', lane.prefix .. 'active:' .. name, lane.prefix .. 'parked:' .. name) == 0 and
         not virtual_time(lane, name).paused then idle = i end
    end
  end
  if not idle then refuse('INVALID', format('queue %s would be number %d of the lane, the limit is %d', queue, #names + 1, LANE_QUEUES_MAX)) end
  names[idle] = queue
  lane.queues, lane.new_queues = table.concat(names, ' '), true
end

-- check_job_id() of each. One search through all of them costs less than one for each.
local function check_job_ids(ids)
  local good = find(table.concat(ids), JOB_PATTERN)
  for i = 1, #ids do
    if not good or ids[i] == '' or #ids[i] > JOB_BYTES_MAX then check_job_id(ids[i]) end
  end
end

-- Checks the pairs args[from..] before anything is written. Returns ids, options, payload sizes and the keys (nil if none has one).
function parse_batch(args, from)
  local types, ids, wanted, sizes, keys, total, n = {}, {}, {}, {}, nil, 0, 0
  for i = from, #args, 2 do
    local record = args[i + 1]
    if #record > RECORDS_BYTES_MAX then refuse('INVALID', format('a record has %d bytes, the limit is %d', #record, RECORDS_BYTES_MAX)) end
    local options, payload_bytes = parse_record(record, types)
    n = n + 1
    ids[n], wanted[n], sizes[n] = args[i], options, payload_bytes
    total = total + #record
    if options ~= NONE then
      if options.key then
        keys = keys or {}
        keys[#keys + 1] = options.key
      end
    end
  end
  check_job_ids(ids)
  if total > RECORDS_BYTES_MAX then refuse('INVALID', format('the batch has %d bytes of records, the limit is %d', total, RECORDS_BYTES_MAX)) end
  return ids, wanted, sizes, keys
end

-- What an idempotency key stands for besides itself: type and payload.
local function key_digest(record)
  local kind, at = record_type(record)
  local rest = byte(record, at + 5) == 0xc0 and at + 6 or cmsgpack.unpack_one(record, at + 4) + 1
  return redis.sha1hex(kind .. '\0' .. sub(record, rest))
end

-- The answer for a job whose idempotency key is known, else nil. `owners`: key -> "id digest", to which a new key is added.
local function answer_by_key(owners, id, key, record)
  local digest = key_digest(record)
  if owners[key] then
    local owner, known = string.match(owners[key], '^(%S+) (%S+)$')
    return (known == digest and 'coalesced ' or 'conflict ') .. owner
  end
  return nil, id .. ' ' .. digest
end

-- Jobs waiting in each queue that the organization has used, and how many more it may have. Calls: 2 and 1 per queue.
local function count_waiting(lane, org)
  local counts, room = {}, setting(org, 'max_queued') - call('ZCARD', org_key(org, 'scheduled'))
  if lane.lines_ms then room = room - call('ZCARD', org_key(org, 'waiting')) end -- without a line nobody waits for a limit
  for _, queue in ipairs(org_queues(org)) do
    counts[queue] = call('ZCARD', org_key(org, 'ready:' .. queue))
    room = room - counts[queue]
  end
  return counts, room
end

-- The list for ready:<queue> in the batch; notes the first use of a queue.
local function ready_list(org, batch, queue)
  local list = batch.ready[queue]
  if not list then
    list = {}
    batch.ready[queue] = list
    if not batch.counts[queue] then
      batch.counts[queue] = 0
      use_queue(org, queue)
    end
  end
  return list
end

-- Adds an accepted job with options to the batch, where it belongs.
local function accept_with_options(lane, org, batch, id, options)
  local queue = options.queue or QUEUE_DEFAULT
  check_queue(lane, queue)
  local due_ms = record_due_ms(options, lane.now_ms)
  local order, list = max(due_ms, lane.now_ms) - (options.priority or 0) * PRIORITY_MS, ready_list(org, batch, queue)
  if due_ms > lane.now_ms then
    list = batch.scheduled
    batch.states[#batch.states + 1] = id
    batch.states[#batch.states + 1] = pack_state(new_state(order, options, lane.now_ms))
    order = due_ms
  end
  local n = #list
  list[n + 1], list[n + 2] = int_text(order), id
end

-- Takes in a job with a coalescing key; the answer. `at`: where its record is kept, if it becomes a job.
local function accept_change(lane, org, batch, slot, id, record, options, at)
  local queue = options.queue or QUEUE_DEFAULT
  check_queue(lane, queue)
  ready_list(org, batch, queue)
  if #record > LARGE_BYTES then batch.large = true end
  return coalescing.take(lane, slot, id, record, options, at)
end

-- Writes an accepted batch. Calls: <= 13, 12 for each queue whose ready set was empty, 22 for each coalescing key.
local function write_batch(lane, org, batch)
  register_org(lane, org)
  if lane.new_queues then call('HSET', lane.clock, 'queues', lane.queues) end
  call('HSET', org_key(org, 'jobs'), unpack(batch.records))
  if batch.states[1] then call('HSET', org_key(org, 'state'), unpack(batch.states)) end
  if batch.coalesce[1] then call('HSET', org_key(org, 'coalesce'), unpack(batch.coalesce)) end
  if batch.unique[1] then call('HSET', org_key(org, 'unique'), unpack(batch.unique)) end
  if batch.large then set_field(org, 'large', 1) end
  local placed = {}
  for queue, list in pairs(batch.ready) do
    if list[1] then
      turn_round(list, #list)
      call('ZADD', org_key(org, 'ready:' .. queue), unpack(list))
      placed[queue] = batch.counts[queue] == 0 or nil
    end
  end
  if next(placed) then place_after(lane, org, placed, 0) end
  if batch.scheduled[1] then
    call('ZADD', org_key(org, 'scheduled'), unpack(batch.scheduled))
    reindex_due(lane, org)
  end
  for _, job in ipairs(batch.left) do leave_place(lane, org, job) end
  for _, job in ipairs(batch.rested) do coalescing.forget_hint(lane, org, job) end
  save_lane(lane)
end

-- True if the queues of these jobs, where they are new to the organization or to the lane, find room there.
local function fit_queues(lane, org, wanted)
  local new, seen, known = 0, {}, 0
  for _, options in ipairs(wanted) do
    local queue = options.queue or QUEUE_DEFAULT
    if not seen[queue] and not (has_word(org.fields.queues or '', queue) and has_word(lane.queues, queue)) then new = new + 1 end
    seen[queue] = true
  end
  for _ in string.gmatch(lane.queues, '%S+') do known = known + 1 end
  return new == 0 or (#org_queues(org) + new <= QUEUES_MAX and known + new <= LANE_QUEUES_MAX)
end

-- The answer of enqueue_jobs() for an organization that is being deleted.
local function refuse_all(count, own)
  local answers = new_list(count)
  if own then return nil, 'deleting' end
  for n = 1, count do answers[n] = 'deleting' end
  return answers
end

-- Adds what is acceptable of the pairs args[from..]; the answers as a list. `own`: the organization's own work goes on with them.
-- Its queue is not too full for them, no stop of the intake holds them back, and it is all of them or none: nil, and why.
function enqueue_jobs(lane, org, args, from, own)
  local ids, wanted, sizes, keys = parse_batch(args, from)
  if org.fields.deleting then return refuse_all(#ids, own) end
  local queues, lane_queues, new_queues = org.fields.queues, lane.queues, lane.new_queues
  local stored, owners = call('HMGET', org_key(org, 'jobs'), unpack(ids)), {}
  if keys then
    local found = call('HMGET', org_key(org, 'unique'), unpack(keys))
    for i, key in ipairs(keys) do owners[key] = found[i] or nil end
  end
  if own and not fit_queues(lane, org, wanted) then return nil, 'queues' end
  local slots = coalescing.load(org, wanted)
  local counts, room = count_waiting(lane, org)
  if own then room = math.huge end
  local records, plain, seen, answers = new_list(2 * #ids), nil, {}, new_list(#ids)
  local batch = {
    records = records, states = {}, unique = {}, coalesce = {}, ready = {}, scheduled = {}, left = {}, rested = {}, counts = counts, large = false,
  }
  local payload_max, now_text, accepted = setting(org, 'max_payload_bytes'), lane.now_text, 0
  for n = 1, #ids do
    local id, record, options = ids[n], args[from + 2 * n - 1], wanted[n]
    local old, answer, owner = stored[n] or seen[id], nil, nil
    local slot = slots and options.coalesce and slots[options.coalesce]
    local known = slot and coalescing.known(slot, id, record)
    if old then answer = (same_record(old, record) or (slot and coalescing.is_same_push(old, record, options))) and 'exists' or 'taken'
    elseif known then answer = known
    elseif sizes[n] > payload_max then answer = 'too_large'
    elseif lane.intake and not own then answer = 'intake_paused'
    elseif options.expires_ms and options.expires_ms <= lane.now_ms then answer = 'expired'
    elseif options.key then answer, owner = answer_by_key(owners, id, options.key, record)
    elseif slot and slot.heir then answer = accept_change(lane, org, batch, slot, id, record, options) end
    if not answer and accepted >= room then answer = 'queue_full' end
    if not answer then
      if options == NONE then
        plain = plain or ready_list(org, batch, QUEUE_DEFAULT)
        local last = #plain
        plain[last + 1], plain[last + 2] = now_text, id
      elseif slot then
        answer = accept_change(lane, org, batch, slot, id, record, options, 2 * accepted + 2)
      else
        accept_with_options(lane, org, batch, id, options)
        if owner then
          owners[options.key] = owner
          local last = #batch.unique
          batch.unique[last + 1], batch.unique[last + 2] = options.key, owner
        end
      end
      answer = answer or 'new'
      records[2 * accepted + 1], records[2 * accepted + 2] = id, record
      accepted = accepted + 1
      seen[id] = record
      if #record > LARGE_BYTES then batch.large = true end
    end
    if own and not OWN_ANSWERS[string.match(answer, '^%S+')] then
      set_field(org, 'queues', queues) -- those of the jobs before this one are not used after all
      org.queue_list, lane.queues, lane.new_queues = nil, lane_queues, new_queues
      return nil, string.match(answer, '^%S+')
    end
    answers[n] = answer
  end
  if slots then coalescing.place(lane, batch, slots, accepted) end
  if records[1] then write_batch(lane, org, batch) end
  return answers
end

function check_batch(args, most)
  if #args < 3 or #args % 2 == 0 or #args > 2 * most + 1 then
    refuse('INVALID', format('a batch has 1..%d pairs after the organization, this call has %d arguments', most, #args))
  end
end

end
