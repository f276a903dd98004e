--[[ org_delete - removes an organization with all that it has. 'begin' marks it as `deleting`: from then on nothing comes in, nothing of
  it starts, and the workers that run its jobs are told to stop them at their next beat; whatever they report, those jobs are gone then.
  Steps remove the rest, each a bounded part; the last one all at once what may be large, which Redis frees in the background. Where
  nobody takes the steps it stays as it is, and says so.
  ARGV  1 who, 2 org
        3 'begin' | 'step' | 'take': a step that also takes running jobs from their workers, whose reports are then stale
        4 limit int 1..500, of a step: schedules, jobs that wait for limits, and running jobs that are taken
  Returns {word, its jobs that run}:
          'deleting'  of begin: it is being deleted now, or was already
          'more'      of a step: there is more to do at once
          'running'   of a step: only running jobs are left. Come again
          'deleted'   of a step: it is gone. Entries of inboxes that had come before are refused for 24 hours
          'gone'      there is no such organization; of a step: or it is not being deleted, but new since
  Calls <= 93 + 20 for each of its queues, 3 for each schedule, 9 for each job that waits for a limit, 4 for each running job, 11 for
        each limit that is left, and those of claim for lines ]]
-- The keys of an organization beside the places of its jobs (lib/find.lua), those of its schedules, and one for each limit waited for.
local ORG_PARTS = { 'jobs', 'state', 'logs', 'log_order', 'unique', 'unique_until', 'coalesce', 'waiting_until', 'schedules', 'inbox', 'rejected' }
local DELETING_MAX = 64 -- of a lane at a time

