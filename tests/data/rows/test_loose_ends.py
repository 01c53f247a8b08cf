"""Conversations that begin with an answer or end with a question, system messages, and pictures under another ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from format_files import card_of, content, png, put, read

from lingshu_train.data import chat
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row, Skipped
from lingshu_train.errors import DataError

FILES = {"files": {"train": "t.jsonl"}}
ASKED, TOLD = {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}
GREETING, REST = {"from": "gpt", "value": "Hello again."}, {"from": "human", "value": "And then?"}


def one(root: Path, said: list[dict[str, str]], *, image: str = "", **fields: Any) -> Row:
    put(root / "t.jsonl", json.dumps({"conversations": said, **({"image": image} if image else {})}))
    (found,) = read("llava_conversations", root, {**FILES, **fields})
    return found


def test_an_opening_answer_is_refused_and_the_error_names_the_field_that_would_drop_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match=r"got assistant, user, assistant; `opening: drop` in the card's fie"):
        one(tmp_path, [GREETING, ASKED, TOLD])


def test_an_opening_answer_that_the_card_drops_is_told_of_the_row(tmp_path: Path) -> None:
    row = one(tmp_path, [GREETING, ASKED, TOLD], opening="drop")
    assert (row.sample.question, row.sample.answer, row.turns) == ("Q", "A", ())
    assert row.notes == ("an opening answer",)
    assert one(tmp_path, [ASKED, TOLD], opening="drop").notes == ()


def test_a_closing_question_is_refused_or_dropped_as_the_card_says(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"`closing: drop` in the card's fields would leave out the loose end"
    ):
        one(tmp_path, [ASKED, TOLD, REST])
    row = one(tmp_path, [GREETING, ASKED, TOLD, REST], opening="drop", closing="drop")
    assert (row.sample.question, row.notes) == ("Q", ("an opening answer", "a closing question"))


@pytest.mark.parametrize("said", [[GREETING], [GREETING, TOLD], [GREETING, REST], [REST], []])
def test_what_holds_no_question_with_its_answer_is_refused_whatever_is_dropped(
    tmp_path: Path, said: list[dict[str, str]]
) -> None:
    with pytest.raises(DataError, match="must alternate question and answer"):
        one(tmp_path, said, opening="drop", closing="drop")


def test_a_system_message_is_not_trained_on_and_told_of_the_row(tmp_path: Path) -> None:
    row = one(tmp_path, [{"from": "system", "value": "You are terse."}, ASKED, TOLD])
    assert (row.turns, row.notes) == ((), ("a system message",))
    assert one(tmp_path, [{"from": "system", "value": " "}, ASKED, TOLD]).notes == ()


def test_a_system_message_that_the_card_keeps_is_given_before_all_else(tmp_path: Path) -> None:
    terse = {"from": "system", "value": "You are terse."}
    row = one(tmp_path, [terse, ASKED, TOLD], system="keep")
    assert (row.sample.system, row.notes) == ("You are terse.", ())
    first, *rest = chat.conversation(row.sample, system="Be kind.")
    assert first == {"role": "system", "content": "You are terse."}
    assert [message["role"] for message in rest] == ["user", "assistant"]
    assert one(tmp_path, [{"from": "system", "value": " "}, ASKED, TOLD], system="keep").sample.system == ""
    assert one(tmp_path, [ASKED, TOLD], system="keep").sample.system == ""


def test_a_kept_system_message_goes_with_other_loose_ends_that_are_dropped(tmp_path: Path) -> None:
    terse = {"from": "system", "value": "You are terse."}
    row = one(tmp_path, [terse, GREETING, ASKED, TOLD], system="keep", opening="drop")
    assert (row.sample.system, row.notes) == ("You are terse.", ("an opening answer",))
    row = one(tmp_path, [terse, ASKED, TOLD, terse, ASKED, TOLD], system="keep")
    assert (row.sample.system, row.notes) == ("You are terse.", ("a system message",))
    assert len(row.turns) == 1


def test_a_picture_in_a_system_message_refuses_the_row_whether_it_is_kept_or_not(tmp_path: Path) -> None:
    shown = {"from": "system", "value": "<image>\nLook."}
    put(tmp_path / "a.png", png(5))
    for system in ("keep", "drop"):
        with pytest.raises(DataError, match="a picture stands in a system message"):
            one(tmp_path, [shown, ASKED, TOLD], image="a.png", system=system)


def test_a_row_is_refused_where_a_picture_would_go_with_what_is_dropped(tmp_path: Path) -> None:
    put(tmp_path / "a.png", png(5))
    shown = {"from": "human", "value": "<image>\nAnd this?"}
    with pytest.raises(DataError, match="a picture stands in a closing question"):
        one(tmp_path, [ASKED, TOLD, shown], image="a.png", closing="drop")


def test_a_picture_is_found_under_another_ending_where_the_card_says_so(tmp_path: Path) -> None:
    put(tmp_path / "1.gif", png(5))
    shown = [{"from": "human", "value": "<image>\nQ"}, TOLD]
    row = one(tmp_path, shown, image="1.jpg", endings=[".png", ".gif"])
    assert content(row.images[0]) == png(5) and row.sample.group == "1.jpg"
    assert not one(tmp_path, shown, image="1.jpg").images[0].exists()
    put(tmp_path / "1.jpg", png(7))
    assert content(one(tmp_path, shown, image="1.jpg", endings=[".gif"]).images[0]) == png(7)


def test_a_row_whose_picture_is_gone_is_refused_later_or_skipped_as_the_card_says(tmp_path: Path) -> None:
    shown = [{"from": "human", "value": "<image>\nQ"}, TOLD]
    assert not one(tmp_path, shown, image="gone.jpg").images[0].exists()
    card = card_of("llava_conversations", {**FILES, "missing": "skip"})
    reader = reading.open(card, tmp_path, split="train")
    assert [each for line in reader.lines() for each in reader.all(line)] == [Skipped("no picture")]
    put(tmp_path / "gone.jpg", png(5))
    assert one(tmp_path, shown, image="gone.jpg", missing="skip").sample.answer == "A"


def test_a_long_conversation_is_not_told_whole_in_its_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        one(tmp_path, [GREETING] * 500)
    assert len(str(raised.value)) < 400
