"""Our image processor gives transformers' pixel values to the bit, and leaves files that name transformers' class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from lingshu_train.model.families._qwen_patches import ImageProcessor

SIZE = {"shortest_edge": 784, "longest_edge": 28 * 28 * 64}


def picture(wide: int, high: int, mode: str = "RGB") -> Image.Image:
    draw = np.random.default_rng(wide * high)
    return Image.fromarray(draw.integers(0, 256, (high, wide, 3), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]},
        {"do_rescale": False},
        {"do_normalize": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("tensors", ["pt", "np"])
def test_pixel_values_are_those_of_transformers_to_the_bit(options: dict[str, Any], tensors: str) -> None:
    sizes = [(56, 56), (28, 28), (57, 83), (300, 200), (20, 20), (97, 400), (224, 224)]
    pictures = [picture(*size) for size in sizes] + [picture(64, 64, mode) for mode in ("L", "RGBA")]
    pictures += [picture(*size, "L") for size in sizes]
    ours = ImageProcessor(size=SIZE, **options)(pictures, return_tensors=tensors)
    theirs = Qwen2VLImageProcessorPil(size=SIZE, **options)(pictures, return_tensors=tensors)
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert type(ours[name]) is type(expected)
        assert ours[name].dtype == expected.dtype
        assert np.array_equal(np.asarray(ours[name]), np.asarray(expected)), name


def test_every_value_of_a_pixel_is_in_the_table() -> None:
    """All 256 values in every channel, in a picture that needs no resizing."""
    values = np.arange(784 * 3, dtype=np.int64).reshape(28, 28, 3) % 256
    image = Image.fromarray(values.astype(np.uint8))
    ours, theirs = (cls(size=SIZE)([image]) for cls in (ImageProcessor, Qwen2VLImageProcessorPil))
    assert np.array_equal(ours["pixel_values"], theirs["pixel_values"])


def test_pictures_of_other_numbers_are_left_to_transformers() -> None:
    """Nothing here makes such ones; a caller may."""
    values = np.random.default_rng(0).random((3, 56, 56), dtype=np.float32)
    ours, theirs = (
        cls(size=SIZE, do_resize=False, do_rescale=False)([values])
        for cls in (ImageProcessor, Qwen2VLImageProcessorPil)
    )
    assert np.array_equal(ours["pixel_values"], theirs["pixel_values"])


def test_saved_files_name_the_class_that_everyone_has() -> None:
    assert ImageProcessor(size=SIZE).to_dict() == Qwen2VLImageProcessorPil(size=SIZE).to_dict()
