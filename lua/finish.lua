--[[ finish - ends leases, then claims for the slots that became free: complete, fail and release are its verdicts.
  ARGV  1.. as for claim (want may be 0); then, for each of at most 64 leases, five:
          name     org/id
          token    the token of the claim that took it
          verdict  'done' | 'discard' | 'dead' | 'release' | 'release DELAY_MS' | 'release DELAY_MS MAX_DELIVERIES' |
                   'retry DELAY_MS MAX_ATTEMPTS' | 'timeout DELAY_MS MAX_ATTEMPTS' | 'crash DELAY_MS MAX_ATTEMPTS'
          run_us   int, how long the handler ran on the worker's monotonic clock: what the organization pays
          report   '' or a msgpack map {exit, signal, error, result}: kept with the attempt; at most 128 KiB with 'done' and
                   'discard', 4 KiB with the others
        then, if there is any: '+', and what some of the leases (n: 1.. in their order) leave besides, in any number:
          n 'note' PROGRESS CHECKPOINT   as with `note`; what a job that is not done is to keep
          n 'log' OMITTED_BYTES TEXT     what its handler wrote, at most 72 KiB, kept for keep_logs_ms
          n 'jobs' COUNT ID RECORD...    1..64 further jobs of its organization, once, with 'done' and 'discard'. They are enqueued
                                         with the end of the lease or not at all; at most 128, and 1 MiB of records, in a call
  Returns as claim; the answers, one for each lease:
          'ok'     the lease has ended as asked (or: the job was cancelled meanwhile and is cancelled now)
          'stale'  the caller does not own the job (any more): nothing changed
          'children:WHY'  its further jobs were refused, nothing changed and the lease goes on. WHY: 'too_large', 'taken', 'conflict',
                   'expired', 'deleting' (as enqueue answers), 'queues' (their queues would be too many)
          {'lost'}: the session is over; nothing changed
  Calls <= those of claim, 7, and for each organization 53, 3 for each run of leases that end alike, 12 for each further queue; 9 for
        each log, 48 for each lease with further jobs, 13 for each further queue of these; 11 for each limit that is left ]]
local FINISH_MAX = 64
local LOG_BYTES_MAX = 73728
local RESULT_BYTES_MAX, REPORT_BYTES_MAX = 131072, 4096
local VERDICT_BYTES_MAX = 40
local VERDICTS = { done = 0, discard = 0, dead = 0, release = 2, retry = 2, timeout = 2, crash = 2 } -- words behind it, at most
local NUMBERS_MIN = { retry = 2, timeout = 2, crash = 2 }
local CHILDREN_MAX = 64 -- of one lease

-- A verdict in words as verdict, delay_ms, max_attempts.
local function parse_verdict(text)
  local words = {}
  if #text <= VERDICT_BYTES_MAX then
    for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  end
  local numbers = VERDICTS[words[1]]
  if not numbers or table.concat(words, ' ') ~= text or #words - 1 > numbers or #words - 1 < (NUMBERS_MIN[words[1]] or 0) then
    refuse('INVALID', format('"%s" is not a verdict', sub(text, 1, VERDICT_BYTES_MAX)))
  end
  return { words[1], to_int(words[2] or '0', 'delay_ms', 0, 2 ^ 42), words[3] and to_int(words[3], 'limit', 0, words[1] == 'release' and DELIVERIES_MAX or 1000) }
end

-- Further jobs, args[at..]: the count and so many pairs. Returns the pairs, checked, and the index after them.
local function check_children(args, at, sum)
  local count, pairs_of = to_int(args[at], 'number of further jobs', 1, CHILDREN_MAX), {}
  for i = 1, 2 * count do
    pairs_of[i] = args[at + i]
    if i % 2 == 0 then sum.bytes = sum.bytes + #(args[at + i] or '') end
  end
  sum.jobs = sum.jobs + count
  if #pairs_of < 2 * count then refuse('INVALID', 'a further job is missing') end
  if sum.jobs > BATCH_MAX or sum.bytes > RECORDS_BYTES_MAX then
    refuse('INVALID', format('a call takes at most %d further jobs with %d bytes of records', BATCH_MAX, RECORDS_BYTES_MAX))
  end
  parse_batch(pairs_of, 1)
  return pairs_of, at + 1 + 2 * count
end

