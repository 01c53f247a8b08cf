"""Two machines of one run: whatever becomes of one, each says why in one line and ends within stated minutes, with equal bits."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import small_run
import two_machines
from two_machines import Machine, start

pytestmark = pytest.mark.slow


@pytest.fixture
def run(small: Path, tmp_path: Path) -> Iterator[Path]:
    if why := two_machines.missing():
        pytest.skip(why)
    with two_machines.up() as why:
        if why:
            pytest.skip(why)
        yield small_run.begun(small, tmp_path / "run")


def both(run: Path, *overrides: str, before: tuple[str, str] = ("", "")) -> list[Machine]:
    recipe = small_run.write(run.parent)
    return [start(number, recipe, run, *overrides, before=before[number]) for number in (0, 1)]


def at_step(run: Path, machines: list[Machine], step: int) -> None:
    small_run.wait(
        lambda: small_run.steps(run) >= step, lambda: "\n".join(machine.said for machine in machines)
    )


def agents(machine: Machine) -> psutil.Process:
    """The process that machine 0 or 1 was started as, below those that put it there."""
    found = psutil.Process(machine.process.pid)
    below = [found, *found.children(recursive=True)]
    return next(each for each in below if "lingshu_train.running.machines" in each.cmdline())


def test_a_machine_that_is_cut_off_or_killed_ends_both_and_the_same_command_ends_with_equal_weights(
    run: Path, small: Path
) -> None:
    machines = both(run, "stages.instruct.save_every=5")
    at_step(run, machines, 7)
    two_machines.cut()
    for machine in machines:
        code, (line,) = machine.ended(60)
        assert code == 75
        assert "no word for" in line
        assert "run the same command again on all machines" in line
    two_machines.told("down", two_machines.NAME)
    two_machines.told("up", two_machines.NAME, two_machines.NET)

    machines = both(run, "stages.instruct.save_every=5")
    at_step(run, machines, 12)
    agents(machines[1]).send_signal(signal.SIGKILL)
    code, (line,) = machines[0].ended(60)
    assert code == 75, line
    assert "lost another rank" in line or "no word for" in line
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if f"output={run}" in (each.info["cmdline"] or [])
    ]

    machines = both(run, "stages.instruct.save_every=5")
    assert [machine.ended(240) for machine in machines] == [(0, []), (0, [])]
    assert small_run.weights(run) == small_run.weights(small)


def test_machines_that_cannot_work_together_are_told_so_at_the_start(run: Path) -> None:
    second = f"{two_machines.NAME}2"
    hosts = run.parent / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {second}\n")
    names = f"mount --bind {hosts} /etc/hosts"
    for machine in both(run, before=("", names)):
        code, (line,) = machine.ended(120)
        assert code == 64
        assert f"{second}, means 127.0.1.1" in line

    recipe = small_run.write(run.parent)
    two_outputs = [
        start(0, recipe, run),
        start(1, recipe, run.parent / "other", log=run.parent / "other.txt"),
    ]
    for machine in two_outputs:
        code, (line,) = machine.ended(120)
        assert code == 64
        assert "all machines of a run need the same command line" in line

    for machine in both(run, before=("", f"mount -t tmpfs none {run}")):
        code, (line,) = machine.ended(150)
        assert code == 73
        assert f"machine {second} does not see there what rank 0 wrote" in line


@pytest.mark.parametrize("comes", [0, 1])
def test_a_machine_that_does_not_come_is_named(comes: int, run: Path) -> None:
    recipe = small_run.write(run.parent)
    code, (line,) = start(comes, recipe, run).ended(120)
    assert code == 75
    assert ("rank 1 did not come within" if comes == 0 else "nobody answered within") in line


def test_a_machine_that_waits_for_the_other_can_be_told_to_stop(run: Path) -> None:
    machine = start(0, small_run.write(run.parent), run)
    answers = f"exec 3<>/dev/tcp/{two_machines.NET}.1/{two_machines.PORT}"
    first = f"{two_machines.NAME}1"
    small_run.wait(
        lambda: two_machines.told("on", first, "bash", "-c", answers).returncode == 0, lambda: machine.said
    )
    agents(machine).send_signal(signal.SIGTERM)
    code, (line,) = machine.ended(20)
    assert code == 75
    assert "interrupted; run the same command again" in line
