"""What is pointed out of pictures, told from what is measured of each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from curating import caption, decided, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from lingshu_train.curate import _looks, picture_quality

STEP = {"name": "picture_quality"}


def lettered(picture: Image.Image) -> Image.Image:
    made = picture.copy()
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(size=14)
    for line in range(2):
        pen.text((4, 4 + 18 * line), "DOE JANE 1961 RIGHT", fill=255, font=font)
    return made


def screenshot() -> Image.Image:
    made = Image.new("RGB", (160, 120), (205, 210, 215))
    pen = ImageDraw.Draw(made)
    pen.rectangle((0, 0, 160, 14), fill=(40, 70, 140))
    pen.rectangle((100, 20, 156, 116), fill=(225, 225, 220))
    made.paste(scene(4, 80).convert("RGB"), (10, 25))
    return made


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (Image.new("L", (80, 80), 90), "blank"),
        (scene(1).point(lambda value: 255 if value > 100 else value), "mostly white"),
        (Image.fromarray(np.pad(np.asarray(scene(1, 16)), 56)), "nearly black"),
        (lettered(scene(1).point(lambda value: value // 2)), "text in the picture"),
        (screenshot(), "a screenshot or a drawing"),
    ],
)
def test_a_picture_that_is_none_is_pointed_out_and_stays(
    tmp_path: Path, picture: Image.Image, reason: str
) -> None:
    found = decided(tmp_path, [caption("plain", "a", scene(2)), caption("this", "b", picture)], STEP)
    assert [(line["sample"], line["action"], line["reason"]) for line in found] == [("this", "flag", reason)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1_000_000), st.integers(64, 200))
def test_no_soft_picture_is_pointed_out(seed: int, side: int) -> None:
    look = _looks.look(0, _looks.measure(scene(seed, side))[0])
    assert list(picture_quality.faults(look, picture_quality.Params())) == []


def test_the_same_pixels_have_the_same_key_however_they_are_stored() -> None:
    grey = scene(1)
    assert _looks.pixels(grey) == _looks.pixels(grey.convert("RGB"))
    assert _looks.pixels(grey) != _looks.pixels(grey.transpose(Image.Transpose.ROTATE_90))
    assert _looks.pixels(grey) != _looks.pixels(
        grey.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    )


def test_pictures_with_the_same_pixels_are_exact_duplicates_where_the_recipe_says_so(tmp_path: Path) -> None:
    rows = [caption("grey", "a", scene(1)), caption("three channels", "a", scene(1).convert("RGB"))]
    step = {"name": "exact_duplicates"}
    assert decided(tmp_path / "bytes", rows, step) == []
    found = decided(tmp_path / "pixels", rows, {**step, "params": {"pictures": "pixels"}})
    assert [(line["sample"], line["evidence"]) for line in found] == [("three channels", "grey")]
