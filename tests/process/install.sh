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
share=$dir/staged/opt/rota/share
installed=$(cd "$dir/staged/opt/rota" && find . -type f ! -path './share/man/*' | LC_ALL=C sort)
expected=$(printf './%s\n' bin/rota bin/rota-scheduler bin/rota-worker share/bash-completion/completions/rota \
  share/fish/vendor_completions.d/rota.fish share/zsh/site-functions/_rota)
[ "$installed" = "$expected" ] || fail "this was installed: $installed"

# A page for each first word of a command, and for the programs.
[ -f "$share/man/man1/rota.1" ] || fail "there is no rota.1"
for word in $("$bin/rota" __complete -- '' | cut -f 1 | grep -vx help); do
  [ -f "$share/man/man1/rota-$word.1" ] || fail "there is no rota-$word.1"
done
for page in man8/rota-worker.8 man8/rota-scheduler.8 man7/rota-handler.7 man7/rota-keys.7; do
  [ -f "$share/man/$page" ] || fail "there is no $page"
done

version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
said=$(cd / && "$bin/rota" version) || fail "rota version ended with $?"
grep -qF -- "$version" <<<"$said" || fail "rota version says \"$said\", this is $version"

# No warning of those who read manual pages; groff's own is there where mandoc is not.
for page in "$share"/man/man*/*; do
  if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$page" >"$dir/lint" 2>&1 || fail "$(cat "$dir/lint")"
  elif command -v groff >/dev/null; then
    groff -k -Tutf8 -z -ww -mandoc "$page" >"$dir/lint" 2>&1 || fail "groff does not read $page"
    [ ! -s "$dir/lint" ] || fail "$page: $(cat "$dir/lint")"
  else
    echo "SKIPPED: neither mandoc nor groff is installed"
    break
  fi
done
said_page=$("$bin/rota" man worker --source)
[ "$said_page" = "$(cat "$share/man/man1/rota-worker.1")" ] || fail "rota man shows another page than was installed"
said_page=$("$bin/rota" man rota-worker --source)
[ "$said_page" = "$(cat "$share/man/man8/rota-worker.8")" ] || fail "rota man shows another page of a program"
status=0
"$bin/rota" man wroker 2>"$dir/refusal" || status=$?
[ $status -eq 66 ] || fail "an unknown page ends with $status"
grep -q 'did you mean "worker"' "$dir/refusal" || fail "an unknown page is refused with $(cat "$dir/refusal")"

[ $failures -eq 0 ] || exit 1
printf 'installed: %s\n' "$said"
