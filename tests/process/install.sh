#!/usr/bin/env bash
# `cmake --install` puts the three programs where they belong, and what was installed runs from there.
# install.sh BUILD_FOLDER
set -euo pipefail

build=$(realpath "$1")
dir=$(mktemp -d "${TMPDIR:-/tmp}/rota-install.XXXXXX")
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}

DESTDIR=$dir/staged cmake --install "$build" --prefix /opt/rota >"$dir/log" 2>&1 || fail "cmake --install: $(cat "$dir/log")"
bin=$dir/staged/opt/rota/bin
for program in rota rota-scheduler rota-worker; do
  [ -x "$bin/$program" ] || fail "$program is not installed"
done
installed=$(cd "$dir/staged" && find . -type f | LC_ALL=C sort)
[ "$installed" = "$(printf './opt/rota/bin/%s\n' rota rota-scheduler rota-worker)" ] || fail "this was installed: $installed"

version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
said=$(cd / && "$bin/rota" version) || fail "rota version ended with $?"
grep -qF -- "$version" <<<"$said" || fail "rota version says \"$said\", this is $version"

[ $failures -eq 0 ] || exit 1
printf 'installed: %s\n' "$said"