-- What leases leave besides, args[at..]: a table for each that leaves something, by its index.
local function check_extras(args, at, verdicts)
  local extras, sum = {}, { jobs = 0, bytes = 0 }
  while at <= #args do
    local n, kind = to_int(args[at], 'lease', 1, #verdicts), args[at + 1]
    local extra = extras[n] or {}
    extras[n] = extra
    if kind == 'note' then
      check_note(args[at + 2], args[at + 3])
      extra.progress, extra.checkpoint, at = args[at + 2], args[at + 3], at + 4
    elseif kind == 'log' then
      extra.omitted, extra.log = to_int(args[at + 2], 'omitted bytes', 0, 2 ^ 50), args[at + 3]
      if not extra.log or #extra.log > LOG_BYTES_MAX then refuse('INVALID', format('a log has at most %d bytes', LOG_BYTES_MAX)) end
      at = at + 4
    elseif kind == 'jobs' and SUCCESS[verdicts[n]] and not extra.children then
      extra.children, at = check_children(args, at + 2, sum)
    else
      refuse('INVALID', format('"%s" of lease %.0f is not a note, a log, or the further jobs of one that is done', sub(tostring(kind), 1, 40), n))
    end
  end
  return extras
end

-- Checks what can be checked of the leases described by args[at..] before anything is written. Returns their names, the
-- verdicts that occur, parsed, the run times, and extras (nil if there are none).
local function check_ends(args, at)
  local names, verdicts, runs_ms, n, last, of_each = new_list((#args - at + 1) / 5), {}, {}, 0, #args, {}
  while at <= last and args[at] ~= '+' do
    n = n + 1
    if n > FINISH_MAX or at + 4 > last then refuse('INVALID', format('finish takes 0..%d leases of 5 arguments', FINISH_MAX)) end
    local verdict, run_us, report = args[at + 2], args[at + 3], args[at + 4]
    names[n] = args[at]
    if not verdicts[verdict] then verdicts[verdict] = parse_verdict(verdict) end
    of_each[n] = verdicts[verdict][1]
    if not runs_ms[run_us] then runs_ms[run_us] = max(to_int(run_us, 'run_us', 0, 2 ^ 46) / 1000, COST_MS_MIN) end
    local most = SUCCESS[verdicts[verdict][1]] and RESULT_BYTES_MAX or REPORT_BYTES_MAX
    if #report > most then refuse('INVALID', format('a report of %s has %d bytes, the limit is %d', verdict, #report, most)) end
    at = at + 5
  end
  return names, verdicts, runs_ms, at < last and check_extras(args, at + 1, of_each) or nil
end

-- Those of `names` that were answered 'ok'.
local function owned_names(names, answers)
  local owned = {}
  for n, name in ipairs(names) do
    if answers[n] == 'ok' then owned[#owned + 1] = name end
  end
  return owned
end

-- Enqueues the further jobs of a lease that is about to end well. nil, or why nothing of that was done.
local function refused_children(lane, name, children)
  local _, why = enqueue_jobs(lane, load_org(lane, (split_name(name))), children, 1, true)
  return why
end

-- Ends those of the leases `names` (described by args[at..]) that the session owns; an answer for each. Neighbours that end alike
-- make one batch. Further jobs come before the lease ends. Calls: 2 and those of end_all; those of enqueue for each lease with
-- further jobs.
local function end_owned(lane, session, args, at, names, verdicts, runs_ms, extras)
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
    local owned, extra, why = value and token == args[at + 1] and not seen[name], extras and extras[n], nil
    if owned and extra and extra.children then why = refused_children(lane, name, extra.children) end
    if why then
      answers[n] = 'children:' .. why
    elseif owned then
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
      if extra then
        batch.extras = batch.extras or {}
        batch.extras[n_ids] = extra
      end
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
  local names, verdicts, runs_ms, extras = check_ends(args, at)
  local session = load_session(lane, wanted.id)
  if not session then return { 'lost' } end
  if session.call == wanted.token then return answer_again(lane, session, wanted) end
  return claim_and_answer(lane, session, wanted, end_owned(lane, session, args, at, names, verdicts, runs_ms, extras))
end
register('finish', finish, { 'allow-oom' }, {
  'DEL', 'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HSET', 'SET', 'TIME', 'XADD', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZREMRANGEBYRANK', 'ZSCORE',
})
