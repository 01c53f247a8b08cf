"""Messages of conversations in the spellings that there are, and what is wrong with those that are none."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import format_files
import pytest
import strangers

from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError


def read(folder: Path, row: dict[str, Any]) -> Row:
    (folder / "train.jsonl").write_text(json.dumps(row))
    (found,) = format_files.read("llava_conversations", folder, {"files": {"train": "train.jsonl"}})
    return found


def said(*parts: Any, answer: Any = "yes") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}, {"role": "assistant", "content": answer}]}


ASKED = {"type": "text", "text": "Is it?"}


def test_parts_are_one_question_and_their_pictures_in_order(tmp_path: Path) -> None:
    first = {"type": "image_url", "image_url": {"url": "a.png"}}
    data = base64.b64encode(strangers.png(0)).decode()
    second = {"type": "image", "image": f"data:image/png;base64,{data}"}
    row = read(tmp_path, said(first, ASKED, second, {"type": "text", "text": "Or not?"}))
    assert (row.sample.question, row.sample.answer) == ("<image>Is it?<image>Or not?", "yes")
    assert row.images[0].name == "a.png"
    assert row.images[1].data == strangers.png(0)


def test_answers_may_be_parts_too(tmp_path: Path) -> None:
    assert read(tmp_path, said(ASKED, answer=[{"type": "text", "text": "no"}])).sample.answer == "no"


def test_pictures_beside_the_messages_are_those_that_the_parts_mark(tmp_path: Path) -> None:
    row = {**said({"type": "image"}, {"type": "image"}, ASKED), "images": ["a.png", "b.png"]}
    assert [picture.name for picture in read(tmp_path, row).images] == ["a.png", "b.png"]


def test_tables_of_columns_give_every_part_every_key(tmp_path: Path) -> None:
    row = said({"type": "image", "text": None, "image": "a.png"}, {**ASKED, "image": None})
    found = read(tmp_path, row)
    assert found.sample.question == "Is it?"
    assert [picture.name for picture in found.images] == ["a.png"]


WRONG = {
    "an address of the web": (
        said({"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}, ASKED),
        "web address",
    ),
    "a way out of the folder": (
        said({"type": "image", "image": "../c.png"}, ASKED),
        "must be a file name below",
    ),
    "a film": (said({"type": "video", "video": "a.mp4"}, ASKED), "a part of user is of type 'video'"),
    "broken base64": (said({"type": "image", "image": "data:image/png;base64,%%"}, ASKED), "no base64"),
    "base64 in other letters": (
        said({"type": "image", "image": "data:image/png;base64,é"}, ASKED),
        "no base64",
    ),
    "other data": (said({"type": "image", "image": "data:image/png,abc"}, ASKED), "must be base64"),
    "a number": (said({"type": "text", "text": 3}), "holds int and no text"),
    "no record": (said(3), "a part of a message must be a record, got int"),
    "no parts": (said(), "the message of user has no text"),
    "a picture in the answer": (
        said(ASKED, answer=[{"type": "image", "image": "a.png"}, ASKED]),
        "answer 1 holds a picture",
    ),
    "pictures in two places": (
        {**said({"type": "image", "image": "a.png"}, ASKED), "images": ["b.png"]},
        "which come first",
    ),
    "marks without pictures": (said({"type": "image"}, ASKED), "1 <image> marks for 0 images"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_part_is_a_line(name: str, tmp_path: Path) -> None:
    row, line = WRONG[name]
    with pytest.raises(DataError, match=r"train\.jsonl:1: ") as fault:
        read(tmp_path, row)
    assert line in str(fault.value)
