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
  announce "$@"
  # torch brings CUDA packages of its own into the first; the others are complete and are taken as they stand.
  pip_install -r "$1"
  for lock in "${@:2}"; do
    pip_install --no-deps -r "$lock"
  done
  pip_install --no-deps --no-build-isolation -e .
  echo "lingshu: installed, $(du -sh "$VENV" | cut -f1) in $VENV" >&2
  echo "$wanted" >> "$stamp"
}

announce() {  # announce LOCK...: what will be installed, and whether there is room for it
  local packages free
  packages="$(cat "$@" | grep -c '==')"
  free="$(df -Pk "$(dirname "$VENV")" | awk 'NR == 2 {print int($4 / 1048576)}')"
  echo "lingshu: installs $packages locked packages into $VENV, once: 2.5 GB of disk, 6 GB with a CUDA build of torch;" \
    "minutes, by the network. $free GB are free here." >&2
  if [ "$free" -lt 5 ]; then echo "lingshu: that is little; VENV=/other/folder/.venv puts it elsewhere" >&2; fi
}

pip_install() {  # pip_install ARGUMENT...: pip, of whose output the larger downloads are shown, each as it begins
  DS_BUILD_OPS=0 "$VENV/bin/python" -m pip install --disable-pip-version-check --progress-bar off "$@" |
    sed -un -e 's/^ *Downloading \(.*[0-9] [MG]B)\).*/  \1/p' -e 's/^ *Using cached \(.*[0-9] [MG]B)\).*/  \1, kept from before/p' \
      -e 's/^Installing collected packages: .*/  all here, unpacking/p' >&2
}
