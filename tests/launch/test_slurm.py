"""launch/slurm.sh on a real Slurm of two nodes: whatever ends a life of its job, the next goes on, to equal weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dealt_jobs
import pytest
import small_run

ROOT = Path(__file__).parents[2]
SLOW = ROOT / "tests" / "support" / "slow"
NODES = ROOT / "tests" / "support" / "slurm" / "two_nodes.sh"
SCRIPT = (ROOT / "launch" / "slurm.sh").read_text(encoding="utf-8")


def missing() -> str:
    """Why there can be no Slurm here; empty where there can."""
    if os.geteuid() != 0:
        return "a Slurm of two nodes needs root, for its network namespaces"
    absent = [name for name in ("slurmctld", "slurmd", "munged", "ip", "nsenter") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)} (Debian: slurm-wlm munge iproute2)" if absent else ""


SOON = "starttime=now+15"
"""Of a job that is queued again, sooner than the two minutes that Slurm leaves. At once would be too soon: a credential of the same
second as the one before counts as revoked with it, and the job as one that cannot start."""


def on(folder: Path, *words: str, seconds: float = 60, **variables: str) -> str:
    """The output of a command on the first node."""
    told = small_run.environment() | {"SLURM_CONF": str(folder / "slurm.conf"), "PYTHON": sys.executable}
    told |= variables
    command = [str(NODES), "on", "n1", *words]
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("slurm")
    said = folder / "up.txt"
    try:
        # What stays open would keep subprocess.run waiting for the daemons.
        with said.open("w") as out:
            command = [str(NODES), "up", str(folder)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=150)
        if done.returncode:
            pytest.skip(f"Slurm does not start here: {said.read_text()[-300:]}")
        yield folder
    except subprocess.TimeoutExpired:
        pytest.skip(f"Slurm does not start here within 150 s: {said.read_text()[-300:]}")
    finally:
        subprocess.run([str(NODES), "down", str(folder)], capture_output=True, timeout=60, check=False)


@pytest.mark.slow
def test_a_job_at_its_time_limit_and_one_whose_node_fails_is_queued_again_and_ends_with_equal_weights(
    slurm: Path, small: Path, tmp_path: Path
) -> None:
    run = small_run.begun(small, tmp_path / "run")
    said = tmp_path / "job.txt"

    def wait(happened: Callable[[], bool]) -> None:
        small_run.wait(happened, told)

    def told() -> str:
        """What the job said, and what Slurm says of it and of its nodes."""
        output = said.read_text() if said.exists() else "no output"
        log = (slurm / "log" / "ctld.log").read_text().splitlines()[-30:]
        return "\n".join([output, on(slurm, "scontrol", "show", "job"), on(slurm, "sinfo", "-R"), *log])

    def state() -> str:
        return on(slurm, "squeue", "-h", "-o", "%T")

    slow = tmp_path / "slow"
    slow.touch()
    slowly = {"PYTHONPATH": f"{SLOW}:{ROOT}", "LINGSHU_TEST_SLOW": str(slow)}
    # The signal is due three minutes before the end, so that a limit which is nearer is met within Slurm's next minute.
    options = ["--nodes=2", "--gpus-per-node=1", "--time=60", "--signal=B:TERM@180", f"--output={said}"]
    words = ["launch/slurm.sh", str(small_run.write(tmp_path)), f"output={run}"]
    job = on(slurm, "sbatch", "--parsable", f"--chdir={ROOT}", *options, *words, **slowly).strip()
    began = time.monotonic()
    wait(lambda: small_run.steps(run) >= 3)
    near = int((time.monotonic() - began) // 60) + 2
    on(slurm, "scontrol", "update", f"jobid={job}", f"timelimit={near}")
    wait(lambda: "PENDING" in state())
    assert "checkpoint written" in said.read_text()
    assert "Restarts=1" in on(slurm, "scontrol", "show", "job", job)

    saved = small_run.steps(run)
    on(slurm, "scontrol", "update", f"jobid={job}", "timelimit=60", SOON)
    wait(lambda: small_run.steps(run) >= saved + 2)
    on(slurm, "scontrol", "update", "nodename=n2", "state=down", "reason=test")
    wait(lambda: "PENDING" in state())
    assert "Restarts=2" in on(slurm, "scontrol", "show", "job", job)
    assert not any(run.glob("instruct-*/manifest.json")), "the case would show nothing"

    slow.unlink()
    # A node that answers may have come back by itself, which makes the word of an operator a mistake.
    on(slurm, "bash", "-c", "scontrol update nodename=n2 state=resume || true")
    wait(lambda: on(slurm, "sinfo", "-h", "-N", "-o", "%T").count("idle") == 2)
    on(slurm, "scontrol", "update", f"jobid={job}", SOON)
    wait(lambda: not state().strip())
    assert "COMPLETED" in on(slurm, "scontrol", "show", "job", job), said.read_text()
    assert small_run.weights(run) == small_run.weights(small)
    assert said.read_text().count("instruct: sft on 2") == 3, "each life goes on with the same file"


@pytest.mark.slow
def test_srun_alone_starts_the_ranks(slurm: Path, small: Path, tmp_path: Path) -> None:
    run = small_run.begun(small, tmp_path / "run")
    words = [sys.executable, "-m", "lingshu_train", str(small_run.write(tmp_path)), f"output={run}"]
    on(slurm, "srun", "--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=1", *words, seconds=300)
    assert small_run.weights(run) == small_run.weights(small)


DEALT = """
import json, sys
from pathlib import Path
import dealt_jobs
from lingshu_train.curate import _work
from lingshu_train.data.corpus import shared
from lingshu_train.executors import slurm
shared.CHUNKS, _work.PICTURES, _work.ROWS, slurm.POLL = 1, 24, 70, 1.0
options = {"executor": "slurm", "tasks": 4, "submit": {"memory_gb": 1, "time": "10"}}
print(json.dumps(dealt_jobs.run(Path(sys.argv[1]), Path(sys.argv[2]), **(options if sys.argv[3:] else {}))))
"""
"""Preparing and curating a small card, through Slurm where a third word is given."""


@pytest.mark.slow
def test_the_tasks_of_an_array_prepare_and_curate_to_the_same_bytes(slurm: Path, tmp_path: Path) -> None:
    pytest.importorskip("datatrove", reason="the extra `cluster` is not installed")
    dealt_jobs.write_card(tmp_path)
    paths = {"PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT}"}

    def run(name: str, *words: str) -> dict[str, str]:
        program = [sys.executable, "-c", DEALT, str(tmp_path), str(tmp_path / name), *words]
        found: dict[str, str] = json.loads(on(slurm, *program, seconds=600, **paths).splitlines()[-1])
        return found

    assert run("array", "through Slurm") == run("alone")
    done = (slurm / "log" / "jobcomp.txt").read_text().splitlines()
    for title in ("chunks", "pictures", "rows"):
        nodes = {word for line in done if f"Name=lingshu-{title} " in line for word in line.split()}
        assert {"NodeList=n1", "NodeList=n2"} <= nodes, "the case would show nothing"


def test_the_script_keeps_its_promises() -> None:
    assert "#SBATCH --signal=B:TERM@660" in SCRIPT, "ten minutes of grace, and one for Slurm's clock"
    for promise in ("--requeue", "--open-mode=append", "scontrol requeue", "lingshu_train.running.machines"):
        assert promise in SCRIPT
    for fault in (":29500", "srun torchrun", "exec torchrun"):
        assert fault not in SCRIPT
    assert subprocess.run(["bash", "-n", ROOT / "launch" / "slurm.sh"], check=False).returncode == 0
