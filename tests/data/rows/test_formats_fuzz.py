"""Whatever a row holds, its reader gives samples or a DataError that names its place: nothing else leaves it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from format_files import card_of, put
from odd_rows import GOOD, NO_TEXT, variants

from lingshu_train.data.rows import reading
from lingshu_train.data.rows.line import missing, number, whole_number
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError

SPELT = re.compile(r"None|[Nn]a[Nn]|NaT|True|\binf\b|\[|\{|null")


@pytest.mark.parametrize("format", sorted(GOOD))
def test_any_row_gives_samples_or_a_data_error(tmp_path: Path, format: str) -> None:
    fields, good = GOOD[format]
    card = card_of(format, {"files": {"train": "t.jsonl"}, **fields})
    path = put(tmp_path / "t.jsonl", "")
    reader = reading.open(card, tmp_path, split="train")
    faults = 0
    for values in variants(good):
        put(path, json.dumps(values))
        for line in reader.lines():
            try:
                for row in reader.rows(line):
                    assert not any(image.exists() for image in row.images)
                    json.dumps([row.sample.question, row.sample.answer], ensure_ascii=False).encode()
            except DataError as fault:
                faults += 1
                assert str(fault).startswith(f"{path}:1: ") and "\n" not in str(fault)
    assert faults
    put(path, json.dumps(good))
    if format != "caption_urls":
        assert list(reader)


def words(row: Row) -> list[str]:
    """Every text of a row that a model reads or is judged by."""
    sample = row.sample
    turns = [text for turn in row.turns for text in (turn.question, turn.answer)]
    own = [sample.question, sample.answer, sample.reasoning, *sample.options.values(), *sample.aliases]
    return [*own, *turns, sample.group, sample.modality]


@pytest.mark.parametrize("format", sorted(GOOD))
def test_what_is_no_text_never_becomes_one_at_any_depth(tmp_path: Path, format: str) -> None:
    fields, good = GOOD[format]
    card = card_of(format, {"files": {"train": "t.jsonl"}, **fields})
    path = put(tmp_path / "t.jsonl", "\n".join(map(json.dumps, variants(good, NO_TEXT))))
    reader = reading.open(card, tmp_path, split="train")
    for line in reader.lines():
        try:
            rows = list(reader.rows(line))
        except DataError:
            continue
        # A report's section that is missing is written as None, on purpose.
        found = [text for row in rows if row.sample.task != "report" for text in words(row)]
        assert not [text for text in found if SPELT.search(text)], (path, line.number)


def test_a_missing_value_in_a_dialogue_refuses_its_row_and_among_options_drops_the_option(
    tmp_path: Path,
) -> None:
    dialogues = [
        ["What is CT?", None],
        ["What is CT?", float("nan")],
        ["q", ["a", "b"]],
        [None, "a"],
        ["q", True],
    ]
    put(tmp_path / "t.jsonl", "\n".join(json.dumps({"dialogue": one}) for one in dialogues))
    card = card_of("text_instruction", {"files": {"train": "t.jsonl"}, "turns": "dialogue"})
    reader = reading.open(card, tmp_path, split="train")
    for line in reader.lines():
        with pytest.raises(DataError, match=r"dialogue: text [12](: must be text| is empty)"):
            list(reader.rows(line))
    choices = [
        {"options": {"A": "CT", "B": "MR", "C": float("nan")}, "ctx": "c"},
        {"options": ["CT", None, "MR", float("nan")], "ctx": "c"},
        {"options": {"A": "CT", "B": "MR"}, "ctx": ["p", None]},
    ]
    rows = [{"question": "q", "answer": "A", **one} for one in choices]
    put(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))
    card = card_of("mcq_text", {"files": {"train": "t.jsonl"}, "context": "ctx"})
    reader = reading.open(card, tmp_path, split="train")
    first, second, third = reader.lines()
    assert [row.sample.options for row in reader.rows(first)] == [{"A": "CT", "B": "MR"}]
    assert [row.sample.options for row in reader.rows(second)] == [{"A": "CT", "C": "MR"}]
    with pytest.raises(DataError, match="ctx: paragraph 2 is empty"):
        list(reader.rows(third))


def test_nothing_is_what_pandas_calls_missing() -> None:
    import pandas

    assert all(map(missing, (None, float("nan"), pandas.NA, pandas.NaT)))
    assert not any(map(missing, ("", "nan", 0, False, [], {})))


@pytest.mark.parametrize("text", ["²", "٣", "1_0", "１", "+1", "1.0", "", "1" * 20])
def test_what_only_python_takes_for_a_whole_number_is_none(text: str) -> None:
    assert whole_number(text, digits=9) is None


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "1_0", "٣", "²", "0x10", "", ".", "1e"])
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    assert number(text) is None and number("-1.5e2") == -150.0
