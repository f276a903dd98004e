#!/usr/bin/env bash
# Due times against oracles in Python. Skipped, and says so, where these are not installed.
# due_times.sh SCRIPT PROGRAM
set -euo pipefail

for python in /usr/bin/python3 python3; do
  if "$python" -c 'import croniter, dateutil, zoneinfo' 2>/dev/null; then
    exec "$python" "$1" "$2"
  fi
done
echo "skipped: comparing due times needs python3-croniter and python3-dateutil, which are not here" >&2
exit 77
