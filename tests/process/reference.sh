#!/usr/bin/env bash
# The reference in docs/CLI.md is what `rota man --markdown` prints.
# reference.sh check|write SOURCE_FOLDER BIN_FOLDER
set -euo pipefail

page=$(realpath "$2")/docs/CLI.md
rota=$(realpath "$3")/rota
begin='<!-- reference: written by ./dev docs -->'
new=$(mktemp "${TMPDIR:-/tmp}/rota-reference.XXXXXX")
trap 'rm -f "$new"' EXIT

grep -qxF -- "$begin" "$page" || { printf '%s has no line %s\n' "$page" "$begin" >&2; exit 1; }
{
  awk -v last="$begin" '{ print } $0 == last { exit }' "$page"
  printf '\n'
  "$rota" man --markdown
} >"$new"

if [ "$1" = write ]; then
  cat "$new" >"$page"
elif ! diff -u "$page" "$new" >&2; then
  printf 'The reference in docs/CLI.md is not that of this build. Write it: ./dev docs\n' >&2
  exit 1
fi
