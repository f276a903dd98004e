#!/usr/bin/env bash
# The demo: three organizations share two workers, one of which is killed in the middle. At the end everything is counted.
#
#   acme    enqueues a job for each of 5,000 files below /usr/include at once; handler: sha256sum
#   globex  enqueues jobs over the machine's text files by redis-cli XADD; handler: a two-line shell script
#   solo    enqueues one job each 200 ms, every fourth of them delayed by a second
#
# Usage: run.sh BIN_DIR. Exit 0 only if nothing was lost, every one of acme's results is right, the killed worker held jobs and
# all of them were recovered, nothing is left running, and all this took no more than a minute.
set -euo pipefail
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/rota-demo.XXXXXX")
files=5000
file_bytes_max=65536
seconds_max=60
export ROTA_REDIS_URL=unix://$dir/redis.sock ROTA_LOG_FORMAT=logfmt
export HOME=$dir # by which all that is started here is known, the handlers too
pids=()

say() { printf '%5.1fs  %s\n' "$(elapsed)" "$*"; }
now_ms() { date +%s%3N; }
elapsed() { awk -v a="$started" -v b="$(now_ms)" 'BEGIN { print (b - a) / 1000 }'; }
started=$(now_ms)

# left_over: the processes of the demo that run now, one on each line. It starts none itself.
left_over() {
  local file variable
  for file in /proc/[0-9]*/environ; do
    while IFS= read -r -d '' variable; do
      [ "$variable" != "HOME=$dir" ] || printf '%s\n' "${file//[^0-9]/}"
    done 2>/dev/null <"$file" || true
  done 2>/dev/null
}

stop() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}

