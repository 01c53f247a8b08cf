#!/usr/bin/env bash
# A real Slurm of two nodes on this machine, as root, over network/two_machines.sh.
# two_nodes.sh up FOLDER | on NODE COMMAND... | down FOLDER
# Debian 12: apt-get install --no-install-recommends slurm-wlm munge iproute2
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
machines="$here/../network/two_machines.sh"

on() {
  "$machines" on "$@"
}

up() {
  local folder=$1
  mkdir -p "$folder"/{ctld,log,spool-n1,spool-n2}
  install -d -o munge -g munge -m 755 /run/munge
  if ! pgrep -x munged > /dev/null; then
    runuser -u munge -- /usr/sbin/munged
    touch "$folder/munged"
  fi
  "$machines" down n 2> /dev/null  # what an earlier one left
  "$machines" up n 10.77.0
  sed "s|@|$folder|g" "$here/slurm.conf" > "$folder/slurm.conf"
  printf 'NodeName=n1 Name=gpu File=/dev/null\nNodeName=n2 Name=gpu File=/dev/zero\n' > "$folder/gres.conf"
  printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' > "$folder/cgroup.conf"
  export SLURM_CONF="$folder/slurm.conf"
  on n1 slurmctld
  sleep 1
  on n1 slurmd -N n1
  on n2 slurmd -N n2
  for _ in $(seq 30); do
    [ "$(on n1 timeout 8 sinfo -h -N -o %T | grep -c idle)" = 2 ] && return
    sleep 1
  done
  on n1 timeout 8 sinfo -N >&2
  return 1
}

down() {
  export SLURM_CONF="$1/slurm.conf"
  # A job of a test that has failed.
  on n1 timeout 10 scancel --full --signal=KILL --user="$(id -un)" || true
  on n1 timeout 10 scontrol shutdown || true
  sleep 1
  for n in 1 2; do
    [ -f "$1/slurmd-n$n.pid" ] && kill "$(cat "$1/slurmd-n$n.pid")" 2> /dev/null || true
  done
  [ -f "$1/munged" ] && pkill -x munged || true
  "$machines" down n
}

"$@"
