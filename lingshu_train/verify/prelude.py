"""The text before an answer: it may reason and announce, but neither take the answer back nor state another one.

`stated` also reads a reasoning trace by itself: the last answer that it commits itself to.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from lingshu_train.verify.extract import boxes
from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.lexicon import entries, words
from lingshu_train.verify.text import cues, leads, sentences
from lingshu_train.verify.text.normal import LIMIT

_CLAUSE = re.compile(r"[.,;!?()\n，。；！？（）]")
_END = re.compile(r"[.;!?。；！？\n]")
_COMMA = re.compile("[,，]")
# What takes an answer back stands in its own clause: so much of the text is searched for where that begins.
_NEAR = 120
# A line: a shorter text is read as an answer by itself, a longer one as reasoning.
_BRIEF = 80
# A trace changes its mind a few times; a text made of anchors alone must not cost more than its length.
_ANCHORS = 8
# Any words may be a short answer; after "consistent with", more than these are an argument.
_SHORT_WORDS, _SHORT_CHARS = 6, 60


class Stated(NamedTuple):
    """A text after an anchor such as "the answer is", and what the type makes of it."""

    text: str
    ruling: Ruling


def contradicts(prelude: str, gold: GoldAnswer, *, block: bool = False) -> bool:
    """Whether the text before a right answer takes it back or already stated another one.

    `block`: the answer stands in a block, so that a few words before it are no part of its sentence.
    """
    if _sets_aside(prelude) or _disowns(prelude):
        return True
    found = boxes(prelude) if "boxed" in prelude else []
    if found is None or len(found) > 1 or any(gold.read(box.content).status != "right" for box in found):
        return True
    last = stated(prelude, gold, leads.anchors(prelude))
    if last is not None:
        return last.ruling.status != "right"
    if gold.reads == "words":
        return block and _stands_alone(prelude) and gold.read(prelude).status != "right"
    # Reasoning may pass many numbers and words; an answer given by itself stands alone or comes first.
    opening = [prelude] if len(prelude) <= _BRIEF else []
    if gold.reads == "choices" and len(first := sentences.first(prelude[:LIMIT])[0]) <= _BRIEF:
        opening.append(first)
    rulings = [gold.read(text) for text in opening if text]
    return any(ruling.normalized and ruling.status != "right" for ruling in rulings)


def stated(text: str, gold: GoldAnswer, anchors: list[tuple[int, int]]) -> Stated | None:
    """The last readable statement after an anchor, given as (start, end); None where there is none."""
    for _, end in reversed(anchors[-_ANCHORS:]):
        line = text[end : end + LIMIT].partition("\n")[0]
        sentence = sentences.first(line)[0]
        clause = _COMMA.split(sentence, maxsplit=1)[0]
        for candidate in dict.fromkeys((sentence, clause)):
            ruling = gold.read(candidate)
            readable = ruling.status in ("right", "wrong") and bool(ruling.normalized)
            brief = gold.reads != "words" or (
                len(candidate.split()) <= _SHORT_WORDS and len(candidate) <= _SHORT_CHARS
            )
            if ruling.status == "right" or (readable and brief and candidate == clause):
                return Stated(candidate, ruling)
    return None


def _disowns(prelude: str) -> bool:
    """Whether the clause that leads to an answer takes it back: "the answer is not", "it is wrong to say", 不是."""
    clause = _CLAUSE.split(prelude[-_NEAR:].rstrip(" :：*_#$([\\\n\"'“"))[-1]
    if _disowning_cn().search(clause):
        return True
    found, filler = cues.plain_words(clause.replace("’", "'")), words("words", "disowning_filler")
    while found and found[-1] in filler:
        found.pop()
    if found[-2:] in (["no", "doubt"], ["without", "doubt"], ["beyond", "doubt"]):
        return False
    return bool(found) and (found[-1] in words("words", "disowning") or found[-2:] == ["no", "one"])


@cache
def _disowning_cn() -> re.Pattern[str]:
    signs, filler = ("|".join(entries("words", name)) for name in ("disowning_cn", "disowning_filler_cn"))
    # 最可能 (most likely) and 没错 (no mistake) take nothing back.
    return re.compile(f"(?<![最没])(?:{signs})(?:{filler}){{0,6}}$")


def _sets_aside(before: str) -> bool:
    """Whether the words right before an answer deny it or leave it open: "not \\boxed{A}", "I doubt the answer is A"."""
    last = before.rstrip(" \t\r\n$*(`:：是为")
    sentence = _END.split(last[-_BRIEF:].replace("’", "'"))[-1]
    found = [word for word in cues.plain_words(sentence) if word not in words("words", "leading")]
    near = found[-1:] if last[-1:].isascii() else []
    return not words("words", "aside").isdisjoint(near) or last.endswith(entries("words", "aside_cn"))


def _stands_alone(before: str) -> bool:
    """Whether a text is a few words that announce nothing and reason nothing: it may be an answer by itself."""
    text = before.strip()
    if not text or text[-1] in ":：" or not words("words", "announcing").isdisjoint(cues.plain_words(text)):
        return False
    size = len(text.split()) if text.isascii() else len(text) / 3
    return size <= (3 if text[-1] in ".!。！" else 6)
