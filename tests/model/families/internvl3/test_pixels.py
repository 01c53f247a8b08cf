"""Our processor gives transformers' pixel values to the bit and its tokens, and leaves files that name transformers' classes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from lingshu_train.model import family, shape
from lingshu_train.model.families.internvl3 import processing
from lingshu_train.model.families.internvl3.pixels import ImageProcessor

SIZE = {"height": 56, "width": 56}
TILED = {"size": SIZE, "crop_to_patches": True, "min_patches": 1, "max_patches": 6}
SIZES = [(56, 56), (28, 28), (57, 83), (300, 200), (20, 20), (97, 400), (224, 224), (5, 900)]


def picture(wide: int, high: int, mode: str = "RGB") -> Image.Image:
    draw = np.random.default_rng(wide * high)
    return Image.fromarray(draw.integers(0, 256, (high, wide, 3), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"image_mean": processing.MEAN, "image_std": processing.DEVIATION},
        {"do_rescale": False},
        {"do_normalize": False},
        {"crop_to_patches": False},
        {"min_patches": 3},
        {"max_patches": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("tensors", ["pt", "np", None])
def test_pixel_values_are_those_of_transformers_to_the_bit(
    options: dict[str, Any], tensors: str | None
) -> None:
    pictures = [picture(*size, mode) for size in SIZES for mode in ("RGB", "L")] + [picture(64, 64, "RGBA")]
    ours, theirs = (
        kind(**TILED | options)(pictures, return_tensors=tensors)
        for kind in (ImageProcessor, GotOcr2ImageProcessorPil)
    )
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert type(ours[name]) is type(expected)
        assert np.array_equal(np.asarray(ours[name]), np.asarray(expected)), name
        assert np.asarray(ours[name]).dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("tensors", ["pt", "np", None])
def test_a_picture_that_is_asked_for_several_times_is_made_once(
    tensors: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = picture(300, 200), picture(56, 56)
    again = [one, other, one, one, other]
    expected = GotOcr2ImageProcessorPil(**TILED)(again, return_tensors=tensors)
    made: list[object] = []
    usual = ImageProcessor.process_image
    monkeypatch.setattr(
        ImageProcessor,
        "process_image",
        lambda self, image, *a, **k: made.append(image) or usual(self, image, *a, **k),
    )
    found = ImageProcessor(**TILED)(again, return_tensors=tensors)
    assert len(made) == 2
    for name, values in expected.items():
        assert np.array_equal(np.asarray(found[name]), np.asarray(values)), name


def test_pictures_of_other_numbers_are_left_to_transformers() -> None:
    """Nothing here makes such ones; a caller may."""
    values = np.random.default_rng(0).random((3, 56, 56), dtype=np.float32)
    ours, theirs = (
        kind(**TILED, do_resize=False, do_rescale=False)([values])
        for kind in (ImageProcessor, GotOcr2ImageProcessorPil)
    )
    assert np.array_equal(ours["pixel_values"], theirs["pixel_values"])


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Any, Path]:
    """A processor for pictures of 1 to 4 tiles, and the folder that everyone reads."""
    known = family.of("internvl3")
    words = known.build_tokenizer(["What does this show?"] * 3, vocabulary=512)
    budget = shape.of("internvl3").published_budget(max_pixels=4 * 448**2)
    text = known.build_processor(words, budget)
    known.write_for_everyone(text, tmp_path)
    return text, tmp_path


def test_everyones_image_processor_reads_the_files_and_gives_the_same_values(saved: tuple[Any, Path]) -> None:
    text, folder = saved
    images = AutoImageProcessor.from_pretrained(folder, backend="pil")
    assert type(images) is GotOcr2ImageProcessorPil
    shown = [picture(1000, 500), picture(80, 80)]
    theirs, ours = images(shown, return_tensors="pt"), text.image_processor(shown, return_tensors="pt")
    assert theirs["num_patches"].tolist() == [3, 1]
    assert torch.equal(theirs["pixel_values"], ours["pixel_values"])


def test_everyones_tokenizer_names_the_marks_that_the_class_asks_for(saved: tuple[Any, Path]) -> None:
    text, folder = saved
    words = AutoTokenizer.from_pretrained(folder)
    assert [getattr(words, name) for name in processing.NAMED] == [*processing.NAMED.values()]
    assert words.context_image_token_id == text.image_token_id
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        assert json.loads((folder / name).read_text())["processor_class"] == "InternVLProcessor"


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="needs torchvision")
def test_the_official_processor_gives_the_same_tokens_and_values_up_to_its_backend(
    saved: tuple[Any, Path],
) -> None:
    from transformers import AutoProcessor

    text, folder = saved
    official = AutoProcessor.from_pretrained(folder)
    assert type(official).__name__ == "InternVLProcessor"
    shown = [[picture(1000, 500), picture(80, 80)]]
    asked = ["<IMG_CONTEXT>\nprior <IMG_CONTEXT>\ncurrent"]
    theirs, ours = (one(text=asked, images=shown, return_tensors="pt") for one in (official, text))
    assert torch.equal(theirs["input_ids"], ours["input_ids"])
    # torchvision's resizing rounds otherwise: by two levels of 255 in noise, and hardly ever.
    off = (theirs["pixel_values"] - ours["pixel_values"]).abs()
    level = 1 / 255 / min(processing.DEVIATION)
    assert off.max() < 2.01 * level
    assert off.mean() < 0.05 * level
