"""Two ranks started by another program than ours, each as its users would: weights equal to those of `lingshu run`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import small_run
import started_there

from lingshu_train.running import launchers

pytestmark = pytest.mark.slow

MODULE = (sys.executable, "-m", started_there.NAME)


def started(run: Path, launcher: Sequence[str], **variables: str) -> subprocess.Popen[str]:
    """The recipe on one of two ranks, or on both where the launcher starts them."""
    return subprocess.Popen(
        [*launcher, "-m", "lingshu_train", str(small_run.write(run.parent)), f"output={run}"],
        env={**small_run.environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(*processes: subprocess.Popen[str]) -> str:
    said = "".join(process.communicate(timeout=900)[0] for process in processes)
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said


def test_torchrun_and_what_it_cannot_do_is_told_at_the_start(small: Path, tmp_path: Path) -> None:
    run = small_run.begun(small, tmp_path / "run")
    command = (*MODULE, "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    process = started(run, command)
    small_run.wait(lambda: small_run.steps(run) >= 3, lambda: str(process.poll()))
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1, "torchrun's, whatever its ranks said"
    assert "torchrun ends with 1" in said
    assert "it kills its ranks 30 s after a request to stop" in said
    assert "checkpoint written" in said
    assert '"exit_code": 75' in next(run.glob("instruct-*/error.json")).read_text()
    said = finished(started(run, command, TORCH_ELASTIC_SHUTDOWN_TIMEOUT="660"))
    assert "torchrun ends with 1" in said
    assert "kills its ranks" not in said
    assert small_run.weights(run) == small_run.weights(small)


def test_accelerate_where_it_starts_one_process_a_rank(small: Path, tmp_path: Path) -> None:
    run = small_run.begun(small, tmp_path / "run")
    asked = (
        "--multi_gpu",
        "--num_processes=2",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
    )
    process = started(run, (*MODULE, "accelerate.commands.launch", *asked))
    finished(process)
    assert small_run.weights(run) == small_run.weights(small)


def test_accelerate_where_it_starts_one_process_for_all_is_refused(tmp_path: Path) -> None:
    asked = ("--cpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no")
    process = started(tmp_path / "run", (*MODULE, "accelerate.commands.launch", *asked))
    said = process.communicate(timeout=120)[0]
    assert process.returncode != 0
    assert "accelerate was asked for several processes and started one" in said
    assert not (tmp_path / "run").exists()


def test_mpirun(small: Path, tmp_path: Path) -> None:
    if not shutil.which("mpirun"):
        pytest.skip("no mpirun here (Debian: openmpi-bin)")
    run = small_run.begun(small, tmp_path / "run")
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    asked = ("mpirun", *root, "--oversubscribe", "--bind-to", "none", "-np", "2")
    finished(started(run, (*asked, sys.executable)))
    assert small_run.weights(run) == small_run.weights(small)


def test_the_variables_of_a_pytorch_job(small: Path, tmp_path: Path) -> None:
    """One process a pod; what is told of the port is the operator's, and nobody binds it twice."""
    run = small_run.begun(small, tmp_path / "run")
    place = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(launchers.port(str(os.getpid()))),
        "WORLD_SIZE": "2",
    }
    operator = {**place, "PET_NNODES": "2", "PET_NPROC_PER_NODE": "auto"}
    finished(*(started(run, (sys.executable,), **operator, RANK=rank) for rank in ("0", "1")))
    assert small_run.weights(run) == small_run.weights(small)
