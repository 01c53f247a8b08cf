"""What is decided depends on the rows and the steps alone: not on processes, tasks, the order of jobs, or kills."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tiny
from curating import Row, again, caption, corpus, row, scene, stage, table

from lingshu_train.curate import _deciding, _decision, _measuring, _rows, _steps, _work
from lingshu_train.naming import file_digest

STEPS: list[dict[str, Any]] = [
    {"name": "picture_size"},
    {"name": "exact_duplicates", "params": {"pictures": "pixels"}},
    {"name": "near_pictures"},
    {"name": "near_text"},
    {"name": "caption_length", "params": {"least": 2}},
    {"name": "picture_quality"},
    {"name": "contradictions"},
    {"name": "modality_words"},
    {"name": "identifiers"},
    {"name": "language"},
    {"name": "decontamination", "params": {"splits": ["held_out"]}},
]


def rows() -> list[Row]:
    made: list[Row] = []
    for n in range(60):
        picture = scene(n % 20) if n % 3 else again(scene(n % 20), 60)
        split = "held_out" if n % 10 == 9 else "train"
        if n % 2:
            answer = ("CT", "MR", "PET")[n % 7 % 3]
            made.append(row(f"q{n}", picture, answer=answer, split=split))
        else:
            made.append(
                caption(f"c{n}", "Ultrasound of Mr. Miller's chest in words " * (n % 4), picture, split=split)
            )
    return made


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return corpus(tmp_path / "raw", rows())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs so small that there are many."""
    monkeypatch.setattr(_work, "PICTURES", 4)
    monkeypatch.setattr(_work, "ROWS", 7)


def straight(root: Path, parent: Path) -> str:
    made = stage(root, STEPS, parents={"raw": parent})
    tiny.run_here(made)
    assert {line["action"] for line in table(made)} >= {"drop", "flag"}
    return file_digest(made.path / "decisions.parquet")


def work_in(folder: Path, parent: Path) -> _work.Work:
    choices = [_steps.StepChoice.model_validate(each) for each in STEPS]
    return _work.begin(folder, _rows.sources(parent / "corpus"), choices, where="steps")


def decisions(work: _work.Work) -> str:
    found, _ = _deciding.decide(work)
    _decision.write(work.folder / "decisions.parquet", found)
    return file_digest(work.folder / "decisions.parquet")


@pytest.mark.parametrize("tasks", [1, 2, 64])
def test_any_number_of_tasks_with_kills_decides_the_same(
    tmp_path: Path, parent: Path, tasks: int, request: pytest.FixtureRequest
) -> None:
    expected = straight(tmp_path / "straight", parent)
    request.getfixturevalue("few")
    work = work_in(tmp_path / "shared", parent)
    chance = random.Random(tasks)
    for jobs in (_work.picture_jobs(work), _work.row_jobs(work)):
        shares = [[job for job in jobs if job.number % tasks == task] for task in range(tasks)]
        for share in chance.sample(shares, tasks):
            # A task that is killed leaves some of its jobs undone, and files of half a job.
            for job in share[: chance.randrange(len(share) + 1)]:
                _measuring.do(work, job)
        for lost in sorted(work.folder.glob("step*"))[::5]:
            lost.unlink()
        for share in shares:
            for job in share:
                if not _measuring.done(work, job):
                    _measuring.do(work, job)
    assert decisions(work) == expected


def test_several_processes_decide_as_one_and_do_no_job_twice(tmp_path: Path, parent: Path, few: None) -> None:
    alone = work_in(tmp_path / "one", parent)
    _measuring.measure(alone, workers=1)
    several = work_in(tmp_path / "two", parent)
    # Processes are forked, and so have the small jobs too.
    _measuring.measure(several, workers=2)
    assert decisions(alone) == decisions(several)
    before = {path: path.stat().st_mtime_ns for path in several.folder.glob("*-*.npy")}
    _measuring.measure(several, workers=2)
    assert before == {path: path.stat().st_mtime_ns for path in several.folder.glob("*-*.npy")}


def test_other_steps_or_rows_never_meet_what_was_measured_for_these(tmp_path: Path, parent: Path) -> None:
    one = work_in(tmp_path, parent)
    fewer = _work.begin(tmp_path, one.sources, one.steps[:3], where="steps")
    other = corpus(tmp_path / "other", rows()[:50])
    assert len({one.folder, fewer.folder, work_in(tmp_path, other).folder}) == 3


def test_a_finished_stage_keeps_nothing_of_what_was_measured(tmp_path: Path, parent: Path) -> None:
    made = stage(tmp_path, STEPS, parents={"raw": parent})
    facts = tiny.run_here(made)
    assert not list(made.path.glob(".measured-*"))
    funnel = facts["funnel"]
    assert isinstance(funnel, list)
    assert [each["step"] for each in funnel] == [each["name"] for each in STEPS]
    for before, after in pairwise(funnel):
        assert after["rows"] == before["rows"] - before["dropped"]
