"""A generation window's pictures are read once and processed once, however many micro-steps and copies it has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from plain_order import PlainOrder
from stock import Kit, arguments, run_of
from transformers import ProcessorMixin
from trl import GRPOConfig

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.records import Location
from lingshu_train.model.families._qwen_patches import ImageProcessor
from lingshu_train.stages.grpo.items import UNREAD, Once, Placing, item_to_row
from lingshu_train.stages.grpo.run import ExactGRPOTrainer

pytestmark = pytest.mark.slow

PROMPTS, GROUP, REPEATS = 24, 2, 4


@pytest.fixture
def words(base: Path) -> ProcessorMixin:
    return tiny.processor(base / "base" / "model")


def test_copies_of_a_picture_get_what_each_would_get(words: ProcessorMixin) -> None:
    draw = np.random.default_rng(0)
    one, two, three = (
        Image.fromarray(draw.integers(0, 256, (high, wide, 3), dtype=np.uint8))
        for high, wide in ((56, 56), (40, 120), (84, 56))
    )
    shared = [[one], [one], [two, one], [], [three, three]]
    apart = [[picture.copy() for picture in some] for some in shared]
    text = ["<|vision_start|><|image_pad|><|vision_end|>" * len(some) + "What?" for some in shared]
    for kind in ("pt", "np", None):
        padding = kind is not None
        found, expected = (
            words(text=text, images=pictures, padding=padding, return_tensors=kind)
            for pictures in (shared, apart)
        )
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert np.array_equal(np.asarray(found[name], object), np.asarray(value, object)), name
            assert type(found[name]) is type(value)


def test_a_window_is_asked_for_at_every_micro_step_and_read_at_the_first() -> None:
    order = PlainOrder(50)
    row = item_to_row(order.row, Placing(prompts=PROMPTS, group=GROUP), repeats=REPEATS)
    items = PROMPTS * GROUP
    for window in range(3):
        numbers = [row(window * items * REPEATS + i) for i in range(items * REPEATS)]
        read = [n for n in order.rows(window * PROMPTS, (window + 1) * PROMPTS) for _ in range(GROUP)]
        assert numbers == read + [UNREAD] * items * (REPEATS - 1)


def test_a_row_that_was_not_read_cannot_be_trained_on() -> None:
    rows = Once(SimpleNamespace(__getitems__=lambda numbers: [{"prompt": n} for n in numbers]))
    assert rows.__getitems__([3, 4]) == [{"prompt": 3}, {"prompt": 4}]
    with pytest.raises(KeyError, match="prompt"):
        rows.__getitems__([UNREAD] * 2)[0]["prompt"]


def test_a_training_run_reads_and_processes_each_picture_of_a_window_once(
    base: Path, words: ProcessorMixin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processed twice, to be exact: TRL makes the inputs of generation and those of training by themselves."""
    stage = tiny.make_stage(tmp_path, "rl", tiny.grpo(), parents={n: base / n for n in ("short", "warm")})
    rows = tiny.rows(stage, base / "base" / "model", corpus="short")
    kit = Kit(stage=stage, source=base / "base" / "model", rows=rows, text=words)
    read: list[str] = []
    processed: list[int] = []
    image, preprocess = corpus.Corpus._picture, ImageProcessor._preprocess

    def counted_read(self: Any, location: Location, owner: str) -> Any:
        read.append(location.digest)
        return image(self, location, owner)

    def counted_preprocess(self: Any, images: Any, **options: Any) -> Any:
        processed.append(len(images))
        return preprocess(self, images, **options)

    monkeypatch.setattr(corpus.Corpus, "_picture", counted_read)
    monkeypatch.setattr(ImageProcessor, "_preprocess", counted_preprocess)
    args = GRPOConfig(
        **arguments(stage.path, max_steps=REPEATS, per_device_train_batch_size=PROMPTS * GROUP // REPEATS),
        num_generations=GROUP,
        steps_per_generation=REPEATS,
        max_completion_length=2,
        beta=0.0,
    )
    trainer = ExactGRPOTrainer(
        model=kit.model(),
        args=args,
        reward_funcs=[lambda completions, **_: torch.arange(len(completions)).tolist()],
        train_dataset=rows.dataset(system="", whole=False),
        processing_class=words,
    )
    row = item_to_row(PlainOrder(32).row, Placing(prompts=PROMPTS, group=GROUP), repeats=REPEATS)
    trainer.begin(run_of(kit, steps=REPEATS, per_step=PROMPTS * GROUP, row=row))
    trainer.train()
    assert len(read) == PROMPTS
    assert processed == [PROMPTS, PROMPTS]
