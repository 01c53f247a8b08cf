"""Conversations: LLaVA and ShareGPT (`conversations` of `from` and `value`), OpenAI, LLaMA-Factory and ms-swift (`messages` of
`role` and `content`, a text or parts; `query`, `response`, `history`; alpaca's `instruction`, `input`, `output`). Pictures
stand in `image` or `images`, or in the parts themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from lingshu_train.data.rows import answers, dialogues, embedded, parts, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.parts import Message
from lingshu_train.data.rows.row import Origin, Row, Turn
from lingshu_train.record import AnswerType, Sample

ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bot", "model"), "assistant"),
    "system": "system",
}


class Fields(rowlib.TableFiles):
    """Names of keys."""

    images: str = "."
    """Folder that picture names start from."""
    image: str = dialogues.IMAGES[0]
    """Key of the picture's name, or of several; where a row has no `image`, the first of `images`, `image_path`,
    `image_paths` and `img` that it has."""
    conversations: str = dialogues.CHATS[0]
    """Key of the turns; where a row has no `conversations`, `messages`, `conversation`, `conversatons` (as LLaVA-Med spells
    it), `dialog` or `dialogue`, and else the keys of one question with its answer and a `history`."""
    answer_type: AnswerType | Literal["free", "guessed"] = "free"
    """How the last answer is judged: `free` is taught and never judged; `guessed` takes what each answer looks like, so
    that dialogues with short answers can be evaluated and rewarded."""
    answer_type_column: str = ""
    """Key that states the type row by row; empty: `answer_type` holds for all."""
    group: str = ""
    """Key of the patient; without it rows of one picture belong together."""
    rows: Literal["all", "image", "text"] = "all"
    """Keep rows with a picture, rows without, or all."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.image: "image", self.conversations: "nested"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The last question is the sample's, earlier ones its turns. An image's place in the text is dropped."""
    image, dialogue = (
        dialogues.key(line, fields.image, dialogues.IMAGES),
        dialogues.find(line, fields.conversations),
    )
    field = dialogue.field
    messages = [
        message
        for item in dialogue.messages
        if (message := parts.message(line, field, item, roles=ROLES, mark=embedded.MARK)).role != "system"
    ]
    cells = [cell for message in messages for cell in message.pictures]
    beside = _pictured(line, image)
    if fields.rows != "all" and (fields.rows == "image") != (beside or bool(cells)):
        return
    if beside and cells:
        raise line.error(image, f"names pictures, and so do parts of {field}: which come first?")
    source, key = (replace(line, values={field: cells}), field) if cells else (line, image)
    images = embedded.pictures(source, key, origin.root / fields.images, anywhere=origin.anywhere)
    marks = sum(message.marks for message in messages)
    if marks not in (0, len(images)):
        raise line.error(field, f"{marks} <image> marks for {len(images)} images")
    turns = _turns(line, field, messages)
    kind = answers.of(line, fields.answer_type_column, fields.answer_type)
    kind = kind or answers.guess(turns[-1].answer, question=turns[-1].question)
    sample = Sample(
        id=line.optional("id"),
        card=origin.card,
        split=origin.split,
        task="conversation" if kind == "free" else answers.task(kind),
        question=turns[-1].question,
        question_type=kind,
        answer=turns[-1].answer,
        group=line.text(fields.group) if fields.group else embedded.group(images),
        modality=line.optional("modality"),
    )
    yield Row(sample=sample, images=images, turns=turns[:-1])


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
        for text in (question.text, answer.text):
            dialogues.check(line, field, text)
        if not answer.text:
            raise line.error(field, f"answer {len(turns) + 1} is empty")
        if answer.pictures:
            raise line.error(field, f"answer {len(turns) + 1} holds a picture")
        turns.append(Turn(question=question.text, answer=answer.text))
    return tuple(turns)
