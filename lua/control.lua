--[[ cancel - ends a job before its time, whatever it is doing.
  ARGV  1 who changes this (lib/events.lua), 2 org, 3 id
  Returns 'cancelled'   it was waiting and is in cancelled now
          'cancelling'  it is running: its worker is told at its next beat; unless it is done first, it ends in cancelled
          'ended'       it is done, dead or cancelled already
          'gone'        there is no such job, or it runs under no lease (the audit mends that)
  Calls <= 60 ]]
local function cancel(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, id = load_org(lane, check_org(args[2])), check_job_id(args[3])
  local job = find_job(org, id)
  if not job or not job.place then return 'gone' end
  if job.place == 'running' then
    local held, name, lease = find_lease(lane, org, job)
    if not held then return 'gone' end
    if lease[CANCEL] ~= 1 then
      lease[CANCEL] = 1
      call('HSET', held, name, pack_lease(lease))
      note_change(lane, who, 'cancel', org.name, id, 'running', 'cancelling')
    end
    return 'cancelling'
  end
  if not WAITS[job.place] then return 'ended' end
  cancel_waiting(lane, org, job)
  save_lane(lane)
  note_change(lane, who, 'cancel', org.name, id, job.place, 'cancelled')
  return 'cancelled'
end
register('cancel', cancel, { 'allow-oom' }, {
  'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ reschedule - gives a waiting job another due time; run-now is a due time of 0.
  ARGV  1 who, 2 org, 3 id, 4 due_ms int: epoch on the server's clock; 0 or past: ready at once
  Returns 'ready' | 'scheduled' | 'follows' (it waits until another job is over: this is for afterwards) | 'running' | 'ended' (nothing
          changed) | 'gone'
  Calls <= 47 ]]
-- What a job that waits for another one is to do afterwards. Calls: 3.
local function reschedule_follower(lane, who, org, job, due_ms)
  local state, later = job.state, due_ms > lane.now_ms
  local before_ms = state[ORDER] + (state[PRIORITY] or 0) * PRIORITY_MS
  state[ORDER] = (later and due_ms or lane.now_ms) - (state[PRIORITY] or 0) * PRIORITY_MS
  call('HSET', org_key(org, 'state'), job.id, pack_state(state))
  note_change(lane, who, 'reschedule', org.name, job.id, format('after %s, %s', job.after, int_text(before_ms)),
              format('after %s, %s', job.after, later and int_text(due_ms) or 'ready'))
  return 'follows'
end

local function reschedule(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, id, due_ms = load_org(lane, check_org(args[2])), check_job_id(args[3]), to_int(args[4], 'due_ms', 0, 2 ^ 46)
  local job = find_job(org, id)
  if not job or not job.place then return 'gone' end
  if job.place == 'running' then return 'running' end
  if not WAITS[job.place] then return 'ended' end
  if job.after then return reschedule_follower(lane, who, org, job, due_ms) end
  local moves, later = new_moves(org), due_ms > lane.now_ms
  job.state[ENQUEUED_MS] = enqueued_ms(job.state)
  if later then
    move_to_scheduled(moves, id, job.state, due_ms)
  else
    job.state[ORDER] = lane.now_ms - (job.state[PRIORITY] or 0) * PRIORITY_MS
    move_to_ready(moves, id, job.state)
  end
  write_moves(lane, moves)
  if job.place ~= (later and 'scheduled' or 'ready') then
    leave_place(lane, org, job, moves)
  elseif later then
    reindex_due(lane, org)
  end
  save_lane(lane)
  local before = job.place == 'scheduled' and 'scheduled ' .. int_text(job.score) or job.place
  local after = later and 'scheduled ' .. int_text(due_ms) or 'ready'
  if before ~= after then note_change(lane, who, 'reschedule', org.name, id, before, after) end
  return later and 'scheduled' or 'ready'
end
register('reschedule', reschedule, { 'allow-oom' }, {
  'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCORE',
})

-- Checks the ids args[3..] before anything is written.
local function check_ids(args)
  to_int(#args - 2, 'number of jobs', 1, 128)
  for i = 3, #args do check_job_id(args[i]) end
end

-- Notes a change of several jobs (found by find_job) as one: where they were, and how many of them there. Calls: 2.
local function note_changes(lane, who, what, org, jobs, after)
  local ids, places, counts = {}, {}, {}
  for i, job in ipairs(jobs) do
    ids[i] = job.id
    if not counts[job.place] then places[#places + 1] = job.place end
    counts[job.place] = (counts[job.place] or 0) + 1
  end
  for i, place in ipairs(places) do places[i] = format('%s %d', place, counts[place]) end
  if ids[1] then note_change(lane, who, what, org.name, some_of(ids), table.concat(places, ' '), after) end
end

--[[ redrive - dead or cancelled jobs become ready again, with all their attempts before them.
  ARGV  1 who, 2 org, 3.. ids, 1..128
  Returns for each 'ready' | 'not_dead' (nothing changed) | 'gone'
  Calls <= 21 + 29 for each job ]]
local function redrive(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, answers, changed = load_org(lane, check_org(args[2])), {}, {}
  check_ids(args)
  for i = 3, #args do
    local job = find_job(org, args[i])
    if not job or not job.place then
      answers[i - 2] = 'gone'
    elseif job.place ~= 'dead' and job.place ~= 'cancelled' then
      answers[i - 2] = 'not_dead'
    else
      local moves, s = new_moves(org), job.state
      s[ENQUEUED_MS] = enqueued_ms(s)
      set_note(s, 'redriven', s[DELIVERIES] > 0 and s[DELIVERIES] or nil)
      s[ORDER], s[ATTEMPT], s[CRASHES], s[REASON] = lane.now_ms - (s[PRIORITY] or 0) * PRIORITY_MS, 0, 0, nil
      move_to_ready(moves, job.id, s)
      write_moves(lane, moves)
      local key = job.options.key
      if key and owns_key(call('HGET', org_key(org, 'unique'), key), job.id) then call('ZREM', org_key(org, 'unique_until'), key) end
      local coalesce = job.options.coalesce
      if coalesce and not org.fields.deleting and not call('HGET', org_key(org, 'coalesce'), coalesce) then call('HSET', org_key(org, 'coalesce'), coalesce, job.id) end
      leave_place(lane, org, job, moves)
      answers[i - 2], changed[#changed + 1] = 'ready', job
    end
  end
  reindex_expiring(lane, org)
  save_lane(lane)
  note_changes(lane, who, 'redrive', org, changed, 'ready')
  return answers
end
register('redrive', redrive, { 'allow-oom' }, {
  'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ delete - forgets jobs that are not running, with their results; an idempotency key lives on for its time.
  ARGV  1 who, 2 org, 3.. ids, 1..128
  Returns for each 'deleted' | 'running' (nothing changed) | 'gone'
  Calls <= 21 + 33 for each job ]]
local function delete(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, answers, changed = load_org(lane, check_org(args[2])), {}, {}
  check_ids(args)
  for i = 3, #args do
    local job = find_job(org, args[i])
    if not job or not job.place then
      answers[i - 2] = 'gone'
    elseif job.place == 'running' then
      answers[i - 2] = 'running'
    else
      local moves, key = new_moves(org), own_key(job.options)
      if key and WAITS[job.place] then
        end_key(moves, key, job.id)
        write_moves(lane, moves)
      end
      leave_place(lane, org, job, moves)
      forget_jobs(org, { job.id })
      if WAITS[job.place] and find(job.id, '@', 1, true) then note_outcomes(lane, org, { job.id, 'cancelled' }) end
      answers[i - 2], changed[#changed + 1] = 'deleted', job
    end
  end
  reindex_expiring(lane, org)
  save_lane(lane)
  note_changes(lane, who, 'delete', org, changed, 'gone')
  return answers
end
register('delete', delete, { 'allow-oom' }, {
  'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ pause - stops or resumes claims of a queue, or of the whole lane; jobs go on being accepted.
  ARGV  1 who, 2 queue (registered by this, if it is new to the lane and there is room) or '*', 3 'pause' | 'resume'
  Returns 'paused' | 'running', what it was before
  Calls <= 9, 3 more for each queue woken ]]
local function pause(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local field, queues = 'paused', lane.queues
  if args[2] ~= '*' then
    local queue = check_name(args[2], 'queue')
    check_queue(lane, queue)
    field, queues = 'paused:' .. queue, queue
  end
  local before = call('HGET', lane.clock, field)
  if args[3] == 'pause' then
    if lane.new_queues then call('HSET', lane.clock, 'queues', lane.queues) end
    if not before then
      call('HSET', lane.clock, field, lane.now_text .. ' ' .. who)
      note_change(lane, who, 'pause', '', args[2], 'running', 'paused')
    end
  elseif args[3] == 'resume' then
    call('HDEL', lane.clock, field)
    for queue in string.gmatch(queues, '%S+') do wake(lane, queue, WAKE_TOKENS_MAX) end
    if before then note_change(lane, who, 'resume', '', args[2], 'paused ' .. before, 'running') end
  else
    refuse('INVALID', format('"%s" is neither pause nor resume', sub(tostring(args[3]), 1, 40)))
  end
  return before and 'paused' or 'running'
end
register('pause', pause, { 'allow-oom' }, { 'EXISTS', 'HDEL', 'HGET', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD' })

--[[ intake - stops or resumes taking new jobs, never completions: the scheduler's word on a server weaker than declared.
  ARGV  1 who, 2 'stop' | 'resume', 3 why, 1..256 bytes
  Returns 'stopped' | 'open', what it was before
  Calls <= 6 ]]
local function intake(keys, args)
  local lane, who, after = open_lane(keys), check_who(args[1]), nil
  if not args[3] or #args[3] < 1 or #args[3] > 256 then refuse('INVALID', 'why must have 1..256 bytes') end
  if args[2] == 'stop' then
    after = args[3]
    if lane.intake ~= after then call('HSET', lane.clock, 'intake', after) end
  elseif args[2] == 'resume' then
    call('HDEL', lane.clock, 'intake')
  else
    refuse('INVALID', format('"%s" is neither stop nor resume', sub(tostring(args[2]), 1, 40)))
  end
  if (lane.intake or nil) ~= after then
    note_change(lane, who, 'intake', '', '', lane.intake and 'stopped: ' .. lane.intake or 'open', after and 'stopped: ' .. after or 'open')
  end
  return lane.intake and 'stopped' or 'open'
end
register('intake', intake, { 'allow-oom' }, { 'HDEL', 'HMGET', 'HSET', 'TIME', 'XADD' })
