"""A stage's folder is held by the processes that write into it, and by one start of the stage at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lingshu_train.errors import CannotCreate, RunAgain
from lingshu_train.runs import holding, processes
from lingshu_train.runs.holding import FOLDER

ALONE = ("here", "group")
HOLDER = """
import sys, time
from pathlib import Path
from lingshu_train.runs.holding import holding
with holding(Path(sys.argv[1]), (sys.argv[2], sys.argv[3])):
    print("held", flush=True)
    time.sleep(60)
"""


class other:
    """Another process that holds the folder."""

    def __init__(self, folder: Path, group: tuple[str, str] = ("there", "other"), **told: str) -> None:
        self.command = [sys.executable, "-c", HOLDER, str(folder), *group]
        self.told = told

    def __enter__(self) -> subprocess.Popen[str]:
        environment = {**os.environ, **self.told}
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "GRACE_S", 1.0)
    monkeypatch.setattr(holding, "BEAT_S", 0.2)
    monkeypatch.setattr(holding, "_LOOK_S", 0.1)


def files(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*"))


def test_a_second_run_is_refused_and_told_who_holds_the_folder(tmp_path: Path, quick: None) -> None:
    with other(tmp_path) as process:
        with (
            pytest.raises(CannotCreate, match=rf"in use .*host \S+, process {process.pid}, since") as refused,
            holding.holding(tmp_path, ALONE),
        ):
            pass
        assert refused.value.exit_code == 73
        assert len(files(tmp_path)) == 1, "who was refused leaves nothing"


def test_a_second_run_waits_for_one_that_goes(tmp_path: Path) -> None:
    with other(tmp_path) as process:
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {process.pid}"])
        with holding.holding(tmp_path, ALONE):
            assert process.poll() is not None


def test_a_living_holder_whose_file_is_damaged_holds_all_the_same(tmp_path: Path, quick: None) -> None:
    with other(tmp_path):
        files(tmp_path)[0].write_bytes(b"")
        with pytest.raises(CannotCreate, match="in use by another run"), holding.holding(tmp_path, ALONE):
            pass
    files(tmp_path)[0].write_bytes(b"{")
    with holding.holding(tmp_path, ALONE):
        assert len(files(tmp_path)) == 1


def test_the_ranks_of_one_start_hold_it_together(tmp_path: Path, quick: None) -> None:
    with other(tmp_path, ALONE), holding.holding(tmp_path, ALONE):
        assert len(files(tmp_path)) == 2


def test_an_earlier_start_that_met_at_the_same_address_is_another(tmp_path: Path, quick: None) -> None:
    """torchrun with a fixed port: only the agent's own folder differs."""
    with (
        other(tmp_path, ("agent before", "host:29500")),
        pytest.raises(CannotCreate),
        holding.holding(tmp_path, ("agent", "host:29500")),
    ):
        pass


def test_nothing_is_left_when_the_block_ends(tmp_path: Path) -> None:
    with pytest.raises(KeyError), holding.holding(tmp_path, ALONE):
        raise KeyError
    assert not (tmp_path / FOLDER).exists()


def test_what_a_killed_process_left_is_no_hindrance(tmp_path: Path) -> None:
    with other(tmp_path) as process:
        process.kill()
        process.wait(10)
        assert len(files(tmp_path)) == 1
        started = time.monotonic()
        with holding.holding(tmp_path, ALONE):
            assert time.monotonic() - started < 2
            assert len(files(tmp_path)) == 1


def test_a_copy_of_a_folder_that_is_held_is_free(tmp_path: Path, quick: None) -> None:
    """Copied file by file, or by hard links, as a backup may be."""
    with other(tmp_path / "run"):
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        shutil.copytree(tmp_path / "run", tmp_path / "linked", copy_function=os.link)
        for name in ("copy", "linked"):
            with holding.holding(tmp_path / name, ALONE):
                pass
        with pytest.raises(CannotCreate), holding.holding(tmp_path / "run", ALONE):
            pass


