"""launch/slurm.sh without a Slurm: whatever the moment at which the step ends, its exit code is what counts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "launch" / "slurm.sh"
WORDS = {
    "srun": 'echo $$ > "$HERE/step"; trap "exit $CODE" TERM; while :; do sleep 0.05; done',
    # The step ends before this returns.
    "scancel": 'kill -TERM "$(cat "$HERE/step")"; sleep 0.7',
    "scontrol": 'echo "$1" >> "$HERE/asked"; [ "$1" = show ] && echo n1',
}


@pytest.mark.parametrize(("code", "queued"), [(75, True), (65, False), (0, False)])
def test_a_step_that_ends_while_the_signal_is_passed_on_ends_with_its_own_code(
    code: int, queued: bool, tmp_path: Path
) -> None:
    for name, words in WORDS.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{words}\n")
        (tmp_path / name).chmod(0o755)
    told = {
        "HERE": str(tmp_path),
        "CODE": str(code),
        "PYTHON": "true",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    told |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1", "SLURM_NNODES": "1"}
    job = subprocess.Popen(
        ["bash", str(SCRIPT), "recipe"], env={**os.environ, **told}, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    # The step says its number before it listens.
    while not (tmp_path / "step").exists() or not (tmp_path / "step").read_text().strip():
        assert time.monotonic() < until, "the step did not start"
        time.sleep(0.05)
    time.sleep(0.5)
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert job.returncode == code
    assert ("requeue" in (tmp_path / "asked").read_text().split()) is queued
