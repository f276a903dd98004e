#!/usr/bin/env bash
# docs/PROTOCOL.md against the truth. On a private Redis with a real scheduler and worker and jobs in every state:
#   - every command in its tables and marked blocks is run, and must answer what the page says;
#   - every key there is in the table of keys with its type, and every key of the table is there;
#   - every function of lua/ is in the page with its flags and its bound, and no other one;
#   - the examples of encodings decode to what stands below them.
# questions.sh SOURCE_FOLDER BIN_FOLDER
set -euo pipefail

source_dir=$(realpath "$1")
page=$source_dir/docs/PROTOCOL.md
abi=$(cat "$source_dir/lua/ABI")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" questions "$2"
export USER=alice

call() { # FUNCTION ARGUMENT...
  local name=$1
  shift
  redis-cli --quoted-input FCALL "rota_${abi}_$name" 2 'rota:{0}' 'rota:{0}:clock' "$@"
}

enqueue() { # ORG ID TYPE [OPTIONS]: one job with payload "hello"; OPTIONS is quoted msgpack
  local type
  type=$(printf '\\x%02x%s' $((0xa0 + ${#3})) "$3")
  call enqueue "$1" "$2" "\"\\x94$type\\xce\\x5c\\x1f\\x9a\\x07${4:-\\xc0}\\xa5hello\""
}

place() { call job "$1" "$2" | head -n 1; }

# ---- what the page does without a server ----

check_abi() {
  local other
  other=$(grep -oE 'rota_[0-9]+' "$page" | sort -u | grep -vx "rota_$abi" || true)
  [ -z "$other" ] || fail "the page names $other, lua/ABI is $abi: adapt the page, also section 7"
}

section() { # NAME: the text below "#### NAME", in one line
  awk -v head="#### $1" '$0 == head { on = 1; next } /^##/ { on = 0 } on' "$page" | tr '\n' ' ' | tr -s ' '
}

check_functions() {
  local name flags bound text
  while read -r name flags; do
    text=$(section "$name")
    [ -n "$text" ] || fail "function $name is not in the page"
    [[ $text == *"Flags: ${flags:-none}."* ]] || fail "function $name: the page does not say \"Flags: ${flags:-none}.\""
  done < <(sed -nE "s/^register\('([a-z_]+)', [a-z_]+(, \{ '([a-z-]+)' \})?\)$/\1 \`\3\`/p" "$source_dir"/lua/*.lua | sed 's/ ``$//')
  while IFS=$'\t' read -r name bound; do
    [[ $(section "$name") == *"$bound"* ]] || fail "function $name: the page does not say \"$bound\""
  done < <(awk '/^--\[\[ [a-z_]+ - / { name = $2 }
                name != "" && /Calls <=/ { on = 1 }
                on { line = line " " $0 }
                on && (/\]\]/ || /^$/) { sub(/ *\]\].*/, "", line); gsub(/ +/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line)
                                         print name "\t" line; on = 0; line = ""; name = "" }' "$source_dir"/lua/*.lua)
  while read -r name; do
    grep -q "^register('$name'" "$source_dir"/lua/*.lua || fail "the page has a function $name, lua/ has not"
  done < <(sed -n 's/^#### //p' "$page")
}

# ---- a deployment with something of everything ----

start_programs() {
  start_scheduler
  start worker rota-worker --slots 1 --worker-drain 0 --session-timeout 3s --session-beat 500ms \
    --on 'mail=wc -c' --on 'bad=echo broken >&2; exit 65' --on 'slow=exec sleep 600'
  worker_pid=$started
  wait_for '^2$' redis-cli ZCARD rota:workers
}

make_jobs() {
  call org_set tester acme max_running 100 >/dev/null
  call org_set tester umbrella rate 0.001 >/dev/null
  call limit_set tester smtp 1 "''" "''" >/dev/null
  call org_set alice initech paused 1 >/dev/null
  enqueue acme order-1 mail '\x81\xa3key\xa8order-42' >/dev/null
  enqueue acme bad-1 bad >/dev/null
  enqueue umbrella mail-1 mail >/dev/null
  enqueue umbrella mail-2 mail >/dev/null
  enqueue initech mail-1 mail >/dev/null
  wait_for '^done$' place acme order-1
  wait_for '^dead$' place acme bad-1
  wait_for '^umbrella$' redis-cli ZRANGE 'rota:{0}:parked:default' 0 -1
  rota schedule add acme/nightly mail hello --cron '0 3 * * *' --tz Europe/Zurich -q
  rota schedule add acme/often mail hello --every 1s -q
  wait_for '^[0-9]+$' redis-cli HGET 'rota:{0}:org:acme:schedule:often' last_ms
  rota schedule pause acme/often -q
  rota schedule add --every-org weekly mail hello --cron '0 3 * * mon' -q
  rota schedule migrate acme/nightly shadow --to-every-org each --type mail -q
  rota schedule run acme/nightly -q >/dev/null
  wait_for '^[0-9]+$' redis-cli HKEYS 'rota:{0}:org:acme:results:nightly'
  call org_set tester hooli private_inbox 1 >/dev/null
  redis-cli XADD 'rota:{0}:org:hooli:inbox' '*' payload hello >/dev/null
  entry=$(redis-cli XADD rota:inbox '*' org acme type mail payload hello)
  redis-cli XADD rota:inbox '*' org acme payload hello >/dev/null
  wait_for '^done$' place acme "$entry"
  wait_for '^entry$' redis-cli XRANGE rota:rejected - +
  wait_for '^entry$' redis-cli XRANGE 'rota:{0}:org:hooli:rejected' - +
  enqueue acme strange-1 strange >/dev/null
  wait_for '^scheduled$' place acme strange-1 # it rests
  enqueue acme slow-1 slow '\x81\xa5limit\xa4smtp' >/dev/null
  wait_for '^running$' place acme slow-1 # the only slot is taken from here on
  enqueue acme limited-1 limited '\x82\xa5limit\xa4smtp\xaaexpires_ms\xcf\x00\x00\x20\x00\x00\x00\x00\x00' >/dev/null # waits, and not for ever
  call open probe worker 60000 1000 >/dev/null
  call claim probe 0123456789abcdef 1 0 1 default 0 1 limited 1000 >/dev/null # finds no room
  call close probe 1 >/dev/null
  call enqueue acme mail-1 '"\x94\xa4mail\xce\x00\x00\x00\x01\xc0\xa5hello"' mail-2 '"\x94\xa4mail\xce\x00\x00\x00\x02\xc0\xa5hello"' \
    mail-3 '"\x94\xa4mail\xce\x00\x00\x00\x03\xc0\xa5hello"' >/dev/null
  enqueue globex mail-1 mail >/dev/null
  enqueue acme later-1 mail '\x81\xa8delay_ms\xce\x00\x36\xee\x80' >/dev/null
  enqueue acme change-1 mail '\x82\xa8coalesce\xabcustomer-42\xa8delay_ms\xce\x00\x36\xee\x80' >/dev/null
  enqueue acme change-2 mail '\x82\xa8coalesce\xabcustomer-42\xa8delay_ms\xce\x00\x36\xee\x80' >/dev/null # is merged
  SESSION=$(redis-cli --scan --pattern 'rota:{0}:held:*')
  export SESSION=${SESSION##*:}
}

# ---- keys ----

# The rows of the table of keys as "TYPE REGEX KEY".
# shellcheck disable=SC2016 # backticks of Markdown
documented_keys() {
  sed -n '/^<!-- keys:/,/^Fields of/p' "$page" | sed -nE 's/^\| `(rota:[^`]*)` \| ([a-z]+).*/\2 \1/p' | while read -r type key; do
    regex=$(sed -E 's/\{k\}/\\{[0-9]+\\}/; s/<(queue|org)>/[a-z0-9_-]+/g; s/<type>/[A-Za-z0-9._-]+/; s/<(limit|name)>/[A-Za-z0-9_.:@-]+/; s/<session>/[a-z0-9]+/' <<<"$key")
    printf '%s ^%s$ %s\n' "$type" "$regex" "$key"
  done
}

declare -A seen_keys=()

look_at_keys() {
  local key type regex name known
  while read -r key; do
    known=
    while read -r type regex name; do
      [[ $key =~ $regex ]] || continue
      known=$name
      break
    done <"$dir/keys"
    if [ -z "$known" ]; then
      fail "key $key is not in the page"
    elif [ -z "${seen_keys[$known]:-}" ]; then
      [[ $(redis-cli TYPE "$key") =~ ^($type|none)$ ]] || fail "key $key is not a $type"
      seen_keys[$known]=yes
    fi
  done < <(redis-cli --scan)
}

check_all_keys_seen() {
  local name
  while read -r _ _ name; do
    [ -n "${seen_keys[$name]:-}" ] || fail "key $name is in the page, and never was in Redis"
  done <"$dir/keys"
}

# ---- commands and examples ----

# shellcheck disable=SC2016 # backticks of Markdown
run_tables() {
  local command regex
  while IFS=$'\t' read -r command regex; do
    run_block "$command" "$regex"
    commands=$((commands + 1))
  done < <(sed -n '/^<!-- questions:/,$p' "$page" | sed -nE 's/^\| .* \| `(redis-cli .*)` \| `(.*)` \|$/\1\t\2/p')
}

run_blocks() {
  read_page "$page"
  for i in "${!block_text[@]}"; do
    [[ ${block_mark[i]} == 'run: '* ]] || continue
    run_block "${block_text[i]}" "${block_mark[i]#run: }"
    commands=$((commands + 1))
  done
}

check_examples() {
  local hex json decoded
  while IFS=$'\t' read -r hex json; do
    decoded=$(redis-cli --quoted-input EVAL '"return cjson.encode(cmsgpack.unpack(ARGV[1]))"' 0 "\"\\x${hex// /\\x}\"")
    [ "$decoded" = "$json" ] || fail "the example $hex is $decoded, the page says $json"
    examples=$((examples + 1))
  done < <(awk '/^```hex$/ { getline hex } /^```json$/ { getline json; print hex "\t" json }' "$page")
}

# ---- all ----

commands=0
examples=0
check_abi
check_functions
documented_keys >"$dir/keys"
start_redis
start_programs
make_jobs
look_at_keys
run_tables
run_blocks
check_examples
wait_for '^[0-9]+ worker phase=' redis-cli GET "rota:worker:$SESSION:dump"
wait_for '^cancelled$' place acme slow-1
enqueue acme slow-2 slow >/dev/null
wait_for '^running$' place acme slow-2
enqueue acme mail-8 mail >/dev/null
enqueue globex mail-2 mail >/dev/null
look_at_keys
stop "$scheduler_pid" TERM || fail "rota-scheduler did not end well"
rota schedule add acme/soon mail hello --every 1s -q # earlier than all others: leaves a token in wake_due
look_at_keys
stop "$worker_pid" TERM || fail "rota-worker did not end well"
[ "$(redis-cli HGET "rota:worker:$SESSION" why)" = stopped ] || fail "the worker's card does not say that it stopped"
check_all_keys_seen

[ $commands -ge 50 ] || fail "only $commands commands were found in the page"
[ $examples -ge 6 ] || fail "only $examples examples were found in the page"
[ ${#seen_keys[@]} -ge 30 ] || fail "only ${#seen_keys[@]} keys were found in the page"
verdict "$commands commands, $examples examples, ${#seen_keys[@]} keys: as documented"
