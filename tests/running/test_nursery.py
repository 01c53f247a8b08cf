"""What a nursery forks is what its command line would have started: same output, code, files, signals, variables and weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import hatching
import psutil
import pytest
import tiny

from lingshu_train.running import launch, nursery, warm
from lingshu_train.running.nursery import Child, Files, Nursery

VARIABLES = {
    **os.environ,
    **launch.UNLESS_SET,
    **launch.SETTINGS,
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}
HELD = [sys.executable, "-m", "lingshu_train", "score", "/dev/stdin", "--out", "judged.jsonl"]
"""A command that waits for what comes on standard input."""


@pytest.fixture(scope="module")
def one() -> Iterator[Nursery]:
    made = Nursery(VARIABLES)
    wait_for(lambda: made.ready)
    yield made
    made.close()


def wait_for(happened: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def _unlike(variables: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What an interpreter reads at its start and would read otherwise than the nursery did."""
    read, given = (nursery._read_at_start(each) for each in ({**VARIABLES, **variables}, VARIABLES))
    return {
        name: (read.get(name, ""), given.get(name, ""))
        for name in sorted(read.keys() | given.keys())
        if read.get(name) != given.get(name)
    }


def forked(
    one: Nursery, argv: Sequence[str], root: Path, variables: Mapping[str, str] = VARIABLES
) -> tuple[int, str]:
    """Exit code and output."""
    with (root / "said.txt").open("w+b") as said, open(os.devnull) as nothing:
        files = Files([0, 1, 2], [nothing.fileno(), said.fileno(), said.fileno()])
        child = Child(one.fork(argv, variables, files, cwd=str(root)))
        assert psutil.Process(child.pid).ppid() == os.getpid()
        code = child.wait()
        said.seek(0)
        return code, said.read().decode()


