# push.py ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key.
import os
import sys
import redis

client = redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
org, type_, key = sys.argv[1:4]
fields = {"org": org, "type": type_, "key": key, "payload": sys.stdin.buffer.read()}
id_ = client.xadd("rota:inbox", fields, nomkstream=True)
print(id_.decode() if id_ else sys.exit("no rota:inbox in this Redis"))
