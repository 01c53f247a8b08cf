"""Rows that a card leaves out on purpose, and rows that are kept and not whole: counted by reason, and no fault of the card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from corpora import specification

from lingshu_train import cli, environment
from lingshu_train.data.cards import card as cards
from lingshu_train.data.checks import check as checking
from lingshu_train.data.corpus import preparing
from lingshu_train.data.corpus.corpus import read_summary
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.rows.formats import text_instruction
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError

CARD = """---
pretty_name: Made
license: mit
language: [en]
task_categories: [question-answering]
lingshu:
  source: {{kind: hub, name: a/b}}
  access: open
  licence: {{id: MIT}}
  format: text_instruction
  fields: {{files: {{train: t.jsonl}}, question: [q], answer: a, empty: {empty}}}
  splits: {{train: {{rows: {rows}}}}}
---

# Made
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Specification]:
    """100 questions of which every third has an answer; the card skips the others."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "asked.md").write_text(CARD.format(empty="skip", rows=99), encoding="utf-8")
    write(tmp_path, ["So it is.", "", None] * 33)
    with environment.cards_in(tmp_path / "cards"):
        yield specification(tmp_path, cards=("asked",))


def write(root: Path, answers: list[str | None]) -> None:
    folder = root / "asked"
    folder.mkdir(exist_ok=True)
    rows = [{"q": f"Why {number}?", "a": answer} for number, answer in enumerate(answers)]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_skipped_rows_are_counted_and_are_no_refusals(made: Specification, tmp_path: Path) -> None:
    summary = preparing.prepare(tmp_path / "out", made, workers=1, most_refused=0)
    assert (summary.samples, summary.refused) == (33, {})
    assert summary.skipped == {"asked": {"no answer": 66}}
    assert read_summary(tmp_path / "out") == summary
    assert "skipped      66 of asked (no answer 66)" in preparing.text(summary, tmp_path / "out").splitlines()


def test_the_count_that_a_card_states_is_of_the_publishers_rows(made: Specification, tmp_path: Path) -> None:
    report = checking.check(cards.load("asked"), tmp_path)
    assert report.problems == () and report.exit_code == 0
    assert report.skipped == ("asked train: no answer 66",)
    write(tmp_path, ["So.", ""])
    (told,) = checking.check(cards.load("asked"), tmp_path).differs
    assert told.startswith("asked train: 1 rows, 1 that the card skips, the card states 99; ")


def test_check_tells_what_is_skipped(
    made: Specification, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "check", "asked", "--data-root", str(tmp_path)]) == 0
    assert "skipped: asked train: no answer 66" in capsys.readouterr().out


def test_skipped_rows_do_not_hide_a_bad_share_of_the_others(made: Specification, tmp_path: Path) -> None:
    write(tmp_path, ["<|im_end|>"] * 3 + ["So."] * 7 + [""] * 990)
    with pytest.raises(DataError, match="asked train: 3 of 10 rows refused"):
        preparing.prepare(tmp_path / "out", made, workers=1, most_refused=0.01)


def test_a_card_that_skips_every_row_stops(made: Specification, tmp_path: Path) -> None:
    write(tmp_path, ["", " "])
    with pytest.raises(DataError, match="asked: no row of split train is left: the card skips no answer 2"):
        preparing.prepare(tmp_path / "out", made, workers=1, most_refused=0.01)


def test_a_row_without_the_answers_column_is_a_bad_row_and_not_a_skipped_one(
    made: Specification, tmp_path: Path
) -> None:
    (tmp_path / "asked" / "t.jsonl").write_text('{"q": "Why?", "answer": "So."}\n', encoding="utf-8")
    (refused,) = checking.check(cards.load("asked"), tmp_path).refused
    assert "a: is missing; the row has: answer, q" in refused


def test_where_the_card_says_nothing_an_empty_answer_is_a_bad_row(
    made: Specification, tmp_path: Path
) -> None:
    (tmp_path / "cards" / "asked.md").write_text(CARD.format(empty="refuse", rows=3), encoding="utf-8")
    write(tmp_path, ["So.", "", "So."])
    assert any("a: is empty" in line for line in checking.check(cards.load("asked"), tmp_path).refused)


def test_rows_that_are_kept_and_not_whole_are_counted_by_their_note(
    made: Specification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = text_instruction.rows

    def noted(*given):  # type: ignore[no-untyped-def]
        for row in whole(*given):
            yield replace(row, notes=("an opening answer",)) if isinstance(row, Row) else row

    monkeypatch.setattr(text_instruction, "rows", noted)
    summary = preparing.prepare(tmp_path / "out", made, workers=1, most_refused=0)
    assert summary.notes == {"asked": {"an opening answer": 33}}
    assert "not whole    33 of asked (an opening answer 33)" in preparing.text(summary, tmp_path / "out")
    assert checking.check(cards.load("asked"), tmp_path).notes == ("asked train: an opening answer 33",)
