"""Text-only instruction: question columns, an answer column, maybe a reasoning column; or turns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lingshu_train.data.rows import answers, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.formats import llava_conversations
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped, Turn
from lingshu_train.record import Sample

SPEAKER = re.compile(r"^\s*[问答]\s*[:：]\s*")


class Fields(rowlib.Answered):
    """Names of columns."""

    question: tuple[str, ...] = ("instruction", "input")
    """Columns of the question, joined by a blank line."""
    answer: str = "output"
    """Column of the answer."""
    reasoning: str = ""
    """Column of the reasoning that is taught before the answer; empty: none."""
    form: rowlib.Form = rowlib.TAGS
    """How reasoning and answer are written where there is reasoning: `tags` (`<think>...</think><answer>...</answer>`, as
    everywhere else, and as rewards read it), or the publisher's own way, a text with {reasoning} and {answer}. An answer
    without reasoning stands as it is."""
    turns: str = ""
    """Column with a list of questions and answers in turn, which then stands for question and answer; empty: none. Each is
    a text, or a message as `llava_conversations` reads it."""
    blank: tuple[str, ...] = ("<noinput>",)
    """Texts that count as empty."""

    def columns(self) -> dict[str, rowlib.Content]:
        if self.turns:
            return {self.turns: "nested"}
        own = (*self.question, self.reasoning, self.answer)
        return {name: "text" for name in own if name}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    if not fields.turns and answers.left_out(line, fields.answer, fields):
        yield answers.NONE
        return
    if fields.turns and _messages(line, fields.turns):
        talk = llava_conversations.Fields(files=fields.files, conversations=fields.turns)
        yield from llava_conversations.rows(line, talk, origin)
        return
    found = _turns(line, fields.turns) if fields.turns else (_single(line, fields),)
    sample = Sample(
        id=line.optional("id"),
        card=origin.card,
        split=origin.split,
        task="instruction",
        question=found[-1].question,
        question_type="free",
        answer=found[-1].answer,
        reasoning=line.optional(fields.reasoning) if fields.reasoning else "",
        form=rowlib.form(fields.form),
    )
    yield Row(sample=sample, turns=found[:-1])


def _messages(line: Line, field: str) -> bool:
    """Whether the dialogue stands there as messages that name their speaker."""
    value = line.nested(field)
    return isinstance(value, list) and any(isinstance(one, Mapping) for one in value)


def _single(line: Line, fields: Fields) -> Turn:
    parts = [
        text for column in fields.question if (text := line.optional(column)) and text not in fields.blank
    ]
    if not parts:
        raise line.error(
            " + ".join(fields.question), "no question: all of these columns are empty or missing"
        )
    return Turn(question="\n\n".join(parts), answer=line.text(fields.answer))


def _turns(line: Line, field: str) -> tuple[Turn, ...]:
    """The dialogue that a field holds as texts in turn, without the speakers' marks that Chinese sets carry."""
    texts = [SPEAKER.sub("", text).strip() for text in line.texts(field)]
    if not texts or len(texts) % 2:
        raise line.error(field, "must be a list of questions and answers in turn")
    if "" in texts:
        raise line.error(field, f"text {texts.index('') + 1} is empty")
    return tuple(Turn(question=q, answer=a) for q, a in zip(texts[::2], texts[1::2], strict=True))
