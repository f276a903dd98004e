--[[ enqueue - adds jobs of one organization, which exists from its first accepted job on.
  ARGV  1 org    an organization of this lane
        2.. id, record   1..128 pairs (lib/record.lua); at most 1 MiB of records together
  Returns one answer for each pair, in order:
    'new'           accepted: it is in ready, or in scheduled if its due_ms or delay_ms is in the future
    'exists'        this very record was accepted before: a retry, nothing changed
    'taken'         another record has this id: choose another id
    'coalesced ID'  job ID has the same idempotency key, type and payload: nothing changed
    'conflict ID'   job ID has the same idempotency key, but another type or payload
    'merged ID'     job ID of the same coalescing key has not begun: it is this one now, but for its id
    'follows ID'    accepted; job ID of the same coalescing key has begun, and this one waits until that is over
    'queue_full'    the organization has max_queued jobs waiting
    'intake_paused' the deployment takes no jobs at present (server weaker than declared)
    'too_large'     the payload is above the organization's max_payload_bytes
    'expired'       its expires_ms has passed already
    'deleting'      the organization is being deleted: none of the batch is accepted, nor were those that had been
  Errors  INVALID (whole batch, nothing changed), OOM (refused by Redis before it begins)
  Calls <= 51 for one queue, 13 more for each further queue; 128 more for each queue that is new to a lane which knows 64; 2, and 40 for each
        coalescing key ]]
local function enqueue(keys, args)
  check_batch(args, BATCH_MAX)
  local lane = open_lane(keys)
  return enqueue_jobs(lane, load_org(lane, check_org(args[1])), args, 2)
end
register('enqueue', enqueue, {}, { 'EXISTS', 'HGET', 'HGETALL', 'HMGET', 'HSET', 'TIME', 'ZADD', 'ZCARD', 'ZRANGE', 'ZREM', 'ZSCORE' })
