#!/usr/bin/env bash
# The words of rota, completed by real shells: commands, flags and their values, and what only Redis knows; within its time, and
# in silence where Redis is away. zsh and fish where they are installed.
# completion.sh BIN_FOLDER
set -euo pipefail

# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" completion "$1"

fill() {
  rota setup >/dev/null 2>&1
  rota push acme mail hello --id order-1 --queue bulk >/dev/null
  rota push acme mail hello --id order:2 --in 1h >/dev/null
  rota push acme mail hello --id other >/dev/null
  rota push acorn mail hello --id one >/dev/null
  redis-cli HSET rota:worker:w1 types 'mail thumb' >/dev/null
  redis-cli ZADD rota:workers 1 w1 >/dev/null
}

# expect SHELL WHAT-IS-OFFERED WORD...: the last word is under the cursor; what is offered is sorted. On a machine that is busy
# 200 ms may be over before Redis has answered: then it is typed again.
expect() {
  local shell=$1 expected=$2 offered='' deadline=$((SECONDS + 15))
  shift 2
  while [ $SECONDS -lt $deadline ]; do
    offered=$("complete_$shell" "$@" | LC_ALL=C sort | tr '\n' ' ')
    [ "${offered% }" != "$expected" ] || return 0
  done
  [ "${offered% }" = "$expected" ] || fail "$shell: \"rota $*\" offers \"${offered% }\", not \"$expected\""
}

# shellcheck disable=SC2016 # it is another shell that expands them
# Bash has taken the words apart at = and : before it calls.
complete_bash() {
  bash -c 'source <(rota completion bash)
    COMP_WORDS=(rota "$@") COMP_CWORD=$#
    _rota
    for word in "${COMPREPLY[@]}"; do printf "%s\n" "$word"; done' bash "$@"
}

# shellcheck disable=SC2016
# What the shell would be told, word by word.
complete_zsh() {
  zsh -f -c 'compdef() { :; }
    compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@"; }
    _describe() { local word; for word in "${(@P)2}"; do print -r -- "${${word//\\:/;}%%:*}" | tr ";" ":"; done; }
    _files() { print -- files; }
    source <(rota completion zsh)
    words=(rota "$@") CURRENT=$(($# + 1)) PREFIX=${@[-1]}
    _rota' zsh "$@"
}

# shellcheck disable=SC2016
complete_fish() {
  fish --no-config -c 'rota completion fish | source
    complete -C "rota $argv"' -- "$@" | cut -f 1
}

check_words() {
  expect "$1" 'job' j
  expect "$1" 'reschedule result retry run-now' job r
  expect "$1" '--newest' job list --ne
  expect "$1" 'dead done' job list --state d
  expect "$1" 'bash fish zsh' completion ''
}

check_redis() {
  expect "$1" 'acme acorn' org show a
  expect "$1" 'acme/ acorn/' job show ac
  expect "$1" 'acme/order-1 acme/order:2' job show acme/or
  expect "$1" 'mail' push acme m
  expect "$1" 'bulk default' queue pause ''
  expect "$1" 'w1' worker show w
}

check_silence() {
  local before after output
  before=$(date +%s%N)
  output=$(rota __complete -- org show a 2>&1) || fail "completing ends with $? while Redis is away"
  after=$(date +%s%N)
  [ -z "$output" ] || fail "completing says \"$output\" while Redis is away"
  [ $(((after - before) / 1000000)) -lt 5000 ] || fail "completing took $(((after - before) / 1000000)) ms $1"
}

start_redis
fill
shells=(bash)
for shell in zsh fish; do
  if command -v $shell >/dev/null; then shells+=("$shell"); else echo "SKIPPED: $shell is not installed"; fi
done
for shell in "${shells[@]}"; do
  check_words "$shell"
  [ "$shell" = bash ] || check_redis "$shell"
done

# Of bash's own: what it takes apart is put together again.
expect bash 'acme acorn' org show a
expect bash '2' job show acme/order : ''
expect bash '2' job show acme/order :
expect bash 'ready running' job list --state = r
expect bash 'acme/' job show acm
expect bash 'mail' push acme m
expect bash 'bulk default' queue pause ''

# The Redis of the line counts, not that of the environment.
expected=$ROTA_REDIS_URL
ROTA_REDIS_URL=unix:///nowhere expect bash 'acme acorn' --redis "$expected" org show a

kill -STOP "$redis_pid"
check_silence 'while Redis is frozen'
kill -CONT "$redis_pid"
kill -KILL "$redis_pid"
wait "$redis_pid" 2>/dev/null || true
check_silence 'without Redis'
verdict "completed by ${shells[*]}"
