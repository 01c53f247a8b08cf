"""Every card against its publisher's own tree, served on loopback: fetched, unpacked, checked and prepared as it is.

`python tests/whole/test_published.py --write [NAME ...]` writes what is trained of each again; look at the difference before
committing it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from published import serving
from published.serving import Publisher

from lingshu_train.data.cards import card as cards
from lingshu_train.data.checks import check as checking

GOLDEN = Path(__file__).parents[1] / "golden" / "published"
ALL = serving.publishers()


def place(name: str) -> Path:
    return GOLDEN / f"{name}.txt"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("publisher", ALL, ids=lambda one: one.name)
def test_a_publishers_tree_is_trained_as_it_is(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = serving.through(publisher, tmp_path, monkeypatch)
    assert list(found.report.refused) == found.refused, "check and prepare refuse the same rows"
    assert found.report.problems == ()
    assert found.summary.refused == publisher.refused, found.refused
    again = f"if the change is meant: python tests/whole/test_published.py --write {publisher.name}"
    assert place(publisher.name).is_file(), f"no golden text; {again}"
    assert found.text() == place(publisher.name).read_text(encoding="utf-8"), again


def stated(publisher: Publisher) -> bool:
    """Whether the card states how many rows the real files have, of a split that is read."""
    card = cards.load(publisher.card)
    splits = (split for name, split in card.lingshu.splits.items() if name in card.files)
    return any(split.rows is not None and not split.unverified for split in splits)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("publisher", [*filter(stated, ALL)], ids=lambda one: one.name)
def test_a_small_copy_of_a_publishers_tree_goes_through_and_is_told_from_the_real_one(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was lost on the way, other numbers than the card's are the publisher's matter; of what a person put there it
    is said that it is a part."""
    found = serving.through(publisher, tmp_path, monkeypatch, counted=True)
    assert (found.report.problems, found.report.exit_code) == ((), 0)
    # What a card states, it states of one layout alone.
    assert bool(found.report.differs) == (found.report.layout in ("", "as in `fields`"))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("change", ["a shard is gone", "a shard is added", "a shard is cut short"])
def test_a_download_that_somebody_changed_is_not_excused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (publisher,) = (one for one in ALL if one.name == "fairvlmed")
    serving.through(publisher, tmp_path, monkeypatch, counted=True)
    card, folder = cards.load("fairvlmed"), tmp_path / "data" / "fairvlmed" / "Training"
    first = sorted(folder.iterdir())[0]
    if change == "a shard is gone":
        first.unlink()
    elif change == "a shard is added":
        (folder / "more.npz").write_bytes(first.read_bytes())
    else:
        first.write_bytes(first.read_bytes()[:-1])
    report = checking.check(card, tmp_path / "data", terms=serving.TERMS)
    assert report.exit_code == 65
    assert any(f"of {card.name} train" in line or f"{card.name} train: " in line for line in report.problems)
    assert any("the card states 7,000" in line for line in report.problems)


def test_no_golden_text_outlives_its_publisher() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == [publisher.name for publisher in ALL]


def test_every_publisher_is_of_a_card_that_comes_with_lingshu() -> None:
    assert {publisher.card for publisher in ALL} <= set(cards.names(cards.folders.SHIPPED))


def test_every_card_of_rows_has_a_publisher() -> None:
    wanted = {
        name
        for name in cards.names(cards.folders.SHIPPED)
        if (card := cards.load(name)).files and card.lingshu.role in ("training", "benchmark")
    }
    assert sorted(wanted - {publisher.card for publisher in ALL}) == []


def write(names: list[str]) -> None:
    GOLDEN.mkdir(exist_ok=True)
    for publisher in ALL:
        if not names or publisher.name in names:
            with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
                text = serving.through(publisher, Path(folder), patch).text()
            place(publisher.name).write_text(text, encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    write([name for name in sys.argv[1:] if name != "--write"])
