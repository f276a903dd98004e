#!/bin/sh
# push.sh ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key.
set -eu
id=$(redis-cli -e -u "${REDIS_URL:-redis://127.0.0.1:6379}" -x XADD rota:inbox NOMKSTREAM '*' \
  org "$1" type "$2" key "$3" payload) || { echo "$id" >&2; exit 1; }
[ -n "$id" ] || { echo "no rota:inbox in this Redis" >&2; exit 1; }
echo "$id"
