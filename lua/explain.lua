--[[ explain - what the lane knows of why a job is where it is, all of one moment. Writes nothing.
  ARGV  1 org, 2 id
  Returns a list of names and values, two each. What does not hold or is not set is left out:
          now_ms
          place, score, record (without its payload), state, queue    where it is, as `job` tells it; place 'lost': in no set
          deadline_ms, cancelling, session_ms                         of a running one: until when its session lives without a beat
          moved_ms              there is no job, and so long ago an inbox entry of that id was moved
          intake                why no jobs are taken in
        and of a job that waits:
          paused, queue_paused  'MS WHO': everything, its queue
          org_paused_ms, org_paused_by, org_deleting (by them, since then)
          rank, ready           jobs of its organization before it in its queue, and in it
          running, max_running  jobs of its organization that run, and may
          rate, burst, token_ms jobs a second, at once; when the next may start, if that is to come
          before, active        organizations before its own in its queue, and with work there
          tag, v                its organization's start tag there and the virtual time
          after                 a scheduled one waits until this job of its organization is over, which has its coalescing key
          rests                 a scheduled one rests: so many times in a row the worker whose turn it was did not know its type
        and of one that waits for a limit:
          limit, limit_rank     its name; jobs of its organization that wait for it before this one
          limit_line, limit_before   organizations in its line, and before its own
          limit_concurrency, limit_running, limit_rate, limit_burst    what the limit allows in this lane, and what runs
          limit_next_ms         when the next may start, if that is a matter of time
          limit_paused_ms, limit_paused_by
  Calls <= 35 ]]
local function explain_limit(lane, org, job, fact)
  local limit = find_limit(lane, org.name, job.limit)
  local _, next_ms = limit_room(lane, limit)
  fact('limit', job.limit)
  fact('limit_rank', call('ZRANK', org_key(org, 'waiting:' .. job.limit), job.id))
  fact('limit_line', call('ZCARD', limit.line_key))
  fact('limit_before', call('ZRANK', limit.line_key, org.name))
  fact('limit_running', call('ZCARD', limit.running_key))
  fact('limit_concurrency', limit.concurrency and int_text(limit.concurrency))
  fact('limit_rate', limit.rate)
  fact('limit_burst', limit.rate and int_text(limit.burst))
  fact('limit_next_ms', next_ms > 0 and int_text(next_ms))
  if limit.until_ms > lane.now_ms then
    fact('limit_paused_ms', int_text(limit.until_ms))
    fact('limit_paused_by', call('HGET', limit.key, 'paused_by') or call('HGET', lane.prefix .. 'limit:' .. string.match(job.limit, '^[^:]+'), 'paused_by'))
  end
end

local function explain(keys, args)
  local lane = open_lane(keys)
  local org, id = load_org(lane, check_org(args[1])), check_job_id(args[2])
  local facts, job = {}, find_job(org, id)
  local function fact(name, value)
    if value then
      facts[#facts + 1] = name
      facts[#facts + 1] = value
    end
  end

  fact('now_ms', lane.now_ms)
  fact('intake', lane.intake)
  if not job then
    fact('moved_ms', call('ZSCORE', lane.prefix .. 'inbox_seen', org.name .. '/' .. id))
    return facts
  end
  fact('place', job.place or 'lost')
  fact('score', job.score and int_text(job.score))
  fact('record', record_without_payload(job.record))
  fact('state', job.state_text)
  fact('queue', job.queue)
  if job.place == 'running' then
    local _, _, lease = find_lease(lane, org, job)
    fact('deadline_ms', lease and lease[DEADLINE_MS])
    fact('cancelling', lease and (is_cancelled(org, lease) and 1 or 0))
    fact('session_ms', job.state[SESSION] and call('ZSCORE', lane.prefix .. 'sessions', job.state[SESSION]))
  elseif WAITS[job.place] then
    local active, state = lane.prefix .. 'active:' .. job.queue, virtual_time(lane, job.queue)
    fact('paused', lane.paused)
    fact('queue_paused', state.paused)
    fact('org_paused_ms', org.fields.paused and (org.fields.paused_ms or '0'))
    fact('org_paused_by', org.fields.paused and org.fields.paused_by)
    fact('org_deleting', org.fields.deleting)
    fact('rank', job.place == 'ready' and call('ZRANK', org_key(org, job.set), id))
    fact('ready', call('ZCARD', org_key(org, 'ready:' .. job.queue)))
    fact('running', call('ZCARD', org_key(org, 'running')))
    fact('max_running', org.fields.max_running)
    if org.fields.rate then
      local tokens, token_us = rate_tokens(lane, org)
      fact('rate', org.fields.rate)
      fact('burst', int_text(setting(org, 'burst')))
      fact('token_ms', tokens < 1 and int_text(math.ceil(token_us / 1000)))
    end
    fact('before', call('ZRANK', active, org.name))
    fact('active', call('ZCARD', active))
    fact('tag', call('ZSCORE', active, org.name))
    fact('v', int_text(state.v))
    fact('rests', job.place == 'scheduled' and job.state[NOTES] and job.state[NOTES].rests)
    fact('after', job.after)
    if job.limit then explain_limit(lane, org, job, fact) end
  end
  return facts
end
register('explain', explain, { 'no-writes' }, { 'HGET', 'HGETALL', 'HMGET', 'TIME', 'ZCARD', 'ZRANK', 'ZSCORE' })
