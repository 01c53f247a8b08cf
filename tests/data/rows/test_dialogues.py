"""Dialogues in the shapes that people have them in: the keys are found, what is not read is refused, answers may be judged."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from format_files import card_of, content, png, put, put_csv, put_parquet, read

from lingshu_train.data.cards.card import Source
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row, Turn
from lingshu_train.errors import DataError

FILES = {"files": {"train": "t.*"}}
TALK = [{"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}]
TALK += [{"role": "user", "content": "Q2"}, {"role": "assistant", "content": "A2"}]
SHARED = [{"from": "human", "value": "Q1"}, {"from": "gpt", "value": "A1"}]
SHARED += [{"from": "human", "value": "Q2"}, {"from": "gpt", "value": "A2"}]
URL = "data:image/png;base64," + base64.b64encode(png(5)).decode()


def one(root: Path, row: dict[str, Any], **fields: Any) -> Row:
    put(root / "t.jsonl", json.dumps(row))
    (found,) = read("llava_conversations", root, {**FILES, **fields})
    return found


@pytest.mark.parametrize(
    "row",
    [
        *({name: TALK} for name in ("messages", "conversation", "dialog", "dialogue")),
        *({name: SHARED} for name in ("conversations", "conversatons", "messages")),
        {"conversations": json.dumps(SHARED)},
        {"messages": [{"role": "system", "content": "Be short."}, *TALK]},
        {"messages": {"role": ["user", "assistant"] * 2, "content": ["Q1", "A1", "Q2", "A2"]}},
        {"query": "Q2", "response": "A2", "history": [["Q1", "A1"]], "system": "Be short."},
        {"instruction": "Q2", "input": "", "output": "A2", "history": [["Q1", "A1"]]},
        {"prompt": TALK[:3], "completion": TALK[3:]},
        {"conversations": None, "messages": TALK},
    ],
)
def test_a_dialogue_is_found_in_the_shapes_that_there_are(tmp_path: Path, row: dict[str, Any]) -> None:
    found = one(tmp_path, row)
    assert found.turns == (Turn(question="Q1", answer="A1"),)
    assert (found.sample.question, found.sample.answer, found.sample.question_type) == ("Q2", "A2", "free")


def test_an_instruction_has_its_input_below_it(tmp_path: Path) -> None:
    found = one(tmp_path, {"instruction": "Translate.", "input": "Herz", "output": "heart"})
    assert (found.sample.question, found.turns) == ("Translate.\nHerz", ())


@pytest.mark.parametrize("name", ["image", "images", "image_path", "image_paths", "img"])
def test_pictures_are_found_under_the_keys_that_there_are(tmp_path: Path, name: str) -> None:
    put(tmp_path / "a.png", png(5))
    for cell, count in (("a.png", 1), (["a.png"], 1), (["a.png", "a.png"], 2)):
        row = {name: cell, "messages": [{"role": "user", "content": "<image>" * count + "Q"}, TALK[1]]}
        found = one(tmp_path, row)
        assert [content(image) for image in found.images] == [png(5)] * count
        assert found.sample.question == "Q"
    if name != "image":
        with pytest.raises(DataError, match="stands beside"):
            one(tmp_path, {**row, "img" if name != "img" else "images": "b.png"})


def test_pictures_stand_in_the_parts_of_messages(tmp_path: Path) -> None:
    put(tmp_path / "a.png", png(5))
    for part in (
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image_url", "image_url": "a.png"},
        {"type": "image", "image": "a.png"},
        {"type": "image", "image": URL, "text": None},
    ):
        messages = [{"role": "user", "content": [part, {"type": "text", "text": "Q"}]}, TALK[1]]
        found = one(tmp_path, {"messages": messages})
        assert content(found.images[0]) == png(5) and found.sample.question == "Q"


def test_a_whole_path_in_a_part_is_taken_from_ones_own_data_and_a_web_address_from_none(
    tmp_path: Path,
) -> None:
    picture = put(tmp_path / "elsewhere" / "a b.png", png(5))
    card = card_of("llava_conversations", FILES)
    mine = card.model_copy(
        update={"lingshu": card.lingshu.model_copy(update={"source": Source(kind="local", name="mine")})}
    )
    for address in (str(picture), f"file://{str(picture).replace(' ', '%20')}"):
        content_ = [{"type": "image", "image": address}, {"type": "text", "text": "Q"}]
        messages = [{"role": "user", "content": content_}, TALK[1]]
        put(tmp_path / "root" / "t.jsonl", json.dumps({"messages": messages}))
        (found,) = reading.open(mine, tmp_path / "root", split="train")
        assert content(found.images[0]) == png(5)
        with pytest.raises(DataError, match="must be a file name below"):
            list(reading.open(card, tmp_path / "root", split="train"))
    content_ = [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}, {"type": "text", "text": "Q"}]
    put(
        tmp_path / "root" / "t.jsonl",
        json.dumps({"messages": [{"role": "user", "content": content_}, TALK[1]]}),
    )
    with pytest.raises(DataError, match=r"is a web address \(https://a/b\.png\); fetch the images first"):
        list(reading.open(mine, tmp_path / "root", split="train"))


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"messages": TALK, "videos": ["a.mp4"]}, "videos: is not read (<video>)"),
        ({"messages": TALK, "audios": ["a.wav"]}, "audios: is not read"),
        (
            {"messages": [{"role": "user", "content": "<video>Q"}, TALK[1]]},
            "messages: <video> stands for what is not",
        ),
        (
            {
                "messages": [{"role": "user", "content": "Where is <ref-object>?"}, TALK[1]],
                "objects": {"bbox": [[1]]},
            },
            "messages: <ref-object> stands for what is not read",
        ),
        (
            {"messages": [*TALK[:1], {"role": "tool", "content": "x"}]},
            "messages: unknown speaker 'tool'; known: human",
        ),
        ({"messages": TALK[:3]}, "messages: must alternate question and answer"),
        ({"messages": "hello"}, "messages: must be a list of messages"),
        ({"query": "Q", "response": None}, "response: is empty"),
        ({"query": "Q", "response": "A", "history": [["Q1", None]]}, "messages"),
        (
            {"query": "Q", "response": "A", "history": [["Q1"]]},
            "history: turn 1 must be a question and its answer",
        ),
        ({"text": "hello"}, "conversations: is missing; the row has: text"),
    ],
)
def test_what_is_no_dialogue_or_holds_what_is_not_read_is_refused(
    tmp_path: Path, row: dict[str, Any], fault: str
) -> None:
    with pytest.raises(DataError) as raised:
        one(tmp_path, row)
    assert fault.replace("messages", "") in str(raised.value).replace("messages", "")


def test_a_mark_of_objects_without_objects_is_text(tmp_path: Path) -> None:
    assert (
        one(tmp_path, {"messages": [{"role": "user", "content": "<bbox>"}, TALK[1]]}).sample.question
        == "<bbox>"
    )


def test_the_last_answer_is_judged_where_the_card_or_the_row_says_how(tmp_path: Path) -> None:
    def asked(answer: str, **more: Any) -> tuple[str, str]:
        row = {
            "messages": [
                *TALK[:2],
                {"role": "user", "content": "Q2"},
                {"role": "assistant", "content": answer},
            ]
        }
        kind = more.pop("kind", None)
        sample = one(tmp_path, {**row, "kind": kind}, **more).sample
        return sample.question_type, sample.task

    assert asked("Yes") == ("free", "conversation")
    assert asked("Yes", answer_type="guessed") == ("yes_no", "closed_vqa")
    assert asked("12 mm", answer_type="guessed") == ("numeric", "open_vqa")
    assert asked("The heart is enlarged.", answer_type="guessed") == ("free", "conversation")
    assert asked("mass", answer_type_column="kind", kind="short") == ("short", "open_vqa")
    assert asked("mass", answer_type_column="kind") == ("free", "conversation")


def test_tables_of_columns_hold_dialogues_too(tmp_path: Path) -> None:
    put_parquet(tmp_path / "t.parquet", [{"conversations": SHARED, "image": None}])
    assert read("llava_conversations", tmp_path, FILES)[0].sample.answer == "A2"
    (tmp_path / "t.parquet").unlink()
    put_csv(tmp_path / "t.csv", [["messages", "images"], [json.dumps(TALK), ""]])
    assert read("llava_conversations", tmp_path, FILES)[0].sample.answer == "A2"
