--[[ coalesce.lua - change-driven jobs: however many changes there are under a key, one job that has not begun stands for them.

  Hash `rota:{k}:org:<org>:coalesce`: coalescing key -> "CURRENT" or "CURRENT FOLLOWUP". CURRENT is a job that has not ended for good.
  FOLLOWUP waits for that: it is in `scheduled` with the score FOLLOWS_MS, its state notes whom it is `after`. Each word is the id of the job
  and, with a comma before each, "ID=NONCE" of the newest changes that were merged into it: a push that is repeated is known by that.

  A change under a key is merged into the job that has not begun: CURRENT, as long as it was never delivered, else FOLLOWUP; if there is
  none, its job becomes one. To be merged is: its record takes the place of the other one's, but for id and nonce. When CURRENT is over,
  in whatever way, FOLLOWUP takes its place in the same call (coalescing.end_keys), and goes where its time says. A dead job that is redriven
  while another one has its key runs beside that, and has no key. ]]

do

local CHANGES_MAX = 16 -- remembered with a job
local NONCE_BYTES = 4

-- A word of an entry: {id, changes}.
local function parse_word(word)
  local part = { changes = {} }
  for text in string.gmatch(word, '[^,]+') do
    if part.id then part.changes[#part.changes + 1] = text else part.id = text end
  end
  return part
end

-- An entry as its parts, each nil where there is none.
local function parse_entry(text)
  local first, second = string.match(text or '', '^(%S+) ?(%S*)$')
  return first and parse_word(first), second and second ~= '' and parse_word(second) or nil
end

local function word_text(part)
  return part.changes[1] and part.id .. ',' .. table.concat(part.changes, ',') or part.id
end

-- The nonce of a record, its four bytes, and where they begin.
local function record_nonce(record)
  local _, at = record_type(record)
  return sub(record, at + 1, at + NONCE_BYTES), at + 1
end

-- How a change is remembered.
local function change_text(id, record)
  return id .. '=' .. format('%02x%02x%02x%02x', byte(record_nonce(record), 1, NONCE_BYTES))
end

-- True for a job (found by find_job) that has not ended. One that is in no set counts: it is there, and the audit finds where it belongs.
local function is_under_way(job)
  return job and (WAITS[job.place] or job.place == 'running' or not job.place)
end

-- When a job is due that has not begun; 0: its time has come, and it waits for something else.
local function due_of(job)
  local s = job.state
  if job.after then return s[ORDER] + (s[PRIORITY] or 0) * PRIORITY_MS end
  if job.place ~= 'scheduled' or (s[NOTES] and s[NOTES].rests) then return 0 end
  return job.score
end

-- A job in Redis that changes may be merged into.
local function open_job(part, job)
  part.old, part.nonce, part.due_ms, part.since_ms = job, record_nonce(job.record), due_of(job), enqueued_ms(job.state)
  return part
end

-- What stands for a key: {current, heir}, each nil or {id, changes}. The heir is the one that changes are merged into: it has
-- besides nonce, due_ms, since_ms (when it was enqueued), and old (as found by find_job). What has ended, or is gone, is passed over. Calls: <= 18.
local function load_slot(org, text)
  local current, follower = parse_entry(text)
  local job, next_job = current and find_job(org, current.id), follower and find_job(org, follower.id)
  if not (next_job and next_job.after) then follower = nil end
  if not is_under_way(job) then current = nil end
  local slot = { current = current, heir = nil, changed = false }
  if follower then
    slot.heir, slot.current = open_job(follower, next_job), current or follower
  elseif current and WAITS[job.place] and job.state[DELIVERIES] == 0 then
    slot.heir = open_job(current, job)
  end
  return slot
end

-- What stands for the coalescing keys of a batch: key -> slot; nil if it has none. Calls: 1 + 18 for each.
function coalescing.load(org, wanted)
  local slots, names
  for _, options in ipairs(wanted) do
    local key = options.coalesce
    if key and not (slots and slots[key]) then
      slots, names = slots or {}, names or {}
      slots[key], names[#names + 1] = true, key
    end
  end
  if not names then return nil end
  for i, text in ipairs(call('HMGET', org_key(org, 'coalesce'), unpack(names))) do slots[names[i]] = load_slot(org, text or nil) end
  return slots
end

-- True if `record` made the job whose record is `stored` now: changes were merged into it since, which left the nonce.
function coalescing.is_same_push(stored, record, options)
  return record_options(stored).coalesce == options.coalesce and record_nonce(stored) == record_nonce(record)
end

-- The answer for a change that was merged before, or nil.
function coalescing.known(slot, id, record)
  local text = change_text(id, record)
  for _, part in pairs({ slot.current or NONE, slot.heir or NONE }) do
    for _, known in ipairs(part.changes or NONE) do
      if known == text then return 'merged ' .. part.id end
    end
  end
end

-- True if nothing changes but the record: the job keeps its place, which may be one where it waits for a limit, or rests.
local function keeps_place(lane, heir)
  local job, new = heir.old, heir.options
  local old = job.options
  return heir.due_ms <= lane.now_ms and due_of(job) == 0 and not job.after and record_type(job.record) == record_type(heir.record) and
         job.queue == (new.queue or QUEUE_DEFAULT) and old.priority == new.priority and old.limit == new.limit and
         not old.expires_ms and not new.expires_ms
end

-- Takes in a change, in memory. It is merged into the heir or, if there is none, becomes it: then the record is to be stored at index `at` of
-- the batch's records. Returns the answer.
function coalescing.take(lane, slot, id, record, options, at)
  local heir, due_ms = slot.heir, record_due_ms(options, lane.now_ms)
  local answer
  if heir then
    if options.earliest then due_ms = min(due_ms, heir.due_ms) end
    heir.changes[#heir.changes + 1] = change_text(id, record)
    if #heir.changes > CHANGES_MAX then table.remove(heir.changes, 1) end
    local _, from = record_nonce(record)
    record, answer = sub(record, 1, from - 1) .. heir.nonce .. sub(record, from + NONCE_BYTES), 'merged ' .. heir.id
  else
    heir = { id = id, changes = {}, nonce = record_nonce(record), since_ms = lane.now_ms, at = at }
    answer = slot.current and 'follows ' .. slot.current.id or 'new'
    slot.heir, slot.current = heir, slot.current or heir
  end
  heir.record, heir.options, heir.due_ms, slot.changed = record, options, due_ms, true
  heir.moved = heir.moved or not heir.old or not keeps_place(lane, heir) -- once moved it stays so, though the next one wants what was before
  return answer
end

-- Adds the heir of a slot to the batch, where it belongs.
local function place_heir(lane, batch, slot)
  local heir, options = slot.heir, slot.heir.options
  local queue, at_once = options.queue or QUEUE_DEFAULT, heir.due_ms <= lane.now_ms
  if not heir.moved then return end
  local order = (at_once and heir.since_ms or heir.due_ms) - (options.priority or 0) * PRIORITY_MS
  local state, set, list, score = new_state(order, options, heir.since_ms), 'scheduled', batch.scheduled, heir.due_ms
  if slot.current ~= heir then
    set_note(state, 'after', slot.current.id)
    score = FOLLOWS_MS
  elseif at_once then
    set, list, score = 'ready:' .. queue, batch.ready[queue], order
  end
  if heir.old or set == 'scheduled' then
    batch.states[#batch.states + 1] = heir.id
    batch.states[#batch.states + 1] = pack_state(state)
  end
  list[#list + 1] = int_text(score)
  list[#list + 1] = heir.id
  if heir.old and heir.old.set ~= set then batch.left[#batch.left + 1] = heir.old end
  if heir.old and heir.old.state[NOTES] and heir.old.state[NOTES].rests then batch.rested[#batch.rested + 1] = heir.old end
end

-- Adds what the changes come to to the batch, which has `count` records.
function coalescing.place(lane, batch, slots, count)
  for key, slot in pairs(slots) do
    if slot.changed then
      local heir, entries = slot.heir, batch.coalesce
      if not heir.at then heir.at, count = 2 * count + 2, count + 1 end
      batch.records[heir.at - 1], batch.records[heir.at] = heir.id, heir.record
      entries[#entries + 1] = key
      entries[#entries + 1] = word_text(slot.current) .. (slot.current ~= heir and ' ' .. word_text(heir) or '')
      place_heir(lane, batch, slot)
    end
  end
end

-- A job that waited for another one waits no longer: to its queue, or to `scheduled` until its time, to be written by write_moves().
local function let_go(moves, lane, id, state)
  local due_ms = state[ORDER] + (state[PRIORITY] or 0) * PRIORITY_MS
  if due_ms > lane.now_ms then
    move_to_scheduled(moves, id, state, due_ms, true)
  else
    move_to_ready(moves, id, state)
    moves.let_go[#moves.let_go + 1] = id
  end
end

-- Coalescing keys of jobs that are over: moves.coalesced, {key, id, ...}. A job that waited for that takes the key over, and goes. Calls: <= 4.
function coalescing.end_keys(lane, moves)
  local org, over, names, texts, next_ids = moves.org, moves.coalesced, {}, {}, {}
  for i = 1, #over, 2 do names[#names + 1] = over[i] end
  for i, text in ipairs(call('HMGET', org_key(org, 'coalesce'), unpack(names))) do texts[names[i]] = text or nil end
  local set, gone = {}, {}
  for i = 1, #over, 2 do
    local key, current, follower = over[i], parse_entry(texts[over[i]])
    if current and current.id == over[i + 1] then
      texts[key], next_ids[key] = follower and word_text(follower), follower and follower.id
      if not follower then gone[#gone + 1] = key end
    elseif follower and follower.id == over[i + 1] then
      texts[key] = word_text(current)
    end
  end
  local followers = {}
  for key, text in pairs(texts) do
    set[#set + 1], set[#set + 2] = key, text
    followers[#followers + 1] = next_ids[key]
  end
  if set[1] then call('HSET', org_key(org, 'coalesce'), unpack(set)) end
  if gone[1] then call('HDEL', org_key(org, 'coalesce'), unpack(gone)) end
  if not followers[1] then return end
  for i, text in ipairs(call('HMGET', org_key(org, 'state'), unpack(followers))) do
    local state = text and cmsgpack.unpack(text)
    if state and state[NOTES] and state[NOTES].after then let_go(moves, lane, followers[i], state) end
  end
end

-- True if a job (found by find_job) waits for one that is over or has another follow-up, or has ended and its key still stands for it.
-- Calls: <= 10.
function coalescing.is_misled(org, job)
  local key, waits = job.options.coalesce, job.place == 'scheduled' and job.score >= FOLLOWS_MS
  if org.fields.deleting or (not waits and (not key or is_under_way(job))) then return false end
  local current, follower = parse_entry(key and call('HGET', org_key(org, 'coalesce'), key))
  if not waits then return current ~= nil and current.id == job.id end
  return not (current and current.id == job.after and follower and follower.id == job.id and is_under_way(find_job(org, current.id)))
end

-- Puts right what coalescing.is_misled() has found: the job goes on, and has its key if nobody else does. Calls: <= 32.
function coalescing.mend(lane, org, job)
  local moves, key = new_moves(org), job.options.coalesce
  if job.place == 'scheduled' then
    local current = parse_entry(key and call('HGET', org_key(org, 'coalesce'), key))
    if key and not (current and is_under_way(find_job(org, current.id))) then call('HSET', org_key(org, 'coalesce'), key, job.id) end
    let_go(moves, lane, job.id, job.state)
  else
    end_key(moves, own_key(job.options), job.id)
  end
  write_moves(lane, moves)
end

end
