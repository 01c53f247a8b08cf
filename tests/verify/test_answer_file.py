"""`lingshu score`: rows in, the same rows with verdicts out; a malformed row names its line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from lingshu_train.errors import DataError, MissingInput
from lingshu_train.verify import Policy
from lingshu_train.verify.answer_file import judge_file

ROW = {
    "id": "1",
    "question": "Which organ?",
    "question_type": "mcq",
    "options": {"A": "Liver", "B": "Spleen"},
    "answer": "A",
    "response": "<answer>A. Liver</answer>",
    "note": "kept 原样",
}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_come_back_in_order_with_five_fields_added(tmp_path: Path) -> None:
    numeric = {**ROW, "id": 2, "question_type": "numeric", "options": None, "answer": "2 cm", "tol": 0.1}
    path = write(tmp_path, ROW, {**numeric, "response": "<answer>2.1 cm</answer>"}, {**ROW, "response": "B"})
    out = io.StringIO()
    summary = judge_file(path, Policy.lenient, out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["id"] for row in rows] == ["1", 2, "1"]
    assert [row["correct"] for row in rows] == [True, True, False]
    assert {**ROW, **rows[0]} == rows[0]
    assert list(rows[0])[-5:] == ["correct", "status", "rule", "extracted", "normalized"]
    assert rows[0]["note"] == "kept 原样"
    assert (summary.rows, summary.correct) == (3, 2)
    assert "mcq" in str(summary) and "0.667" in str(summary)


def test_the_policy_decides_whether_plain_text_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, {**ROW, "response": "A"})
    assert judge_file(path, Policy.lenient, io.StringIO()).correct == 1
    strict = judge_file(path, Policy.strict, io.StringIO())
    assert strict.correct == 0
    assert strict.statuses == {"unmarked": 1}


def test_options_may_be_a_list_and_aliases_are_used(tmp_path: Path) -> None:
    listed = {**ROW, "options": ["Liver", "Spleen"]}
    aliased = {
        **ROW,
        "question_type": "short",
        "options": None,
        "answer": "nephrolithiasis",
        "aliases": ["kidney stone"],
    }
    path = write(tmp_path, listed, {**aliased, "response": "<answer>kidney stones</answer>"})
    assert judge_file(path, Policy.strict, io.StringIO()).correct == 2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{not json", "not JSON"),
        ("[1]", "a row is a JSON object, got list"),
        ({key: value for key, value in ROW.items() if key != "answer"}, "missing answer"),
        ({**ROW, "response": None}, "response must be a string, got NoneType"),
        ({**ROW, "question_type": "essay"}, "unknown question_type 'essay'; known: mcq"),
        ({**ROW, "options": "A"}, "options must map letters to texts"),
        ({**ROW, "aliases": "x"}, "aliases must be a list of strings"),
        ({**ROW, "tol": "small"}, "tol must be a number"),
    ],
)
def test_a_malformed_row_names_its_line_and_writes_nothing(tmp_path: Path, row: object, why: str) -> None:
    path = write(tmp_path, ROW, row)
    out = io.StringIO()
    with pytest.raises(DataError) as refused:
        judge_file(path, Policy.lenient, out)
    assert str(refused.value).startswith(f"{path}:2: ")
    assert why in str(refused.value)
    assert refused.value.exit_code == 65
    assert out.getvalue() == ""


def test_a_gold_that_cannot_be_read_is_counted_and_never_right(tmp_path: Path) -> None:
    path = write(tmp_path, {**ROW, "answer": "Z"}, {**ROW, "options": None}, ROW)
    summary = judge_file(path, Policy.lenient, io.StringIO())
    assert summary.correct == 1
    assert summary.statuses == {"invalid_gold": 2, "right": 1}


def test_a_file_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b"\n\xff\n")
    with pytest.raises(DataError, match=r"rows\.jsonl:\d+: not UTF-8"):
        judge_file(path, Policy.lenient, io.StringIO())


def test_a_missing_file_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.jsonl"):
        judge_file(tmp_path / "none.jsonl", Policy.lenient, io.StringIO())


def test_a_lone_surrogate_survives_the_way_through(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps({**ROW, "response": "<answer>\ud800</answer>"}))
    target = tmp_path / "out.jsonl"
    with target.open("w", encoding="utf-8") as out:
        judge_file(path, Policy.lenient, out)
    assert json.loads(target.read_text(encoding="utf-8"))["response"] == "<answer>\ud800</answer>"


def test_a_row_that_nothing_could_get_right_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, ROW, {**ROW, "options": None}, {**ROW, "options": None})
    told = str(judge_file(path, Policy.lenient, io.StringIO()))
    assert "2 rows have no gold that can be judged by; the first is" in told
    assert "rows.jsonl:2: needs at least two options" in told


def test_a_mark_before_the_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, ROW)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert judge_file(path, Policy.lenient, io.StringIO()).correct == 1


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_of_jsons_is_neither_read_nor_written(word: str, tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(ROW)[:-1] + f', "confidence": {word}}}')
    out = io.StringIO()
    with pytest.raises(DataError, match=rf"rows\.jsonl:1: not JSON: {word} is no number"):
        judge_file(path, Policy.lenient, out)
    assert out.getvalue() == ""


def test_a_file_without_a_row_has_no_score(tmp_path: Path) -> None:
    path = write(tmp_path, "", "  ")
    with pytest.raises(DataError, match="holds no row"):
        judge_file(path, Policy.lenient, io.StringIO())
