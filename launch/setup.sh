# Sourced by the other scripts: a virtual environment in .venv with exactly the locked packages. Costs nothing when
# nothing has changed. VENV names another folder, PYTHON another interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV="${VENV:-.venv}"

prepare() {  # prepare LOCK...: install these lock files, unless this very set is installed already
  local wanted stamp="$VENV/.installed"
  wanted="$(cat "$@" pyproject.toml | sha256sum | cut -d' ' -f1)"
  if [ -f "$stamp" ] && grep -qx "$wanted" "$stamp"; then return; fi
  [ -x "$VENV/bin/python" ] || "${PYTHON:-python3}" -m venv "$VENV"
  "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "lingshu: Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 66; }
  echo "installing locked packages into $VENV (once)" >&2
  # torch brings CUDA packages of its own into the first; the others are complete and are taken as they stand.
  DS_BUILD_OPS=0 "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" >&2
  for lock in "${@:2}"; do
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$lock" >&2
  done
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . >&2
  echo "$wanted" >> "$stamp"
}
