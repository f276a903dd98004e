#!/usr/bin/env bash
# The tour of a page (README.md, docs/CLI.md, docs/SCHEDULES.md), as it stands there: `rota dev` in the background, if the page has
# it, then each marked block, which must end well and print a line that matches its mark. What `rota dev` started must be gone
# after Ctrl-C.
# tour.sh PAGE BIN_FOLDER
set -euo pipefail

page=$(realpath "$1")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" tour "$2"
export ROTA_REDIS_URL="unix://$dir/rota-tour/redis.sock"

start_dev() {
  start dev bash -c "exec $1"
  dev=$started
  wait_for worker rota worker list
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
  local status=0
  stop "$dev" INT || status=$?
  [ $status -eq 0 ] || [ $status -eq 130 ] || fail "rota dev ended with $status: $(tail -n 5 "$dir/dev.log")"
  [ -z "$(left_over)" ] || fail "rota dev left processes: $(left_over)"
}

read_page "$page"
dev=0
blocks=0
for i in "${!block_text[@]}"; do
  case ${block_mark[i]} in
  background) start_dev "${block_text[i]}" ;;
  'run: '*)
    [ "$dev" != 0 ] || ! grep -q 'rota dev' "$page" || die "the page has no block for the background"
    run_block "${block_text[i]}" "${block_mark[i]#run: }"
    blocks=$((blocks + 1))
    ;;
  setup) ;;
  *) # Where a page says that all of its commands are run, none may be without a mark.
    [ "${block_language[i]}" != sh ] || ! grep -q '^<!-- every block is run -->$' "$page" ||
      fail "no mark stands above the block in line ${block_line[i]}"
    ;;
  esac
done
[ "$dev" = 0 ] || stop_dev
[ $blocks -ge 10 ] || fail "only $blocks blocks were found"
verdict "$blocks blocks: as $(basename "$page") says"
