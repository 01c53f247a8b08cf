"""Token counts by arithmetic and pictures fitted in advance agree with transformers' PIL image processor."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lingshu_train.data import images
from lingshu_train.errors import DataError
from lingshu_train.model import shape
from lingshu_train.model.shape import PictureBudget

BUDGETS = [
    (56 * 56, 28 * 28 * 1280),
    (4 * 28 * 28, 16384 * 28 * 28),
    (3136, 28 * 28 * 4),
    (28 * 28 * 256, 28 * 28 * 256),
]


def budget(low: int, high: int) -> PictureBudget:
    return shape.of("qwen2_5_vl").published_budget(min_pixels=low, max_pixels=high)


def processor(min_pixels: int, max_pixels: int) -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(size={"shortest_edge": min_pixels, "longest_edge": max_pixels})


def some_sizes(count: int) -> list[tuple[int, int]]:
    """Sides from 1 to 40 000 pixels, spread evenly over their logarithm, ratio at most 200; edges of 28 among them."""
    rng = random.Random(0)
    sizes = [
        (28 * k + d, 28 * m + e)
        for k in (1, 7, 36)
        for m in (1, 8)
        for d in (-14, -1, 0, 14)
        for e in (-14, 0, 13)
    ]
    sizes += [(1, 1), (1, 200), (200, 1), (41, 8200), (8200, 41), (40000, 200), (13, 13), (28, 5600)]
    while len(sizes) < count:
        width, height = (round(10 ** rng.uniform(0, 4.6)) for _ in range(2))
        if max(width, height) / min(width, height) <= 200:
            sizes.append((width, height))
    return sizes


@pytest.mark.parametrize(("low", "high"), BUDGETS)
def test_patches_are_those_of_the_processor(low: int, high: int) -> None:
    ours, theirs = budget(low, high), processor(low, high)
    for width, height in some_sizes(3000):
        expected = theirs.get_number_of_image_patches(height, width)
        assert ours.patches(width, height) == expected, (width, height)
        assert 4 * ours.tokens(width, height) == expected


def test_the_fitted_size_is_the_grid_of_a_processed_picture() -> None:
    low, high = BUDGETS[2]
    theirs = processor(low, high)
    for width, height in some_sizes(2000):
        if width * height > 200_000:
            continue
        grid = theirs(Image.new("L", (width, height)), return_tensors="np")["image_grid_thw"][0].tolist()
        wide, tall = budget(low, high).fitted(width, height)
        assert grid == [1, tall // 14, wide // 14], (width, height)


@pytest.mark.parametrize("size", [(201, 1), (1, 201), (8201, 41), (0, 5)])
def test_a_strip_is_refused_in_one_line(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=rf"a picture of {size[0]}x{size[1]} pixels: .* at most 200 times"):
        budget(3136, 1003520).fitted(*size)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_fitted_in_advance_gives_equal_pixel_values(mode: str) -> None:
    rng = np.random.default_rng(0)
    sizes = [(30, 20), (300, 411), (640, 480), (28, 5600), (5, 900), (8200, 41), (224, 224), (57, 1000)]
    for low, high in BUDGETS:
        theirs = processor(low, high)
        for width, height in sizes:
            values = rng.integers(0, 256, (height, width, 3)[: 2 if mode == "L" else 3], dtype=np.uint8)
            original = Image.fromarray(values)
            fitted = images.fit(original, budget(low, high))
            before, after = (
                theirs(picture, return_tensors="pt") for picture in (original.convert("RGB"), fitted)
            )
            assert fitted.mode == mode
            assert torch.equal(before["image_grid_thw"], after["image_grid_thw"]), (width, height)
            assert torch.equal(before["pixel_values"], after["pixel_values"]), (width, height)


def test_a_fitted_picture_is_left_alone_by_a_second_fit() -> None:
    picture = images.fit(Image.new("L", (1000, 700)), budget(3136, 100_000))
    assert picture.size == (364, 252)
    assert images.fit(picture, budget(3136, 100_000)) is picture
