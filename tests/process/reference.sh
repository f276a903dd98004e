#!/usr/bin/env bash
# The reference in docs/CLI.md is what `rota man --markdown` prints.
# reference.sh check|write SOURCE_FOLDER BIN_FOLDER
set -euo pipefail

page=$(realpath "$2")/docs/CLI.md
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" reference "$3"
begin='<!-- reference: written by ./dev docs -->'
new=$dir/new

grep -qxF -- "$begin" "$page" || die "$page has no line $begin"
{
  awk -v last="$begin" '{ print } $0 == last { exit }' "$page"
  printf '\n'
  rota man --markdown
} >"$new"

if [ "$1" = write ]; then
  cat "$new" >"$page"
elif ! diff -u "$page" "$new" >&2; then
  die "the reference in docs/CLI.md is not that of this build. Write it: ./dev docs"
fi
