--[[ setup - makes a lane ready for use. Safe to repeat.
  ARGV  1 lanes   int 1..1024  how many lanes the deployment has
        2 lane    int 0..lanes-1  the number of this one
  Returns 'new' | 'exists'
  Errors  INVALID  the lane was set up with another number of lanes, or the keys are those of another lane
          SCHEMA   the lane was written by a newer Rota
  Calls <= 2 ]]
local function setup(keys, args)
  local lanes = to_int(args[1], 'lanes', 1, 1024)
  local lane = to_int(args[2], 'lane', 0, lanes - 1)
  local name = format('rota:{%d}', lane)
  if keys[1] ~= name or keys[2] ~= name .. ':clock' then refuse('INVALID', format('the keys of lane %d are %s and %s:clock', lane, name, name)) end
  local clock = call('HMGET', keys[2], 'schema', 'lanes', 'lane')
  if not clock[1] then
    call('HSET', keys[2], 'schema', SCHEMA, 'lanes', lanes, 'lane', lane, 'queues', QUEUE_DEFAULT)
    return 'new'
  end
  check_schema(keys[1], clock[1])
  if tonumber(clock[2]) ~= lanes or tonumber(clock[3]) ~= lane then
    refuse('INVALID', format('this is lane %s of %s, not %d of %d', clock[3], clock[2], lane, lanes))
  end
  return 'exists'
end
register('setup', setup, { 'allow-oom' }, { 'HMGET', 'HSET' })
