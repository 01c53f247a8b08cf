"""The process beside a run that keeps its report up to date. It reads only; one that fails costs a line, never the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lingshu_train import environment
from lingshu_train.running.followers import Say

WAIT_S = 10.0
"""How long a page that is being written may take to be finished once the run has ended."""


@contextmanager
def beside(run_folder: Path, say: Say) -> Iterator[None]:
    """Rewrite report.html at each checkpoint while the block runs."""
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "lingshu_train.report.live", str(run_folder)],
                env=environment.inherited(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                # Not of the launcher's group: a Ctrl-C is the run's.
                start_new_session=True,
            )
        except OSError as refusal:
            say(f"lingshu: the report is not kept up to date meanwhile: {refusal}")
            yield
            return
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                code = process.wait(timeout=WAIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            if code:
                complaints.seek(0)
                last = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
                say(f"lingshu: the report was not kept up to date: {last or f'ended with exit code {code}'}")