@pytest.mark.parametrize("argv", [["plan", "quickstart"], ["run", "no_such_recipe"], ["--version"]])
def test_a_forked_command_says_and_ends_as_a_started_one(
    argv: list[str], one: Nursery, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "lingshu_train", *argv]
    with hatching.cold():
        plain = subprocess.run(
            words, env=VARIABLES, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    assert forked(one, words, tmp_path) == (plain.returncode, plain.stdout)


def test_it_has_the_files_it_was_given_and_no_others(one: Nursery, tmp_path: Path) -> None:
    inner, outer = os.pipe()
    extra, other = os.pipe()
    with (tmp_path / "said.txt").open("wb") as said:
        pid = one.fork(
            HELD,
            VARIABLES,
            Files([0, 1, 2, 77], [inner, said.fileno(), said.fileno(), other]),
            cwd=str(tmp_path),
        )
        child = Child(pid)
        os.close(inner)
        wait_for(lambda: psutil.Process(pid).cmdline()[:5] == HELD[:5])
        open_files = {int(each) for each in os.listdir(f"/proc/{pid}/fd")}
        assert os.readlink(f"/proc/{pid}/fd/77") == os.readlink(f"/proc/self/fd/{other}")
        # Whatever else it has open it has opened by itself, its own input once more among it: nothing else that was open here.
        given = {os.readlink(f"/proc/{pid}/fd/{each}") for each in (0, 1, 2, 77)}
        here = {os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd") if exists(each)}
        theirs = {os.readlink(f"/proc/{pid}/fd/{each}") for each in open_files - {0, 1, 2, 77}}
        assert not {name for name in theirs & here - given if name.startswith(("pipe", "socket"))}
        assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)
        os.close(outer)
        child.wait()
    os.close(extra)
    os.close(other)


def test_one_that_asks_for_a_session_has_it_when_its_number_is_told(one: Nursery, tmp_path: Path) -> None:
    """Else a signal to the group that it is found in meets everybody here."""
    with open(os.devnull, "r+b") as nothing:
        files = Files([0, 1, 2], [nothing.fileno()] * 3)
        words = [sys.executable, "-m", "lingshu_train", "--version"]
        pid = one.fork(words, VARIABLES, files, cwd=str(tmp_path), session=True)
        assert os.getpgid(pid) == os.getsid(pid) == pid
        assert Child(pid).wait() == 0


def exists(number: str) -> bool:
    return Path(f"/proc/self/fd/{number}").is_symlink()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_that_the_parent_ignores_are_ignored_and_no_others(
    number: signal.Signals, one: Nursery, tmp_path: Path
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    inner, outer = os.pipe()
    try:
        with (tmp_path / "said.txt").open("wb") as said:
            files = Files([0, 1, 2], [inner, said.fileno(), said.fileno()])
            child = Child(one.fork(HELD, VARIABLES, files, cwd=str(tmp_path)))
            # At once: what comes before the child is what it was asked to be is not lost.
            child.send_signal(number)
            time.sleep(0.3)
            ended = child.poll()
            assert (ended is None) is (number == signal.SIGHUP)
            child.kill()
            assert child.wait() != 0
            child.kill()
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(inner)
        os.close(outer)


def test_it_is_asked_only_for_what_was_started_alike(one: Nursery) -> None:
    rank = [sys.executable, "-m", warm.RANK, "stage.json"]
    assert one.can(rank, {**VARIABLES, "RANK": "1", "LINGSHU_LAUNCHER": "1:2"})
    for other in ({"OMP_NUM_THREADS": "2"}, {"PYTHONHASHSEED": "7"}, {"HF_HOME": "/elsewhere"}):
        assert not one.can(rank, {**VARIABLES, **other})
    assert not one.can([sys.executable, "-c", "pass"], VARIABLES)
    assert not one.can(["/usr/bin/python3", "-m", warm.RANK], VARIABLES)


def test_a_terminals_ctrl_c_leaves_it(one: Nursery) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(one._process.pid, number)
    time.sleep(0.2)
    assert one._process.poll() is None


@pytest.fixture
def light(tmp_path: Path) -> Mapping[str, str]:
    """Variables under which one imports nothing beforehand: for what does not hang on it."""
    (tmp_path / "sitecustomize.py").write_text(
        "from lingshu_train.running import warm\nwarm.load = lambda: None\n"
    )
    return {**VARIABLES, "PYTHONPATH": f"{tmp_path}:{hatching.ROOT}"}


def test_the_end_of_its_launcher_ends_it(light: Mapping[str, str]) -> None:
    code = (
        "from lingshu_train.running.nursery import Nursery; import os, time; n = Nursery(dict(os.environ));\n"
    )
    code += "while not n.ready: time.sleep(0.02)\nprint(n._process.pid, flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=light
    ) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        assert psutil.pid_exists(pid)
        launcher.kill()
    wait_for(lambda: not psutil.pid_exists(pid), 10)


def test_where_it_has_ended_processes_start_as_always(
    light: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Nursery(light)
    monkeypatch.setattr(nursery, "_current", made)
    assert not made.ready
    argv = [sys.executable, "-m", "lingshu_train", "--version"]
    with hatching.cold():
        before = nursery.start(argv, {**light, "PATH": "x"}, ())
    assert isinstance(before, subprocess.Popen)
    assert before.wait() == 0
    wait_for(lambda: made.ready)
    after = nursery.start(argv, light, ())
    assert isinstance(after, Child)
    assert after.wait() == 0
    made._process.kill()
    made._process.wait()
    assert not made.ready
    last = nursery.start(argv, light, ())
    assert isinstance(last, subprocess.Popen)
    assert last.wait() == 0
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_a_forked_stage_has_the_bits_of_a_started_one(
    kind: str, base: Path, one: Nursery, tmp_path: Path
) -> None:
    config = tiny.sft() if kind == "sft" else tiny.grpo()
    parents = {name: base / name for name in ("data", "short", "base", "warm")}
    started = tiny.make_stage(tmp_path / "started", kind, config, parents=parents)
    other = tiny.make_stage(tmp_path / "forked", kind, config, parents=parents)
    with hatching.cold():
        assert tiny.run(started) == 0
    path = other.write()
    variables = {**launch.environment(other), "CUDA_VISIBLE_DEVICES": ""}
    assert _unlike(variables) == {}
    assert one.can(launch.command(other, path), {**VARIABLES, **variables})
    assert forked(one, launch.command(other, path), tmp_path, variables)[0] == 0
    assert tiny.weights(other.path) == tiny.weights(started.path) != {}
    assert tiny.trajectory(other.path) == tiny.trajectory(started.path)
