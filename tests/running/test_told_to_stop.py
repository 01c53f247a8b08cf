"""Told to stop or broken, wherever it is: real stages of two processes end with the right code, one line, and a checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import started_there
import tiny

from lingshu_train.running import launch
from lingshu_train.running.faults import reported
from lingshu_train.runs import checkpoint, manifest
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

SLOW = """
import time
def score(sample, completion, params):
    time.sleep(0.15)
    return float(len(completion.text) % 3)
"""


def two(base: Path, root: Path, config: dict[str, Any], **cluster: object) -> Stage:
    parents = {name: base / name for name in ("data", "short", "base", "warm")}
    made = tiny.make_stage(root, config["kind"], config, parents=parents, world_size=2)
    return made.model_copy(update={"cluster": made.cluster.model_copy(update=cluster)})


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """By rank: they are started one after another."""
    found = psutil.Process(process.pid).children(recursive=True)
    ours = [each for each in found if "lingshu_train.running.worker" in each.cmdline()]
    return sorted(ours, key=lambda each: each.pid)


def at_step(stage: Stage, step: int) -> subprocess.Popen[bytes]:
    process = tiny.start(stage)
    until = time.monotonic() + 200
    while tiny.steps_done(stage) < step:
        assert process.poll() is None, (stage.path / "log.txt").read_text()
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def test_a_group_told_to_stop_in_a_long_window_of_grpo_finishes_it_and_saves(
    base: Path, tmp_path: Path
) -> None:
    """Every process gets the signal, as in a Slurm step: the rewards' own and the loaders' too."""
    (tmp_path / "slow.py").write_text(SLOW)
    terms = [{"name": "slow", "weight": 1.0, "file": str(tmp_path / "slow.py")}]
    stage = two(
        base,
        tmp_path,
        tiny.grpo(rewards={"mode": "sum", "terms": terms}, save_every=12, loader_workers=1),
    )
    process = at_step(stage, 2)
    time.sleep(0.5)
    for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        each.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 75, (stage.path / "log.txt").read_text()
    assert "stopped at step 4 of 12, checkpoint written" in str(reported(stage))
    assert checkpoint.place(stage.path, 4).is_dir()
    rows = (stage.path / "ledger.jsonl").read_text()
    assert '"unscored": 0' in rows or '"unscored"' not in rows


def test_one_rank_told_at_the_last_step_finishes_the_stage_and_says_so(base: Path, tmp_path: Path) -> None:
    stage = two(base, tmp_path, tiny.sft(per_device_batch=2, steps=3, save_every=3))
    process = at_step(stage, 3)
    workers(process)[1].send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 75
    assert manifest.done(stage.path)
    assert "finished" in str(reported(stage))


def test_a_stopped_rank_is_found_within_the_timeout_with_the_stacks_of_both(
    base: Path, tmp_path: Path
) -> None:
    stage = two(base, tmp_path, tiny.sft(per_device_batch=2, steps=500, save_every=500), step_timeout=4.0)
    process = at_step(stage, 2)
    workers(process)[1].send_signal(signal.SIGSTOP)
    since = time.monotonic()
    assert process.wait(timeout=60) == 75
    assert time.monotonic() - since < 12
    assert "stands still" in str(reported(stage))
    stacks = (stage.path / "stacks.txt").read_text()
    assert "rank 0" in stacks
    assert "rank 1" in stacks
    assert stacks.count("in <module>") >= 2, stacks
    assert not psutil.pid_exists(process.pid)


RAISES = """
import os, sys
from lingshu_train.running import worker
from lingshu_train.training import session

def fit(*_):
    raise ValueError("no such thing\\nand more of it")

if os.environ["RANK"] == "1":
    session.fit = fit
os._exit(worker.main(sys.argv[1]))
"""


def test_a_rank_that_is_killed_is_run_again_and_one_that_raises_is_told_by_its_first_line(
    base: Path, tmp_path: Path
) -> None:
    stage = two(base, tmp_path, tiny.sft(per_device_batch=2, steps=500, save_every=500))
    process = at_step(stage, 2)
    os.kill(workers(process)[0].pid, signal.SIGKILL)
    assert process.wait(timeout=60) == 75
    assert "rank 0 was killed by signal 9" in str(reported(stage))

    (tmp_path / "raises.py").write_text(RAISES)
    path = stage.path / "stage.json"
    command = started_there.worker(launch.command(stage, path), tmp_path / "raises.py")
    done = subprocess.run(command, env=launch.environment(stage), capture_output=True, timeout=120)
    assert done.returncode == 70
    assert str(reported(stage)) == "rank 1: ValueError: no such thing; the lines above say where"
    assert b"Traceback" in done.stderr
