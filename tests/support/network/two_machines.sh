#!/usr/bin/env bash
# Two machines on one, as root: network namespaces NAME1 and NAME2 joined by a cable of the kernel's, each with its own host name
# and /etc/hosts. Their addresses are NET.1 and NET.2.
# two_machines.sh up NAME NET | on MACHINE COMMAND... | cut NAME NET | down NAME
set -euo pipefail

up() {
  local name=$1 net=$2
  ip link add "ve${name}1" type veth peer name "ve${name}2"
  for n in 1 2; do
    ip netns add "$name$n"
    mkdir -p "/etc/netns/$name$n"
    printf '127.0.0.1 localhost\n%s.1 %s1\n%s.2 %s2\n' "$net" "$name" "$net" "$name" > "/etc/netns/$name$n/hosts"
    ip link set "ve$name$n" netns "$name$n"
    ip -n "$name$n" link set lo up
    ip -n "$name$n" addr add "$net.$n/24" dev "ve$name$n"
    ip -n "$name$n" link set "ve$name$n" up
  done
}

on() {  # `ip netns exec` would mount /sys anew without cgroups, and slurmd would end
  local machine=$1
  shift
  exec nsenter --net="/run/netns/$machine" unshare --uts --mount bash -c \
    "hostname $machine; mount --bind /etc/netns/$machine/hosts /etc/hosts; exec \"\$@\"" _ "$@"
}

cut() {  # Nobody hears of it: frames go to a station that is not there, and connections stay half open.
  local name=$1 net=$2
  ip -n "${name}1" neigh replace "$net.2" lladdr 02:00:00:00:00:99 dev "ve${name}1" nud permanent
  ip -n "${name}2" neigh replace "$net.1" lladdr 02:00:00:00:00:99 dev "ve${name}2" nud permanent
}

down() {
  for n in 1 2; do
    ip netns delete "$1$n" || true
    rm -rf "/etc/netns/$1$n"
  done
}

"$@"
