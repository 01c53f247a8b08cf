# Sourced by gpu.sh and gpu_grpo.sh: packages for a machine without a network that has torch and transformers, and these not.
wheels=(trl datasets dill multiprocess hydra-core omegaconf pydantic pydantic_core annotated-types typing-inspection hjson filelock peft)
slimmed=(bitsandbytes)   # without what it has for other versions of CUDA, five times its size
sources=(deepspeed antlr4-python3-runtime)   # published as source alone; pure Python once built

pinned() { grep -iE "^${1//_/[-_]}==" requirements.lock; }

# fetch_wheels FOLDER [PYTHON]
fetch_wheels() {
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
  for name in "${slimmed[@]}"; do
    python -m pip download -q --no-deps --only-binary=:all: --python-version "$python" --implementation cp \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_24_x86_64 -d "$folder/wheels" \
      "$(grep -iE "^$name==" requirements-dev.lock)"
    python - "$folder"/wheels/"$name"-*.whl <<'SLIM'
import os, re, sys, zipfile
path = sys.argv[1]
with zipfile.ZipFile(path) as whole, zipfile.ZipFile(f"{path}.part", "w", zipfile.ZIP_DEFLATED) as slim:
    for one in whole.infolist():
        if not re.search(r"_(cuda(?!128|130)|rocm|xpu)\d+\.so$", one.filename):
            slim.writestr(one, whole.read(one))
os.replace(f"{path}.part", path)
SLIM
  done
}

# use_wheels FOLDER: nothing where they are installed
use_wheels() {
  if compgen -G "$1/wheels/*.whl" > /dev/null && ! python3 -c "import trl, deepspeed, datasets, hydra" 2> /dev/null; then
    local site
    site="$(mktemp -d)"
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$1"/wheels/*.whl
    export PYTHONPATH="$PWD:$site"
  fi
}
