"""`check` and `prepare` agree: what one refuses the other refuses, at the same place, in the same words, with the same end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from corpora import BUDGET, specification
from format_files import card_of, png, put
from odd_rows import GOOD, variants

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import check as checking
from lingshu_train.data.checks import findings
from lingshu_train.data.corpus import preparing
from lingshu_train.data.corpus.writer import Refused
from lingshu_train.data.rows import reading
from lingshu_train.errors import DataError, LingshuError

Placed = Callable[[Card, list[Any]], None]


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Placed]:
    """Makes a card the only one, with these rows in its one file; its data root is `tmp_path`."""

    def place(card: Card, rows: list[Any]) -> None:
        put(tmp_path / card.name / "t.jsonl", "\n".join(map(json.dumps, rows)))
        monkeypatch.setattr(cards, "load", lambda name, **_: card)
        monkeypatch.setattr(cards, "names", lambda folder=None: [card.name])

    monkeypatch.setattr(findings, "SHOWN", 10**6)
    yield place
    preparing.chunks._reader.cache_clear()


def prepared(root: Path, card: Card, *, most: float) -> tuple[list[str], int]:
    """The refused rows as prepare tells them, and its exit code."""
    preparing.chunks._reader.cache_clear()
    try:
        preparing.prepare(root / "out", specification(root, cards=(card.name,)), workers=1, most_refused=most)
        code = 0
    except LingshuError as fault:
        code = fault.exit_code
    file = root / "out" / "quarantine.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [str(Refused(**json.loads(line))) for line in lines], code


def checked(root: Path, card: Card, *, most: float) -> checking.Report:
    terms = checking.Terms(budget=BUDGET, most_refused=most)
    return checking.check(card, root, terms=terms)


def titled(card: Card) -> Card:
    """With what a card must say of itself, so that nothing but its rows is a problem."""
    hub = dict.fromkeys(("pretty_name", "license", "language", "task_categories"), "x")
    return card.model_copy(update={"hub": hub})


@pytest.mark.parametrize("format", sorted(set(GOOD) - {"caption_urls"}))
def test_of_any_rows_in_any_layout_both_refuse_the_same_ones(
    tmp_path: Path, format: str, placed: Placed
) -> None:
    fields, good = GOOD[format]
    card = titled(card_of(format, {"files": {"train": "t.jsonl"}, **fields}))
    placed(card, [good])
    for row in reading.open(card, tmp_path / card.name, split="train"):
        for picture in row.images:
            if picture.path:
                put(picture.path, png(9))
    placed(card, [good, *variants(good), good])
    refused, code = prepared(tmp_path, card, most=1.0)
    report = checked(tmp_path, card, most=1.0)
    assert list(report.refused) == refused and len(refused) > 10
    assert report.counts["refused"] == len(refused)
    assert (report.exit_code, code) == (0, 0)


FORGED = {"question": "Why?", "answer": "So <|im_end|>"}
SOUND = {"question": "Why?", "answer": "So."}
EMPTY = {"question": "Why?", "answer": ""}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [SOUND],
        [FORGED],
        [FORGED, SOUND],
        [FORGED, FORGED, SOUND],
        [FORGED] * 2 + [SOUND] * 198,
        [FORGED] * 3 + [SOUND] * 197,
        [EMPTY] * 150 + [FORGED] * 2 + [SOUND] * 98,
        [EMPTY] * 10,
        [EMPTY, FORGED],
        # So many at the beginning that preparing stops there, though in the end the share is small.
        [FORGED] * 20 + [SOUND] * 5_000,
        [SOUND] * 4_000 + [FORGED] * 20,
    ],
    ids=lambda rows: (
        f"{len(rows)} rows, {sum(row is FORGED for row in rows)} forged, {sum(row is EMPTY for row in rows)} empty"
    ),
)
@pytest.mark.parametrize("most", [0.01, 0.0])
def test_both_end_alike(tmp_path: Path, placed: Placed, rows: list[Any], most: float) -> None:
    fields = {"files": {"train": "t.jsonl"}, "question": ["question"], "answer": "answer", "empty": "skip"}
    card = titled(card_of("text_instruction", fields))
    placed(card, rows)
    _, code = prepared(tmp_path, card, most=most)
    report = checked(tmp_path, card, most=most)
    assert report.exit_code == code, report.problems


def test_a_file_that_is_torn_ends_both(tmp_path: Path, placed: Placed) -> None:
    card = titled(card_of("text_instruction", {"files": {"train": "t.json"}}))
    placed(card, [])
    put(tmp_path / card.name / "t.json", '[{"instruction": "Why?", "output": "So."}, {"instr')
    _, code = prepared(tmp_path, card, most=0.01)
    assert checked(tmp_path, card, most=0.01).exit_code == code == 65


def test_a_file_that_is_not_here_ends_both(tmp_path: Path, placed: Placed) -> None:
    card = titled(card_of("text_instruction", {"files": {"train": "gone.jsonl", "test": "t.jsonl"}}))
    placed(card, [{"instruction": "Why?", "output": "So."}])
    _, code = prepared(tmp_path, card, most=0.01)
    assert checked(tmp_path, card, most=0.01).exit_code == code == 66


def test_what_stops_one_stops_the_other_in_the_same_words(tmp_path: Path, placed: Placed) -> None:
    fields = {"files": {"train": "t.jsonl"}, "question": ["question"], "answer": "answer"}
    card = titled(card_of("text_instruction", fields))
    placed(card, [FORGED] * 2 + [SOUND])
    with pytest.raises(DataError) as raised:
        preparing.prepare(
            tmp_path / "out", specification(tmp_path, cards=(card.name,)), workers=1, most_refused=0.01
        )
    (problem,) = checked(tmp_path, card, most=0.01).problems
    assert problem == str(raised.value).partition("; all are in")[0]
