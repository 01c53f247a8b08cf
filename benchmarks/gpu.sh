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
wheels=(trl datasets dill multiprocess hydra-core omegaconf pydantic pydantic_core annotated-types typing-inspection hjson filelock peft)
own=(bitsandbytes)   # without what it has for other versions of CUDA, five times its size
sources=(deepspeed antlr4-python3-runtime)   # published as source alone; pure Python once built

pinned() { grep -iE "^${1//_/[-_]}==" requirements.lock; }

prepare() {
  local folder="$1" python="${2:-3.12}" name
  mkdir -p "$folder/wheels"
  for name in "${wheels[@]}"; do
    python -m pip download -q --no-deps --only-binary=:all: --python-version "$python" --implementation cp \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
      -d "$folder/wheels" "$(pinned "$name")"
  done
  for name in "${sources[@]}"; do
    DS_BUILD_OPS=0 python -m pip wheel -q --no-deps --no-build-isolation -w "$folder/wheels" "$(pinned "$name")"
  done
  for name in "${own[@]}"; do
    python -m pip download -q --no-deps --only-binary=:all: --python-version "$python" --implementation cp \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_24_x86_64 -d "$folder/wheels" \
      "$(grep -iE "^$name==" requirements-dev.lock)"
    python - "$folder"/wheels/"$name"-*.whl <<'SLIM'
import os, re, sys, zipfile
path = sys.argv[1]
with zipfile.ZipFile(path) as whole, zipfile.ZipFile(f"{path}.part", "w", zipfile.ZIP_DEFLATED) as slim:
    for one in whole.infolist():
        if not re.search(r"_cuda(?!128|130)\d+\.so$", one.filename):
            slim.writestr(one, whole.read(one))
os.replace(f"{path}.part", path)
SLIM
  done
  python -m lingshu_train run quickstart "pipeline=[data,base]" "output=$folder/run"
  du -sh "$folder"/*
}

checks() {
  local folder="$1" out="$2"
  shift 2
  if compgen -G "$folder/wheels/*.whl" > /dev/null && ! python3 -c "import trl, deepspeed, datasets, hydra" 2> /dev/null; then
    local site
    site="$(mktemp -d)"
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$folder"/wheels/*.whl
    export PYTHONPATH="$PWD:$site"
  fi
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
