"""The cards of package pictures are true to the files, and no acquisition is on both sides of the split."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.data.quickstart import package_images
from lingshu_train.data.quickstart.card_questions import NAMES
from lingshu_train.errors import DataError

NAMES_OF_CARDS = [name for name in cards.names() if name.startswith("package_")]


def test_eight_modalities_or_more_are_covered() -> None:
    assert len({modality for name in NAMES_OF_CARDS for modality in cards.load(name).lingshu.modality}) >= 8


def test_no_group_is_in_two_splits_across_all_cards() -> None:
    splits: dict[str, set[str]] = {}
    for name in NAMES_OF_CARDS:
        for item in package_images.fields(cards.load(name)).pictures:
            splits.setdefault(item.group, set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "held_out"}


@pytest.mark.parametrize("name", NAMES_OF_CARDS)
def test_a_card_says_what_a_reader_must_know(name: str) -> None:
    card = cards.load(name)
    assert card.lingshu.role == "demonstration"
    assert card.lingshu.licence.commercial and card.lingshu.licence.derive_weights
    assert card.lingshu.source.how_to_get == "pip install 'lingshu-train[quickstart]'"
    for heading in (
        "What it is",
        "From whom, and how made",
        "What is wrong with it",
        "Licence",
        "How to get it",
    ):
        assert f"**{heading}.**" in card.body
    assert "benchmark" not in card.body.lower()
    assert set(card.lingshu.modality) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES_OF_CARDS)
def test_every_picture_of_a_card_can_be_read(name: str) -> None:
    card = cards.load(name)
    root = cards.root(card, Path())
    if root is None:
        pytest.skip(f"needs {card.lingshu.source.name}")
    found = list(package_images.pictures(card, root))
    assert found and len({picture.name for picture in found}) == len(found)
    for picture in found:
        assert picture.image.mode == "RGB" and min(picture.image.size) >= 48
        low, high = picture.image.convert("L").getextrema()
        assert high - low > 60, f"{picture.name} is nearly flat: its window is off"


def test_a_file_that_is_not_the_one_described_is_refused(tmp_path: Path) -> None:
    card = cards.load("package_mahotas")
    path = tmp_path / "demos/data/nuclear.png"
    path.parent.mkdir(parents=True)
    with pytest.raises(
        DataError, match=r"nuclear\.png: not in the installed package; card package_mahotas needs"
    ):
        next(package_images.pictures(card, tmp_path))
    path.write_bytes(b"another version")
    with pytest.raises(DataError, match=r"nuclear\.png: sha256 is not the one in card package_mahotas"):
        next(package_images.pictures(card, tmp_path))
