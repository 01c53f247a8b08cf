"""What a row becomes: tokens, targets, positions and pixels are the oracle's own, padded and packed, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from independent.chat import MARK
from independent.examples import IGNORED, Example
from independent.rows import Row
from material import Material

from lingshu_train.training.collate import Collator

PIXEL = 5e-7
"""Absolute, of values up to 2.7: half of the last bit of a float32, of the table and of the oracle's rounding."""
PER_BATCH = 6


@pytest.fixture(scope="module")
def expected(given: Material) -> list[Example]:
    reader = given.reader()
    return [reader.example(row) for row in given.rows("mixed")]


@pytest.fixture(scope="module")
def model(given: Material) -> Any:
    return tiny.model(given.root / "base" / "model")


def collated(
    given: Material, folder: Path, model: Any, *, packing: bool
) -> Iterator[dict[str, torch.Tensor]]:
    """All rows of the corpus, a few at a time and in order, as the package gives them to its model."""
    source = given.root / "base" / "model"
    rows = tiny.rows(given.stage(folder / "sft", tiny.sft()), source, corpus="mixed")
    collator = Collator(
        processor=tiny.processor(source), packing=packing, stored=rows.stored, family=tiny.FAMILY, model=model
    )
    read = rows.dataset(system="", whole=True)
    for start in range(0, len(rows), PER_BATCH):
        yield collator([read[row] for row in range(start, start + PER_BATCH)])


def test_padded_rows_are_the_oracles(
    given: Material, expected: list[Example], model: Any, tmp_path: Path
) -> None:
    waiting = iter(expected)
    for batch in collated(given, tmp_path, model, packing=False):
        positions = placed(model, batch)
        pixels = batch["pixel_values"]
        for n, mask in enumerate(batch["attention_mask"].bool()):
            example = next(waiting)
            assert batch["input_ids"][n][mask].tolist() == example.ids
            assert batch["labels"][n][mask].tolist() == example.labels
            assert (batch["labels"][n][~mask] == IGNORED).all()
            assert positions[:, n][:, mask].tolist() == example.positions.tolist()
            pixels = same_pixels(pixels, example)
        assert not len(pixels)
    assert next(waiting, None) is None


def placed(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Positions that the model gives a padded batch by itself, (3, B, L)."""
    found, _ = model.model.get_rope_index(
        batch["input_ids"],
        batch["mm_token_type_ids"],
        image_grid_thw=batch["image_grid_thw"],
        attention_mask=batch["attention_mask"],
    )
    return found


def same_pixels(pixels: torch.Tensor, example: Example) -> torch.Tensor:
    """Take the example's patches off the front."""
    count = len(example.pixels)
    assert np.abs(pixels[:count].double().numpy() - example.pixels).max(initial=0) <= PIXEL
    return pixels[count:]


def test_packed_rows_are_the_oracles_end_to_end(
    given: Material, expected: list[Example], model: Any, tmp_path: Path
) -> None:
    for number, batch in enumerate(collated(given, tmp_path, model, packing=True)):
        rows = expected[number * PER_BATCH : (number + 1) * PER_BATCH]
        assert batch["input_ids"][0].tolist() == [token for row in rows for token in row.ids]
        assert batch["labels"][0].tolist() == [label for row in rows for label in row.labels]
        counted = [place for row in rows for place in range(len(row.ids))]
        assert batch["position_ids"][0, 0].tolist() == counted, "masks are made of where these begin anew"
        places = np.concatenate([row.positions for row in rows], axis=1)
        assert batch["position_ids"][1:, 0].tolist() == places.tolist()
        pixels = batch["pixel_values"]
        for row in rows:
            pixels = same_pixels(pixels, row)
        assert not len(pixels)
        grids = [[1, grid.high, grid.wide] for row in rows for grid in row.grids]
        assert batch["image_grid_thw"].tolist() == grids


def test_the_corpus_has_what_could_go_wrong(given: Material, expected: list[Example]) -> None:
    rows = given.rows("mixed")
    assert len(rows) == 60
    assert {len(row.pictures) for row in rows} == {0, 1, 2, 3}
    assert {len(row.data["turns"]) for row in rows} == {0, 1, 2}
    marked = {place for row in rows for place in places(row) if len(row.pictures) > 1}
    assert marked == {"first", "earlier", "question", "option"}
    assert {bool(row.data["form"]) for row in rows if row.data["reasoning"]} == {True, False}
    shapes = {(grid.high, grid.wide) for example in expected for grid in example.grids}
    assert len(shapes) >= 6
    assert any(high != wide for high, wide in shapes)


def places(row: Row) -> set[str]:
    """Where a row's pictures stand."""
    texts = {
        "earlier": " ".join(turn["question"] for turn in row.data["turns"]),
        "question": row.data["question"],
        "option": " ".join(option["text"] for option in row.data["options"]),
    }
    found = {name for name, text in texts.items() if MARK in text}
    return found or {"first"}


def test_every_answer_is_trained_with_its_end_and_its_newline_and_nothing_else(
    given: Material, expected: list[Example]
) -> None:
    words = given.reader().words
    for row, example in zip(given.rows("mixed"), expected, strict=True):
        said = words.decode(
            [label for label in example.labels if label != IGNORED], skip_special_tokens=False
        )
        *answers, rest = said.split("<|im_end|>\n")
        assert rest == ""
        assert [turn["answer"] in one for turn, one in zip(row.data["turns"], answers, strict=False)] == (
            [True] * len(row.data["turns"])
        )
        assert row.data["answer"] in answers[-1]
        assert row.data["reasoning"] in answers[-1]
        assert len(answers) == len(row.data["turns"]) + 1
        assert "<|" not in "".join(answers)
        assert example.labels[0] == IGNORED, "the first token of a row has none before it"


def test_an_oracle_that_trained_the_last_answers_alone_would_differ(
    given: Material, expected: list[Example]
) -> None:
    last = [given.reader(every=False).example(row) for row in given.rows("mixed")]
    for row, one, every in zip(given.rows("mixed"), last, expected, strict=True):
        assert one.ids == every.ids
        assert (one.labels == every.labels) == (not row.data["turns"])
