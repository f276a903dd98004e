#!/usr/bin/env bash
# Elsewhere than on Debian each command of ./dev that needs packages names them and stops, even where the tools are there.
# elsewhere.sh SOURCE_FOLDER
set -euo pipefail

dev=$(realpath "$1")/dev
dir=$(mktemp -d "${TMPDIR:-/tmp}/rota-elsewhere.XXXXXX")
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# A machine of another kind: a shell and what ./dev uses before it builds. A tool that builds or tests leaves a trace.
mkdir "$dir/bin"
for tool in bash env dirname cat nproc id git xargs; do
  ln -s "$(command -v $tool)" "$dir/bin/$tool"
done
for tool in cmake ninja ctest redis-server clang-format-19 gcovr; do
  printf '#!/bin/sh\necho %s >>"%s/ran"\n' "$tool" "$dir" >"$dir/bin/$tool"
  chmod +x "$dir/bin/$tool"
done

# stops WORD COMMAND [ARGUMENT]: with 69, naming the package WORD, before any tool has run
stops() {
  local word=$1 status=0 output
  shift
  output=$(PATH=$dir/bin "$dev" "$@" 2>&1) || status=$?
  [ $status -eq 69 ] || fail "./dev $* ended with $status, not 69: $output"
  grep -qw -- "$word" <<<"$output" || fail "./dev $* does not name $word: $output"
  grep -q 'cmake --preset release' <<<"$output" || fail "./dev $* does not name the presets: $output"
  [ ! -e "$dir/ran" ] || fail "./dev $* ran $(cat "$dir/ran")"
  rm -f "$dir/ran"
}

for command in build demo test bench faults property; do stops libhiredis-dev $command; done
for command in check lint format; do stops clang-format-19 $command; done
stops gcovr coverage
[ "$(PATH=$dir/bin "$dev" help | head -c 10)" = "./dev demo" ] || fail "./dev help does not help"

# The same with only one half of Debian's tools.
printf '#!/bin/sh\necho installed\n' >"$dir/bin/dpkg-query"
chmod +x "$dir/bin/dpkg-query"
stops libhiredis-dev build

[ $failures -eq 0 ] || exit 1
printf 'it stops, and says what it needs\n'
