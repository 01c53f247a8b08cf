"""Conversations: LLaVA and ShareGPT (`conversations` of `from` and `value`), OpenAI, LLaMA-Factory and ms-swift (`messages` of
`role` and `content`, a text or parts). Pictures stand in `image` or `images`, or in the parts themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from lingshu_train.data.rows import embedded, parts, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.parts import Message
from lingshu_train.data.rows.row import Origin, Row, Turn
from lingshu_train.record import Sample

ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
PLACEHOLDER = re.compile(r"\n?<image>\n?")
OTHERWISE = {"image": "images", "conversations": "messages"}
"""Keys that rows have instead of ours where the card names none of its own."""


class Fields(rowlib.TableFiles):
    """Names of keys."""

    images: str = "."
    """Folder that picture names start from."""
    image: str = "image"
    """Key of the picture's name, or of several; where a row has no `image`, `images`."""
    conversations: str = "conversations"
    """Key of the turns; where a row has no `conversations`, `messages`. LLaVA-Med spells it `conversatons`."""
    group: str = ""
    """Key of the patient; without it rows of one picture belong together."""
    rows: Literal["all", "image", "text"] = "all"
    """Keep rows with a picture, rows without, or all."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.image: "image", self.conversations: "nested"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The last question is the sample's, earlier ones its turns. An image's place in the text is dropped."""
    image, conversations = _key(line, fields.image), _key(line, fields.conversations)
    messages = [message for message in _messages(line, conversations) if message.role != "system"]
    cells = [cell for message in messages for cell in message.pictures]
    beside = _pictured(line, image)
    if fields.rows != "all" and (fields.rows == "image") != (beside or bool(cells)):
        return
    if beside and cells:
        raise line.error(image, f"names pictures, and so do parts of {conversations}: which come first?")
    source, key = (replace(line, values={conversations: cells}), conversations) if cells else (line, image)
    images = embedded.pictures(source, key, origin.root / fields.images, anywhere=origin.anywhere)
    marks = sum(message.marks for message in messages)
    if marks not in (0, len(images)):
        raise line.error(conversations, f"{marks} <image> marks for {len(images)} images")
    turns = _turns(line, conversations, messages)
    sample = Sample(
        id=line.optional("id"),
        card=origin.card,
        split=origin.split,
        task="conversation",
        question=turns[-1].question,
        question_type="free",
        answer=turns[-1].answer,
        group=line.text(fields.group) if fields.group else embedded.group(images),
        modality=line.optional("modality"),
    )
    yield Row(sample=sample, images=images, turns=turns[:-1])


def _key(line: Line, name: str) -> str:
    other = OTHERWISE.get(name, name)
    return other if name not in line.values and other in line.values else name


def _pictured(line: Line, field: str) -> bool:
    value = line.values.get(field)
    return not missing(value) and value not in ("", [], ())


def _turns(line: Line, field: str, messages: Sequence[Message]) -> tuple[Turn, ...]:
    """Question and answer pairs."""
    roles = [message.role for message in messages]
    if not messages or roles != ["user", "assistant"] * (len(messages) // 2):
        raise line.error(
            field,
            f"must alternate question and answer and end with an answer, got {', '.join(roles) or 'none'}",
        )
    turns: list[Turn] = []
    for question, answer in zip(messages[::2], messages[1::2], strict=True):
        if not answer.text:
            raise line.error(field, f"answer {len(turns) + 1} is empty")
        if answer.pictures:
            raise line.error(field, f"answer {len(turns) + 1} holds a picture")
        turns.append(Turn(question=question.text, answer=answer.text))
    return tuple(turns)


def _messages(line: Line, field: str) -> Iterator[Message]:
    for item in _list(line, field):
        yield parts.message(line, field, item, roles=ROLES, mark=PLACEHOLDER)


def _list(line: Line, field: str) -> list[object]:
    value = line.values.get(field)
    if not isinstance(value, list):
        raise line.error(field, "is missing" if value is None else "must be a list of messages")
    return value
