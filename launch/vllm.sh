#!/usr/bin/env bash
# The environment of the engine vllm, in .venv-vllm: a second one, since vLLM wants other versions than training does. Nothing
# in ours imports it; its servers are processes of their own. Run again, it finds everything done. Usage:
#   ./launch/vllm.sh [cpu|cuda]     which build; by itself the one that this machine can use
# VENV_VLLM names another folder (then LINGSHU_VLLM=FOLDER/bin/python says so to `lingshu run`), PYTHON another interpreter.
VENV="${VENV_VLLM:-.venv-vllm}"
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

variant="${1:-$([ -e /dev/nvidiactl ] && echo cuda || echo cpu)}"
lock="requirements-vllm-$variant.lock"
[ -f "$lock" ] || { echo "lingshu: $variant: no such build of the engine; cpu and cuda are there" >&2; exit 64; }
wanted="$(sha256sum "$lock" | cut -d' ' -f1)"
if [ -f "$VENV/.installed" ] && [ "$(cat "$VENV/.installed")" = "$wanted" ]; then
  echo "lingshu: $VENV has vLLM already, as $lock says" >&2
  exit 0
fi
free="$(df -Pk "$(dirname "$VENV")" | awk 'NR == 2 {print int($4 / 1048576)}')"
echo "lingshu: installs $(grep -c '==' "$lock") locked packages into $VENV, once: 6 GB for $variant; minutes, by the network." \
  "$free GB are free here." >&2
[ -x "$VENV/bin/python" ] || "${PYTHON:-python3}" -m venv "$VENV"
# The list is complete, and what it leaves out on purpose is not asked for again.
pip_install --no-deps -r "$lock"
"$VENV/bin/python" -I -c 'import vllm; print("lingshu: vllm", vllm.__version__, "is there")' 2> /dev/null ||
  { echo "lingshu: vLLM is installed in $VENV and cannot be imported there" >&2; exit 70; }
echo "$wanted" > "$VENV/.installed"
