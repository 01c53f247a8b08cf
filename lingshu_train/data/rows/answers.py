"""What type an answer has where its publisher does not say, and what becomes of rows that have none: one rule for all sets."""

from __future__ import annotations

import re
from typing import Literal, cast

from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.row import Answered, Skipped
from lingshu_train.record import ANSWER_TYPES, AnswerType
from lingshu_train.verify.quantity import grammar
from lingshu_train.verify.text.normal import clean
from lingshu_train.verify.types.numeric import clean_question

YES_NO = frozenset(("yes", "no", "是", "是的", "否", "不是"))
MOST_WORDS, MOST_ITEM_WORDS = 12, 6
"""Of a short answer, in all and between two commas: "Liver, Heart, Spleen, Lung, Left Kidney, Right Kidney" is one."""
MOST_HAN = 16
"""Chinese characters of a short answer."""

TASKS = {"mcq": "mcq", "multi_select": "mcq", "yes_no": "closed_vqa"}
"""Type of an answer -> the task of its question, where that is no open one."""
KNOWN = f"known: {', '.join(ANSWER_TYPES)}"

NONE = Skipped("no answer")
"""Of a row without an answer, where the card skips these."""

_QUANTITY = re.compile(r"[<>≤≥≈~=±+-]*\s*[.]?\d")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SENTENCE = re.compile(r"[.!?;]\s|[。！？；\n]")
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|does|do|shows?|showed|showing|suggests?|demonstrates?|appears?|"
    r"reveals?|indicates?|represents?|contains?|remains?|there)\b",
    re.IGNORECASE,
)
"""Words that make a sentence of some words. Answers that name something have none."""


def guess(answer: str, *, question: str = "") -> AnswerType:
    """yes_no, numeric (one quantity with or without its unit), short (a few words, no sentence), else free."""
    text = answer.strip()
    bare = text.rstrip(".。!！").strip()
    if bare.casefold() in YES_NO:
        return "yes_no"
    if _QUANTITY.match(text) and is_quantity(text, question):
        return "numeric"
    return "short" if _few(bare) else "free"


def left_out(line: Line, column: str, fields: Answered) -> bool:
    """Whether the card leaves this row out for want of an answer. A row without the column itself is wrong, not empty."""
    if fields.empty != "skip" or column not in line.values:
        return False
    value = line.values[column]
    return missing(value) or (isinstance(value, str) and not value.strip())


def is_quantity(answer: str, question: str) -> bool:
    """Whether the verifier reads the answer as one quantity: a unit, or what the question counts, may stand behind it."""
    return grammar.parse(clean(answer), clean_question(question)) is not None


def is_bare_number(answer: str) -> bool:
    """Whether an answer is a number and nothing else, to which a unit can be added."""
    return re.fullmatch(r"[+-]?[0-9]+(?:[.,][0-9]+)*", answer.strip()) is not None


def task(kind: AnswerType) -> str:
    """The task that a question with such an answer belongs to."""
    return TASKS.get(kind, "open_vqa")


def of(line: Line, column: str, card: AnswerType | Literal["guessed"]) -> AnswerType | None:
    """The type that a row's own cell states, else the card; None: it is to be guessed. DataError: an unknown word."""
    written = line.optional(column) if column else ""
    if written:
        kind = stated(written)
        if kind is None:
            raise line.error(column, f"unknown type of answer {written!r}; {KNOWN}")
        return kind
    return None if card == "guessed" else card


def stated(text: str) -> AnswerType | None:
    """The type that a publisher's or a card's word means, whatever its case and what stands between its words."""
    word = re.sub(r"[\s/-]+", "_", text.strip().casefold())
    return cast(AnswerType, word) if word in ANSWER_TYPES else None


def _few(text: str) -> bool:
    if _SENTENCE.search(text):
        return False
    if _HAN.search(text):
        return len(re.sub(r"\s", "", text)) <= MOST_HAN
    words = text.split()
    if len(words) > 2 and _VERB.search(text):
        return False
    items = [item.split() for item in text.split(",")]
    return len(words) <= MOST_WORDS and all(len(item) <= MOST_ITEM_WORDS for item in items)
