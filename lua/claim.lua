--[[ claim - takes up to 32 ready jobs across the organizations of the lane, fairest first, and beats.
  ARGV  1 session   an open one
        2 token     16 random bytes, drawn for this call: the leases' token. Repeating a call with its token (lost reply)
                    changes nothing and gives the same answer; a worker has one such call under way per lane
        3 want      int 0..32, at most the worker's free slots; less is given where the session would hold more than 4096 leases
        4 quiet     '1': only organizations that have nothing running (slots kept for them), else '0'
        5 q         int 1..16, queues, then q pairs: queue, floor (lowest V among the lanes that have work; '0')
        .. t        int 1..64, types, then t pairs: a type, or 'report.*' for those that begin so, or '*' for any; TIMEOUT_MS of
                    its handler (a job's own wins), TIMEOUT_MS/ROOM where no more than ROOM of it are to be claimed (the others
                    stay in their queues), and ' LIMIT' after either where the handler names a limit
  Returns {'ok', now_ms, V, active, next_ms, {}, {name, record, state, ...}} - V (text) and organizations left in active, of the
          first queue, one more if jobs of the types named still rest there; the ms at which the next rate-limited one comes back,
          in any of them (0: none); then the jobs: org/id, record, new state. Records and states together have at most 1 MiB, but for the first job
          {'lost'}: the session is over; nothing was claimed
  Calls <= 25 + 11 per queue + 35 per visit (at most want + 16; 11 more for each further queue of the organization) + 16 for
        each of at most 8 more looks where the first jobs have no room + 23 for each of at most 32 organizations per queue that come back from parked (10 more for each further queue of it); limits: 14
        for each job that has some, 10 for each of at most 8 lines, 32 for each of at most 16 organizations that get jobs back
        (12 more for each further queue of it); where jobs rest: 1 per queue and visit, 2 for each type set aside (<= 64) or woken
        (<= 4 per queue), 25 for each of at most 8 organizations woken ]]

local function claim(keys, args)
  local lane, wanted = open_lane(keys), claim_args(args)
  local session = load_session(lane, wanted.id)
  if not session then return { 'lost' } end
  if session.call == wanted.token then return answer_again(lane, session, wanted) end
  return claim_and_answer(lane, session, wanted, {})
end
register('claim', claim, { 'allow-oom' }, {
  'DEL', 'EXISTS', 'EXPIRE', 'HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HSET', 'SET', 'TIME', 'ZADD', 'ZCARD', 'ZMSCORE', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZREMRANGEBYRANK', 'ZSCORE',
})
