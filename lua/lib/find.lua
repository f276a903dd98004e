--[[ find.lua - where a job is, and taking it out of there. ]]

local LARGE_PAGE = 4 -- jobs looked at in one call, of an organization with records above 32 KiB
local WAITS = { ready = true, waiting = true, scheduled = true } -- places of jobs that have not begun, or will begin again
local PLACES = { 'scheduled', 'running', 'done', 'dead', 'cancelled', 'waiting' }

-- Where job `id` is: {id, record, options, state (a table), place ('ready', 'waiting', ...), set (key part), score, limit
-- (that it waits for), after (the job that it waits for), is_open (it is not over)}, or nil.
-- A job that is in no set although it has a record has place nil. Calls: <= 9.
local function find_job(org, id)
  local record = call('HGET', org_key(org, 'jobs'), id)
  if not record then return nil end
  local job = { id = id, record = record, options = record_options(record) }
  job.queue = job.options.queue or QUEUE_DEFAULT
  local set = 'ready:' .. job.queue
  local score = call('ZSCORE', org_key(org, set), id)
  if score then
    job.place, job.set, job.score = 'ready', set, tonumber(score)
  else
    for _, place in ipairs(PLACES) do
      score = call('ZSCORE', org_key(org, place), id)
      if score then
        job.place, job.set, job.score = place, place, tonumber(score)
        break
      end
    end
  end
  job.is_open = WAITS[job.place or ''] or job.place == 'running'
  local text = call('HGET', org_key(org, 'state'), id)
  job.state = text and cmsgpack.unpack(text) or new_state(job.score or 0, job.options)
  job.state_text = text or ''
  job.limit = job.place == 'waiting' and job.state[NOTES] and job.state[NOTES].limit or nil
  job.after = job.place == 'scheduled' and job.state[NOTES] and job.state[NOTES].after or nil
  return job
end

-- The lease of a running job: the key of its session's `held`, the field, and the unpacked lease; nil if nobody holds it. Calls: 1.
local function find_lease(lane, org, job)
  local session = job.state[SESSION]
  if not session then return nil end
  local held, name = lane.prefix .. 'held:' .. session, org.name .. '/' .. job.id
  local value = call('HGET', held, name)
  if not value then return nil end
  return held, name, cmsgpack.unpack(value)
end

-- Leaves the set the job was found in, after its new place was written; indexes follow. Calls: <= 22.
local function leave_place(lane, org, job, moves)
  if job.limit then leave_waiting(lane, org, job.limit, { job.id }) else call('ZREM', org_key(org, job.set), job.id) end
  local queues = moves and moves.queues or {}
  if job.place == 'ready' then queues[job.queue] = true end
  if next(queues) then place_after(lane, org, queues, 0) end
  if job.place == 'scheduled' or (moves and moves.due) then reindex_due(lane, org) end
end

-- Ends a job that waits, and is found by find_job. Calls: <= 45.
local function cancel_waiting(lane, org, job)
  local moves = new_moves(org)
  move_to_end(moves, 'cancelled', lane, job.id, job.state, 'operator')
  if own_key(job.options) then end_key(moves, own_key(job.options), job.id) end
  write_moves(lane, moves)
  leave_place(lane, org, job, moves)
  after_all_ends(lane, org, moves)
end
