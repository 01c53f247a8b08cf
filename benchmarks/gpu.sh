#!/usr/bin/env bash
# The checks that wait for a GPU, in one call of under ten minutes: the quickstart on CUDA; stopped, killed and gone on, to the same
# bits; steps replayed bit for bit; a passing fault run again; what the guards cost; NCCL. Nothing of this has been run on a GPU yet:
# there is no figure to quote.
#
#   benchmarks/gpu.sh prepare FOLDER [PYTHON]   here: FOLDER/run (corpus and model of the quickstart), FOLDER/wheels for a machine
#                                               without a network that has torch and transformers for PYTHON (3.12), and these not
#   benchmarks/gpu.sh run FOLDER OUT            there: OUT/gpu.json and OUT/guards.json
#   benchmarks/gpu.sh dry FOLDER OUT            the same steps on a CPU, with a few steps a stage
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
source benchmarks/gpu_wheels.sh

prepare() {
  fetch_wheels "$@"
  python -m lingshu_train run quickstart "pipeline=[data,base]" "output=$1/run"
  du -sh "$1"/*
}

checks() {
  local folder="$1" out="$2"
  shift 2
  use_wheels "$folder"
  python3 benchmarks/gpu.py "$folder/run" "$out" "$@"
}

case "${1:-}" in
  prepare) prepare "${@:2}" ;;
  run) checks "$2" "$3" --device cuda "${@:4}" ;;
  dry) checks "$2" "$3" --device cpu --small --minutes 30 "${@:4}" ;;
  *) sed -n '2,11p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
esac
