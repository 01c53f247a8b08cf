#!/usr/bin/env bash
# GRPO of a model with the shape of Qwen2.5-VL-3B and random weights on one GPU, in one call of under ten minutes: tokens a second, where
# a step's time goes, how far engine and trainer lie apart, what giving weights and sleeping cost; each engine and way of weights.
# Nothing of this has been run on a GPU yet: there is no figure to quote.
#
#   benchmarks/gpu_grpo.sh prepare FOLDER [PYTHON]   here: FOLDER/wheels for a machine without a network that has torch and transformers
#                                                    for PYTHON (3.12), and these not; 10 MB. Rows and model are made there
#   benchmarks/gpu_grpo.sh run FOLDER OUT            there: OUT/gpu_grpo.json. vLLM for CUDA is too large for wheels that are carried (its
#                                                    own is 0.4 GB, with what it needs 6): where neither .venv-vllm (launch/vllm.sh cuda)
#                                                    nor LINGSHU_VLLM has it, engine transformers is measured and the file says that the
#                                                    others wait
#   benchmarks/gpu_grpo.sh dry FOLDER OUT            the same on a CPU with a tiny shape: that the script is whole; no figure of it counts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# The engine's environment lies in the checkout, whichever Python trains.
if [[ -x .venv-vllm/bin/python ]]; then export LINGSHU_VLLM="${LINGSHU_VLLM:-$PWD/.venv-vllm/bin/python}"; fi
source benchmarks/gpu_wheels.sh

measure() {
  use_wheels "$1"
  python3 benchmarks/gpu_grpo.py "$@"
}

case "${1:-}" in
  prepare) fetch_wheels "${@:2}" && du -sh "$2/wheels" ;;
  run) measure "$2" "$3" --device cuda "${@:4}" ;;
  dry) measure "$2" "$3" --device cpu --minutes 60 "${@:4}" ;;
  *) sed -n '2,15p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
esac
