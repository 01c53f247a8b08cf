"""Copies of a picture are found whatever compressed or resized them; slices of one study and other pictures are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from curating import again, caption, decided, named, row, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from lingshu_train.data.images import hashes as _hashes

ANY_TEXT = {"name": "near_pictures", "params": {"same_text": False}}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(2, 60))
def test_the_search_finds_every_pair_of_hashes_that_is_near_and_no_other(
    seed: int, most: int, count: int
) -> None:
    draw = np.random.default_rng(seed)
    roots = draw.integers(0, 1 << 63, 4, dtype=np.uint64)
    hashes = roots[draw.integers(0, 4, count)]
    for _ in range(4):
        hashes = hashes ^ (
            draw.integers(0, 2, count, dtype=np.uint64) << draw.integers(0, 64, count, dtype=np.uint64)
        )
    hashes = np.unique(hashes)
    found = [
        pair
        for one, two in _hashes.near(hashes, most)
        for pair in zip(one.tolist(), two.tolist(), strict=True)
    ]
    expected = {
        (one, two)
        for one in range(len(hashes))
        for two in range(one + 1, len(hashes))
        if bin(int(hashes[one]) ^ int(hashes[two])).count("1") <= most
    }
    assert len(found) == len(set(found)), "each pair once"
    assert set(found) == expected


def test_hashes_are_those_of_the_published_definitions() -> None:
    # A ramp grows to the right: every place is darker than the one beside it.
    ramp = Image.fromarray(np.tile(np.arange(0, 252, 4, dtype=np.uint8), (63, 1)))
    assert _hashes.dhash(ramp) == 2**64 - 1
    small = np.asarray(scene(3).resize((32, 32), Image.Resampling.LANCZOS), float)
    n = np.arange(32)
    cosines = np.cos(np.pi * np.outer(n, 2 * n + 1) / 64)
    low = (cosines @ small @ cosines.T)[:8, :8]
    bits = low > np.median(low)
    ours = _hashes.phash(_hashes.thumbnail(scene(3))).to_bytes(8, "big")
    ours = np.unpackbits(np.frombuffer(ours, np.uint8)).reshape(8, 8)
    assert (ours == bits).mean() > 0.98, "whole numbers may differ from fractions at the median alone"


def test_copies_go_and_name_the_first_one(tmp_path: Path) -> None:
    one, two = scene(1), scene(2)
    rows = [
        caption("first", "a", one),
        caption("other", "b", two),
        caption("recompressed", "c", again(one, 60)),
        caption("smaller", "d", one.resize((80, 80), Image.Resampling.LANCZOS)),
        caption("same bytes", "e", one),
        caption("brighter", "f", one.point(lambda value: min(value + 25, 255))),
    ]
    assert named(decided(tmp_path, rows, ANY_TEXT)) == {"recompressed": "first", "smaller": "first"}


def test_a_small_lesion_makes_another_picture(tmp_path: Path) -> None:
    healthy = scene(1).point(lambda value: value // 2)
    ill = healthy.copy()
    ImageDraw.Draw(ill).ellipse((60, 70, 67, 77), fill=200)
    rows = [caption("healthy", "a", healthy), caption("ill", "b", ill), caption("copy", "c", again(ill, 60))]
    assert named(decided(tmp_path, rows, ANY_TEXT)) == {"copy": "ill"}


def test_distance_nought_without_a_check_is_the_papers_rule(tmp_path: Path) -> None:
    brighter = scene(1).point(lambda value: value // 2 + 60)
    rows = [caption("first", "a", scene(1)), caption("brighter", "b", brighter)]
    paper = {"phash": 0, "dhash": None, "thumbnail": None, "worst": None, "same_text": False}
    assert named(decided(tmp_path / "a", rows, {"name": "near_pictures", "params": paper})) == {
        "brighter": "first"
    }
    assert named(decided(tmp_path / "b", rows, ANY_TEXT)) == {}, "another exposure is another picture"


def test_slices_of_one_study_and_blank_pictures_are_never_copies(tmp_path: Path) -> None:
    one = scene(1)
    grey = Image.new("L", (90, 90), 100)
    rows = [
        caption("slice 1", "a", one, group="study"),
        caption("slice 2", "b", again(one, 80), group="study"),
        caption("of another", "c", again(one, 70), group="another"),
        caption("blank", "d", grey),
        caption("blank again", "e", grey.resize((91, 91))),
    ]
    assert named(decided(tmp_path, rows, ANY_TEXT)) == {"of another": "slice 1"}


def test_with_the_same_text_alone_other_questions_about_a_copy_stay(tmp_path: Path) -> None:
    one, copy = scene(1), again(scene(1), 70)
    rows = [
        row("first", one),
        row("another question", copy, question="Which organ?", answer="liver"),
        row("the same", copy),
        row("elsewhere", copy, split="held_out"),
        row("same bytes", one),
    ]
    assert named(decided(tmp_path, rows, {"name": "near_pictures"})) == {"the same": "first"}


@pytest.mark.parametrize(("across", "gone"), [(True, {"theirs"}), (False, set())])
def test_a_copy_of_another_card_goes_only_where_cards_are_compared(
    tmp_path: Path, across: bool, gone: set[str]
) -> None:
    rows = [caption("ours", "a", scene(1)), caption("theirs", "b", again(scene(1), 70), card="other")]
    step = {"name": "near_pictures", "params": {"same_text": False, "across_cards": across}}
    assert set(named(decided(tmp_path, rows, step))) == gone


def test_rows_that_are_there_already_are_compared_and_never_decided_on(tmp_path: Path) -> None:
    known = [caption("there", "a", scene(1)), caption("there twice", "a", again(scene(1), 70))]
    rows = [caption("new", "b", again(scene(1), 80)), caption("other", "c", scene(2))]
    assert named(decided(tmp_path, rows, ANY_TEXT, known=known)) == {"new": "there"}
