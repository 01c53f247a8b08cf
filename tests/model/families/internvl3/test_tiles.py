"""Tiles by arithmetic are transformers', and parameter counts those of the published models."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from lingshu_train.errors import DataError
from lingshu_train.model import family, parts, shape
from lingshu_train.model.families.internvl3.shape import SPECIAL
from lingshu_train.model.families.internvl3.tiles import Tiles
from lingshu_train.planning import recipe

FAMILY = "internvl3"
PUBLISHED = {
    "internvl3_1b": 938_193_024,
    "internvl3_2b": 2_088_957_440,
    "internvl3_8b": 7_944_373_760,
    "internvl3_14b": 15_117_256_704,
    "internvl3_38b": 38_388_164_992,
}
"""By arithmetic over the published config.json; the 8B's files have 15.9 GB in bfloat16, two bytes each."""


def some_sizes(count: int) -> list[tuple[int, int]]:
    """Sides from 1 to 10 000 pixels, spread evenly over their logarithm, and whole tiles, where arrangements tie."""
    rng = random.Random(0)
    sizes = [
        (448 * k + d, 448 * m + e) for k in (1, 2, 3) for m in (1, 2, 4) for d in (-1, 0, 1) for e in (0, 1)
    ]
    sizes += [(n, n) for n in (1, 447, 448, 633, 634, 776, 777, 896, 1344, 4000)]
    while len(sizes) < count:
        width, height = (round(10 ** rng.uniform(0, 4)) for _ in range(2))
        sizes.append((width, height))
    return sizes


@pytest.mark.parametrize(("least", "most"), [(1, 12), (1, 1), (1, 4), (2, 6), (4, 40)])
def test_tiles_are_those_of_the_processor(least: int, most: int) -> None:
    ours = shape.of(FAMILY).published_budget(min_pixels=least * 448**2, max_pixels=most * 448**2)
    theirs = GotOcr2ImageProcessorPil(
        size={"height": 448, "width": 448}, crop_to_patches=True, min_patches=least, max_patches=most
    )
    assert isinstance(ours, Tiles)
    for width, height in some_sizes(1000):
        expected = theirs.get_number_of_image_patches(height, width)
        assert ours.tiles(width, height) == expected, (width, height)
        assert ours.tokens(width, height) == 256 * expected + 2
        assert ours.patches(width, height) == 1024 * expected


def test_the_published_budget_is_one_to_twelve_tiles_and_a_thumbnail() -> None:
    budget = shape.of(FAMILY).published_budget()
    assert budget.tokens(448, 448) == 258
    assert budget.tokens(4000, 3000) == 13 * 256 + 2


def test_a_bound_below_a_tile_is_one_tile() -> None:
    budget = shape.of(FAMILY).published_budget(min_pixels=784, max_pixels=12544)
    assert budget.tokens(4000, 3000) == 258


def test_a_picture_of_no_area_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match="a picture of 0x5 pixels"):
        shape.of(FAMILY).published_budget().tokens(0, 5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_counts_are_those_of_the_published_models(name: str) -> None:
    """The real class on the meta device, which takes no memory."""
    settings = recipe.load("lingshu_7b", [f"model={name}"]).model
    ids = {text: number for number, text in enumerate(SPECIAL)}
    words = SimpleNamespace(convert_tokens_to_ids=ids.__getitem__, eos_token_id=2, pad_token_id=0)
    architecture = family.of(FAMILY)
    with torch.device("meta"):
        model = architecture.build_model(settings.shape, words, initializer_range=0.02, seed=0)
    counts = settings.shape.parameters()
    assert counts == parts.counts(architecture, model)
    assert sum(counts.values()) == PUBLISHED[name]
