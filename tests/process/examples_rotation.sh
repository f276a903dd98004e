#!/usr/bin/env bash
# examples/rotation on the clock of Redis, which is stepped to each hand-over: daily, weekly and monthly ones in two zones, over the
# day on which clocks change; people who come and go; times that move; nobody there for three hand-overs.
# examples_rotation.sh SOURCE_FOLDER BIN_FOLDER CLOCK_SHIM
set -euo pipefail

source_dir=$(realpath "$1")
shim=$(realpath "$3")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" rotation "$2"

rotation() { "$source_dir/examples/rotation/rotation.py" "$@" || die "rotation.py $*"; }
on_call() { rotation show "$1" | python3 -c 'import json, sys; print((json.load(sys.stdin) or {"on_call": "gone"})["on_call"])'; }

# Shifts Redis' clock so that it shows TIME now.
clock_ms=0
set_clock() {
  clock_ms=$(($(date -d "$1" +%s) * 1000 - $(date +%s%3N)))
  python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("<q", int(sys.argv[2])))' "$dir/clock" "$clock_ms"
}

# expect ROTATION PERSON: is on call, now or within 20 s.
expect() { wait_for "^$2$" on_call "$1"; }

start_worker() {
  start worker rota-worker --slots 4 --on "rotation.handover=$source_dir/examples/rotation/rotation.py handover" \
    --on "rotation.changed=$source_dir/examples/rotation/rotation.py changed"
  worker_pid=$started
}

# A redis-server by that clock.
head -c 4096 /dev/zero >"$dir/clock"
mkdir "$dir/servers"
printf '#!/bin/sh\nLD_PRELOAD=%q ROTA_CLOCK_FILE=%q exec %q "$@"\n' "$shim" "$dir/clock" "$(command -v redis-server)" >"$dir/servers/redis-server"
chmod +x "$dir/servers/redis-server"
PATH=$dir/servers:$PATH
set_clock 2026-03-26T12:00:00Z
start_redis
start_scheduler
start_worker

rotation create daily --org acme --people ada,bob,cyd --cron '0 9 * * *' --tz Europe/Zurich
rotation create weekly --org acme --people ada,bob --rrule 'FREQ=WEEKLY;BYDAY=MO' --start 2026-03-02T10:00:00 --tz America/New_York
rotation create monthly --org globex --people ada,bob --cron '0 8 1 * *' --tz Europe/Zurich
for name in daily weekly monthly; do expect $name ada; done

# Each is handed over at its local time, in winter and in summer, and at no other one.
set_clock 2026-03-27T07:59:59Z
expect daily bob
set_clock 2026-03-28T07:59:59Z
expect daily cyd
set_clock 2026-03-29T06:59:59Z
expect daily ada
set_clock 2026-03-30T13:59:59Z
expect daily bob
expect weekly bob
expect monthly ada
set_clock 2026-04-01T05:59:59Z
expect monthly bob
expect daily cyd
expect weekly bob

# Who leaves is not on call any more; who comes waits for a hand-over.
rotation people daily ada,bob
expect daily ada
rotation people daily ada,dan,bob,eve
set_clock 2026-04-01T06:59:59Z
expect daily dan

# GA-4: nobody is there for three hand-overs: one run makes up for all, and the next one is armed.
stop "$worker_pid" TERM && stop "$scheduler_pid" TERM
set_clock 2026-04-04T07:00:05Z
start_scheduler
start_worker
expect daily ada
shown=$(rota schedule show acme/daily -o ndjson)
[[ $shown == *'"missed":2,'* && $shown == *"\"next_ms\":$(date -d 2026-04-05T07:00:00Z +%s)000,"* ]] || fail "of three hand-overs: $shown"

# GA-5: those that are moved come at the new time only.
rotation times daily --cron '0 12 * * *' --tz Europe/Zurich
set_clock 2026-04-04T09:59:59Z
expect daily dan
rotation times daily --cron '0 18 * * *' --tz Europe/Zurich
set_clock 2026-04-05T10:00:05Z
expect daily bob
shown=$(rota schedule show acme/daily -o ndjson)
[[ $shown == *"\"next_ms\":$(date -d 2026-04-05T16:00:00Z +%s)000,"* ]] || fail "moved hand-overs: $shown"

# GA-1: many changes make one job, and the last one holds.
stop "$worker_pid" TERM
for ((i = 0; i < 20; i++)); do rotation people weekly "zoe$i"; done
waiting=$(rota job list acme --state ready -o ndjson | grep -c rotation.changed)
[ "$waiting" = 1 ] || fail "twenty changes made $waiting jobs"
start_worker
expect weekly zoe19

# Without people nobody is on call, and nothing is armed; the first one is at once. One that is deleted is gone.
GA_16_without_people_nothing_is_armed() {
  rotation people weekly ''
  expect weekly None
  rota schedule list acme -o ndjson | grep '"acme/weekly"' | grep -q '"paused"' || fail 'a rotation without people goes on'
  rotation people weekly kim
  expect weekly kim
  rotation delete weekly
  set_clock 2026-04-20T14:00:05Z
  expect daily dan
  expect weekly gone
  ! rota schedule list acme -o ndjson | grep -q acme/weekly || fail 'a deleted rotation is still scheduled'
}
GA_16_without_people_nothing_is_armed
[ -z "$(rota job list acme --state dead -o ndjson)" ] || fail "dead: $(rota job list acme --state dead -o ndjson)"
verdict 'each rotation was handed over at its times, and followed its changes'