def elsewhere(folder: Path, *, age: float) -> Path:
    """The file of a holder on another machine, last touched so many seconds ago; no lock of its is seen here."""
    (folder / FOLDER).mkdir(parents=True)
    path = folder / FOLDER / "node2-00000000-7.json"
    record = {
        "host": "node2",
        "pid": 7,
        "born": "1",
        "machine": "another boot",
        "since": "2026-01-01T00:00:00Z",
        "folder": (folder / FOLDER).stat().st_ino,
        "here": "x",
        "group": "y",
    }
    path.write_text(json.dumps(record))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_machine_that_has_been_silent_for_a_minute_is_taken_over(tmp_path: Path) -> None:
    path = elsewhere(tmp_path, age=holding.STALE_S + 1)
    with holding.holding(tmp_path, ALONE):
        assert not path.exists()


def test_a_machine_that_died_just_now_is_waited_for_and_taken_over(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "STALE_S", 3.0)
    path = elsewhere(tmp_path, age=0)
    started = time.monotonic()
    with holding.holding(tmp_path, ALONE):
        assert not path.exists()
        assert 2.5 < time.monotonic() - started < 6


def test_a_clock_that_runs_ahead_does_not_keep_a_dead_machine_alive(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "STALE_S", 2.0)
    elsewhere(tmp_path, age=-3600)
    with holding.holding(tmp_path, ALONE):
        pass


def test_a_machine_that_works_on_is_named(tmp_path: Path, quick: None) -> None:
    path = elsewhere(tmp_path, age=0)
    beat = subprocess.Popen(["sh", "-c", f"while sleep 0.3; do touch -c {path}; done"])
    try:
        with pytest.raises(CannotCreate, match="host node2, process 7"), holding.holding(tmp_path, ALONE):
            pass
    finally:
        beat.kill()
        beat.wait(10)


def test_a_holder_that_was_taken_over_ends_and_commits_nothing(tmp_path: Path) -> None:
    with other(tmp_path) as process:
        files(tmp_path)[0].unlink()
        assert process.wait(20) == 75
    with holding.holding(tmp_path, ALONE):
        holding.confirm(tmp_path)
        files(tmp_path)[0].unlink()
        with pytest.raises(RunAgain, match="taken over by another run"):
            holding.confirm(tmp_path)


def test_a_forked_child_does_not_keep_the_folder_of_its_dead_parent(tmp_path: Path) -> None:
    code = HOLDER.replace(
        'print("held"', "import os\n    child = os.fork()\n    if not child: time.sleep(30)\n    print(child"
    ).replace(", flush", ", flush")
    command = [sys.executable, "-c", code, str(tmp_path), "a", "b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    try:
        started = time.monotonic()
        with holding.holding(tmp_path, ALONE):
            assert time.monotonic() - started < 5
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_process_whose_launcher_is_gone_ends_whoever_its_parent_is(tmp_path: Path) -> None:
    """As under a launcher that starts torchrun, which starts the ranks."""
    launcher = subprocess.Popen(["sleep", "60"])
    told = f"{launcher.pid}:{processes.born(launcher.pid)}"
    with other(tmp_path, LINGSHU_LAUNCHER=told) as process:
        launcher.kill()
        # Not waited for: a launcher that is dead and not yet reaped is gone too.
        assert process.wait(10) == 75
        launcher.wait(10)


def test_a_process_ends_with_its_parent_even_where_it_stands_still(tmp_path: Path) -> None:
    code = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {HOLDER!r}, {str(tmp_path)!r}, "a", "b"],
    env={{**os.environ, "LINGSHU_LAUNCHER": ""}} | {{"TORCHELASTIC_RUN_ID": "x"}}, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGSTOP)
        parent.kill()
    deadline = time.monotonic() + 5
    while processes.born(child) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ranks_under_two_host_names_of_one_machine_hold_the_folder_together(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with other(tmp_path, ("one agent", "a meeting")):
        with pytest.raises(CannotCreate), holding.holding(tmp_path, ("another agent", "a meeting")):
            pass
        monkeypatch.setattr(holding.platform, "node", lambda: "n2")
        with holding.holding(tmp_path, ("another agent", "a meeting")):
            pass
        with pytest.raises(CannotCreate), holding.holding(tmp_path, ("another agent", "another meeting")):
            pass
