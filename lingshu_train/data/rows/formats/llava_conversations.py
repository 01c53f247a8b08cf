"""Conversations: LLaVA and ShareGPT (`conversations` of `from` and `value`), OpenAI, LLaMA-Factory and ms-swift (`messages` of
`role` and `content`, a text or parts; `query`, `response`, `history`; alpaca's `instruction`, `input`, `output`). Pictures
stand in `image` or `images`, or in the parts themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import StringConstraints

from lingshu_train.data.rows import answers, dialogues, embedded, parts, places, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.parts import Message
from lingshu_train.data.rows.row import Origin, Row, Skipped, Turn
from lingshu_train.record import IMAGE_MARK, AnswerType, Sample

ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bot", "model"), "assistant"),
    "system": "system",
}


Ending = Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9]+$")]


class Fields(rowlib.TableFiles):
    """Names of keys."""

    images: str = "."
    """Folder that picture names start from."""
    endings: tuple[Ending, ...] = ()
    """Endings that a picture's file may have in place of the one in its name, as where the rows call GIFs `.jpg`. For
    example `[.gif, .png]`."""
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
    parents: str = ""
    """Key of the ids of the rows that this one was made from, one or a list, by whoever wrote it: a teacher model, a
    rule. `lingshu forget` lists rows that were made from withdrawn ones. Empty: not stated."""
    rows: Literal["all", "image", "text"] = "all"
    """Keep rows with a picture, rows without, or all."""
    missing: Literal["refuse", "skip"] = "refuse"
    """What becomes of a row that names a picture which is not there: `refuse` counts it as a bad row; `skip` is for sets
    whose pictures can no longer all be had: such rows are left out and counted apart, and do not count against
    `most_refused`."""
    opening: Literal["refuse", "drop"] = "refuse"
    """What becomes of an answer that stands before the first question, as in conversations that were shared from their
    second message on: `refuse` the row, or `drop` the answer, as LLaVA's own trainer does. It is counted."""
    system: Literal["drop", "keep"] = "drop"
    """What becomes of a system message that begins a conversation: `drop` leaves it out and counts it; `keep` gives it to the
    model, in place of the recipe's `system_prompt`. It is never taught. One that stands later is left out and counted."""
    closing: Literal["refuse", "drop"] = "refuse"
    """What becomes of a last question that nobody answered: `refuse` the row, or `drop` the question, which teaches
    nothing. It is counted."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.image: "image", self.conversations: "nested"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    """The last question is the sample's, earlier ones its turns; all answers are taught. Pictures stand at their marks."""
    image, dialogue = (
        dialogues.key(line, fields.image, dialogues.IMAGES),
        dialogues.find(line, fields.conversations),
    )
    field = dialogue.field
    spoken = [parts.message(line, field, item, roles=ROLES) for item in dialogue.messages]
    system = _system(line, field, spoken) if fields.system == "keep" else ""
    messages, notes = _without_loose_ends(line, field, spoken[bool(system) :], fields)
    cells = [cell for message in messages for cell in message.pictures]
    beside = _pictured(line, image)
    if fields.rows != "all" and (fields.rows == "image") != (beside or bool(cells)):
        return
    if beside and cells:
        raise line.error(image, f"names pictures, and so do parts of {field}: which come first?")
    source, key = (replace(line, values={field: cells}), field) if cells else (line, image)
    named = embedded.pictures(source, key, origin.root / fields.images, anywhere=origin.anywhere)
    images = tuple(embedded.other_ending(picture, fields.endings) for picture in named)
    turns = _turns(line, field, messages, pictures=len(images))
    if fields.missing == "skip" and not all(picture.exists() for picture in images):
        yield Skipped("no picture")
        return
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
        system=system,
        parents=line.names(fields.parents) if fields.parents else (),
    )
    yield Row(sample=sample, images=images, turns=turns[:-1], notes=notes)


def _pictured(line: Line, field: str) -> bool:
    value = line.values.get(field)
    return not missing(value) and value not in ("", [], ())


def _system(line: Line, field: str, spoken: Sequence[Message]) -> str:
    """The system message that begins the conversation; empty where none does. DataError: a picture stands in it."""
    first = spoken[0] if spoken and spoken[0].role == "system" else None
    if first and IMAGE_MARK in first.text:
        raise line.error(field, "a picture stands in a system message")
    if first:
        dialogues.check(line, field, first.text)
    return first.text if first else ""


def _without_loose_ends(
    line: Line, field: str, spoken: Sequence[Message], fields: Fields
) -> tuple[list[Message], tuple[str, ...]]:
    """Questions and answers, and what was said besides and is not trained on. DataError: a picture is lost with it."""
    left, notes = [message for message in spoken if message.role != "system"], list[str]()
    gone = [message for message in spoken if message.role == "system"]
    if any(message.text for message in gone):
        notes.append("a system message")
    if fields.opening == "drop" and len(left) > 1 and left[0].role == "assistant":
        gone.append(left.pop(0))
        notes.append("an opening answer")
    if fields.closing == "drop" and len(left) > 1 and left[-1].role == "user":
        gone.append(left.pop())
        notes.append("a closing question")
    if any(IMAGE_MARK in message.text for message in gone):
        raise line.error(field, f"a picture stands in {' or '.join(notes) or 'a system message'}")
    return left, tuple(notes)


def _turns(line: Line, field: str, messages: Sequence[Message], *, pictures: int) -> tuple[Turn, ...]:
    """Question and answer pairs, the questions with the marks of the row's pictures."""
    roles = [message.role for message in messages]
    if not messages or roles != ["user", "assistant"] * (len(messages) // 2):
        said = ", ".join(roles[:8] + ["..."] * (len(roles) > 8)) or "none"
        ways = [("opening", roles[:1] == ["assistant"]), ("closing", roles[-1:] == ["user"])]
        help = [
            f"`{name}: drop` in the card's fields" for name, applies in ways if applies and len(roles) > 1
        ]
        raise line.error(
            field,
            f"must alternate question and answer and end with an answer, got {said}"
            + (f"; {' and '.join(help)} would leave out the loose end" if help else ""),
        )
    turns: list[Turn] = []
    asked = places.placed(line, field, [message.text for message in messages[::2]], pictures)
    for question, answer in zip(asked, messages[1::2], strict=True):
        for text in (question, answer.text):
            dialogues.check(line, field, text)
        if not answer.text:
            raise line.error(field, f"answer {len(turns) + 1} is empty")
        if answer.pictures or IMAGE_MARK in answer.text:
            raise line.error(field, f"answer {len(turns) + 1} holds a picture")
        turns.append(Turn(question=question, answer=answer.text))
    return tuple(turns)
