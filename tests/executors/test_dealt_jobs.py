"""Preparing and curating through tasks leave the same bytes, whoever does the jobs and however often a task is killed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dealt_jobs
import pytest

from lingshu_train.curate import _work
from lingshu_train.curate._rows import Cut
from lingshu_train.data.corpus import shared
from lingshu_train.errors import DataError, MissingInput, RunAgain
from lingshu_train.executors import jobs
from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dealt_jobs.write_card(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the local executor leaves."""
    found = dealt_jobs.run(root, tmp_path_factory.mktemp("alone"))
    assert "clean/decisions.parquet" in found and "data/corpus/quarantine.jsonl" in found
    return found


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs so small that there are many."""
    monkeypatch.setattr(shared, "CHUNKS", 1)
    monkeypatch.setattr(_work, "PICTURES", 8)
    monkeypatch.setattr(_work, "ROWS", 23)
    monkeypatch.setattr(_work, "CUT", Cut(keys=1_500, rows=500))


@pytest.mark.parametrize("tasks", [1, 2, 64])
def test_any_number_of_tasks_with_kills_leaves_the_same_bytes(
    root: Path,
    alone: dict[str, str],
    few: None,
    tasks: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = dealt_jobs.Forked(random.Random(tasks))
    monkeypatch.setattr(jobs, "_executor", lambda cluster: executor)
    for _ in range(60):
        try:
            found = dealt_jobs.run(root, tmp_path, executor="slurm", tasks=tasks)
            break
        except RunAgain as told:
            assert "are not done" in str(told)
    assert found == alone
    assert executor.killed, "the case would show nothing"
    assert executor.started > tasks


def test_datatroves_own_local_executor_leaves_the_same_bytes(
    root: Path, alone: dict[str, str], few: None, tmp_path: Path
) -> None:
    pytest.importorskip("datatrove", reason="the extra `cluster` is not installed")
    assert dealt_jobs.run(root, tmp_path, executor="processes", tasks=5, workers=2) == alone


def test_a_ray_of_two_workers_leaves_the_same_bytes(
    root: Path, alone: dict[str, str], few: None, tmp_path: Path
) -> None:
    pytest.importorskip("datatrove", reason="the extra `cluster` is not installed")
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    submit = {"memory_gb": 1}
    try:
        found = dealt_jobs.run(root, tmp_path, executor="ray", tasks=5, workers=2, submit=submit)
    except RunAgain as told:
        if "Ray does not start" not in str(told):
            raise
        pytest.skip(f"this machine is too busy for the seconds that Ray gives itself to start: {told}")
    assert found == alone


@dataclass(frozen=True)
class Wrong:
    """Jobs of which one cannot be done."""

    folder: Path
    title: str = "jobs"

    def left(self) -> Sequence[int]:
        return [number for number in range(3) if not (self.folder / str(number)).exists()]

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            if number == 1:
                raise DataError("row 7: damaged")
            (self.folder / str(number)).touch()
            yield number


class Quiet:
    """An executor whose tasks say nothing of what went wrong."""

    rounds = 0

    def run(self, share: Share, tasks: int, cluster: Cluster, logs: Path) -> Iterator[None]:
        self.rounds += 1
        for rank in range(tasks):
            try:
                share(None, rank, tasks)
            except DataError:
                yield


def test_what_is_wrong_with_a_job_is_told_as_if_it_had_been_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Quiet()
    monkeypatch.setattr(jobs, "_executor", lambda cluster: executor)
    with pytest.raises(DataError, match="row 7: damaged"):
        jobs.run(Wrong(tmp_path), Cluster(name="test", executor="slurm", tasks=3), tmp_path)
    assert executor.rounds == 2, "a round that does nothing is the last"


def test_without_its_package_an_executor_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingInput, match=r"datatrove is not installed: pip install 'lingshu-train\[cluster"
    ):
        jobs.run(Wrong(tmp_path), Cluster(name="test", executor="slurm"), tmp_path)
