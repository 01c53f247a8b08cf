#!/usr/bin/env bash
# Every check: style, types, import layers, tests. Arguments go to pytest: ./launch/test.sh tests/data/order/test_order.py
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare requirements.lock requirements-dev.lock
export PATH="$PWD/$VENV/bin:$PATH" OMP_NUM_THREADS=1 HF_HUB_DISABLE_TELEMETRY=1 WANDB_MODE=disabled
ruff check .
ruff format --check .
mypy
lint-imports
# Otherwise each process that a test starts anew compiles the package.
unset PYTHONDONTWRITEBYTECODE
# A file's tests share what they set up. A quarter of their time is waiting, so there is a process more than there are cores; four
# take the memory that 24 GB leave.
workers=$(($(nproc) + 1))
exec pytest -n $((workers < 3 ? 3 : workers > 4 ? 4 : workers)) --dist loadfile --no-loadscope-reorder "$@"
