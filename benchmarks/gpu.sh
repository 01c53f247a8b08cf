#!/usr/bin/env bash
# The checks that wait for a GPU, in one call of under ten minutes: the quickstart on CUDA; stopped, killed and gone on, to the same
# bits; steps replayed bit for bit; a passing fault run again; what the guards cost; NCCL; then 3B and 7B shapes in packs of 8,192 tokens:
# speed, MFU, memory, the simulation's error, parity of layouts and attentions. Nothing of this has been run on a GPU yet: there is no
# figure to quote.
#
#   benchmarks/gpu.sh prepare FOLDER [PYTHON]   here: FOLDER/run (corpus and model of the quickstart), FOLDER/wheels for a machine
#                                               without a network that has torch and transformers for PYTHON (3.12), and these not
#   benchmarks/gpu.sh run FOLDER OUT            there: OUT/gpu.json, OUT/guards.json and OUT/gpu_shapes.json
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
  local ended=0
  # Minutes of the two together stay under ten.
  python3 benchmarks/gpu_shapes.py --out "$out/gpu_shapes.json" "${shapes[@]}" || ended=1
  python3 benchmarks/gpu.py "$folder/run" "$out" "$@" || ended=1
  return "$ended"
}

case "${1:-}" in
  prepare) prepare "${@:2}" ;;
  run) shapes=(--device cuda --minutes 3.5); checks "$2" "$3" --device cuda --minutes 5.5 "${@:4}" ;;
  dry) shapes=(--device cpu --small --minutes 30); checks "$2" "$3" --device cpu --small --minutes 30 "${@:4}" ;;
  *) sed -n '2,12p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
esac
