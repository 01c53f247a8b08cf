"""A launcher that dies alone: its workers end by themselves, and the same command goes on to the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import started_there
import tiny
from layouts import Layout, stage_for

from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow
LAUNCHER = """
import sys
from pathlib import Path
from lingshu_train.planning.plan import Plan, Planned
from lingshu_train.running import launch
from lingshu_train.runs import run, stage
from lingshu_train.stages import _kinds as kinds
record = stage.read(Path(sys.argv[1]))
config = kinds.read(record.config, where="stages")
plan = Plan(recipe="test", title="", output=str(record.path.parent), trackers=(), planned=(Planned(stage=record, config=config),))
with run.hold(record.path.parent):
    launch.run(plan, print)
"""
Straight = Callable[[Layout], Stage]


def launch(stage: Stage) -> subprocess.Popen[bytes]:
    log = (stage.path.parent / "launcher.txt").open("ab")
    script = stage.path.parent / "launcher.py"
    script.write_text(LAUNCHER)
    command = [sys.executable, "-m", started_there.NAME, str(script), str(stage.path / "stage.json")]
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def workers(launcher: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(launcher.pid).children(recursive=True)


def wait(stage: Stage, launcher: subprocess.Popen[bytes], step: int) -> None:
    while tiny.steps_done(stage) < step:
        assert launcher.poll() is None, (stage.path.parent / "launcher.txt").read_text()
        time.sleep(0.002)


def ended(stage: Stage, straight: Stage) -> None:
    assert [line["step"] for line in ledger.steps(stage.path)] == list(range(1, 13))
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight.path)
    assert tiny.weights(stage.path) == tiny.weights(straight.path)


@pytest.mark.parametrize("world", [1, 2])
def test_when_the_launcher_alone_is_killed_the_same_command_at_once_ends_with_the_same_bits(
    world: int, base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = stage_for(base, tmp_path, ("sft", world, "none"))
    stage.write()
    first = launch(stage)
    wait(stage, first, 4)
    orphans = workers(first)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    second = launch(stage)
    assert second.wait(120) == 0, (stage.path.parent / "launcher.txt").read_text()
    assert not [one for one in orphans if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    ended(stage, straight(("sft", world, "none")))


def test_when_one_rank_alone_is_killed_the_others_end_and_the_same_command_goes_on(
    base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = stage_for(base, tmp_path, ("sft", 2, "none"))
    stage.write()
    first = launch(stage)
    wait(stage, first, 4)
    os.kill(workers(first)[0].pid, signal.SIGKILL)
    assert first.wait(30) != 0
    assert launch(stage).wait(120) == 0, (stage.path.parent / "launcher.txt").read_text()
    ended(stage, straight(("sft", 2, "none")))
