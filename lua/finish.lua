--[[ finish - ends leases, then claims for the slots that became free: complete, fail and release are its verdicts.
  ARGV  1.. as for claim (want may be 0); then, for each of at most 64 leases, five:
          name     org/id
          token    the token of the claim that took it
          verdict  'done' | 'discard' | 'dead' | 'release' | 'release DELAY_MS' |
                   'retry DELAY_MS MAX_ATTEMPTS' | 'timeout DELAY_MS MAX_ATTEMPTS' | 'crash DELAY_MS MAX_ATTEMPTS'
          run_us   int, how long the handler ran on the worker's monotonic clock: what the organization pays
          report   '' or a msgpack map {exit, signal, error, result}: kept with the attempt; at most 128 KiB with 'done' and
                   'discard', 4 KiB with the others
  Returns as claim; the answers, one for each lease:
          'ok'     the lease has ended as asked (or: the job was cancelled meanwhile and is cancelled now)
          'stale'  the caller does not own the job (any more): nothing changed
          {'lost'}: the session is over; nothing changed
  Calls <= those of claim, 3, and for each organization 41, 3 for each run of leases that end alike, 12 for each further queue,
        11 for each limit that is left ]]
local FINISH_MAX = 64
local RESULT_BYTES_MAX, REPORT_BYTES_MAX = 131072, 4096
local VERDICT_BYTES_MAX = 40
local VERDICTS = { done = 0, discard = 0, dead = 0, release = 1, retry = 2, timeout = 2, crash = 2 }

-- A verdict in words as verdict, delay_ms, max_attempts.
local function parse_verdict(text)
  local words = {}
  if #text <= VERDICT_BYTES_MAX then
    for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  end
  local numbers = VERDICTS[words[1]]
  if not numbers or table.concat(words, ' ') ~= text or #words - 1 > numbers or (numbers == 2 and #words < 3) then
    refuse('INVALID', format('"%s" is not a verdict', sub(text, 1, VERDICT_BYTES_MAX)))
  end
  return { words[1], to_int(words[2] or '0', 'delay_ms', 0, 2 ^ 42), to_int(words[3] or '1', 'max_attempts', 1, 1000) }
end

-- Checks what can be checked of the leases described by args[at..] before anything is written. Returns their names and the
-- verdicts that occur, parsed.
local function check_ends(args, at)
  local count = (#args - at + 1) / 5
  if count ~= floor(count) or count > FINISH_MAX then refuse('INVALID', format('finish takes 0..%d leases of 5 arguments', FINISH_MAX)) end
  local names, verdicts, runs_ms = new_list(count), {}, {}
  for n = 1, count do
    local verdict, run_us, report = args[at + 2], args[at + 3], args[at + 4]
    names[n] = args[at]
    if not verdicts[verdict] then verdicts[verdict] = parse_verdict(verdict) end
    if not runs_ms[run_us] then runs_ms[run_us] = max(to_int(run_us, 'run_us', 0, 2 ^ 46) / 1000, COST_MS_MIN) end
    local most = SUCCESS[verdicts[verdict][1]] and RESULT_BYTES_MAX or REPORT_BYTES_MAX
    if #report > most then refuse('INVALID', format('a report of %s has %d bytes, the limit is %d', verdict, #report, most)) end
    at = at + 5
  end
  return names, verdicts, runs_ms
end

-- Those of `names` that were answered 'ok'.
local function owned_names(names, answers)
  local owned = {}
  for n, name in ipairs(names) do
    if answers[n] == 'ok' then owned[#owned + 1] = name end
  end
  return owned
end

-- Ends those of the leases `names` (described by args[at..]) that the session owns; an answer for each. Neighbours that end alike
-- make one batch. Calls: 2 and those of end_all.
local function end_owned(lane, session, args, at, names, verdicts, runs_ms)
  if not names[1] then return {} end
  local answers = call('HMGET', session.held, unpack(names)) -- leases: each gives way to the answer for it
  local ends, seen, count = new_ends(), {}, 0
  local lease, token, run_ms_max, batch, ids, n_ids, same_value, same_verdict, prefix, prefix_bytes -- of the jobs before this one
  for n = 1, #names do
    local name, value, verdict = names[n], answers[n], args[at + 2]
    if value and value ~= same_value then
      lease, same_value, batch = cmsgpack.unpack(value), value, nil
      token, run_ms_max = lease[TOKEN], worker_ms_max(lane, lease)
    end
    if value and token == args[at + 1] and not seen[name] then
      if not batch or verdict ~= same_verdict or sub(name, 1, prefix_bytes) ~= prefix or lease[LEASE_KEY] then
        local words, org = verdicts[verdict], split_name(name)
        batch = new_batch(lease, words[1], words[2], words[3])
        add_batch(ends, org, batch)
        ids, n_ids, same_verdict, prefix, prefix_bytes = batch.ids, 0, verdict, org .. '/', #org + 1
      end
      local run_ms, report = runs_ms[args[at + 3]], args[at + 4]
      n_ids, count = n_ids + 1, count + 1
      ids[n_ids] = sub(name, prefix_bytes + 1)
      if report ~= '' then batch.reports[n_ids] = report end
      batch.run_ms = batch.run_ms + (run_ms < run_ms_max and run_ms or run_ms_max)
      seen[name], answers[n] = true, 'ok'
    else
      answers[n] = 'stale'
    end
    at = at + 5
  end
  if count > 0 then
    end_all(lane, ends)
    call('HDEL', session.held, unpack(count == #names and names or owned_names(names, answers)))
  end
  return answers
end

local function finish(keys, args)
  local lane = open_lane(keys)
  local wanted, at = claim_args(args)
  local names, verdicts, runs_ms = check_ends(args, at)
  local session = load_session(lane, wanted.id)
  if not session then return { 'lost' } end
  if session.call == wanted.token then return answer_again(lane, session, wanted) end
  return claim_and_answer(lane, session, wanted, end_owned(lane, session, args, at, names, verdicts, runs_ms))
end
register('finish', finish, { 'allow-oom' }, {
  'DEL', 'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HSET', 'SET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZREMRANGEBYRANK', 'ZSCORE',
})
