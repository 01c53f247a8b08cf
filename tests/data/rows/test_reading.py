"""The driver of all row formats: files, lines, ids, and what a fault costs."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from format_files import card_of, put, put_parquet, read

from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import published, reading
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.reading import Reader
from lingshu_train.errors import DataError, MissingInput, RecipeError

CAPTIONS = {"files": {"train": "{a,b}/t.*"}}


def captions(root: Path, fields: Mapping[str, Any] = CAPTIONS) -> Reader:
    return reading.open(card_of("caption_pairs", fields), root, split="train")


def pair(caption: str, **more: Any) -> dict[str, Any]:
    return {"image": "1.png", "caption": caption, **more}


def outcome(reader: Reader, line: Line) -> str:
    """The caption that a line gives, or what is wrong with it."""
    try:
        return "".join(row.sample.answer for row in reader.rows(line))
    except DataError as fault:
        return str(fault).rpartition("/")[2]


def test_ids_are_unique_however_often_a_publisher_repeats_its_own(tmp_path: Path) -> None:
    twins = [pair("one", image_id="x"), pair("two", image_id="x"), pair("three")]
    put(tmp_path / "a" / "t.json", json.dumps(twins))
    put(tmp_path / "b" / "t.json", json.dumps(twins))
    put(tmp_path / "b" / "t.jsonl", json.dumps(twins[0]))
    assert [row.sample.id for row in captions(tmp_path)] == [
        *("a/t.json#1:x", "a/t.json#2:x", "a/t.json#3", "b/t.json#1:x", "b/t.json#2:x", "b/t.json#3"),
        "b/t.jsonl#1:x",
    ]


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        ("t.jsonl", b'{"image": \n%s\n', {0: "t.jsonl:1: not JSON: Expecting value"}),
        ("t.jsonl", b'[1]\n%s\n"x"', {0: "t.jsonl:1: a row must be a record, got list", 2: "got str"}),
        ("t.jsonl", b'\xef\xbb\xbf{"caption": "\xe4"}\n%s\n', {0: "t.jsonl:1: not UTF-8 at byte 13"}),
        ("t.jsonl", b"[" * 100_000 + b"\n%s", {0: "t.jsonl:1: not JSON: maximum recursion depth"}),
        ("t.jsonl", b'{"image": "1.png", "caption": ' + b"9" * 5000 + b"}\n%s", {0: "not JSON: Exceeds"}),
        (
            "t.csv",
            b"image,caption\na,b,c\n1.png,good\nd",
            {0: "t.csv:2: 3 cells, the header has 2", 2: "t.csv:4"},
        ),
        ("t.csv", b"image,caption\n1.png,\xe4\n1.png,good\n", {0: "t.csv:2: not UTF-8"}),
        ("t.json", b"[1,\n%s]", {0: "t.json:1: a row must be a record, got int"}),
    ],
)
def test_a_row_that_cannot_be_read_costs_itself_and_not_its_file(
    tmp_path: Path, name: str, text: bytes, faults: dict[int, str]
) -> None:
    put(tmp_path / "a" / name, text.replace(b"%s", json.dumps(pair("good")).encode()))
    reader = captions(tmp_path)
    found = [outcome(reader, line) for line in reader.lines()]
    for place, fault in faults.items():
        assert fault in found.pop(place) if place == 0 else fault in found[place - 1]
    assert found[0] == "good"


def test_a_reader_and_its_lines_go_to_other_processes(tmp_path: Path) -> None:
    put_parquet(tmp_path / "a" / "t.parquet", [pair(str(number)) for number in range(100)])
    reader = captions(tmp_path)
    sent = pickle.loads(pickle.dumps((reader, list(reader.lines()))))
    assert [outcome(sent[0], line) for line in sent[1]] == [str(number) for number in range(100)]
    assert sent[0] == reader


def test_a_torn_parquet_file_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = put_parquet(tmp_path / "a" / "t.parquet", [pair("one")])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"t\.parquet:1: not Parquet: "):
        list(captions(tmp_path))


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.png", "x/../../secret.png"])
def test_an_image_name_must_not_lead_out_of_the_cards_folder(tmp_path: Path, name: str) -> None:
    put(tmp_path / "a" / "t.json", json.dumps([{**pair("one"), "image": name}]))
    with pytest.raises(DataError, match=r"t\.json:1: image: must be a file name below"):
        list(captions(tmp_path))


def test_not_a_number_stands_for_nothing(tmp_path: Path) -> None:
    put(tmp_path / "a" / "t.jsonl", '{"image": "1.png", "caption": NaN}')
    with pytest.raises(DataError, match=r"t\.jsonl:1: caption: is empty"):
        list(captions(tmp_path))


def test_pictures_of_a_package_are_not_rows(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"package_images holds labelled pictures and has no rows"):
        reading.open(cards.load("package_pydicom"), tmp_path, split="train")


def test_an_unknown_format_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lingshu\.format: unknown format 'slack_json'; .*slake_json"):
        reading.open(card_of("slack_json", CAPTIONS), tmp_path, split="train")


def test_a_split_or_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no split 'dev'; it has: train"):
        read("caption_pairs", tmp_path, {"files": {"train": "a.jsonl"}}, split="dev")
    with pytest.raises(MissingInput, match=r"no file matches 'a\.jsonl'"):
        read("caption_pairs", tmp_path, {"files": {"train": "a.jsonl"}})
    with pytest.raises(DataError, match=r"lingshu\.fields\.colour: unknown key"):
        read("caption_pairs", tmp_path, {"files": {"train": "a.jsonl"}, "colour": "red"})


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.json", '[\n {"x": 1},\n {"x": }\n]', "a.json:3: not JSON"),
        ("a.json", '[{"x": 1}', "a.json:1: not JSON"),
        ("a.json", "[" + "[" * 100_000, "a.json:1: not JSON: maximum recursion depth"),
        ("a.xlsx", "", "cannot read .xlsx"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, name: str, text: str, fault: str) -> None:
    put(tmp_path / name, text)
    with pytest.raises(DataError) as raised:
        list(published.read(tmp_path, name))
    assert fault in str(raised.value) and "\n" not in str(raised.value)


def test_lines_of_a_json_array_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    put(tmp_path / "a.json", '\ufeff[{"x": 1},\n\n{"x": 2}, {"x": 3}\n,\n {"x":\n 4}]')
    assert [line.number for line in published.read(tmp_path, "a.json")] == [1, 3, 3, 5]


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.jsonl", "\n"), ("a.csv", "x,y\n"), ("a.tsv", "x\ty\r\n\r\n")],
)
def test_text_without_a_row_is_an_error_and_an_array_without_one_is_not(
    tmp_path: Path, name: str, text: str
) -> None:
    put(tmp_path / name, text)
    with pytest.raises(DataError, match=rf"{re.escape(name)}: holds no row"):
        list(published.read(tmp_path, name))
    put(tmp_path / "b.json", "[ ]")
    assert list(published.read(tmp_path, "b.json")) == []


def test_a_key_that_stands_twice_in_a_record_costs_its_row(tmp_path: Path) -> None:
    twice = [
        '{"image": "1.png", "caption": "a", "caption": "b"}',
        '{"image": {"path": "1", "path": "2"}, "caption": "c"}',
    ]
    good = '{"image": "1.png", "caption": "good"}'
    for name, text in (("t.jsonl", "\n".join([*twice, good])), ("t.json", f"[{','.join([*twice, good])}]")):
        put(tmp_path / "a" / name, text)
        reader = captions(tmp_path)
        first, second, third = (outcome(reader, line) for line in reader.lines())
        assert "names 'caption' twice in a record" in first and "names 'path' twice in a record" in second
        assert third == "good"
        (tmp_path / "a" / name).unlink()


@pytest.mark.parametrize(
    "text",
    ['[{"x": 1}] more', '[{"x": 1}{"x": 2}]', '[{"x": 1},]', '[,{"x": 1}]', '[{"x": 1}', '{"x": 1}{"x": 2'],
)
def test_an_array_is_json_to_its_end_or_an_error(tmp_path: Path, text: str) -> None:
    put(tmp_path / "a.json", text)
    with pytest.raises(DataError, match=r"a\.json:1: not JSON"):
        list(published.read(tmp_path, "a.json"))


def test_a_digit_that_python_takes_for_none_costs_its_row(tmp_path: Path) -> None:
    rows = [
        {"question": "q", "options": ["CT", "MR"], "answer": answer}
        for answer in ("1", "²", "٣", "1.0", True)
    ]
    put(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))
    card = card_of("mcq_text", {"files": {"train": "t.jsonl"}, "answer_is": "index"})
    reader = reading.open(card, tmp_path, split="train")
    first, *others = reader.lines()
    assert [row.sample.answer for row in reader.rows(first)] == ["B"]
    for line in others:
        with pytest.raises(DataError, match="answer: must be"):
            list(reader.rows(line))


def test_a_refusal_names_the_record_where_a_line_holds_several(tmp_path: Path) -> None:
    talk = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    rows = [{"id": f"case-{number}", "conversations": talk} for number in range(1_000)]
    rows[777] = {**rows[777], "conversations": [talk[0], {"from": "gpt", "value": " "}]}
    put(tmp_path / "t.json", json.dumps(rows))
    reader = reading.open(
        card_of("llava_conversations", {"files": {"train": "t.json"}}), tmp_path, split="train"
    )
    faults = [outcome(reader, line) for line in reader.lines() if outcome(reader, line) != "a"]
    assert faults == ["t.json:1 #778 (case-777): conversations: answer 1 is empty"]


def test_a_record_alone_in_its_line_is_named_by_the_line(tmp_path: Path) -> None:
    put(tmp_path / "a" / "t.json", '[{"image": "1.png"},\n {"image": "1.png"}, {"id": 7}, {\n"x": 1},\n3]')
    reader = captions(tmp_path)
    assert [outcome(reader, line).partition(": ")[0] for line in reader.lines()] == [
        *("t.json:1", "t.json:2 #2", "t.json:2 #3 (7)", "t.json:2 #4", "t.json:4"),
    ]


def test_rows_before_damage_in_a_file_are_handed_out(tmp_path: Path) -> None:
    put(tmp_path / "a.json", '[{"x": 1},\n{"x": 2},\n{"x"')
    found = published.read(tmp_path, "a.json")
    assert [next(found).values, next(found).values] == [{"x": 1}, {"x": 2}]
    with pytest.raises(DataError, match=r"a\.json:3: not JSON"):
        next(found)


def test_a_column_that_stands_twice_in_parquet_or_arrow_is_an_error_of_the_file(tmp_path: Path) -> None:
    table = pa.Table.from_arrays(
        [pa.array(["1.png"]), pa.array(["a"]), pa.array(["b"])], ["image", "caption", "caption"]
    )
    (tmp_path / "a").mkdir()
    parquet.write_table(table, tmp_path / "a" / "t.parquet")
    with (
        pa.OSFile(str(tmp_path / "a" / "t.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    for name in ("t.parquet", "t.arrow"):
        with pytest.raises(
            DataError, match=rf"{re.escape(name)}: the columns 'caption' stand more than once"
        ):
            list(published.read(tmp_path, f"a/{name}"))
