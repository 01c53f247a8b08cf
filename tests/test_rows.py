"""What a training stage reads: lengths are those of the batches, long rows are left out and counted, mixtures keep their shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from conftest import stage_for

from lingshu_train.data.order import Order
from lingshu_train.errors import DataError
from lingshu_train.model import processor
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(base: Path, tmp_path: Path) -> Stage:
    return stage_for(base, tmp_path, ("sft", 1, "none"))


def source(base: Path) -> Path:
    return base / "base" / "model"


def test_stored_lengths_are_those_of_the_batches_that_training_sees(base: Path, stage: Stage) -> None:
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    rows = tiny.rows(stage, source(base))
    text = processor.load(str(source(base)), min_pixels=784, max_pixels=12544)
    data = rows.dataset(system="", with_completion=True)
    batch = DataCollatorForVisionLanguageModeling(text, completion_only_loss=True)(
        [data[row] for row in range(32)]
    )
    tokens, patches = rows.costs(np.arange(32))
    assert tokens.tolist() == batch["attention_mask"].sum(dim=1).tolist()
    assert len(set(tokens.tolist())) == 3
    assert patches.sum() == batch["image_grid_thw"].prod(dim=1).sum()


def test_the_order_of_one_corpus_is_that_of_the_permutation(base: Path, stage: Stage) -> None:
    rows = tiny.rows(stage, source(base))
    expected = list(Order(size=32, seed=0).rows(0, 80))
    assert [rows.row(n) for n in range(80)] == expected
    assert rows.rows(0, 80).tolist() == expected


def test_rows_that_are_too_long_stop_the_stage_unless_it_allows_for_them(base: Path, stage: Stage) -> None:
    with pytest.raises(
        DataError, match=r"data\.0: \d+ of 32 rows are longer than 60 tokens.*first is spots-\d+"
    ):
        tiny.rows(stage, source(base), tokens=60)
    rows = tiny.rows(stage, source(base), tokens=60, most=0.9)
    assert 0 < rows.left_out["data"] == 32 - len(rows)
    assert max(rows.tokens(range(len(rows)))) <= 60
