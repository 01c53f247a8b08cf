"""The text after an answer: silence, politeness, or a remark that cannot be another answer."""

from __future__ import annotations

import re

from lingshu_train.verify.gold import GoldAnswer
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.text import cues, leads, sentences
from lingshu_train.verify.text.normal import LIMIT, clean, strip_edges

_DIGIT = re.compile(r"[0-9]|[一二两三四五六七八九十]")
_LETTER = re.compile(r"(?<![A-Za-z0-9'])[A-Z](?![A-Za-z0-9'])")
# "I" and "A" before a small word are words; as options they are found by their texts.
_PRONOUN = re.compile(r"\b[IA](?= [a-z])")
# Two short sentences. Whoever goes on for longer may say anything, and a right answer needs none of it.
_LONGEST = 160
# A remark has a subject and a verb: fewer words may be another answer ("Left lung.").
_FEWEST_WORDS, _FEWEST_HAN = 4, 6


def harmless(tail: str, gold: GoldAnswer) -> bool:
    """Whether what follows a right answer leaves it right."""
    if "boxed" in tail:
        return False
    text = clean(tail) if len(tail) <= LIMIT else ""
    if not text and len(tail) <= LIMIT:
        return "?" not in tail
    polite = words("words", "pleasantries")
    parts = [strip_edges(part) for part in sentences.split(text)]
    rest = [part for part in parts if part and part.lower() not in polite]
    if not rest:
        return len(tail) <= LIMIT
    remark = " ".join(rest)
    if (
        len(tail) > _LONGEST
        or _DIGIT.search(remark)
        or _LETTER.search(_PRONOUN.sub("", remark))
        or "?" in tail
    ):
        return False
    if cues.revises(remark) or cues.hedges(remark) or gold.answered_again(remark):
        return False
    return all(_is_remark(sentence, gold) for sentence in rest)


def _is_remark(sentence: str, gold: GoldAnswer) -> bool:
    """Whether a sentence is no other answer: the same one again, or too long to be one."""
    shorter = leads.without_lead_in(sentence, statements=True)
    if shorter != sentence:
        ruling = gold.read(shorter)
        return ruling.status == "right" or (ruling.status == "unreadable" and gold.reads == "choices")
    if gold.read(sentence).status == "right":
        return True
    return len(sentence.split()) >= _FEWEST_WORDS or (not sentence.isascii() and len(sentence) >= _FEWEST_HAN)
