"""Comparing that is cut into jobs decides the same, however it is cut and in whatever order its jobs are done."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from curating import Row, again, caption, corpus, row, scene

from lingshu_train.curate import _deciding, _decision, _measuring, _phases, _rows, _steps, _work
from lingshu_train.curate._rows import Cut
from lingshu_train.curate._work import Work

STEPS = [
    {"name": "exact_duplicates"},
    {"name": "near_pictures", "params": {"same_text": False, "types": ["short"]}},
    {"name": "near_pictures", "params": {"phash": 6, "dhash": None}},
    {"name": "near_text"},
    {"name": "contradictions"},
    {"name": "decontamination", "params": {"splits": ["held_out"], "crops": True}},
]
CUTS = [(40, 40), (100, 9)]
"""Rows of a range of keys, and of a block."""
WORDS = (
    "the",
    "lung",
    "is",
    "clear",
    "heart",
    "of",
    "normal",
    "size",
    "no",
    "left",
    "right",
    "fluid",
    "seen",
)


def drawn(draw: random.Random, name: str, count: int) -> list[Row]:
    """Rows of few pictures and few texts, so that much of them is alike."""
    made: list[Row] = []
    texts = [" ".join(draw.choices(WORDS, k=30)) for _ in range(4)]
    for n in range(count):
        split = "held_out" if n % 9 == 8 else "train"
        picture = scene(draw.randrange(5), side=48)
        if draw.random() < 0.5:
            picture = again(picture, draw.randrange(80, 100))
        about = {"split": split, "group": draw.choice(["", "", "one", "two"])}
        if draw.random() < 0.6:
            text = draw.choice(texts)
            text = text.replace(draw.choice(WORDS), "seen", 1) if draw.random() < 0.5 else text
            made.append(caption(f"{name}{n}", text, *([picture] if draw.random() < 0.2 else []), **about))
        else:
            made.append(row(f"{name}{n}", picture, answer=draw.choice(["CT", "MR"]), **about))
    return made


def begun(root: Path, seed: int) -> Work:
    """Measured; nothing of it compared yet."""
    draw = random.Random(seed)
    folders = {name: corpus(root / name, drawn(draw, name, count)) for name, count in PARTS.items()}
    sources = _rows.sources(
        folders["own"] / "corpus",
        known=[folders["known"] / "corpus"],
        benchmarks=[folders["asked"] / "corpus"],
    )
    steps = [_steps.StepChoice.model_validate(step) for step in STEPS]
    work = _work.begin(root, sources, steps, where="steps")
    _measuring.measure(work)
    return work


PARTS = {"own": 60, "known": 20, "asked": 6}


def decided(work: Work, deal: _phases.Deal, *, ahead: bool) -> Sequence[_decision.Decision]:
    """With nothing left of what was compared before."""
    for path in work.folder.glob("join*.npy"):
        path.unlink()
    return _deciding.decide(work, deal, ahead=ahead)[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_any_cut_in_any_order_decides_the_same(tmp_path: Path, seed: int) -> None:
    whole = begun(tmp_path, seed)
    wanted = decided(whole, _phases.here, ahead=False)
    assert {one.step for one in wanted} == {step["name"] for step in STEPS}
    for keys, rows in CUTS:
        draw, most = random.Random(keys), 0

        def deal(jobs: _phases.Numbered, draw: random.Random = draw) -> None:
            nonlocal most
            left = jobs.left()
            most = max(most, len(left))
            for number in draw.sample(left, len(left)):
                _phases.here_one(jobs, number)

        found = decided(replace(whole, cut=Cut(keys=keys, rows=rows)), deal, ahead=keys == 40)
        assert found == wanted
        assert most > 6, "the case would show nothing"


def test_a_job_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    """What a kill has left is gone on from: the jobs' files say what is done."""
    work = replace(begun(tmp_path, 0), cut=Cut(keys=100, rows=30))
    wanted = decided(work, _phases.here, ahead=False)
    there = {path: path.stat().st_mtime_ns for path in work.folder.glob("join*.npy")}
    gone = sorted(there)[::3]
    for path in gone:
        path.unlink()
    done: list[int] = []

    def deal(jobs: _phases.Numbered) -> None:
        done.extend(jobs.do(jobs.left()))

    assert _deciding.decide(work, deal)[0] == wanted
    assert len(done) == len(gone) < len(there)
    assert all(path.stat().st_mtime_ns == at for path, at in there.items() if path not in gone)


def test_processes_beside_decide_the_same(tmp_path: Path) -> None:
    work = replace(begun(tmp_path, 1), cut=Cut(keys=30, rows=30))
    assert decided(work, _phases.beside(2), ahead=False) == decided(work, _phases.here, ahead=False)
