--[[ due - the schedules whose time has come, those that are longest due first, for a leader to tick. Writes nothing.
  ARGV  1 limit int 1..256
  Returns {now_ms, ms of the first tick that is to come or 0, {org, name, {field, value, ...}, ...}, {name of a template, its record, ...}, number
          of the last change of a template that is known here, a template of which a walk is to be made or ''}: fields as in
          lib/schedule.lua; no fields: it is gone; no record: that of its template. It ends early where it has 1 MiB
  Calls <= 5 + 4 for each schedule, and 1 for each template that they are of ]]
local function due(keys, args)
  local lane, limit = open_lane(keys), to_int(args[1], 'limit', 1, 256)
  local index = lane.prefix .. 'schedules'
  local names, listed, records, bytes = call('ZRANGEBYSCORE', index, '-inf', lane.now_text, 'LIMIT', 0, limit), {}, {}, 0
  local shared = {}
  for _, full in ipairs(names) do
    if bytes < RECORDS_BYTES_MAX then
      local org, name = split_name(full)
      local schedule, flat = agenda.load(lane, org, name), {}
      local template = schedule and schedule.template
      local shares = template and schedule.fields.record == template.record
      if shares and not shared[name] then
        records[#records + 1], records[#records + 2] = name, template.record
        shared[name], bytes = true, bytes + #template.record
      end
      for field, value in pairs(schedule and schedule.fields or {}) do
        if field ~= 'own_record' and not (shares and field == 'record') then
          flat[#flat + 1], flat[#flat + 2], bytes = field, value, bytes + #field + #value
        end
      end
      listed[#listed + 1], listed[#listed + 2], listed[#listed + 3] = org, name, flat
    end
  end
  local later = call('ZRANGEBYSCORE', index, '(' .. lane.now_text, '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local known = call('HMGET', lane.clock, 'templates', 'walks')
  return { lane.now_ms, tonumber(later[2] or 0), listed, records, tonumber(known[1] or 0), string.match(known[2] or '', '^%S+') or '' }
end
register('due', due, { 'no-writes' }, { 'EXISTS', 'HGETALL', 'HMGET', 'TIME', 'ZRANGEBYSCORE', 'ZSCORE' })

--[[ tick - serves due times of schedules: enqueues the jobs of the one that is stored as the next, and of those between it and the new next one
  that the policy catches up, under the ids <name>@<due ms>, and advances. Whoever names another next due time, or another definition, has
  been overtaken: nothing changes.
  ARGV  for each of 1..64 schedules: org, name, rev int, due_ms int: the stored next due time; through_ms int, due_ms..: the last one that
        this call is about, '' to serve none: the stored one is none any more (the zone's data has changed), or there is none yet; next_ms int
        or '': the new one; offset_ms int, of one of every organization: so long after next_ms, '' of others; missed int: those of them that get no job; jobs int 0..16, and for each of them its due_ms int (due_ms..through_ms, growing), record.
        Or, of one whose job waited until the one before is over (overlap queue-one, cancel-running) and that may go: next_ms 'go', due_ms and
        through_ms the stored pending_ms, missed 0, and that job. Its next due time stays
        At most 128 jobs and 1 MiB of records
  Returns a word for each schedule:
    'ticked'     its jobs are enqueued, and it has advanced
    'queued'     it has advanced; the job of the newest of these due times is enqueued when the one before is over (overlap queue-one, or
                 cancel-running, which cancels that one). A due time that waited for the same is skipped
    'skipped'    it has advanced without a job, because the one before is not over (overlap skip)
    'refused WHY'  the same, because the job cannot be enqueued (queues: there is no room for another queue; too_large; deleting: its
                 organization is being deleted). One that waited does not wait any more
    'stale'      another next due time is stored, another definition, or none: nothing changed
    'rearmed'    it has another next due time, and none was served
    'early'      its time has not come on the server's clock: nothing changed
    'paused'     it is paused, or off: nothing changed but that nobody is to come for it
    'intake_paused'  the deployment takes no jobs in: nothing changed
  Errors  INVALID, for all of them: nothing was changed
  Calls <= 10 + 120 for each schedule, 128 more for each queue that is new to a lane which knows 64 ]]
local SHADOW_BYTES = 32 -- that a record grows by if it becomes a shadow
local TICKS_MAX, TICK_JOBS_MAX = 64, 16

-- One schedule of the arguments, and where the next one begins. Nothing is written yet.
local function parse_tick(args, at)
  local tick = {
    org = check_org(args[at]), name = check_schedule(args[at + 1]), rev = args[at + 2], due_ms = to_int(args[at + 3], 'due_ms', 0, 2 ^ 46), pairs = {},
  }
  tick.through_ms = args[at + 4] ~= '' and to_int(args[at + 4], 'through_ms', tick.due_ms, 2 ^ 46) or nil
  tick.go = args[at + 5] == 'go'
  tick.next_ms = not tick.go and args[at + 5] ~= '' and to_int(args[at + 5], 'next_ms', 0, 2 ^ 46) or ''
  tick.offset_ms = args[at + 6] ~= '' and to_int(args[at + 6], 'offset_ms', 0, definition.SPREAD_MS_MAX) or nil
  tick.missed = to_int(args[at + 7], 'missed', 0, tick.through_ms and not tick.go and 2 ^ 46 or 0)
  local count, before_ms = to_int(args[at + 8], 'jobs', tick.go and 1 or 0, tick.through_ms and (tick.go and 1 or TICK_JOBS_MAX) or 0), tick.due_ms - 1
  if tick.next_ms ~= '' and tick.through_ms and tick.next_ms <= tick.through_ms then
    refuse('INVALID', format('next_ms is %.0f, it must be after through_ms, %.0f', tick.next_ms, tick.through_ms))
  end
  at = at + 9
  for _ = 1, count do
    local job_ms = to_int(args[at], 'due_ms of a job', before_ms + 1, tick.through_ms)
    if not args[at + 1] then refuse('INVALID', 'a record is missing') end
    tick.pairs[#tick.pairs + 1], tick.pairs[#tick.pairs + 2] = agenda.job_id(tick.name, job_ms), args[at + 1]
    tick.last_ms, before_ms = job_ms, job_ms
    at = at + 2
  end
  parse_batch(tick.pairs, 1) -- refuses what is no record
  return tick, at
end

-- Takes out the jobs that are there already: their due times are served. Calls: <= 1.
local function drop_served(org, tick)
  if #tick.pairs == 0 then return end
  local ids, left = {}, {}
  for i = 1, #tick.pairs, 2 do ids[#ids + 1] = tick.pairs[i] end
  for i, stored in ipairs(call('HMGET', org_key(org, 'jobs'), unpack(ids))) do
    if not stored then left[#left + 1], left[#left + 2] = ids[i], tick.pairs[2 * i] end
  end
  tick.pairs = left
end

-- Where two schedules take turns (lib/template.lua): the one that moves has no jobs for due times of the other one, whose jobs are shadows
-- before their turn.
local function take_turns(schedule, tick)
  local turns, pairs_of = schedule.fields.turns, {}
  if not turns then return end
  for i = 1, #tick.pairs, 2 do
    local id, record = tick.pairs[i], tick.pairs[i + 1]
    local is_moved = every_org.owns(turns, tonumber(string.match(id, '%d+$')))
    if schedule.template or not is_moved then
      pairs_of[#pairs_of + 1], pairs_of[#pairs_of + 2] = id, is_moved and record or schedule.template and every_org.as_shadow(record) or record
    end
  end
  tick.pairs = pairs_of
end

-- Cancels it. False: it runs, and ends later. Calls: <= 45.
local function cancel_job(lane, org, job)
  if job.place ~= 'running' then
    cancel_waiting(lane, org, job)
    return true
  end
  local held, name, lease = find_lease(lane, org, job)
  if held and lease[CANCEL] ~= 1 then
    lease[CANCEL] = 1
    call('HSET', held, name, pack_lease(lease))
  end
  return false
end

-- What the schedule's overlap says, if the job before is not over: 'skipped', 'queued', or nil to go on. Calls: <= 54.
local function overlap_word(lane, org, fields)
  if fields.overlap == 'allow' then return nil end
  local job = fields.last_job and find_job(org, fields.last_job)
  if not job or not job.is_open then return nil end
  if fields.overlap == 'skip' then return 'skipped' end
  if fields.overlap == 'cancel-running' and cancel_job(lane, org, job) then return nil end
  return 'queued'
end

-- Why nothing is to be done for it, or nil.
local function tick_refusal(lane, tick, fields)
  local stored_ms = fields.next_ms
  if tick.go then stored_ms = fields.pending_go and fields.pending_ms end
  if fields.rev ~= tick.rev or tonumber(stored_ms or 0) ~= tick.due_ms then return 'stale' end
  if fields.paused or fields.off then return 'paused' end
  if lane.intake then return 'intake_paused' end
  if tick.through_ms and not tick.go and lane.now_ms < tick.due_ms + tonumber(fields.offset_ms or 0) then return 'early' end
end

local function run_tick(lane, tick)
  local org = load_org(lane, tick.org)
  local schedule = agenda.load(lane, tick.org, tick.name)
  if not schedule then agenda.leave(lane, org, tick.name) end
  local fields = schedule and schedule.fields or {}
  local refusal = tick_refusal(lane, tick, fields)
  if refusal == 'paused' then
    if schedule.fresh then agenda.save(schedule, {}) end
    agenda.place(lane, org, schedule)
  end
  if refusal then return refusal end
  drop_served(org, tick)
  take_turns(schedule, tick)
  local changes, word, jobs = { retry_ms = '' }, tick.through_ms and 'ticked' or 'rearmed', #tick.pairs / 2
  if not tick.go then changes.next_ms, changes.last_ms = tick.next_ms, tick.through_ms end
  if schedule.template and tick.offset_ms then changes.offset_ms = tick.offset_ms > 0 and tick.offset_ms or '' end
  local function count(field, more)
    if more > 0 then changes[field] = tonumber(fields[field] or 0) + more end
  end
  local held_back = jobs > 0 and not tick.go and overlap_word(lane, org, fields)
  if held_back == 'skipped' then
    word = held_back
    count('skipped_count', jobs)
  elseif held_back then
    word = held_back
    count('skipped_count', jobs - (fields.pending_ms and 0 or 1))
    changes.pending_ms, changes.pending_go = tick.last_ms, ''
  elseif jobs > 0 then
    local answers, why = enqueue_jobs(lane, org, tick.pairs, 1, true)
    if answers then
      changes.last_job = tick.pairs[#tick.pairs - 1]
      changes.late_ms = max(0, lane.now_ms - tick.last_ms - tonumber(fields.offset_ms or 0))
      count('runs', jobs)
    else
      word = 'refused ' .. why
      changes.refused = why
      count('refused_count', jobs)
    end
  end
  count('missed_count', tick.missed)
  if tick.go or (fields.pending_ms and jobs > 0 and not held_back) then
    changes.pending_ms, changes.pending_go = '', ''
    if not tick.go then count('skipped_count', 1) end -- it was let go and nobody came, or its job was deleted: this one is newer
  end
  agenda.save(schedule, changes)
  agenda.place(lane, org, schedule)
  if tick.through_ms or not schedule.template then tick.word, tick.late_ms = word, changes.late_ms or 0 end -- to be noted
  return word
end

-- Calls: those of note_often.
local function note_tick(lane, tick)
  note_often(lane, 'tick', tick.org, tick.org, agenda.job_id(tick.name, tick.last_ms or tick.through_ms or tick.due_ms),
             format('%s%s%s%s', tick.word, tick.late_ms > 0 and format(', %.0f ms late', tick.late_ms) or '',
                    tick.missed > 0 and format(', %.0f due times missed', tick.missed) or '', tick.next_ms == '' and not tick.go and ', the last' or ''), 1)
end

local function tick(keys, args)
  local lane, ticks, at, jobs, bytes = open_lane(keys), {}, 1, 0, 0
  while args[at] do
    ticks[#ticks + 1], at = parse_tick(args, at)
    if #ticks > TICKS_MAX then refuse('INVALID', format('a call has at most %d schedules', TICKS_MAX)) end
    for i = 2, #ticks[#ticks].pairs, 2 do jobs, bytes = jobs + 1, bytes + #ticks[#ticks].pairs[i] end
  end
  if #ticks == 0 then refuse('INVALID', 'no schedule is named') end
  if jobs > BATCH_MAX then refuse('INVALID', format('the call has %d jobs, the limit is %d', jobs, BATCH_MAX)) end
  if bytes + jobs * SHADOW_BYTES > RECORDS_BYTES_MAX then refuse('INVALID', format('the call has %d bytes of records, the limit is %d', bytes, RECORDS_BYTES_MAX)) end
  local words = {}
  for i, one in ipairs(ticks) do words[i] = run_tick(lane, one) end
  for _, one in ipairs(ticks) do
    if one.word then note_tick(lane, one) end
  end
  save_lane(lane)
  return words
end
register('tick', tick, {}, {
  'EXISTS', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCORE',
})

--[[ tick_later - puts a schedule off whose due times the leader cannot compute (its zone is not known any more, say), so that it is not in
  the way of others. No due time is lost.
  ARGV  1 org, 2 name, 3 rev int, 4 due_ms int: the stored next due time; rev '': whatever is stored, it cannot be read; 5 delay_ms int 1000..3600000, 6 why, 1..512 bytes
  Returns 'later' | 'stale'
  Calls <= 20 ]]
local function tick_later(keys, args)
  local lane, name = open_lane(keys), check_schedule(args[2])
  local org = load_org(lane, check_org(args[1]))
  local delay_ms, why = to_int(args[5], 'delay_ms', 1000, 3600000), args[6] or ''
  if #why < 1 or #why > 512 then refuse('INVALID', format('why has 1..512 bytes, this one %d', #why)) end
  local schedule = agenda.load(lane, org.name, name)
  if not schedule then agenda.leave(lane, org, name) end
  if not schedule or (args[3] ~= '' and (schedule.fields.rev ~= args[3] or (schedule.fields.next_ms or '0') ~= args[4])) then return 'stale' end
  agenda.save(schedule, { retry_ms = lane.now_ms + delay_ms, refused = why })
  agenda.place(lane, org, schedule)
  note_often(lane, 'tick', org.name, org.name, name, why, 1)
  save_lane(lane)
  return 'later'
end
register('tick_later', tick_later, { 'allow-oom' }, {
  'EXISTS', 'HDEL', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZRANGE', 'ZREM', 'ZSCORE',
})
