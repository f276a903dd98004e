#!/usr/bin/env bash
# docs/ACCEPTANCE.md: each case has one row, each test that it names exists and is run, each test that bears the name of a case is
# in its row, and a row without a test says so.
# acceptance.sh SOURCE_FOLDER
set -euo pipefail
cd "$1"
page=docs/ACCEPTANCE.md
failures=0

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}

cases() {
  for i in {1..14}; do echo "AP-$i"; done
  for i in {1..19}; do echo "GA-$i"; done
  for i in {1..15}; do echo "PB-$i"; done
}

# The tests of a row: its last cell, where a suite stands before its functions.
# shellcheck disable=SC2016 # backticks of Markdown
tests_of() {
  awk -F '|' -v row="$1" '$2 == " " row " " { cell = $4
    while (match(cell, /`[a-z]+\.[a-z_]+`|`[A-Za-z0-9_]*__*[A-Za-z0-9_]*`/)) {
      word = substr(cell, RSTART + 1, RLENGTH - 2); cell = substr(cell, RSTART + RLENGTH)
      if (word ~ /\./) suite = word; else print suite, word } }' "$page"
}

named=0
while read -r case; do
  rows=$(grep -c "^| $case |" "$page" || true)
  [ "$rows" = 1 ] || fail "$case has $rows rows"
  found=$(tests_of "$case")
  if [ -z "$found" ]; then
    grep "^| $case |" "$page" | grep -qi 'not there yet' || fail "$case has neither a test nor a word about that"
    continue
  fi
  while read -r suite name; do
    named=$((named + 1))
    file=tests/${suite/./\/}.c
    [ -f "$file" ] || file=${file%.c}.sh
    # Defined, and in the table of its suite; in a script, called.
    places=$(grep -cw "$name" "$file" || true)
    [ "${places:-0}" -ge 2 ] || fail "$case names $suite $name, which is not in $file"
  done <<<"$found"
done < <(cases)

while IFS=: read -r file name; do
  case=$(sed -E 's/^([A-Z]+)_([0-9]+)_.*/\1-\2/' <<<"$name")
  suite=${file#tests/}
  suite=${suite%.c}
  tests_of "$case" | grep -qx "${suite/\//.} $name" || fail "$page does not name $name of $file in the row of $case"
done < <(grep -roE --include='*.c' '^(static )?void (AP|GA|PB)_[0-9]+_[a-z0-9_]+' tests | sed -E 's/:(static )?void /:/')

[ "$named" -ge 55 ] || fail "only $named tests were found"
[ $failures -eq 0 ] || exit 1
printf '%d cases, %d tests: as %s says\n' "$(cases | wc -l)" "$named" "$page"
