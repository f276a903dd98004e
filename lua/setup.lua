--[[ setup - makes a lane ready for use. Safe to repeat.
  ARGV  1 lanes   int 1..1024  how many lanes the deployment has
        2 lane    int 0..lanes-1  the number of this one
  Returns 'new' | 'exists'
  Errors  INVALID  the lane was set up with another number of lanes
  Calls <= 2 ]]
local function setup(keys, args)
  local lanes = to_int(args[1], 'lanes', 1, 1024)
  local lane = to_int(args[2], 'lane', 0, lanes - 1)
  if keys[2] ~= (keys[1] or '') .. ':clock' then refuse('INVALID', 'the keys of a call are rota:{k} and rota:{k}:clock') end
  local clock = call('HMGET', keys[2], 'schema', 'lanes', 'lane')
  if not clock[1] then
    call('HSET', keys[2], 'schema', SCHEMA, 'lanes', lanes, 'lane', lane, 'queues', QUEUE_DEFAULT)
    return 'new'
  end
  if tonumber(clock[2]) ~= lanes or tonumber(clock[3]) ~= lane then
    refuse('INVALID', format('this is lane %s of %s, not %d of %d', clock[3], clock[2], lane, lanes))
  end
  return 'exists'
end
register('setup', setup, { 'allow-oom' })
