"""A part of a set: what is not here is missed, unless it was said to lie elsewhere on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpora import BUDGET, specification
from format_files import png, put

from lingshu_train import cli, environment
from lingshu_train.data.cards import card as cards
from lingshu_train.data.checks import check as checking
from lingshu_train.data.corpus import chunks, preparing
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.errors import DataError

CARD = """---
pretty_name: Made
license: mit
language: [en]
task_categories: [image-to-text]
lingshu:
  source: {kind: hub, name: a/b}
  access: open
  licence: {id: MIT}
  format: caption_pairs
  fields:
    files: {train: 'train-*.jsonl', test: test.jsonl}
    images: pictures
    image: image
    caption: text
  splits:
    train: {rows: 9}
    test: {rows: 5}
---

# Made
"""
FAULT = "pictures/c.png: image file is missing; fetch the card's images"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A shard of three pairs, of which the last one's picture is not there; the test file is not there either."""
    put(tmp_path / "cards" / "made.md", CARD)
    rows = [{"image": f"{name}.png", "text": f"A disc {name}."} for name in "abc"]
    put(tmp_path / "made" / "train-0.jsonl", "\n".join(map(json.dumps, rows)))
    for shade, name in ((50, "a"), (90, "b")):
        put(tmp_path / "made" / "pictures" / f"{name}.png", png(shade))
    with environment.cards_in(tmp_path / "cards"):
        yield tmp_path
    chunks._reader.cache_clear()


def check(root: Path, *, part: bool, splits: list[str] | None = None) -> checking.Report:
    terms = checking.Terms(budget=BUDGET, part=part, most_refused=0)
    return checking.check(cards.load("made"), root, terms=terms, splits=splits)


def prepare(root: Path, *, part: bool, most: float = 0) -> Summary:
    chunks._reader.cache_clear()
    made = specification(root, cards=("made",), part=("made",) if part else ())
    return preparing.prepare(root / f"out-{part}", made, workers=1, most_refused=most)


def test_without_a_word_a_number_is_told_and_a_row_without_its_picture_is_refused(root: Path) -> None:
    report = check(root, part=False, splits=["train"])
    (told,) = report.differs
    assert told.startswith("made train: 2 rows and 1 that are refused, the card states 9; ")
    assert "say --part (in a recipe `part: [made]`)" in told
    assert (report.counts["refused"], report.exit_code) == (1, 65)
    with pytest.raises(DataError, match="1 of 3 rows refused"):
        prepare(root, part=False)


def test_of_a_part_neither_rows_nor_pictures_nor_splits_are_missed(root: Path) -> None:
    report = check(root, part=True)
    assert (report.problems, report.refused, report.exit_code) == ((), (), 0)
    assert report.differs == (
        "made test: none of its files is here; it was said that a part of the set lies here",
        "made train: 2 rows, 1 that the card skips, the card states 9; it was said that a part of the set lies here",
    )
    (line,) = report.missing
    assert line == f"{root}/made/train-0.jsonl:3: {root}/made/{FAULT}"
    summary = prepare(root, part=True)
    assert (summary.samples, summary.refused) == (2, {})
    assert summary.skipped == {"made": {chunks.NOT_HERE: 1}}
    assert summary.differs == {"made train": report.differs[1]}


def test_rows_without_their_picture_are_put_aside_by_name(root: Path) -> None:
    prepare(root, part=True)
    (line,) = (root / "out-True" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "card": "made",
        "where": f"{root}/made/train-0.jsonl:3",
        "reason": f"{root}/made/{FAULT}",
        "kind": chunks.NOT_HERE,
    }


def test_a_bad_row_of_a_part_is_still_a_bad_row(root: Path) -> None:
    put(root / "made" / "train-1.jsonl", json.dumps({"image": "a.png", "text": "<|im_end|>"}))
    put(root / "made" / "train-2.jsonl", json.dumps({"image": "d.png", "text": "Broken."}))
    put(root / "made" / "pictures" / "d.png", b"no picture")
    assert check(root, part=True).counts["refused"] == 2
    with pytest.raises(DataError, match="2 of 4 rows refused"):
        prepare(root, part=True)


def test_a_part_of_which_no_picture_is_here_stops_both(root: Path) -> None:
    for path in (root / "made" / "pictures").iterdir():
        path.unlink()
    left = f"made: no row of split train is left: the card skips {chunks.NOT_HERE} 3"
    assert left in check(root, part=True).problems
    with pytest.raises(DataError, match=left):
        prepare(root, part=True)


def test_too_few_rows_are_told_by_prepare_and_stop_nothing(root: Path) -> None:
    put(root / "made" / "pictures" / "c.png", png(130))
    summary = prepare(root, part=False)
    assert summary.samples == 3
    (told,) = summary.differs.values()
    report = check(root, part=False, splits=["train"])
    assert (report.differs, report.exit_code) == ((told,), 0)
    assert told.startswith("made train: 3 rows, the card states 9; if its files were cut short on the way,")
    assert f"differs      {told}" in preparing.text(summary, root).splitlines()


def test_as_many_rows_as_the_card_states_are_worth_no_word(root: Path) -> None:
    rows = [{"image": "a.png", "text": f"Disc {number}."} for number in range(7)]
    put(root / "made" / "train-0.jsonl", "\n".join(map(json.dumps, rows[:4])))
    put(root / "made" / "train-1.jsonl", "\n".join(map(json.dumps, [*rows[4:], *rows[:2]])))
    assert prepare(root, part=False).differs == {}


def test_a_part_is_a_corpus_of_its_own_name(root: Path) -> None:
    whole = specification(root, cards=("made",))
    part = specification(root, cards=("made",), part=("made",))
    assert preparing.name(whole) != preparing.name(part)


def test_the_verbs_take_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["made", "--part", "--data-root", str(root)]
    assert cli.main(["data", "check", *options]) == 0
    assert f"missing: {root}/made/train-0.jsonl:3: " in capsys.readouterr().out
    assert cli.main(["data", "prepare", *options, "--workers", "1"]) == 0
    assert f"skipped      1 of made ({chunks.NOT_HERE} 1)" in capsys.readouterr().out
