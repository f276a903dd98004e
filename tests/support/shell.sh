# shellcheck shell=bash disable=SC2034 # some variables are for the tests
# shell.sh - what tests in shell share. To be sourced with the test's name and the folder of programs:
#
#     . tests/support/shell.sh tour "$bin"
#     start_redis
#     rota push acme wc four --wait | grep -qx 4 || fail "no 4"
#     verdict "as it should be"
#
# Sets dir (a folder of the test's own, which is HOME too, and gone at its end) and bin (the programs, first in PATH); takes
# ROTA_... and REDIS_URL out of the environment.

dir=$(mktemp -d "${TMPDIR:-/tmp}/rota-$1.XXXXXX")
bin=$(realpath "$2")
unset "${!ROTA_@}" REDIS_URL
export PATH="$bin:$PATH" HOME=$dir
failures=0
pids=()

# Says what is wrong, and goes on; and where going on makes no sense.
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}
die() {
  fail "$@"
  exit 1
}

end() {
  local pid
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap end EXIT

# The last line of a test: TEXT, or failure.
verdict() {
  [ $failures -eq 0 ] || exit 1
  printf '%s\n' "$*"
}

# start NAME COMMAND...: in the background, its output in $dir/NAME.log, its number in started. It dies with this shell. What a
# shell starts in the background ignores SIGINT, unless it is told otherwise.
start() {
  local name=$1
  shift
  env --default-signal=INT,QUIT setpriv --pdeathsig KILL "$@" >"$dir/$name.log" 2>&1 &
  started=$!
  pids+=("$started")
}

# stop PID SIGNAL: ends what was started, within 30 s; its exit status is that of this function.
stop() {
  local deadline=$((SECONDS + 30)) status=0
  kill "-$2" "$1" 2>/dev/null || die "$1 is gone before SIG$2"
  while kill -0 "$1" 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.05; done
  ! kill -0 "$1" 2>/dev/null || die "$1 does not end of SIG$2: $(tail -n 5 "$dir"/*.log)"
  wait "$1" || status=$?
  return $status
}

# wait_for PATTERN COMMAND...: until its output has a line that matches, at most 20 s.
wait_for() {
  local pattern=$1 deadline=$((SECONDS + 20))
  shift
  until "$@" 2>/dev/null | grep -Eq -- "$pattern"; do
    [ $SECONDS -lt $deadline ] || die "waited in vain for $pattern from: $*: $("$@" 2>&1 | tail -n 5) $(tail -n 5 "$dir"/*.log)"
    sleep 0.05
  done
}

# A private Redis, which ROTA_REDIS_URL and the command redis-cli name from now on.
start_redis() {
  local real
  socket=$dir/redis.sock
  export ROTA_REDIS_URL=unix://$socket
  real=$(command -v redis-cli)
  mkdir "$dir/path"
  printf '#!/bin/sh\nexec %q -s %q -e "$@"\n' "$real" "$socket" >"$dir/path/redis-cli"
  chmod +x "$dir/path/redis-cli"
  export PATH="$dir/path:$PATH"
  start redis redis-server --port 0 --unixsocket "$socket" --dir "$dir" --save '' --appendonly yes --appendfsync always
  redis_pid=$started
  wait_for PONG redis-cli PING
}

# A scheduler that leads.
start_scheduler() {
  start scheduler rota-scheduler
  scheduler_pid=$started
  wait_for . redis-cli GET rota:leader
}

# ---- pages ----

# read_page PAGE: its fenced blocks. Of each the line, the comment right above it ("" for none), the language and the text.
read_page() {
  local fields=()
  mapfile -t -d $'\036' fields < <(awk 'on && /^```/ { printf "%s\036", text; on = 0; last = ""; next }
    on { text = text (text == "" ? "" : "\n") $0; next }
    /^```/ { on = 1; text = ""; language = substr($0, 4)
             if (last !~ /^<!-- .* -->$/) last = "<!--  -->"
             printf "%d\036%s\036%s\036", NR, substr(last, 6, length(last) - 9), language; next }
    { last = $0 }' "$1")
  block_line=() block_mark=() block_language=() block_text=()
  for ((i = 0; i + 3 < ${#fields[@]}; i += 4)); do
    block_line+=("${fields[i]}") block_mark+=("${fields[i + 1]}") block_language+=("${fields[i + 2]}") block_text+=("${fields[i + 3]}")
  done
}

# run_block TEXT REGEX: it must end well and print a line that matches.
run_block() {
  local output status=0
  output=$(timeout 30 bash -c "$1" 2>&1 </dev/null | tr -d '\0') || status=$?
  if [ $status -ne 0 ] || ! grep -Eq -- "$2" <<<"$output"; then
    fail "\"$1\" (status $status) does not print $2, but: $(head -c 400 <<<"$output")"
  fi
}
