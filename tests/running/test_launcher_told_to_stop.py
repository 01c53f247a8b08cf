"""`lingshu run` told to stop, from its first line to its last: exit code 75, one line, and the next stage does not start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import hatching
import pytest
import small_run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RECIPE = [
    "stages.data.cards=[package_mahotas,package_pydicom_data]",
    *(f"~stages.data.questions.{task}" for task in small_run.OTHERS),
    "stages.data.questions={caption: {train: 32, held_out: 4}, lesion_count: {train: 64, held_out: 8}}",
    "pipeline=[data,base]",
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage is done."""
    folder = tmp_path_factory.mktemp("prepared") / "run"
    process = started(folder, "pipeline=[data]")
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    return folder


@pytest.fixture
def run(prepared: Path, tmp_path: Path) -> Path:
    """The same, to go on with."""
    return Path(shutil.copytree(prepared, tmp_path / "run"))


def started(folder: Path, *more: str, hears_hangup: bool = True) -> subprocess.Popen[str]:
    """As a terminal starts it, in a group of its own, so that Ctrl-C can be sent to all of it. What this process ignores it would
    inherit."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL if hears_hangup else signal.SIG_IGN)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "lingshu_train", "run", "quickstart", f"output={folder}", *RECIPE, *more],
            cwd=folder.parent,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def when(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.005)


def ended(process: subprocess.Popen[str]) -> str:
    """The last line of a run that has to end with 75 and without a traceback."""
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 75, said
    assert "Traceback" not in said
    lines = said.splitlines()
    assert lines[-1].startswith("lingshu: ")
    assert "run the same command again" in lines[-1]
    return lines[-1]


def test_while_it_still_imports(tmp_path: Path) -> None:
    for wait in (0.15, 0.3, 0.6):
        with hatching.cold():
            process = started(tmp_path / "run")
        # The interpreter itself needs a moment before our first line; from there on it counts.
        time.sleep(wait)
        process.terminate()
        said = process.communicate(timeout=60)[1]
        assert process.returncode in (75, -signal.SIGTERM), said
        if process.returncode == 75:
            assert len(said.splitlines()) == 1, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_a_stage_the_whole_group_stops_with_one_line(number: signal.Signals, run: Path) -> None:
    process = started(run)
    when(process, lambda: any(run.glob("base-*/stage.json")))
    os.killpg(process.pid, number)
    assert "told to stop" in ended(process)


def test_a_launcher_told_in_a_short_stage_finishes_it_and_the_next_does_not_start(run: Path) -> None:
    process = started(run, "+stages.again={kind: build, corpus: data}", "pipeline=[data,base,again]")
    when(process, lambda: any(run.glob("base-*/model")))
    process.terminate()
    assert "told to stop" in ended(process)
    assert any(run.glob("base-*/manifest.json"))
    assert not any(run.glob("again-*"))


def test_what_a_parent_had_ignored_stays_ignored(run: Path) -> None:
    process = started(run, hears_hangup=False)
    when(process, lambda: any(run.glob("base-*/stage.json")))
    os.killpg(process.pid, signal.SIGHUP)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