-- Puts the organization on the lane's list of those that are being deleted, or takes it off. Calls: <= 1.
local function list_deleting(lane, org, wanted)
  if has_word(lane.deleting, org.name) == wanted then return end
  local names = {}
  for name in string.gmatch(lane.deleting, '%S+') do
    if name ~= org.name then names[#names + 1] = name end
  end
  if wanted then names[#names + 1] = org.name end
  local text = table.concat(names, ' ')
  if text == '' then call('HDEL', lane.clock, 'deleting') else call('HSET', lane.clock, 'deleting', text) end
  lane.deleting = text
end

-- Refuses one more than a lane may have. Workers are told by that list: it is read with the clock, in each call.
local function check_room(lane, org)
  local _, count = string.gsub(lane.deleting, '%S+', '')
  if count >= DELETING_MAX and not has_word(lane.deleting, org.name) then
    refuse('INVALID', format('the lane has %d organizations that are being deleted, which is the limit: %s is one of them', count,
                             string.match(lane.deleting, '%S+')))
  end
end

-- Calls: <= 30, 12 for each queue.
local function begin(lane, org, who)
  if not org.known and not call('ZSCORE', lane.prefix .. 'orgs', org.name) then return { 'gone', 0 } end
  local running, jobs = call('ZCARD', org_key(org, 'running')), call('HLEN', org_key(org, 'jobs'))
  local was_deleting = org.fields.deleting
  check_room(lane, org)
  if not was_deleting then
    local private_inbox = org.fields.private_inbox
    set_field(org, 'deleting', '1')
    set_field(org, 'paused', '1')
    set_field(org, 'paused_by', who)
    set_field(org, 'paused_ms', lane.now_text)
    set_field(org, 'private_inbox', nil)
    reindex(lane, org)
    save_lane(lane)
    if private_inbox then
      call('HDEL', org.key, 'private_inbox')
      reindex_inbox(lane, org)
    end
    call('UNLINK', org_key(org, 'unique'), org_key(org, 'unique_until'), org_key(org, 'coalesce'))
  end
  list_deleting(lane, org, true)
  if not was_deleting then note_change(lane, who, 'org_delete', org.name, '', format('%d jobs', jobs), 'deleting') end
  return { 'deleting', running }
end

-- Each of these removes at most `limit` of something, and returns how many it has.

-- Calls: 1 and 3 for each.
local function delete_schedules(lane, org, limit)
  local names = call('ZRANGE', org_key(org, 'schedules'), '0', limit - 1)
  for _, name in ipairs(names) do agenda.forget(lane, org, name) end
  return #names
end

-- Jobs that wait for limits, with the organization's place in the lines. Calls: <= 8, 9 for each limit.
local function delete_waiting(lane, org, limit)
  local ids, of_limit = call('ZRANGE', org_key(org, 'waiting'), '0', limit - 1), {}
  if not ids[1] then return 0 end
  for i, text in ipairs(call('HMGET', org_key(org, 'state'), unpack(ids))) do
    local notes = text and cmsgpack.unpack(text)[NOTES]
    local name = notes and notes.limit
    if name then
      of_limit[name] = of_limit[name] or {}
      table.insert(of_limit[name], ids[i])
    end
  end
  for name, gone in pairs(of_limit) do -- the line of a key is its own: nobody is to look at it any more
    if leave_waiting(lane, org, name, gone) == 0 and find(name, ':', 1, true) then serve_line(lane, find_limit(lane, org.name, name)) end
  end
  call('ZREM', org_key(org, 'waiting'), unpack(ids)) -- also what does not wait, after damage
  forget_jobs(org, ids)
  return #ids
end

-- Running jobs, out of the limits that they run under. Calls: <= 8, 4 for each.
local function take_running(lane, org, limit)
  local ids = call('ZRANGE', org_key(org, 'running'), '0', limit - 1)
  if not ids[1] then return 0 end
  for i, text in ipairs(call('HMGET', org_key(org, 'state'), unpack(ids))) do
    local held, name, lease = find_lease(lane, org, { id = ids[i], state = text and cmsgpack.unpack(text) or NONE })
    if held then
      if lease[LEASE_LIMITS] then leave_limits(lane, org, lease[LEASE_LIMITS], { ids[i] }) end
      call('HDEL', held, name)
    end
  end
  call('ZREM', org_key(org, 'running'), unpack(ids))
  forget_jobs(org, ids)
  return #ids
end

-- All that is left, now that nothing elsewhere refers to it. Calls: <= 43, 20 for each queue.
local function delete_rest(lane, org, who)
  local keys = {}
  for _, queue in ipairs(org_queues(org)) do keys[#keys + 1] = org_key(org, 'ready:' .. queue) end
  for _, parts in ipairs({ PLACES, ORG_PARTS }) do
    for _, part in ipairs(parts) do keys[#keys + 1] = org_key(org, part) end
  end
  call('UNLINK', unpack(keys))
  every_org.take_from(lane, org)
  reindex(lane, org) -- it has nothing, so it is in no index
  forget_resting(lane, org)
  org.changed = nil
  call('UNLINK', org.key)
  call('ZREM', lane.prefix .. 'orgs', org.name)
  call('ZADD', lane.prefix .. 'inbox_seen', lane.now_text, deletion_entry(org))
  list_deleting(lane, org, false)
  save_lane(lane)
  note_change(lane, who, 'org_delete', org.name, '', 'deleting', 'gone')
  return { 'deleted', 0 }
end

local function step(lane, org, who, takes, limit)
  if not org.fields.deleting then
    list_deleting(lane, org, false) -- after damage
    return { 'gone', 0 }
  end
  local removed = delete_schedules(lane, org, limit)
  if removed < limit then removed = removed + delete_waiting(lane, org, limit - removed) end
  if removed < limit and takes then removed = removed + take_running(lane, org, limit - removed) end
  if lane.freed then serve_lines(lane) end
  local running = call('ZCARD', org_key(org, 'running'))
  if removed < limit and running == 0 then return delete_rest(lane, org, who) end
  save_lane(lane)
  return { removed < limit and 'running' or 'more', running }
end

local function org_delete(keys, args)
  local lane, who = open_lane(keys), check_who(args[1])
  local org, what = load_org(lane, check_org(args[2])), args[3]
  if what == 'begin' then return begin(lane, org, who) end
  if what ~= 'step' and what ~= 'take' then refuse('INVALID', format('"%s" is neither begin, step nor take', sub(tostring(what), 1, 40))) end
  return step(lane, org, who, what == 'take', to_int(args[4], 'limit', 1, 500))
end
register('org_delete', org_delete, { 'allow-oom' }, {
  'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HSET', 'TIME', 'UNLINK', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE',
  'ZRANGEBYSCORE', 'ZREM', 'ZSCORE',
})
