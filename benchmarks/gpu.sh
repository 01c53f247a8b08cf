#!/usr/bin/env bash
# The checks that wait for a GPU, in one go: the quickstart on CUDA, and whether a killed and resumed run on CUDA ends
# with the bits of an uninterrupted one. Run it in a prepared environment; results go to the folder given (default
# benchmarks/results/gpu). Nothing of this has been run yet: there is no figure to quote.
set -euo pipefail
out="${1:-benchmarks/results/gpu}"
mkdir -p "$out"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
nvidia-smi --query-gpu=name,driver_version --format=csv > "$out/device.csv"

python -m lingshu_train quickstart cluster.device=cuda output=runs/gpu 2>&1 | tee "$out/quickstart.log"
python benchmarks/quickstart_seeds.py --read runs/gpu --out "$out/quickstart.json"

# Straight, then killed at a third and gone on: compare the final weights.
python -m lingshu_train quickstart cluster.device=cuda output=runs/gpu-killed &
pid=$!
until [ "$(cat runs/gpu-killed/rl-*/ledger.jsonl 2>/dev/null | wc -l)" -ge 31 ]; do sleep 0.2; done
pkill -9 -P "$pid" || true
kill -9 "$pid" || true
python -m lingshu_train quickstart cluster.device=cuda output=runs/gpu-killed
sha256sum runs/gpu/rl-*/model/*.safetensors runs/gpu-killed/rl-*/model/*.safetensors | tee "$out/weights.sha256"
