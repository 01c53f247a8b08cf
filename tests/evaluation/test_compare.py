"""The alarm of an evaluation: a reward that rose alone, found in the records of a run and not by the name of a kind."""

from __future__ import annotations

import made_up_run
import pytest

from lingshu_train.evaluation import compare
from lingshu_train.runs import run, stage
from lingshu_train.runs.stage import Stage


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """Of a made-up run whose GRPO stage starts from `instruct`; its reward rises."""
    found = run.read(made_up_run.build(tmp_path_factory.mktemp("runs") / "run"))
    return {entry.name: stage.read(found.folder(entry) / "stage.json") for entry in found.stages}


def test_a_reward_that_rose_without_accuracy_raises_the_alarm(stages: dict[str, Stage]) -> None:
    line = compare.alarm(stages["grpo"], {"instruct": 0.5, "grpo": 0.5})
    assert line is not None
    assert line.startswith("grpo: reward rose by")
    renamed = stages["grpo"].model_copy(update={"kind": "another"})
    assert compare.alarm(renamed, {"instruct": 0.5, "grpo": 0.5}) == line


def test_there_is_none_where_accuracy_rose_too(stages: dict[str, Stage]) -> None:
    assert compare.alarm(stages["grpo"], {"instruct": 0.5, "grpo": 0.6}) is None


def test_there_is_none_where_the_model_before_was_not_evaluated(stages: dict[str, Stage]) -> None:
    assert compare.alarm(stages["grpo"], {"deep": 0.5, "grpo": 0.5}) is None


def test_there_is_none_for_a_stage_without_a_reward(stages: dict[str, Stage]) -> None:
    assert compare.alarm(stages["instruct"], {"deep": 0.5, "instruct": 0.5}) is None
