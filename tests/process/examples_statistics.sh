#!/usr/bin/env bash
# examples/statistics: for each organization one report in each period, while three schedulers and two workers are killed and
# started again; the numbers of each are its own, and their sum is that of all.
# examples_statistics.sh SOURCE_FOLDER BIN_FOLDER
set -euo pipefail

source_dir=$(realpath "$1")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" statistics "$2"

program=$source_dir/examples/statistics/statistics.py
orgs=20
schedulers=() workers=()

start_scheduler_number() {
  start "scheduler$1" rota-scheduler
  schedulers[$1]=$started
}
start_worker_number() {
  start "worker$1" rota-worker --slots 8 --on "statistics=$program one" --on "statistics.all=$program all"
  workers[$1]=$started
}

# Kills one of each, by the number of the round, and starts it again.
kill_some() {
  local scheduler=$(($1 % 3)) worker=$(($1 % 2))
  kill -KILL "${schedulers[scheduler]}" "${workers[worker]}"
  start_scheduler_number $scheduler
  start_worker_number $worker
}

# Organization N has N apps and 2 N users.
sum_apps=0
for ((n = 1; n <= orgs; n++)); do
  mkdir -p "$dir/statistics/data/org$n"
  seq $n >"$dir/statistics/data/org$n/apps"
  seq $((2 * n)) >"$dir/statistics/data/org$n/users"
  sum_apps=$((sum_apps + n))
done

start_redis
for n in 0 1 2; do start_scheduler_number $n; done
for n in 0 1; do start_worker_number $n; done
wait_for . redis-cli GET rota:leader
for ((n = 1; n <= orgs; n++)); do rota org set "org$n" --weight 100 --quiet; done
first_ms=$(($(date +%s%3N) / 4000 * 4000 + 8000))
last_ms=$((first_ms + 3 * 4000))
rota schedule add --every-org stats statistics '["apps","users"]' --every 4s --missed all --window 1h --overlap allow \
  --from $first_ms --until $last_ms --quiet

# Ten restarts of each within four periods.
for ((round = 0; round < 10; round++)); do
  sleep 1.5
  kill_some $round
done

reports() { find "$dir/statistics/reports" -type f ! -name '.*' 2>/dev/null | wc -l; }
deadline=$((SECONDS + 60))
until [ "$(reports)" -ge $((4 * orgs)) ] && [ -z "$(rota job list --state running -o ndjson)" ]; do
  [ $SECONDS -lt $deadline ] || die "$(reports) reports: $(tail -n 3 "$dir"/*.log)"
  sleep 0.2
done

for ((n = 1; n <= orgs; n++)); do
  got=$(cd "$dir/statistics/reports/org$n" && echo *)
  want=$(for ((t = first_ms; t <= last_ms; t += 4000)); do date -u -d "@$((t / 1000))" +%Y-%m-%dT%H:%M:%S.000Z; done | paste -sd' ')
  [ "$got" = "$want" ] || fail "org$n has reports of $got, not $want"
  shown=$(rota schedule show "org$n/stats" -o ndjson)
  [[ $shown == *'"jobs":4,'* && $shown == *'"missed":0,'* && $shown == *'"skipped":0,'* ]] || fail "org$n: $shown"
done

# Each one's own numbers, which are those that one job for all of them finds.
all=$(rota push org1 statistics.all '["apps","users"]' --header rota-shadow=1 --wait --wait-timeout 20s)
python3 - "$dir/statistics/reports" "$all" $sum_apps <<'PYTHON' || fail "the numbers differ from those of one job for all: $all"
import json, pathlib, sys

folder, together, sum_apps = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
for org in folder.iterdir():
    for path in org.iterdir():
        numbers = json.loads(path.read_text())
        assert numbers == together[org.name], (org.name, numbers)
        assert numbers == {"apps": int(org.name[3:]), "users": 2 * int(org.name[3:])}, (org.name, numbers)
assert sum(numbers["apps"] for numbers in together.values()) == sum_apps
PYTHON
verdict "4 periods, $orgs organizations, 10 restarts of schedulers and workers: $((4 * orgs)) reports"
