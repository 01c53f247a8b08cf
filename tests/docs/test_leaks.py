"""The page of leaks tells of the pairs of training cards and benchmarks that the cards name, and of no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import folders

PAGE = (Path(__file__).parents[2] / "docs" / "leaks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
EVERY = {name: cards.load(name) for name in cards.names(folders.SHIPPED)}
BENCHMARKS = [name for name, card in EVERY.items() if card.lingshu.role == "benchmark"]


def test_every_benchmark_has_its_section_and_no_other_has_one() -> None:
    assert sorted(SECTIONS) == sorted(BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_section_tells_of_every_training_card_that_the_benchmark_overlaps(name: str) -> None:
    told = re.findall(r"^\| `(\w+)` \|", SECTIONS[name], flags=re.MULTILINE)
    named = {other for other in EVERY[name].lingshu.overlaps if EVERY[other].lingshu.role == "training"}
    assert len(told) == len(set(told))
    assert set(told) == named, "docs/leaks.md and `overlaps` of the card must say the same"
    assert told or SECTIONS[name].strip(), "a sentence where there is no pair"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_row_says_what_is_known_and_what_was_looked_at_or_could_not_be_told(name: str) -> None:
    for row in re.findall(r"^\| `\w+` \|.*$", SECTIONS[name], flags=re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4, row
        assert cells[1] and (cells[2] or cells[3] or "never published" in cells[1]), row
