"""Withdrawn rows under ZeRO on two ranks: a stage that goes on from the last checkpoint before them ends with the bits of the stage
that went without them from its first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from layouts import Layout, stage_for

from lingshu_train.data.corpus import corpus
from lingshu_train.runs import checkpoint, continuing
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import COLUMN, Gone, written

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("layout", "corpus_name", "last"), [(("sft", 2, "zero3"), "data", 3), (("grpo", 2, "zero2"), "short", 4)]
)
def test_it_goes_on_from_a_divided_checkpoint_to_the_bits_of_the_stage_without_the_rows(
    layout: Layout,
    corpus_name: str,
    last: int,
    base: Path,
    straight: Callable[[Layout], Stage],
    tmp_path: Path,
) -> None:
    old = straight(layout)
    order = tiny.rows(old, base / "base" / "model", corpus=corpus_name)
    lost = sorted(order.row(n) for n in (20, 21, 23))  # of the sixth step of four
    gone = Gone(fingerprint=corpus.load(base / corpus_name / "corpus").fingerprint, rows=written(lost))

    def without(name: str) -> Stage:
        stage = stage_for(base, tmp_path / name, layout)
        return stage.model_copy(update={"withdrawn": {corpus_name: gone}, "content": "without"})

    whole, later = without("whole"), without("later")
    continuing.begin(later, old, last)
    assert [checkpoint.step_of(one) for one in checkpoint.existing(later.path)] == [last]
    for stage in (whole, later):
        assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    lines = tiny.trajectory(whole.path)
    assert next(line["step"] for line in lines if line.get(COLUMN)) in (5, 6)
    assert tiny.trajectory(later.path) == lines != tiny.trajectory(old.path)
    assert tiny.weights(later.path) == tiny.weights(whole.path) != tiny.weights(old.path)
