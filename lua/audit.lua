--[[ audit - walks the organizations of the lane and compares their indexes with their sets.
  ARGV  1 who     who mends
        2 cursor  '0' to begin; the walk is over when it answers '0'
        3 limit   int 1..100 organizations (about)
        4 mend    '1': put right what is wrong, else '0'
  Returns {next cursor, organizations seen, {what, org, ...}} - what is wrong, two each:
          'active' | 'quiet' | 'parked' | 'due' | 'expiring' | 'inboxes'
  Calls <= 4 + 18 + 6 per queue for each organization; mending as reindex, and 7 for each organization ]]
local function audit_org(lane, org, wrong)
  local running = call('ZCARD', org_key(org, 'running'))
  local limit = setting(org, 'max_running')
  local function report(what) wrong[#wrong + 1], wrong[#wrong + 2] = what, org.name end
  for _, queue in ipairs(org_queues(org)) do
    local ready = call('ZCARD', org_key(org, 'ready:' .. queue))
    local servable = ready > 0 and not org.fields.paused and not (limit and running >= limit)
    local active = tag_of(lane, org, queue)
    local parked = call('ZSCORE', lane.prefix .. 'parked:' .. queue, org.name)
    local quiet = call('ZSCORE', lane.prefix .. 'quiet:' .. queue, org.name)
    local _, token_us = rate_tokens(lane, org)
    if servable ~= (active ~= false or parked ~= false) or (active and (parked or token_us > lane.now_us)) then report('active')
    elseif parked and (not org.fields.rate or tonumber(parked) > max(lane.now_ms, math.ceil(token_us / 1000))) then report('parked') end
    if (quiet ~= false) ~= (active ~= false and running == 0) or (quiet and tonumber(quiet) ~= active) then report('quiet') end
  end
  local head = call('ZRANGE', org_key(org, 'scheduled'), 0, 0, 'WITHSCORES')[2]
  local due = call('ZSCORE', lane.prefix .. 'due', org.name)
  if head and tonumber(head) >= FOLLOWS_MS then head = nil end
  if (head == nil) ~= (due == false) or (due and tonumber(due) ~= tonumber(head) and (tonumber(due) > lane.now_ms or tonumber(due) < tonumber(head))) then
    report('due')
  end
  local first, expiring = first_to_trim(org), call('ZSCORE', lane.prefix .. 'expiring', org.name)
  if first and (not expiring or tonumber(expiring) > first) then report('expiring') end
  local inbox, listed = org.fields.private_inbox ~= nil, call('ZSCORE', lane.prefix .. 'inboxes', org.name) ~= false
  if inbox ~= listed or (inbox and call('EXISTS', org_key(org, 'inbox'), org_key(org, 'rejected')) < 2) then report('inboxes') end
end

-- Notes what was mended in one organization: `wrong` has two each, what comes first. Calls: 2.
local function note_mended(lane, who, org, subject, wrong)
  local kinds, seen = {}, {}
  for i = 1, #wrong, 2 do
    if not seen[wrong[i]] then kinds[#kinds + 1] = wrong[i] end
    seen[wrong[i]] = true
  end
  note_change(lane, who, 'mend', org, subject, table.concat(kinds, ' '), 'mended')
end

local function audit(keys, args)
  local lane, who, limit, mend = open_lane(keys), check_who(args[1]), to_int(args[3], 'limit', 1, 100), args[4] == '1'
  local page = call('ZSCAN', lane.prefix .. 'orgs', check_cursor(args[2]), 'COUNT', limit)
  local all, mended = {}, {}
  for i = 1, #page[2], 2 do
    local org, wrong = load_org(lane, page[2][i]), {}
    audit_org(lane, org, wrong)
    for _, word in ipairs(wrong) do all[#all + 1] = word end
    if #wrong > 0 and mend then
      reindex(lane, org)
      if wrong[#wrong - 1] == 'inboxes' then reindex_inbox(lane, org) end
      mended[#mended + 1] = wrong
    end
  end
  save_lane(lane)
  for _, wrong in ipairs(mended) do note_mended(lane, who, wrong[2], '', wrong) end
  return { page[1], #page[2] / 2, all }
end
register('audit', audit, { 'allow-oom' }, {
  'EXISTS', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'UNLINK', 'XADD', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCAN', 'ZSCORE',
})

--[[ audit_jobs - walks the jobs of one organization: each must be in exactly one place, and each running one must be held.
  ARGV  1 who mends, 2 org, 3 cursor ('0' to begin; over at '0'), 4 limit int 1..100 jobs (about; fewer where records are large),
        5 mend '1' | '0'
  Returns {next cursor, jobs seen, {what, id, ...}} - two each:
          'nowhere'  a record in no set           mended: to running if it is held, to where it ended if it has, else back to its queue
          'twice'    in more than one set         mended: stays in the one that its lease, its record and its state speak for; if it
                                                  waits, in scheduled rather than in ready
          'unheld'   running, but no session holds it   mended: back to its queue, as a crash of its worker
          'line'     waits for a limit, and is not where its line is served from    mended: back to its queue
          'place'    waits for a limit, under which one has a place that does not run (one of the 16 that had theirs first)
                     mended: the place is free
          'limit'    runs under a limit that does not count it    mended: it does
          'coalesce' waits for a job that is over, or has ended and its coalescing key still stands for it    mended: it goes on; the key
                     stands for what is under way
          'orphan'   held by a session that is unknown    mended: the session is given to recovery
  Calls <= 12 + 18 and its organization's queues for each job, 10 more for each with a coalescing key, 53 for each that is unheld; mending as reindex, and 2; with
        limits 65 more for each that jobs wait for, 2 for each that is defined, and those of claim for lines ]]
local PLACES_LOOK = 16 -- under a limit, looked at
local AUDIT_PLACES = { 'running', 'done', 'dead', 'cancelled', 'scheduled', 'waiting' }

-- The limit that its state says it waits for, or nil.
local function limit_waited_for(job)
  return job.state[NOTES] and job.state[NOTES].limit
end

-- Where a job belongs by its lease (returned too), its record and its state: a job that ended must not run again. nil: it waits.
local function home_of(lane, org, job)
  local _, _, lease = find_lease(lane, org, job)
  local reason = job.state[REASON]
  if lease then return 'running', lease end
  if byte(job.record, 1) == 0x93 then return 'done' end
  if reason then return (reason == 'operator' or reason == 'expired') and 'cancelled' or 'dead' end
  if limit_waited_for(job) then return 'waiting' end
  if job.state[NOTES] and job.state[NOTES].after then return 'scheduled' end
end

local function mend_nowhere(lane, org, job)
  local id, state, moves = job.id, job.state, new_moves(org)
  local home, lease = home_of(lane, org, job)
  if limit_waited_for(job) then leave_waiting(lane, org, limit_waited_for(job), { id }) end
  if home == 'running' then
    move_to(moves, 'running', int_text(lease[DEADLINE_MS]), id)
  elseif home == 'scheduled' then
    move_to(moves, 'scheduled', FOLLOWS_MS, id)
  elseif home == 'done' then
    move_to_done(moves, lane, id, state)
  elseif home and home ~= 'waiting' then
    move_to_end(moves, home, lane, id, state, state[REASON])
  else
    if state[ORDER] == 0 then state[ORDER] = lane.now_ms end
    move_to_ready(moves, id, state)
    use_queue(org, job.queue)
  end
  write_moves(lane, moves)
end

-- A job that does not wait for a limit leaves the lines where it may stand: that of the limit that its state notes, and of its own.
-- Calls: <= 11.
local function end_waiting(lane, org, job)
  local noted = limit_waited_for(job)
  if noted then
    set_note(job.state, 'limit', nil)
    call('HSET', org_key(org, 'state'), job.id, pack_state(job.state))
    leave_waiting(lane, org, noted, { job.id })
  end
  if job.options.limit and job.options.limit ~= noted then leave_waiting(lane, org, job.options.limit, { job.id }) end
end

local function mend_twice(lane, org, job, places)
  local home, keep = home_of(lane, org, job), nil
  for _, place in ipairs(places) do
    local waits = place == 'scheduled' or place == 'waiting' or sub(place, 1, 6) == 'ready:'
    if place == home or (waits and not home and not keep) then keep = place end
  end
  keep = keep or places[1]
  if keep ~= 'waiting' then end_waiting(lane, org, job) end
  for _, place in ipairs(places) do
    if place ~= keep then call('ZREM', org_key(org, place), job.id) end
  end
end

local function mend_unheld(lane, org, job)
  local batch = new_batch({ '', lane.now_ms, 0, 0, job.queue, 0, own_key(job.options) }, 'lost')
  batch.ids[1], batch.reports[1] = job.id, ''
  local limits = call('ZRANGE', lane.prefix .. 'limits', '0', '-1') -- the lease would name those that it ran under
  limits[#limits + 1] = job.options.limit and find_limit(lane, org.name, job.options.limit).full or nil
  if limits[1] then leave_limits(lane, org, table.concat(limits, ' '), batch.ids) end
  end_leases(lane, org, { batch })
end

-- True if a job that waits is not where the line of its limit is served from. Calls: <= 2.
local function is_out_of_line(lane, org, job)
  local name = limit_waited_for(job)
  return not name or not call('ZSCORE', org_key(org, 'waiting:' .. name), job.id) or
         not call('ZSCORE', lane.prefix .. 'line:' .. (find(name, ':', 1, true) and name .. '@' .. org.name or name), org.name)
end

-- True if no session holds a job that is not in `running`. (One that is held belongs there: it is mended when the walk comes to it.) Calls: <= 2.
local function is_over(lane, of, id)
  local text = call('HGET', lane.prefix .. 'org:' .. of .. ':state', id)
  local session = text and cmsgpack.unpack(text)[SESSION]
  return not (session and call('HGET', lane.prefix .. 'held:' .. session, of .. '/' .. id))
end

-- True if a place under the limit that the job waits for is taken by one that does not run: looked for among those that have had one
-- longest, once for each limit. Calls: <= 49, mending <= 16.
local function check_places(lane, org, job, mend)
  local limit, groups, orgs, wrong = find_limit(lane, org.name, limit_waited_for(job)), {}, {}, false
  if limit.places_checked then return false end
  limit.places_checked = true
  for _, name in ipairs(call('ZRANGE', limit.running_key, '0', PLACES_LOOK - 1)) do
    local of, id = split_name(name)
    if not groups[of] then groups[of], orgs[#orgs + 1] = {}, of end
    table.insert(groups[of], id)
  end
  for _, of in ipairs(orgs) do
    local gone = {}
    for i, score in ipairs(call('ZMSCORE', lane.prefix .. 'org:' .. of .. ':running', unpack(groups[of]))) do
      if not score and is_over(lane, of, groups[of][i]) then gone[#gone + 1] = groups[of][i] end
    end
    wrong = wrong or gone[1] ~= nil
    if gone[1] and mend then leave_limits(lane, { name = of }, limit.full, gone) end
  end
  return wrong
end

-- Back to its queue: the next claim sees whether the limit has room.
local function mend_line(lane, org, job)
  local moves, name = new_moves(org), limit_waited_for(job)
  move_to_ready(moves, job.id, job.state)
  write_moves(lane, moves)
  if name then leave_waiting(lane, org, name, { job.id }) else call('ZREM', org_key(org, 'waiting'), job.id) end
end

-- Counts a running job under the limits that its lease names. True if one did not count it. Calls: <= 2 for each of two limits.
local function check_limited(lane, org, job, lease, mend)
  local wrong = false
  for full in string.gmatch(lease[LEASE_LIMITS] or '', '%S+') do
    local key, name = lane.prefix .. 'limited:' .. full, org.name .. '/' .. job.id
    if not call('ZSCORE', key, name) then
      wrong = true
      if mend then call('ZADD', key, int_text(lease[LEASE_STARTED_MS]), name) end
    end
  end
  return wrong
end

local function audit_job(lane, org, id, mend)
  local places, job = {}, find_job(org, id)
  if not job then return nil end
  for _, place in ipairs(AUDIT_PLACES) do
    if call('ZSCORE', org_key(org, place), id) then places[#places + 1] = place end
  end
  for _, queue in ipairs(org_queues(org)) do
    if call('ZSCORE', org_key(org, 'ready:' .. queue), id) then places[#places + 1] = 'ready:' .. queue end
  end
  if #places == 0 then
    if mend then mend_nowhere(lane, org, job) end
    return 'nowhere'
  elseif #places > 1 then
    if mend then mend_twice(lane, org, job, places) end
    return 'twice'
  elseif places[1] == 'waiting' then
    if is_out_of_line(lane, org, job) then
      if mend then mend_line(lane, org, job) end
      return 'line'
    end
    if check_places(lane, org, job, mend) then return 'place' end
  elseif places[1] == 'running' then
    local _, _, lease = find_lease(lane, org, job)
    if not lease then
      if mend then mend_unheld(lane, org, job) end
      return 'unheld'
    end
    local session = job.state[SESSION]
    if not call('ZSCORE', lane.prefix .. 'sessions', session) then
      if mend then call('ZADD', lane.prefix .. 'sessions', lane.now_text, session) end
      return 'orphan'
    end
    if check_limited(lane, org, job, lease, mend) then return 'limit' end
  elseif coalescing.is_misled(org, job) then
    if mend then coalescing.mend(lane, org, job) end
    return 'coalesce'
  end
  return nil
end

local function audit_jobs(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, limit, mend = load_org(lane, check_org(args[2])), to_int(args[4], 'limit', 1, 100), args[5] == '1'
  local page = call('HSCAN', org_key(org, 'jobs'), check_cursor(args[3]), 'COUNT', org.fields.large and min(limit, LARGE_PAGE) or limit)
  local wrong = {}
  for i = 1, #page[2], 2 do
    local what = audit_job(lane, org, page[2][i], mend)
    if what then wrong[#wrong + 1], wrong[#wrong + 2] = what, page[2][i] end
  end
  if lane.freed then serve_lines(lane) end
  if #wrong > 0 and mend then reindex(lane, org) end
  save_lane(lane)
  if #wrong > 0 and mend then
    local ids = {}
    for i = 2, #wrong, 2 do ids[i / 2] = wrong[i] end
    note_mended(lane, who, org.name, some_of(ids), wrong)
  end
  return { page[1], #page[2] / 2, wrong }
end
register('audit_jobs', audit_jobs, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HSCAN', 'HSET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})
