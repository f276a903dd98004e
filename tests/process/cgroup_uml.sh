#!/bin/sh
# The tests of control groups under User Mode Linux: a kernel as a process, with the controllers of version 2, on the files of this
# machine (which it can only read). The Debian package is user-mode-linux.
# Usage: cgroup_uml.sh TEST_PROGRAM

# The first process there.
if [ $$ = 1 ]; then
  export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
  mount -t proc proc /proc
  mount -t tmpfs tmp /tmp
  mount -t sysfs sys /sys
  mount -t cgroup2 cgroup /sys/fs/cgroup
  echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
  cd /tmp || exit
  HOME=/tmp "$ROTA_TEST"
  echo "exit status $?"
  echo o >/proc/sysrq-trigger # power off
  exec sleep 60
fi

if ! kernel=$(command -v linux.uml); then
  echo "SKIPPED, there is no User Mode Linux: limits of memory are not tested here"
  exit 77
fi
test=$(realpath "$1") self=$(realpath "$0") log=$(mktemp)
trap 'rm -f "$log"' EXIT
timeout -k 5 150 "$kernel" mem=1G rootfstype=hostfs rootflags=/ ro quiet con=null con0=null,fd:1 "init=$self" "ROTA_TEST=$test" <&- >"$log" 2>&1
cat "$log"
if grep -q SKIPPED "$log"; then
  echo "FAILED: with all controllers nothing should be skipped"
  exit 1
fi
grep -q '^exit status 0' "$log"
