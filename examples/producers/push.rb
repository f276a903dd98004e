# push.rb ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key.
require "redis"

org, type, key = ARGV
redis = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6379"))
id = redis.call("XADD", "rota:inbox", "NOMKSTREAM", "*",
                "org", org, "type", type, "key", key, "payload", $stdin.binmode.read)
puts id || abort("no rota:inbox in this Redis")
