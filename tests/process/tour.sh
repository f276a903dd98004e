#!/usr/bin/env bash
# The tour of a page (README.md, docs/CLI.md), as it stands there: `rota dev` in the background, then each marked block, which must end well and print a line
# that matches its mark. What `rota dev` started must be gone after Ctrl-C.
# tour.sh PAGE BIN_FOLDER
set -euo pipefail

page=$(realpath "$1")
bin=$(realpath "$2")
dir=$(mktemp -d "${TMPDIR:-/tmp}/rota-tour.XXXXXX")
export HOME=$dir PATH="$bin:$PATH" ROTA_REDIS_URL="unix://$dir/rota-tour/redis.sock"
failures=0
dev=0

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}

end() {
  [ $dev -eq 0 ] || kill -KILL "$dev" 2>/dev/null || true # and with it goes what it started
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap end EXIT

# block MARK: the text of the first block below the line "<!-- MARK -->"
block() {
  awk -v mark="<!-- $1 -->" '$0 == mark { getline; on = 1; next } on && /^```/ { exit } on' "$page"
}

marks() { sed -n 's/^<!-- run: \(.*\) -->$/\1/p' "$page"; }

# The text of the block number N that has a mark.
marked_block() {
  awk -v wanted="$1" '/^<!-- run: / { n++; getline; on = n == wanted; next } on && /^```/ { exit } on' "$page"
}

start_dev() {
  local deadline=$((SECONDS + 20)) command
  command=$(block background)
  [ -n "$command" ] || { fail "the page has no block for the background"; exit 1; }
  # What a script starts in the background ignores SIGINT, unless it is told otherwise.
  env --default-signal=INT,QUIT setpriv --pdeathsig KILL bash -c "exec $command" >"$dir/dev.log" 2>&1 &
  dev=$!
  until rota worker list 2>/dev/null | grep -q worker; do
    if [ $SECONDS -ge $deadline ] || ! kill -0 "$dev" 2>/dev/null; then
      fail "rota dev does not come up: $(cat "$dir/dev.log")"
      exit 1
    fi
    sleep 0.1
  done
}

run_blocks() {
  local regex text output status number=0
  while IFS= read -r regex; do
    number=$((number + 1))
    text=$(marked_block $number)
    status=0
    output=$(timeout 30 bash -c "$text" 2>&1) || status=$?
    if [ $status -ne 0 ] || ! grep -Eq -- "$regex" <<<"$output"; then
      fail "\"$text\" (status $status) does not print $regex, but: $(head -c 400 <<<"$output")"
    fi
  done < <(marks)
  [ $number -ge 10 ] || fail "only $number blocks were found"
  blocks=$number
}

# What still runs of what `rota dev` started: it names the folder.
left_over() {
  local file words
  for file in /proc/[0-9]*/cmdline; do
    words=$(tr '\0' ' ' 2>/dev/null <"$file") || continue
    [[ $words != *"$dir/rota-tour"* ]] || printf '%s\n' "$words"
  done
}

stop_dev() {
  local deadline=$((SECONDS + 30)) status=0
  kill -INT "$dev" 2>/dev/null || fail "rota dev is gone"
  while kill -0 "$dev" 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
  if kill -0 "$dev" 2>/dev/null; then
    fail "rota dev does not end: $(tail -n 5 "$dir/dev.log")"
    return
  fi
  wait "$dev" || status=$?
  dev=0
  [ $status -eq 0 ] || [ $status -eq 130 ] || fail "rota dev ended with $status: $(tail -n 5 "$dir/dev.log")"
  [ -z "$(left_over)" ] || fail "rota dev left processes: $(left_over)"
}

# Where a page says that all of its commands are run, none may be without a mark.
check_marks() {
  local without
  grep -q '^<!-- every block is run -->$' "$page" || return 0
  without=$(awk '/^```sh/ && last !~ /^<!-- (run: .*|background|setup) -->$/ { print NR } { last = $0 }' "$page")
  [ -z "$without" ] || fail "no mark stands above the blocks in lines $without"
}

check_marks
start_dev
run_blocks
stop_dev
[ $failures -eq 0 ] || exit 1
printf '%d blocks: as %s says\n' "$blocks" "$(basename "$page")"
