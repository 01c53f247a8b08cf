"""LLaVA conversations: JSON with `image` (a name, a list, or none) and turns from `human` and `gpt`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.row import Origin, Row, Turn
from lingshu_train.record import Sample

ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
PLACEHOLDER = re.compile(r"\n?<image>\n?")


class Fields(rowlib.TableFiles):
    """Names of keys."""

    images: str = "."
    """Folder that picture names start from."""
    image: str = "image"
    """Key of the picture's name."""
    conversations: str = "conversations"
    """Key of the turns; LLaVA-Med spells it `conversatons`."""
    rows: Literal["all", "image", "text"] = "all"
    """Keep rows with a picture, rows without, or all."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.image: "image", self.conversations: "nested"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The last question is the sample's, earlier ones its turns. An image's place in the text is dropped."""
    if fields.rows != "all" and (fields.rows == "image") != _pictured(line, fields.image):
        return
    images = pictures(line, fields.image, origin.root / fields.images)
    turns, placeholders = _turns(line, fields.conversations)
    if placeholders not in (0, len(images)):
        raise line.error(fields.conversations, f"{placeholders} <image> marks for {len(images)} images")
    sample = Sample(
        id=line.optional("id"),
        card=origin.card,
        split=origin.split,
        task="conversation",
        question=turns[-1].question,
        question_type="free",
        answer=turns[-1].answer,
        group=images[0].name if images else "",
        modality=line.optional("modality"),
    )
    yield Row(sample=sample, images=images, turns=turns[:-1])


def _pictured(line: Line, field: str) -> bool:
    value = line.values.get(field)
    return not missing(value) and value not in ("", [], ())


def _turns(line: Line, field: str) -> tuple[tuple[Turn, ...], int]:
    """Question and answer pairs, and how many image marks they hold. A system message is left out."""
    messages = [_message(line, field, item) for item in _list(line, field)]
    messages = [message for message in messages if message[0] != "system"]
    roles = [role for role, _ in messages]
    if not messages or roles != ["user", "assistant"] * (len(messages) // 2):
        raise line.error(
            field,
            f"must alternate question and answer and end with an answer, got {', '.join(roles) or 'none'}",
        )
    turns: list[Turn] = []
    placeholders = 0
    for (_, question), (_, answer) in zip(messages[::2], messages[1::2], strict=True):
        bare, found = PLACEHOLDER.subn("", question)
        placeholders += found
        if not answer.strip():
            raise line.error(field, f"answer {len(turns) + 1} is empty")
        turns.append(Turn(question=bare.strip(), answer=answer.strip()))
    return tuple(turns), placeholders


def _list(line: Line, field: str) -> list[object]:
    value = line.values.get(field)
    if not isinstance(value, list):
        raise line.error(field, "is missing" if value is None else "must be a list of messages")
    return value


def _message(line: Line, field: str, item: object) -> tuple[str, str]:
    """Role and text of `{from, value}` (LLaVA) or `{role, content}`."""
    if not isinstance(item, Mapping):
        raise line.error(field, f"a message must be a record, got {type(item).__name__}")
    role, text = item.get("from", item.get("role")), item.get("value", item.get("content"))
    if not isinstance(role, str) or role not in ROLES:
        raise line.error(field, f"unknown speaker {role!r}; known: {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise line.error(field, f"the message of {role} has no text")
    return ROLES[role], text
