#!/usr/bin/env bash
# docs/ARCHITECTURE.md against the source: its tables of files name every module, and nothing that is not there; and nobody
# includes whom that page says that he does not.
# layers.sh SOURCE_FOLDER
set -euo pipefail
shopt -s nullglob
cd "$1"
page=docs/ARCHITECTURE.md
failures=0

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# The files and modules that the tables name, each with its folder. It is that of the heading or of the table's head, unless
# a name brings one, which then holds for the rest of its row.
# shellcheck disable=SC2016 # backticks of Markdown
named() {
  awk '/^## / { folder = $2; gsub(/[`\/,]/, "", folder); wanted = folder ~ /^(lua|common|worker)$/ }
       wanted && /in `lib\/`/ { folder = "lua/lib"; next }
       wanted && /^\| `/ { split($0, cell, "|")
                           at = folder
                           while (match(cell[2], /`[^`]+`/)) {
                             name = substr(cell[2], RSTART + 1, RLENGTH - 2)
                             cell[2] = substr(cell[2], RSTART + RLENGTH)
                             if (name ~ /[^\/]\/./) { at = name; sub(/\/.*/, "", at); sub(/^[^\/]*\//, "", name) }
                             print at "/" name } }' "$page" | LC_ALL=C sort
}

there() {
  local file
  for file in lua/*.lua lua/lib/*.lua; do printf '%s\n' "$file"; done
  for file in {common,worker,scheduler,cli}/*.[ch]; do printf '%s\n' "${file%.[ch]}"; done
  for file in {common,worker,scheduler,cli}/*/; do printf '%s\n' "$file"; done
}

# only PATTERN FOLDERS FILE...: only these files of the folders include what matches
only() {
  local folders found
  read -ra folders <<<"$2"
  found=$(grep -lEr --include='*.[ch]' "^#include [\"<]$1" "${folders[@]}" | LC_ALL=C sort | tr '\n' ' ' || true)
  [ "$found" = "${*:3}${3:+ }" ] || fail "$1 is included by $found, not by ${*:3}"
}

twice=$(named | uniq -d)
[ -z "$twice" ] || fail "$page names these twice: $twice"
missing=$(LC_ALL=C comm -13 <(named | uniq) <(there | LC_ALL=C sort -u))
[ -z "$missing" ] || fail "$page does not name: $missing"
gone=$(LC_ALL=C comm -23 <(named | uniq) <(there | LC_ALL=C sort -u))
[ -z "$gone" ] || fail "$page names what is not there: $gone"
[ "$(named | wc -l)" -ge 150 ] || fail "only $(named | wc -l) names were found"

only '(worker|scheduler|cli|tests|bench)/' common
only '(scheduler|cli|tests|bench)/' worker
only '(worker|cli|tests|bench)/' scheduler
only '(worker|scheduler|tests|bench)/' cli
only hiredis/ 'common worker scheduler cli' common/redis_link.c common/redis_tls.c common/reply.c
only msgpack 'common worker scheduler cli' common/job.c
[ $failures -eq 0 ] || exit 1
printf '%d files and modules: as %s says\n' "$(named | wc -l)" "$page"
