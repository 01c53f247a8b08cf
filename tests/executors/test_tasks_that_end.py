"""However the tasks of an executor end, or their queue, the run sees it: it never waits for ever and never takes waiting for work."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lingshu_train import stopping
from lingshu_train.errors import DataError, LingshuError, MissingInput, RunAgain
from lingshu_train.executors import jobs, ray, slurm
from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster


@dataclass(frozen=True)
class Deadly:
    """Five jobs, of which the third kills whoever does it, the first `deaths` times, or is wrong where there are none."""

    folder: Path
    deaths: int
    title: str = "jobs"

    def left(self) -> Sequence[int]:
        return [number for number in range(5) if not (self.folder / str(number)).exists()]

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            if number == 2:
                if not self.deaths:
                    raise DataError("row 7: damaged")
                died = len(list(self.folder.glob("died-*")))
                if died < self.deaths:
                    (self.folder / f"died-{died}").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            (self.folder / str(number)).touch()
            yield number


def dealt(executor: str, **more: int) -> Cluster:
    return Cluster.model_validate({"name": "test", "executor": executor, "tasks": 2, "workers": 2, **more})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a task the working folder is set."""
    pytest.importorskip("datatrove", reason="the extra `cluster` is not installed")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_task_that_is_killed_is_begun_again(here: Path) -> None:
    jobs.run(Deadly(here, deaths=1), dealt("processes"), here)
    assert not Deadly(here, deaths=1).left() and len(list(here.glob("died-*"))) == 1
    assert not (here / ".tasks-jobs").exists()


def test_a_job_that_kills_whoever_does_it_ends_with_75_and_not_this_process(here: Path) -> None:
    with pytest.raises(RunAgain, match="jobs, job 2: whatever process does it is killed"):
        jobs.run(Deadly(here, deaths=99), dealt("processes"), here)
    assert Deadly(here, deaths=99).left() == [2, 4], "4 is of the same task, behind it"
    told = (here / ".tasks-jobs" / "killed.txt").read_text().splitlines()
    assert told == ["task 0: killed by SIGKILL", "task 0: killed by SIGKILL"]


def test_a_task_with_a_fault_of_its_own_leaves_the_others_to_end_and_is_told(here: Path) -> None:
    with pytest.raises(DataError, match=r"^row 7: damaged$"):
        jobs.run(Deadly(here, deaths=0), dealt("processes"), here)
    assert {1, 3}.isdisjoint(Deadly(here, deaths=0).left())


class Waiting:
    """An executor that waits for ever."""

    closed = False

    def run(self, share: Share, tasks: int, cluster: Cluster, logs: Path) -> Generator[None]:
        try:
            while True:
                yield
        finally:
            self.closed = True


def test_who_is_asked_to_stop_waits_no_longer(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Waiting()
    monkeypatch.setattr(jobs, "_executor", lambda cluster: executor)
    monkeypatch.setattr(stopping, "asked", lambda: signal.SIGTERM)
    with pytest.raises(
        RunAgain, match=r"told to stop \(SIGTERM\).*; the array goes on, and the same command"
    ):
        jobs.run(Deadly(here, deaths=0), dealt("slurm"), here)
    assert executor.closed


def test_ray_does_not_keep_the_request_to_stop_for_itself() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ray._our_signals():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is before


class Queue:
    """A Slurm of functions. `says`: what squeue answers, the last for good."""

    def __init__(
        self, patch: pytest.MonkeyPatch, says: Sequence[tuple[int, str, str] | type[Exception]]
    ) -> None:
        self.says, self.asked, self.submitted = list(says), 0, 0
        patch.setattr(slurm, "_submit", self.submit)
        patch.setattr(slurm.subprocess, "run", self.squeue)
        patch.setattr(slurm.time, "sleep", lambda seconds: None)

    def submit(self, share: Share, tasks: int, cluster: Cluster, logs: Path) -> str:
        self.submitted += 1
        for rank in range(tasks):
            share(None, rank, tasks)
        return "8"

    def squeue(self, words: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
        said = self.says[min(self.asked, len(self.says) - 1)]
        self.asked += 1
        if isinstance(said, type):
            raise said(words, 60) if said is subprocess.TimeoutExpired else said()
        return subprocess.CompletedProcess(words, *said)


RUNS, ENDED = (0, "RUNNING\n", ""), (1, "", "slurm_load_jobs error: Invalid job id specified\n")
DOWN = (1, "", "slurm_load_jobs error: Unable to contact\n slurm controller\n")


@pytest.fixture
def before(here: Path) -> Path:
    """The mark of an array that a run which was killed had submitted."""
    mark = here / ".tasks-jobs" / "submitted"
    mark.parent.mkdir()
    mark.write_text("7")
    return mark


def test_a_round_that_only_waited_for_an_earlier_array_does_not_count(
    here: Path, before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch, [RUNS, ENDED])
    (here / "2").touch()
    jobs.run(Deadly(here, deaths=0), dealt("slurm"), here)
    assert queue.submitted == 1 and not before.exists()


def test_an_earlier_array_that_did_all_is_followed_by_none(
    here: Path, before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch, [ENDED])
    mine = Deadly(here, deaths=0)
    for number in range(5):
        (here / str(number)).touch()
    assert list(slurm.run(Share(jobs=mine, folder=str(here)), 2, dealt("slurm"), before.parent)) == []
    assert not queue.submitted


@pytest.mark.parametrize(
    ("says", "error", "line"),
    [
        (FileNotFoundError, MissingInput, "there is no squeue here, and array 7 may still run"),
        (DOWN, RunAgain, "array 7 has ended: slurm_load_jobs error: Unable to contact slurm controller; run"),
        (subprocess.TimeoutExpired, RunAgain, "array 7 has ended: no answer within 60 s; run"),
    ],
)
def test_a_queue_that_cannot_be_asked_is_given_up_and_the_array_is_waited_for_later(
    says: tuple[int, str, str] | type[Exception],
    error: type[LingshuError],
    line: str,
    here: Path,
    before: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue(monkeypatch, [says])
    with pytest.raises(error, match=line):
        jobs.run(Deadly(here, deaths=0), dealt("slurm"), here)
    assert before.read_text() == "7" and not queue.submitted
    assert queue.asked == (1 if error is MissingInput else slurm.FAILED)


def test_a_queue_that_fails_now_and_then_is_asked_on(
    here: Path, before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "FAILED", 2)
    queue = Queue(monkeypatch, [DOWN, RUNS, DOWN, RUNS, DOWN, ENDED])
    (here / "2").touch()
    jobs.run(Deadly(here, deaths=0), dealt("slurm"), here)
    assert queue.submitted == 1
