"""One letter of several options: the letter, the option's text, or both; then at most a justification.

Accepted: (a) the letter; (b) the letter and its own text; (c) the text of exactly one option; (d) either of
these with a justification that names no other option outside a negation. A letter with another option's
text is a conflict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from lingshu_train.verify import options
from lingshu_train.verify.gold import GoldAnswer, GoldError, Reads, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.lexicon import entries, longest_first, words
from lingshu_train.verify.options import Options
from lingshu_train.verify.remarks import others, reason
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.leads import readings
from lingshu_train.verify.text.normal import clean, strip_edges
from lingshu_train.verify.types import yes_no

_LETTER = re.compile(r"([(\[{\"]?)([A-Za-z])([)\]}\"]?)( ?[.:,)\-]+ ?| )?")
_MARK = re.compile(r"(?<=[A-Za-z)\]}\"])(?: ?:| -) ?$")
_GLOSS_WORDS, _GLOSS_HAN = 4, 6
_CLOSING = {"(": ")", "[": "]", "{": "}", '"': '"'}


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """The right letter among the options; where these say yes and no, the letter of each sign."""

    reads: ClassVar[Reads] = "choices"
    letter: str
    options: Options
    polar: dict[str, str]
    question: str

    def judge(self, text: str) -> Ruling:
        if len(text) == 1 and text.upper() in self.options.texts:
            return _rule(text.upper(), "letter", self)
        for candidate in readings(text):
            ruling = _read(candidate, self)
            if ruling.status != "unreadable":
                return ruling
        if cues.hedges(text) or cues.chooses(text):
            return Ruling("hedged", "mcq.none")
        return Ruling("negated" if cues.negates(text) else "unreadable", "mcq.none")

    def answered_again(self, remark: str) -> bool:
        return self.options.named_in(remark)

    def upholds(self, sentence: str, *, goes_on: bool) -> bool | None:
        return others.upholds(sentence, self.letter, self.options.shown, goes_on=goes_on)


def prepare(item: Key) -> Gold:
    """Read the options and the gold letter (or the gold text, where exactly one option has it)."""
    found = options.read(item)
    answer = clean(item.answer)
    letter = answer.upper() if answer.upper() in found.texts else found.by_text.get(canon.key(answer), "")
    if not letter:
        raise GoldError(f"answer {item.answer!r} is neither a letter nor the text of exactly one option")
    return Gold(letter, found, yes_no.polar_options(found.shown), item.question)


def _rule(letter: str, rule: str, gold: Gold) -> Ruling:
    return Ruling("right" if letter == gold.letter else "wrong", f"mcq.{rule}", letter)


def _read(text: str, gold: Gold) -> Ruling:
    found = _LETTER.match(text)
    letter = found.group(2).upper() if found and _balanced(found) else ""
    if found and letter in gold.options.texts and (found.group(2).isupper() or _marked(found, text)):
        ruling = _after_letter(letter, text, text[found.end() :], gold)
        if ruling is not None:
            return ruling
    whole = canon.key(text)
    if whole in gold.options.by_text and not (
        letter in gold.options.texts
        and found
        and found.group(2).isupper()
        and found.group(4)
        and not _same_surface(text, gold.options.by_text[whole], gold)
    ):
        return _rule(gold.options.by_text[whole], "text", gold)
    return _text_with_more(text, gold)


def _balanced(found: re.Match[str]) -> bool:
    opening, closing, separator = found.group(1), found.group(3), found.group(4)
    if opening:
        return closing == _CLOSING[opening]
    following = found.string[found.end() : found.end() + 1]
    ends = not following or following in "([" or following >= "\u3400"
    return closing in ("", ")") and (bool(closing) or separator is not None or ends)


def _marked(found: re.Match[str], text: str) -> bool:
    # A small letter counts only as "b", "b." or "(b)": anything else may be the article "a".
    marks = (found.group(1), found.group(3), (found.group(4) or "").strip())
    return any(marks) or found.end() == len(text)


def _same_surface(text: str, letter: str, gold: Gold) -> bool:
    # "E. coli" as the text of option B is that text, not letter E; "A Group A" is letter A, other text.
    surface = [canon.word(token) for token in canon.tokenize(text)]
    return canon.join(surface) == canon.join(gold.options.tokens[letter])


def _after_letter(letter: str, text: str, rest: str, gold: Gold) -> Ruling | None:
    """Judge what follows a leading letter; None when the text must be read without the letter."""
    if not rest:
        return None if text.endswith("-") else _rule(letter, "letter", gold)
    remainder = strip_edges(rest)
    if letter != "A" and _names_a(remainder, gold):
        return Ruling("conflicting", "mcq.letter_text")
    named = canon.key(remainder)
    if named == gold.options.texts[letter]:
        return _rule(letter, "letter_text", gold)
    whole = canon.key(text)
    if whole in gold.options.by_text and _same_surface(text, gold.options.by_text[whole], gold):
        return None
    if named in gold.options.texts.values():
        return Ruling("conflicting", "mcq.letter_text")
    if _affirmed(remainder):
        return _rule(letter, "letter", gold)
    if letter in "AI" and text[1:2] == " " and not rest.startswith(("because ", "since ")):
        # "I as a doctor", "A for effort": without a sign after it, the letter may be a word.
        return None
    named_letter, length = gold.options.leading(rest)
    if named_letter == letter:
        if _of_question(strip_edges(rest[length:]), gold) and not reason.names_another(
            rest[length:], letter, gold.options
        ):
            return _rule(letter, "letter_text", gold)
        return _justified(letter, rest[length:], gold, rule="letter_text", gloss=True)
    mark = _MARK.search(text[: len(text) - len(rest)])
    return _justified(letter, f"{mark.group()}{rest}" if mark else rest, gold, rule="letter")


def _text_with_more(text: str, gold: Gold) -> Ruling:
    """The own text of one option, then its letter in brackets, a gloss, an affirmation or a justification."""
    best, length = gold.options.leading(text)
    if length and best != "A" and _names_a(text, gold):
        return Ruling("conflicting", "mcq.text")
    if length:
        rest = text[length:].strip()
        inner = strip_edges(rest)
        if len(inner) == 1 and inner.upper() in gold.options.texts and rest[:1] in "([":
            return (
                _rule(best, "text_letter", gold)
                if inner.upper() == best
                else Ruling("conflicting", "mcq.text_letter")
            )
        if _affirmed(inner):
            return _rule(best, "text", gold)
        if _of_question(inner, gold) and not reason.names_another(inner, best, gold.options):
            return _rule(best, "text", gold)
        ruling = _justified(best, text[length:], gold, rule="text", gloss=True)
        if ruling is not None:
            return ruling
    if gold.polar:
        side = yes_no.side(text, gold.question)
        if side.status == "right" and not reason.names_another_letter(
            text, gold.polar[side.normalized], gold.options
        ):
            return _rule(gold.polar[side.normalized], "polarity", gold)
    return Ruling("unreadable", "mcq.none")


def _justified(letter: str, rest: str, gold: Gold, *, rule: str, gloss: bool = False) -> Ruling | None:
    how = reason.accepted(_reasoned(rest), letter, gold.options, gloss=gloss)
    return _rule(letter, f"{rule}_{how}", gold) if how else None


def _reasoned(rest: str) -> str:
    """What follows an option, as its reason: "is correct because ...", ": fluid at the base", "(a step in the cortex)"."""
    text = rest.lstrip()
    affirmation = next(
        (entry for entry in longest_first("words", "correct") if text.lower().startswith(entry)), ""
    )
    if affirmation and (reasoned := text[len(affirmation) :].lstrip(" ,:")).lower().startswith(
        tuple(entries("words", "because"))
    ):
        return reasoned
    if text[:1] in (":", "(", "-") and _is_gloss(strip_edges(text.lstrip(":- "))):
        return f"because {strip_edges(text.lstrip(':- '))}"
    return rest


def _is_gloss(text: str) -> bool:
    """Whether a text is long enough for a reason: a shorter one may be the text of an option, only other words."""
    return len(text.split()) >= _GLOSS_WORDS or (not text.isascii() and len(text) >= _GLOSS_HAN)


def _names_a(text: str, gold: Gold) -> bool:
    """Whether the "A" before a capital letter is option A and no article."""
    return text[:2] == "A " and text[2:3].isupper() and "A" in gold.options.texts


def _affirmed(text: str) -> bool:
    """Whether a text says only that what stands before it is the answer."""
    return text.lower() in words("words", "correct")


def _of_question(text: str, gold: Gold) -> bool:
    """Whether a text is up to three words of the question: "3 cusps" where cusps were to be counted."""
    found = canon.tokenize(text)
    asked = {canon.word(token) for token in canon.tokenize(gold.question) if token.isalpha()}
    return (
        0 < len(found) <= 3 and not cues.negates(text) and all(canon.word(token) in asked for token in found)
    )
