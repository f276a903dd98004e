#!/usr/bin/env bash
# rota handler check and test: one run of a handler without Redis.
# Usage: handler_test.sh PROGRAMS
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" handler_test "$1"
cd "$dir"

# tried STATUS TYPE INPUT LINE...: the run ends with STATUS, and prints each LINE (a pattern of the whole line)
tried() {
  local status=0 type=$2 said line
  said=$(printf '%s' "$3" | rota handler test "$type" 2>&1) || status=$?
  [ "$status" = "$1" ] || fail "$type: status $status: $said"
  shift 3
  for line in "$@"; do
    grep -qxE -- "$line" <<<"$said" || fail "$type: no line $line in:
$said"
  done
}

export PASSED=hunter2
sed "s|\$1|$1|" >rota.yaml <<'TXT'
handlers:
  wc: {command: wc -w, env: {PASSED: , TOKEN: hunter2}}
  says: {command: 'echo "{\"op\":\"progress\",\"pct\":40}" >&3; echo nonsense >&3; echo to the log >&2; echo $PASSED', env: [PASSED]}
  later: {command: 'echo "{\"op\":\"retry\",\"after_ms\":30000}" >&3; exit 75', attempts: 3}
  mine: {command: exit 3, on_exit: {"3": dead}}
  crash: kill -9 $$
  slow: {command: exec sleep 60, timeout: 200ms, on_timeout: dead}
  gone: [/nowhere/to/be/found]
  folder: {command: pwd, cwd: /usr}
  quiet: {command: exit 99}
  pool: {mode: pool, command: ["$1/example_words"], env: {TOKEN: hunter2}}
  pool.sh:
    mode: pool
    kill_after: 100ms
    command:
      - /bin/sh
      - -c
      - |
        trap '' TERM
        echo '{"op":"hello","contract":1}' >&3
        read -r line <&3
        id=$(printf '%s\n' "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
        echo to the log
        echo '{"op":"progress","id":"'"$id"'","pct":40}' >&3
        echo '{"op":"done","id":"'"$id"'","verdict":"retry","after_ms":30000}' >&3
        while :; do sleep 0.1; done
  pool.gone: {mode: pool, command: [/bin/sh, -c, exit 3]}
  pool.crash: {mode: pool, command: [/bin/sh, -c, 'echo "{\"op\":\"hello\",\"contract\":1}" >&3; read -r line <&3; exit 4']}
  report.*: echo "$ROTA_TYPE of $ROTA_ORG"
TXT

tried 0 wc "three little words" 'environment' '  ROTA_CONTRACT=1' '  ROTA_TYPE=wc' '  ROTA_ATTEMPT=1' '  ROTA_MAX_ATTEMPTS=25' \
  '  PASSED=\*\*\*' '  TOKEN=\*\*\*' 'result \(2 bytes, .*' '  3' 'verdict' '  done' \
  '  started after [0-9]+ ms, ran [0-9]+ ms, user [0-9]+ ms, system [0-9]+ ms, max RSS [0-9]+ KiB'
tried 0 says "" 'control, after [0-9]+ ms' '  \{"op":"progress","pct":40\}' '  refused: .*' 'log \(11 bytes, .*' '  to the log' '  hunter2'
tried 1 later "" '  retry in 30s \(attempt 1 of 3\): .*'
tried 1 mine "" '  dead letter now: exit 3'
tried 1 crash "" '  retry in .* \(attempt 1 of 25\): killed by signal 9'
tried 1 slow "" '  dead letter: there is no other attempt: timed out after .*'
tried 1 gone "" '  the handler is broken: back to the queue in .*, without using an attempt: .*'
tried 0 folder "" '  /usr'
tried 0 quiet "" '  discarded: .*'
tried 0 report.day "" '  report.day of test'
tried 0 pool "three little words" '  TOKEN=\*\*\*' '  ROTA_CONTRACT=1' 'frame, after [0-9]+ ms' \
  '  \{"op":"job","id":"test/[^"]+",.*"org":"test",.*"payload":"three little words"\}' 'result \(11 bytes, .*' '  \{"words":3\}' \
  '  done' '  started after [0-9]+ ms, ran [0-9]+ ms' 'end' \
  '  its long-lived handler has ended with exit 0, [0-9]+ ms after it was drained, user [0-9]+ ms, .* max RSS [0-9]+ KiB'
grep -q 'ROTA_JOB_ID' <<<"$(printf x | rota handler test pool)" && fail "the environment of many jobs names one"
tried 1 pool.sh "x" 'control, after [0-9]+ ms' '  \{"op":"progress","pct":40\}' 'log \(11 bytes, .*' '  to the log' \
  '  retry in 30s \(attempt 1 of 25\): .*' '  its long-lived handler was killed by signal 9, [0-9]+ ms after it was drained, .*'
tried 1 pool.gone "x" '  the handler is broken: back .*: its long-lived handler has ended with exit 3.*' 'end'
tried 1 pool.crash "x" '  retry in .*: its long-lived handler has ended with exit 4.*' '  its long-lived handler has ended with exit 4.*, user .*'
tried 78 unknown "" '.*there is no handler for type unknown.*'
head -c 1100000 /dev/zero >big
status=0
rota handler test wc <big >/dev/null 2>&1 || status=$?
[ "$status" = 65 ] || fail "too much payload: status $status"

status=0
said=$(rota handler check 2>&1) || status=$?
[ "$status" = 78 ] || fail "check: status $status"
grep -qE '^gone +exec +.* +command /nowhere/to/be/found: No such file or directory$' <<<"$said" || fail "check: $said"
grep -qE '^wc +exec +"wc -w" +-$' <<<"$said" || fail "check: $said"
grep -q '1 of 14 handlers cannot work here' <<<"$said" || fail "check: $said"
printf 'handlers: {a: {command: [sh]}, b: {command: x, cwd: /nowhere}, c: {command: x, user: no-such-user}}\n' >rota.yaml
said=$(rota handler check --json 2>/dev/null) && fail "three broken ones pass"
for part in 'has no slash' 'cwd /nowhere: No such file' 'there is no user no-such-user'; do
  grep -q "$part" <<<"$said" || fail "check: $part: $said"
done
printf 'worker: {cgroup: /nowhere}\nhandlers: {a: {command: x, cgroup: {pids_max: 9}}, b: {command: x}}\n' >rota.yaml
said=$(rota handler check --json 2>&1) && fail "a group that is not there passes"
grep -q 'worker.cgroup /nowhere: is no control group' <<<"$said" || fail "check: $said"
grep -q '1 of 2 handlers cannot work here' <<<"$said" || fail "check: $said"
rota handler check --config /dev/null --on 'wc=wc -w' >/dev/null || fail "a good one is refused"
verdict "handlers are checked and tried out"
