"""A table of one's own: which columns it has is the card's word, what stands in them is read strictly."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value
from format_files import card_of, content, png, put, put_csv, put_parquet, read

from lingshu_train.data.cards.card import Source
from lingshu_train.data.rows import layouts, reading
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError
from lingshu_train.verify import gold_problem

FILES = {"train": "t.*"}


def one(root: Path, row: Mapping[str, Any], **fields: Any) -> Row:
    put(root / "t.jsonl", json.dumps(row))
    (found,) = read("table", root, {"files": FILES, **fields})
    return found


def asked(root: Path, answer: Any, **fields: Any) -> tuple[str, str]:
    """Type and answer of a row of text."""
    sample = one(root, {"question": "Q", "answer": answer, "unit": "cm"}, image="", **fields).sample
    assert sample.question_type == "free" or gold_problem(sample) is None
    return sample.question_type, sample.answer


@pytest.mark.parametrize(
    ("name", "text", "more"),
    [
        ("t.csv", "image,question,answer\na.png,Wo?,Links\n", {}),
        ("t.tsv", "image\tquestion\tanswer\na.png\tWo?\tLinks\n", {}),
        ("t.csv", "image;question;answer\r\na.png;Wo?;Links\r\n", {"delimiter": ";"}),
        ("t.csv", "image,question,answer\ra.png,Wo?,Links\r", {}),
        ("t.jsonl", '{"image": "a.png", "question": "Wo?", "answer": "Links"}\n', {}),
        ("t.json", '[{"image": "a.png", "question": "Wo?", "answer": "Links"}]', {}),
        ("t.json", '{"image": "a.png", "question": "Wo?", "answer": "Links"}\n' * 2, {}),
    ],
)
@pytest.mark.parametrize("encoding", ["", "utf-8-sig", "utf-16", "latin-1", "cp1252", "utf-16-le"])
def test_a_table_is_read_in_any_file_that_its_card_describes(
    tmp_path: Path, name: str, text: str, more: dict[str, str], encoding: str
) -> None:
    put(tmp_path / "img" / "a.png", png(90))
    put(tmp_path / name, text.replace("Wo?", "Wo ist die größere Läsion?").encode(encoding or "utf-8"))
    row = read("table", tmp_path, {"files": FILES, "images": "img", "encoding": encoding, **more})[0]
    assert row.sample.question == "Wo ist die größere Läsion?"
    assert (row.sample.answer, row.sample.question_type, row.sample.task) == ("Links", "short", "open_vqa")
    assert content(row.images[0]) == png(90)


def test_a_saved_folder_of_datasets_is_a_table_with_pictures_and_names_for_labels(tmp_path: Path) -> None:
    put(tmp_path / "a.png", png(10))
    columns = {"image": [str(tmp_path / "a.png")] * 3, "question": ["Q"] * 3, "answer": [1, 0, -1]}
    features = {"image": Image(), "question": Value("string"), "answer": ClassLabel(names=["cyst", "mass"])}
    Dataset.from_dict(columns, features=Features(features)).save_to_disk(
        tmp_path / "root" / "saved", num_shards=2
    )
    (tmp_path / "a.png").unlink()
    reader = reading.open(card_of("table", {"files": {"train": "saved"}}), tmp_path / "root", split="train")
    first, second, third = reader.lines()
    assert [row.sample.answer for line in (first, second) for row in reader.rows(line)] == ["mass", "cyst"]
    assert content(next(reader.rows(first)).images[0]) == png(10)
    with pytest.raises(DataError, match="answer: is empty"):
        list(reader.rows(third))


def test_labels_of_a_parquet_file_of_datasets_have_their_names(tmp_path: Path) -> None:
    features = Features({"question": Value("string"), "answer": ClassLabel(names=["cyst", "mass"])})
    Dataset.from_dict({"question": ["Q"], "answer": [1]}, features=features).to_parquet(
        tmp_path / "t.parquet"
    )
    (row,) = read("table", tmp_path, {"files": FILES, "image": ""})
    assert row.sample.answer == "mass"


def test_one_question_may_be_asked_of_every_row(tmp_path: Path) -> None:
    row = one(tmp_path, {"image": "a.png", "answer": "mass"}, ask="What is seen?")
    assert (row.sample.question, row.sample.group) == ("What is seen?", "a.png")


@pytest.mark.parametrize(
    "cell", [["a.png", "b/c.png"], "a.png; b/c.png", '["a.png", "b/c.png"]', "['a.png', 'b/c.png']"]
)
def test_several_pictures_are_a_list_or_stand_apart_in_one_text(tmp_path: Path, cell: Any) -> None:
    row = one(tmp_path, {"image": cell, "question": "Q", "answer": "A"}, separator=";", images="img")
    assert [image.path for image in row.images] == [tmp_path / "img" / "a.png", tmp_path / "img" / "b/c.png"]


def test_a_row_without_its_picture_is_refused_unless_the_card_keeps_it(tmp_path: Path) -> None:
    bare = {"image": None, "question": "Q", "answer": "A"}
    with pytest.raises(DataError, match="image: is empty"):
        one(tmp_path, bare)
    assert one(tmp_path, bare, without_image="kept").images == ()
    with pytest.raises(DataError, match="image: is missing; the row has: answer, question"):
        one(tmp_path, {"question": "Q", "answer": "A"}, without_image="kept")
    assert one(tmp_path, {"question": "Q", "answer": "A"}, image="").images == ()


@pytest.mark.parametrize(
    ("options", "more", "answer"),
    [
        ({"A": "CT", "B": "MR"}, {}, "B"),
        (["CT", "MR"], {}, "MR"),
        ('{"A": "CT", "B": "MR"}', {}, "B"),
        ('["CT", "MR"]', {"answer_is": "index"}, "1"),
        ("['CT', 'MR']", {"answer_is": "text"}, "MR"),
    ],
)
def test_options_come_in_one_column(tmp_path: Path, options: Any, more: dict[str, str], answer: str) -> None:
    row = {"question": "Q", "choices": options, "answer": answer}
    sample = one(tmp_path, row, image="", options="choices", **more).sample
    assert (sample.question_type, sample.task, sample.answer) == ("mcq", "mcq", "B")
    assert sample.options == {"A": "CT", "B": "MR"}


def test_options_come_in_a_column_for_each_letter(tmp_path: Path) -> None:
    put_csv(tmp_path / "t.csv", [["question", "a", "b", "c", "answer"], ["Q", "CT", "MR", "", "b"]])
    fields = {"files": FILES, "image": "", "options": {"A": "a", "B": "b", "C": "c"}}
    with pytest.raises(DataError, match="answer: 'b' is none of the options A, B"):
        read("table", tmp_path, fields)


def test_an_answer_that_is_a_letter_and_another_options_text_is_not_guessed(tmp_path: Path) -> None:
    row = {"question": "Which vitamin?", "choices": {"A": "B", "B": "A"}, "answer": "A"}
    with pytest.raises(
        DataError, match="'A' is the letter of one option and the text of another; say `answer_is`"
    ):
        one(tmp_path, row, image="", options="choices")
    assert one(tmp_path, row, image="", options="choices", answer_is="text").sample.answer == "B"
    twice = {**row, "choices": {"A": "x", "B": "x"}, "answer": "x"}
    with pytest.raises(DataError, match="'x' is the text of the options A, B"):
        one(tmp_path, twice, image="", options="choices")


def test_the_type_of_an_answer_is_guessed_or_stated_by_card_or_row(tmp_path: Path) -> None:
    assert asked(tmp_path, "Yes") == ("yes_no", "Yes")
    assert asked(tmp_path, "12 mm") == ("numeric", "12 mm")
    assert asked(tmp_path, "mass") == ("short", "mass")
    assert asked(tmp_path, "mass", answer_type="free") == ("free", "mass")
    kind = {"question": "Q", "answer": "mass", "kind": "Free"}
    assert (
        one(tmp_path, kind, image="", answer_type="short", answer_type_column="kind").sample.question_type
        == "free"
    )
    blank = {**kind, "kind": None}
    assert one(tmp_path, blank, image="", answer_type_column="kind").sample.question_type == "short"
    with pytest.raises(DataError, match="kind: unknown type of answer 'open'; known: mcq, yes_no"):
        one(tmp_path, {**kind, "kind": "open"}, image="", answer_type_column="kind")


def test_the_unit_of_bare_numbers_is_the_cards_or_the_rows(tmp_path: Path) -> None:
    assert asked(tmp_path, 1.5, unit="mm") == ("numeric", "1.5 mm")
    assert asked(tmp_path, "3 mm", unit="cm") == ("numeric", "3 mm")
    assert asked(tmp_path, "3", unit_column="unit") == ("numeric", "3 cm")
    assert asked(tmp_path, "none", unit="mm") == ("short", "none")


def test_patient_modality_id_and_reasoning_are_columns(tmp_path: Path) -> None:
    row = {"image": "a.png", "question": "Q", "answer": "A", "p": 7, "m": "DX", "n": "x1", "why": "Because."}
    sample = one(tmp_path, row, group="p", modality="m", id="n", reasoning="why").sample
    assert (sample.group, sample.modality, sample.reasoning) == ("7", "DX", "Because.")
    assert sample.id == "t.jsonl#1:x1"


def test_a_whole_path_is_taken_from_ones_own_data_alone(tmp_path: Path) -> None:
    picture = put(tmp_path / "elsewhere" / "a.png", png(7))
    put_parquet(tmp_path / "root" / "t.parquet", [{"image": str(picture), "question": "Q", "answer": "A"}])
    card = card_of("table", {"files": FILES})
    with pytest.raises(DataError, match="image: must be a file name below"):
        list(reading.open(card, tmp_path / "root", split="train"))
    mine = card.model_copy(
        update={"lingshu": card.lingshu.model_copy(update={"source": Source(kind="local", name="mine")})}
    )
    (row,) = reading.open(mine, tmp_path / "root", split="train")
    assert content(row.images[0]) == png(7)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"delimiter": ";;"}, "fields.delimiter: must be one character"),
        ({"encoding": "latin-99"}, "is no encoding of text"),
        ({"encoding": "base64"}, "is no encoding of text"),
        ({"question": ""}, "needs `question`"),
        ({"answer_type": "mcq"}, "answers of type mcq need `options`"),
        ({"answer_type": "choice"}, "answer_type"),
        ({"divide": {"shares": {"train": 0.5}}}, "add up to 1"),
        ({"divide": {"shares": {"train": 0.5, "test": 0.5}}}, "split 'test' has no `files`"),
        (
            {"files": {"train": "a", "test": "b"}, "divide": {"shares": {"train": 0.5, "test": 0.5}}},
            "must have the same `files`",
        ),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(DataError) as raised:
        layouts.fields(card_of("table", {"files": FILES, **fields}))
    assert fault in str(raised.value) and "\n" not in str(raised.value)


SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def divided(root: Path, rows: list[dict[str, Any]], **more: Any) -> dict[str, list[str]]:
    put(root / "t.jsonl", "\n".join(map(json.dumps, rows)))
    fields = {"files": dict.fromkeys(SHARES, "t.jsonl"), "divide": {"shares": SHARES}, "image": "", **more}
    return {
        split: [row.sample.question for row in read("table", root, fields, split=split)] for split in SHARES
    }


def test_one_file_is_divided_by_patient_and_more_rows_move_nobody(tmp_path: Path) -> None:
    rows = [{"question": f"Q{n}", "answer": "A", "p": n // 4} for n in range(2_000)]
    before = divided(tmp_path, rows, group="p")
    assert sorted(itertools.chain(*before.values())) == sorted(row["question"] for row in rows)
    assert 0.7 < len(before["train"]) / 2_000 < 0.9 and min(map(len, before.values())) > 100
    patients = [{int(name[1:]) // 4 for name in names} for names in before.values()]
    assert not set.intersection(*patients) and sum(map(len, patients)) == 500
    more = [{"question": f"N{n}", "answer": "A", "p": n} for n in range(500)]
    after = divided(tmp_path, [*more, *rows], group="p")
    for split, names in before.items():
        assert [name for name in after[split] if name.startswith("Q")] == names
    other = divided(tmp_path, rows, group="p", divide={"shares": SHARES, "seed": 1})
    assert other != before


def test_a_row_that_cannot_be_read_counts_in_one_split_alone(tmp_path: Path) -> None:
    put(tmp_path / "t.jsonl", '{"question": "Q"}\n{\n' * 50)
    fields = {"files": dict.fromkeys(SHARES, "t.jsonl"), "divide": {"shares": SHARES}, "image": ""}
    refused = []
    for split in SHARES:
        reader = reading.open(card_of("table", fields), tmp_path, split=split)
        for line in reader.lines():
            try:
                assert not list(reader.rows(line))
            except DataError:
                refused.append(line.number)
    assert sorted(refused) == list(range(1, 101))


@pytest.mark.parametrize("format", ["caption_pairs", "text_instruction"])
def test_every_format_divides_its_rows(tmp_path: Path, format: str) -> None:
    rows = [{"image": f"{n}.png", "caption": "C", "instruction": f"Q{n}", "output": "A"} for n in range(100)]
    put(tmp_path / "t.json", rows)
    fields = {"files": dict.fromkeys(SHARES, "t.json"), "divide": {"shares": SHARES}}
    found = [row.sample.id for split in SHARES for row in read(format, tmp_path, fields, split=split)]
    assert sorted(found) == sorted(f"t.json#{n}" for n in range(1, 101))


def test_marks_of_pictures_in_a_question_are_as_many_as_its_pictures(tmp_path: Path) -> None:
    row = {"image": ["a.png", "b.png"], "question": "<image>\n<image>What differs?", "answer": "A"}
    assert one(tmp_path, row).sample.question == "What differs?"
    with pytest.raises(DataError, match="question: 1 <image> marks for 2 images"):
        one(tmp_path, {**row, "question": "<image>What?"})
    with pytest.raises(DataError, match="question: holds nothing but marks"):
        one(tmp_path, {**row, "question": "<image><image>"})


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("r1", ("r1",)),
        (["r1", "r2"], ("r1", "r2")),
        ('["r1", 7]', ("r1", "7")),
        (12, ("12",)),
        (None, ()),
        ([], ()),
    ],
)
def test_a_row_says_which_rows_it_was_made_from(tmp_path: Path, cell: Any, names: tuple[str, ...]) -> None:
    row = {"question": "Q", "answer": "yes", "from": cell}
    assert one(tmp_path, row, image="", parents="from").sample.parents == names


def test_a_parent_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.jsonl:1: from: name 2 is empty"):
        one(tmp_path, {"question": "Q", "answer": "yes", "from": ["r1", " "]}, image="", parents="from")
