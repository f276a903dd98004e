#!/usr/bin/env bash
# AP-14: from one job for all organizations to one for each, with examples/statistics: both run side by side and are compared, then
# the new one takes over at a due time, hands back, and takes over again; each period is served once for each organization, and what
# a shadow does reaches nobody. With 8 lanes.
# migrate.sh SOURCE_FOLDER BIN_FOLDER
set -euo pipefail

source_dir=$(realpath "$1")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" migrate "$2"

program=$source_dir/examples/statistics/statistics.py
orgs=12
migrate() { rota schedule migrate system/statistics "$@" --to-every-org stats --quiet; }
status() { rota schedule migrate system/statistics --to-every-org stats -o ndjson; }

for ((n = 1; n <= orgs; n++)); do
  mkdir -p "$dir/statistics/data/org$n"
  seq $n >"$dir/statistics/data/org$n/apps"
done
start_redis
rota setup --lanes 8 --quiet >/dev/null
start_scheduler
start worker rota-worker --slots 8 --on "statistics=$program one" --on "statistics.all=$program all"
for ((n = 1; n <= orgs; n++)); do rota org set "org$n" --weight 100 --quiet; done
rota schedule add system/statistics statistics.all '["apps"]' --every 2s --missed all --overlap allow --quiet

# Both run (and organization system, which the one for all belongs to, is one more): the new one for each organization, as a shadow.
! migrate switch --at 5s 2>/dev/null || fail 'switched what does not move'
migrate shadow --type statistics --payload '["apps"]'
migrate shadow --type statistics --payload '["apps"]' # again: nothing new
wait_for "\"same\":$orgs," status
before=$(status)
[[ $before == *'"in_charge":"all"'* && $before != *'"in_charge":"each"'* && $before == *'"different":0,"extra":1'* ]] || fail "shadows: $before"
echo 'what only one of them sees' >>"$dir/statistics/data/org1/apps"

# Over to the new one, back, and over again, each at a due time that is to come.
due_after() { echo $((($(date +%s%3N) + $1) / 2000 * 2000 + 2000)); }
! migrate switch --at $(($(due_after 8000) + 1)) 2>/dev/null || fail 'switched at a time that is not due'
! migrate switch --at "$(due_after 0)" 2>/dev/null || fail 'switched at once: a lane may not know of it'
over=$(due_after 7000) back=$((over + 8000)) again=$((over + 14000)) last=$((over + 20000))
migrate switch --at "$over"
sleep 2
migrate rollback --at $back
sleep 2
migrate switch --at $again
turns=$(status | grep -o '"turns":"[^"]*"')
[ "$turns" = "\"turns\":\"-0 +$over -$back +$again\"" ] || fail "turns: $turns"
while [ "$(date +%s%3N)" -lt $last ]; do sleep 0.2; done
wait_for "\"due_ms\":$last,\"in_charge\":\"each\",\"outcome\":null,\"comparable\":false,\"orgs\":$((orgs + 1))" status

# Who has made the report of a period stands in the log of the job that did.
for ((due = over - 4000; due <= last; due += 2000)); do
  who=each
  if [ $due -lt "$over" ] || { [ $due -ge $back ] && [ $due -lt $again ]; }; then who=all; fi
  time=$(date -u -d "@$((due / 1000))" +%Y-%m-%dT%H:%M:%S.000Z)
  for ((n = 1; n <= orgs; n++)); do [ -f "$dir/statistics/reports/org$n/$time" ] || fail "org$n has no report for $time"; done
  ! rota job show "system/statistics@$due" --quiet >/dev/null 2>&1 || ran_all=yes
  [ "${ran_all:-no}" = "$([ $who = all ] && echo yes || echo no)" ] || fail "$time is in charge of $who, but the job for all: ${ran_all:-no}"
  unset ran_all
  shadow=$(rota job show "org1/stats@$due" --json | grep -c '"rota-shadow"' || true)
  [ "$shadow" = "$([ $who = all ] && echo 1 || echo 0)" ] || fail "$time is in charge of $who, shadows: $shadow"
done
! grep -q 'was reported' "$dir"/worker.log || fail "a period was reported twice: $(grep 'was reported' "$dir/worker.log")"

# The end is not before what was due before the switch is out of its window.
! migrate end 2>/dev/null || fail 'ended too early'
verdict "each period once: $(status | tr -d '\n' | grep -o '"all":.*')"
