#!/usr/bin/env bash
# rota config: what it checks, shows and prints as an example; and docs/CONFIGURATION.md. Without a Redis.
# Usage: config.sh SOURCE PROGRAMS
set -euo pipefail
source=$(realpath "$1")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" config "$2"
cd "$dir"

# refused TEXT MESSAGE: a file with TEXT is refused with MESSAGE, and status 78
refused() {
  local said status=0
  printf '%b' "$1" >rota.yaml
  said=$(rota config check 2>&1) || status=$?
  [ "$status" = 78 ] || fail "status $status for: $1: $said"
  [[ "$said" == *"$2"* ]] || fail "\"$said\" should have \"$2\""
}

# without a file
[ "$(rota config check)" = "no configuration file: understood. 0 settings are given, 0 handlers; 1 capsule with 4 slots" ] ||
  fail "check without a file: $(rota config check)"
rota config show | grep -q '^worker.slots  *4$' || fail "show without a file"

# the example is understood as it is, and with everything in it
rota config example >rota.yaml
rota config check >/dev/null
[ "$(rota config show --json | grep -c '"origin":"rota.yaml:')" -gt 30 ] || fail "the example gives little"
sed -E 's/^( *)#([a-z_.]+:)/\1\2/; s/^  (slots|queues):/  #&/; s/^    backoff: .*//; s/^  cgroup:$/& auto/' rota.yaml >full.yaml
[[ "$(rota config check --config full.yaml)" == *"2 handlers; 2 capsules with 5 slots" ]] || fail "the whole example"

# it has all that the page has
# shellcheck disable=SC2016 # these are backticks of Markdown
while read -r key; do
  last=${key##*.}
  grep -qE "^ *#?([a-z]+\.)*$last:" rota.yaml || fail "$key of docs/CONFIGURATION.md is not in the example"
done < <(sed -nE 's/^\| `([^`]+)` .*/\1/p' "$source/docs/CONFIGURATION.md")

# where values come from; secrets stay away
cat >rota.yaml <<'TXT'
redis:
  url: redis://ann:hunter2@127.0.0.1:7000/1
worker:
  on: [rev=rev]
handlers:
  wc: {command: wc -w, timeout: 2m, env: {API_KEY: hunter2, PATH: }}
capsules:
  single: {slots: 2, queues: {mail: 3, default: 1}}
TXT
shown=$(ROTA_SESSION_TIMEOUT=9s rota config show --origin --redis-check-every 5s)
has() {
  grep -qE "$1" <<<"$shown" || fail "show --origin lacks $1:
$shown"
}
has '^redis.url +redis://ann:\*\*\*@127.0.0.1:7000/1 +rota.yaml:2$'
has '^redis.check-every +5s +flag --redis-check-every$'
has '^session.timeout +9s +variable ROTA_SESSION_TIMEOUT$'
has '^worker.slots +4 +default$'
has '^capsules.single.slots +2 +rota.yaml:8$'
has '^capsules.single.queues +mail=3, default=1 +rota.yaml:8$'
has '^handlers.rev.command +"rev" +rota.yaml:4$'
has '^handlers.wc.timeout +2m +rota.yaml:6$'
has '^handlers.wc.attempts +25 +default$'
has '^handlers.wc.env +\{API_KEY: "\*\*\*", PATH: \} +rota.yaml:6$'
grep -q hunter2 <<<"$shown" && fail "a secret is shown"

# what is wrong anywhere is found
refused 'redis: {urll: x}\n' 'rota.yaml:1: unknown setting "redis.urll", did you mean "redis.url"?'
refused 'redis: {url: http://x}\n' 'redis.url (rota.yaml:1)'
refused 'worker:\n  slotz: 3\n' 'rota.yaml:2: unknown setting "worker.slotz", did you mean "worker.slots"?'
refused 'scheduler: {lanes: many}\n' 'rota.yaml:1: scheduler.lanes: "many" is not a whole number'
refused 'scheduler: {session: {timeout: 2s, beat: 1s}}\n' 'scheduler.session'
refused 'session: {timeout: 2s, beat: 1s}\n' 'session'
refused 'cli: {push: {quee: x}}\n' 'unknown setting "cli.push.quee", did you mean "cli.push.queue"?'
refused 'log: {level: loud}\n' 'log level "loud" (rota.yaml:1) must be debug, info, warn or error'
refused 'redis: {durability: none}\n' 'rota.yaml:1'
refused 'handlers:\n  wc: {command: wc, timeot: 3s}\n' 'rota.yaml:2: handler wc: unknown key "timeot", did you mean "timeout"?'
refused 'handlers:\n  wc: {command: wc, timeout: 0}\n' 'rota.yaml:2: handler wc: timeout: "0" is below 1ms'
refused 'handlers:\n  wc: {command: wc, cgroup: {pids_max: 9}}\n' 'rota.yaml:2: handler wc: cgroup: wants a control group, and worker.cgroup names none'
refused 'worker: {cgroup: here}\n' 'worker.cgroup (rota.yaml:1): "here" is neither an absolute path nor auto'
refused 'handlers: {wc: wc}\nworker: {on: [wc=wc]}\n' 'type wc has two handlers'
refused 'capsules: {}\n' 'rota.yaml:1: capsules must be a map of at least one'
refused 'capsules:\n  a: {slot: 1}\n' 'rota.yaml:2: capsule a: unknown key "slot", did you mean "slots"?'
refused 'capsules:\n  a: {slots: 0}\n' 'rota.yaml:2: capsule a: slots: "0" is below 1'
refused 'capsules:\n  A: {slots: 1}\n' 'rota.yaml:2: capsule "A" must match [a-z0-9][a-z0-9_-]{0,62}'
refused 'capsules:\n  a: {queues: {mail: 11}}\n' 'rota.yaml:2: capsule a: queues: weight of a queue: "11" is above 10'
refused 'capsules:\n  a: {queues: [mail, mail]}\n' 'rota.yaml:2: capsule a: queues: queue mail is there twice'
refused 'capsules:\n  a: {queues: []}\n' 'rota.yaml:2: capsule a: queues: there are none'
refused 'capsules: {a: {slots: 1000}, b: {slots: 25}}\n' 'the capsules have 1025 slots together, the limit is 1024'
refused 'capsules: {a: {slots: 1}}\nworker: {slots: 2}\n' 'worker.slots (rota.yaml:2) says the same as capsules (rota.yaml:1): give one of them'
refused 'handlers: {wc: {command: wc}\n' 'rota.yaml:2: '
verdict "all of rota config is as it should be"
