"""A pass rate is the share of right answers that a model draws; a killed measurement goes on to the same column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds
from lingshu_train.stages.difficulty import rates
from lingshu_train.stages.difficulty import run as difficulty

pytestmark = pytest.mark.slow


def recipe(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "difficulty",
        "corpus": "short",
        "model": "warm",
        "samples": 4,
        "max_completion": 8,
        "per_device_batch": 16,
        **changes,
    }


@pytest.fixture
def stage(base: Path, tmp_path: Path) -> Stage:
    parents = {name: base / name for name in ("short", "warm")}
    return tiny.make_stage(tmp_path, "hard", recipe(), parents=parents)


def test_a_measurement_that_was_killed_goes_on_to_the_same_column(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the third of eight calls, with half a line written."""
    monkeypatch.setattr(difficulty, "TOGETHER", 16)
    told = tiny.run_here(stage)
    whole = (stage.path / rates.NAME).read_bytes()
    column = rates.read(stage.path / rates.NAME)
    assert told["asked"] == len(column) == 32
    assert 0 < told["pass_rate"] < 1
    assert sum(told["right_answers"].values()) == 32
    assert told["pass_rate"] == pytest.approx(sum(column.values()) / 32)
    (stage.path / rates.NAME).unlink()
    ask, calls = difficulty._asked, []

    def killed(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return ask(*args)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(difficulty, "_asked", killed)
        tiny.run_here(stage)
    journal = stage.path / rates.JOURNAL
    assert journal.read_bytes().count(b"\n") == 8
    journal.write_bytes(journal.read_bytes() + b'{"row": 9, "id"')
    asked: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(difficulty, "_asked", lambda *args: asked.append(1) or ask(*args))
        tiny.run_here(stage)
    assert len(asked) == 6
    assert (stage.path / rates.NAME).read_bytes() == whole
    assert not journal.exists()


def test_rows_outside_the_bounds_go_and_all_others_stay(stage: Stage, base: Path) -> None:
    first = tiny.run_here(stage)
    column = rates.read(stage.path / rates.NAME)
    bounded = stage.model_copy(
        update={"config": recipe(least=0.25, most=0.75), "folder": str(stage.path.with_name("bounded"))}
    )
    told = tiny.run_here(bounded)
    assert rates.read(bounded.path / rates.NAME) == column, "a row's answers hang on no other row"
    kept = {row for row, rate in column.items() if 0.25 <= rate <= 0.75}
    assert 0 < len(kept) < 32
    assert told["too_hard"] + told["too_easy"] == 32 - len(kept)
    found = corpus.load(bounded.path / "corpus")
    before = corpus.load(base / "short" / "corpus")
    assert len(found) == len(before) - (32 - len(kept))
    assert {found.row(n) for n in range(len(found))} & set(column) == kept
    assert first["too_hard"] == first["too_easy"] == 0


def test_bounds_that_leave_nothing_and_a_journal_of_something_else_are_told(stage: Stage) -> None:
    with pytest.raises(RecipeError, match=r"least: 0\.9 is above most"):
        kinds.read(recipe(least=0.9, most=0.1), where="stages.hard").check("stages.hard")
    stage.path.mkdir(parents=True)
    (stage.path / rates.JOURNAL).write_text('{"step": 1}\n')
    with pytest.raises(DataError, match=r"answers\.jsonl:1: not a line of this stage"):
        tiny.run_here(stage)