clean_up() {
  status=$?
  trap - EXIT
  stop
  [ $status -eq 0 ] || { tail -n 20 "$dir"/*.log >&2; printf 'the demo failed\n' >&2; }
  rm -rf "$dir"
  exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# until_true SECONDS COMMAND...: waits until the command succeeds.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { printf 'gave up waiting for: %s\n' "$*" >&2; return 1; }
    sleep 0.1
  done
}

redis() { redis-cli -e -s "$dir/redis.sock" "$@"; }

start_worker() { # NAME
  "$bin/rota-worker" --slots 8 --on 'sha256=exec sha256sum' --on "gzip=exec $here/gzip-size.sh" --on 'echo=exec cat' 2>"$dir/worker-$1.log" &
  worker=$!
  pids+=("$worker")
}

# ---- the stack

redis-server --port 0 --unixsocket "$dir/redis.sock" --dir "$dir" --appendonly yes --appendfsync always --save '' \
  --maxmemory-policy noeviction --daemonize no --logfile "$dir/redis.log" &
pids+=($!)
until_true 10 redis ping
"$bin/rota-scheduler" 2>"$dir/scheduler.log" &
pids+=($!)
until_true 10 redis exists 'rota:{0}:clock'
start_worker 1
first_worker=$worker
start_worker 2
say "redis, a scheduler and two workers of 8 slots are running"

# ---- acme: one job for each file, under ids of our choice, so that each result can be compared

find /usr/include -type f -size -$((file_bytes_max / 1024 + 1))k -readable 2>/dev/null | LC_ALL=C sort | head -n $files >"$dir/files" || true
made=0
while [ "$(wc -l <"$dir/files")" -lt $files ]; do # a bare machine has fewer: the rest is made
  [ $made -gt 0 ] || mkdir "$dir/made"
  for _ in $(seq $((files - $(wc -l <"$dir/files")))); do
    made=$((made + 1))
    seq $made $((made + made % 997)) >"$dir/made/$made"
    printf '%s\n' "$dir/made/$made" >>"$dir/files"
  done
done
awk '{ printf "{\"id\":\"file-%05d\",\"type\":\"sha256\",\"payload_file\":\"%s\"}\n", NR, $0 }' "$dir/files" >"$dir/acme.ndjson"
"$bin/rota" push acme sha256 --batch "$dir/acme.ndjson" >"$dir/acme.ids"
say "acme has enqueued $(wc -l <"$dir/acme.ids") files at once ($made of them made)"

# ---- globex and solo, while acme's backlog is being worked on

globex() {
  find /usr/share/common-licenses /usr/share/doc /etc -type f \( -name copyright -o -name '*.conf' -o -path '*licenses*' \) -size -64k -readable \
    2>/dev/null | head -n 400 >"$dir/texts" || true
  while read -r text; do
    redis -x XADD rota:inbox '*' org globex type gzip payload <"$text"
  done <"$dir/texts" >"$dir/globex.ids"
}

solo() {
  for i in $(seq 60); do
    if [ $((i % 4)) -eq 0 ]; then
      "$bin/rota" push solo echo "job $i" --in 1s
    else
      "$bin/rota" push solo echo "job $i"
    fi
    sleep 0.2
  done >"$dir/solo.ids"
}

globex &
globex_pid=$!
solo &
solo_pid=$!
pids+=("$globex_pid" "$solo_pid")

# Stopped first: what it holds then is what it holds when it dies.
holds_jobs() {
  kill -STOP "$first_worker"
  sleep 0.2 # what it has sent is answered
  held=$(redis --raw hlen "rota:{0}:held:$session")
  [ "$held" -gt 0 ] || { kill -CONT "$first_worker"; return 1; }
}

sleep 2
session=$(sed -n 's/.*msg="session open" lane=0 session=\([0-9a-z]*\).*/\1/p' "$dir/worker-1.log")
until_true 10 holds_jobs
disown "$first_worker" # its end is no news for this shell
kill -9 "$first_worker"
say "worker $first_worker killed with -9 while it held $held jobs"
start_worker 3
say "a third worker started"
wait "$globex_pid" "$solo_pid"
say "globex has enqueued $(wc -l <"$dir/globex.ids") texts through the inbox, solo $(wc -l <"$dir/solo.ids") jobs"

# ---- the tally

left() { # jobs that have not ended
  redis --raw EVAL "local n = redis.call('XLEN', 'rota:inbox')
    for _, org in ipairs({'acme', 'globex', 'solo'}) do
      for _, set in ipairs({'ready:default', 'scheduled', 'running'}) do n = n + redis.call('ZCARD', 'rota:{0}:org:' .. org .. ':' .. set) end
    end
    return n" 0
}
nothing_left() { [ "$(left)" -eq 0 ]; }
until_true 60 nothing_left
recovered=$(sed -n "s/.*msg=\"session was dead: recovered\".* session=$session jobs=\\([0-9]*\\).*/\\1/p" "$dir/scheduler.log")
say "everything has ended; ${recovered:-none} of the $held jobs of the killed worker were recovered"

wrong=0
[ "${recovered:-0}" -eq "$held" ] || wrong=1
printf '\n%-8s %9s %9s %6s %16s %12s %12s\n' organization enqueued 'done' dead 'runs above one' 'wait p50 ms' 'wait p99 ms'
for org in acme globex solo; do
  "$bin/rota" job list "$org" --state 'done' --limit 10000 -o ndjson >"$dir/$org.done"
  "$bin/rota" job list "$org" --state dead --limit 10000 -o ndjson >"$dir/$org.dead"
  enqueued=$(wc -l <"$dir/$org.ids") done=$(wc -l <"$dir/$org.done") dead=$(wc -l <"$dir/$org.dead")
  again=$(grep -vc '"deliveries": *1[,}]' "$dir/$org.done" || true)
  # the wait of a job: from the moment it was due to its last start
  sed -n 's/.*"due_ms": *\([0-9]*\).*"started_ms": *\([0-9]*\).*/\1 \2/p' "$dir/$org.done" | awk '{ print $2 - $1 }' | sort -n >"$dir/waits"
  percentile() { awk -v p="$1" '{ w[NR] = $1 } END { i = int(NR * p / 100 + 0.5); print NR ? w[i < 1 ? 1 : i] : "-" }' "$dir/waits"; }
  printf '%-12s %5d %9d %6d %16d %12s %12s\n' "$org" "$enqueued" "$done" "$dead" "$again" "$(percentile 50)" "$(percentile 99)"
  [ "$enqueued" -eq "$done" ] && [ "$dead" -eq 0 ] || wrong=1
done

sed -n 's/.*"id": *"file-\([0-9]*\)".*"result": *"\([0-9a-f]\{64\}\).*/\1 \2/p' "$dir/acme.done" | sort >"$dir/got"
xargs -d '\n' sha256sum <"$dir/files" | awk '{ printf "%05d %s\n", NR, $1 }' >"$dir/expected"
if cmp -s "$dir/got" "$dir/expected"; then
  printf '\nall %d results of acme equal what sha256sum says directly\n' "$(wc -l <"$dir/got")"
else
  printf '\nacme: %d results differ from what sha256sum says directly\n' "$(comm -13 "$dir/got" "$dir/expected" | wc -l)"
  wrong=1
fi
# No two owners: a job has one attempt that ended in done, and each began after the one before it had ended.
cat "$dir"/*.done | awk '
  {
    sub(/.*"attempts": *\[/, "")
    ended = done = 0
    while (match($0, /"started_ms": *[0-9]+, *"ended_ms": *[0-9]+, *"outcome": *"[a-z_]+"/)) {
      split(substr($0, RSTART, RLENGTH), part, /[^0-9]+/)
      if (part[2] < ended) overlaps++
      ended = part[3]
      done += substr($0, RSTART, RLENGTH) ~ /"done"/
      $0 = substr($0, RSTART + RLENGTH)
    }
    if (done != 1) wrong++
  }
  END {
    printf "%d jobs: %d with two owners at a time, %d that were not done exactly once\n", NR, overlaps, wrong
    exit overlaps + wrong > 0
  }' || wrong=1
problems=$("$bin/rota" audit 2>&1) || { printf '%s\n' "$problems"; wrong=1; }
[ $wrong -eq 0 ] || exit 1

stop
nothing_left_over() { [ -z "$(left_over)" ]; }
until_true 3 nothing_left_over || {
  for pid in $(left_over); do printf 'still running: %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"; done
  exit 1
}
[ "$(($(now_ms) - started))" -le $((seconds_max * 1000)) ] || { printf 'that took %s s, more than %d\n' "$(elapsed)" $seconds_max; exit 1; }
printf '\n'
say "nothing was lost, nothing had two owners, and nothing is left running"
