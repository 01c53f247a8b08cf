"""One letter of several options: the letter, the option's text, or both, and nothing else.

Accepted: (a) the letter; (b) the letter and its own text; (c) the text of exactly one option, its letter in brackets behind
it. A letter with another option's text is a conflict. An option's text as it is written comes before any other reading of
it: "A well defined cyst" is that text, not letter A.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from lingshu_train.verify import options
from lingshu_train.verify.gold import GoldAnswer, GoldError, Reads, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.options import Options
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.leads import readings
from lingshu_train.verify.text.normal import clean, strip_edges

LETTER = re.compile(r"([(\[{\"]?)([A-Za-z])([)\]}\"]?)( ?[.:,)\-]+ ?| )?")
_GLOSS = re.compile(r"([^()\[\]]+?) ?[(\[]([^()\[\]]+)[)\]]$")
_NOUN = re.compile(r"^(?:option|choice|answer|选项) ?", re.IGNORECASE)
_CLOSING = {"(": ")", "[": "]", "{": "}", '"': '"'}


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """The right letter among the options, and the question."""

    reads: ClassVar[Reads] = "choices"
    letter: str
    options: Options
    question: str

    def judge(self, text: str) -> Ruling:
        if len(text) == 1 and text.upper() in self.options.texts:
            return rule(text.upper(), "letter", self)
        for candidate in readings(text):
            ruling = bare(candidate, self)
            if ruling.status != "unreadable":
                return ruling
        if cues.hedges(text) or cues.chooses(text):
            return Ruling("hedged", "mcq.none")
        return Ruling("negated" if cues.negates(text) else "unreadable", "mcq.none")

    def forms(self) -> tuple[str, ...]:
        """The letter, and its text in each way; by itself only where no other option has it and it is no letter."""
        text = self.options.shown.get(self.letter, "")
        lettered = (
            f"({self.letter})",
            f"{self.letter}.",
            *([f"{self.letter}. {text}", f"({self.letter}) {text}"] if text else ()),
        )
        return (*lettered, text) if self.options.by_surface.get(text.lower()) == self.letter else lettered

    def answered_again(self, remark: str) -> bool:
        return self.options.named_in(remark)


def prepare(item: Key) -> Gold:
    """Read the options and the gold letter (or the gold text, where exactly one option has it)."""
    found = options.read(item)
    answer = clean(item.answer)
    letter = answer.upper() if answer.upper() in found.texts else found.by_text.get(canon.key(answer), "")
    if not letter:
        raise GoldError(f"answer {item.answer!r} is neither a letter nor the text of exactly one option")
    return Gold(letter, found, item.question)


def rule(letter: str, name: str, gold: Gold) -> Ruling:
    """The ruling on an answer that names `letter`."""
    return Ruling("right" if letter == gold.letter else "wrong", f"mcq.{name}", letter)


def bare(text: str, gold: Gold) -> Ruling:
    """Judge a text that is an answer as a whole; "unreadable" where it is more or less than one."""
    written = gold.options.by_surface.get(text.lower(), "")
    letter, rest = marked_letter(text, gold)
    if written and not (letter and letter != written and _says(rest, letter, gold)):
        return rule(written, "text", gold)
    if letter:
        ruling = _after_letter(letter, text, rest, gold)
        if ruling is not None:
            return ruling
    named = gold.options.by_text.get(canon.key(text), "")
    if named and not (
        letter and text[:1].isupper() and _separated(text) and not _same_surface(text, named, gold)
    ):
        return rule(named, "text", gold)
    return _with_gloss(text, gold)


def marked_letter(text: str, gold: Gold) -> tuple[str, str]:
    """The option letter that a text begins with and what follows it; empty where it begins with a word."""
    found = LETTER.match(text)
    if found is None or not _balanced(found):
        return "", ""
    letter = found.group(2).upper()
    # A small letter counts only as "b", "b." or "(b)": anything else may be the article "a".
    marks = (found.group(1), found.group(3), (found.group(4) or "").strip())
    stands = found.group(2).isupper() or any(marks) or found.end() == len(text)
    if letter not in gold.options.texts or not stands:
        return "", ""
    return letter, text[found.end() :]


def names_a(text: str, gold: Gold) -> bool:
    """Whether the "A" before a capital letter is option A and no article."""
    return text[:2] == "A " and text[2:3].isupper() and "A" in gold.options.texts


def affirmed(text: str) -> bool:
    """Whether a text says only that what stands before it is the answer."""
    return text.lower() in words("words", "correct")


def _balanced(found: re.Match[str]) -> bool:
    opening, closing, separator = found.group(1), found.group(3), found.group(4)
    if opening:
        return closing == _CLOSING[opening]
    following = found.string[found.end() : found.end() + 1]
    ends = not following or following in "([" or following >= "\u3400"
    return closing in ("", ")") and (bool(closing) or separator is not None or ends)


def _separated(text: str) -> bool:
    """Whether a sign or a space stands behind the letter that a text begins with."""
    found = LETTER.match(text)
    return found is not None and bool(found.group(4))


def _same_surface(text: str, letter: str, gold: Gold) -> bool:
    # "E. coli" as the text of option B is that text, not letter E; "A Group A" is letter A, other text.
    surface = [canon.word(token) for token in canon.tokenize(text)]
    return canon.join(surface) == canon.join(gold.options.tokens[letter])


def _after_letter(letter: str, text: str, rest: str, gold: Gold) -> Ruling | None:
    """Judge what follows a leading letter; None when the text must be read without the letter."""
    if not rest:
        return None if text.endswith("-") else rule(letter, "letter", gold)
    remainder = strip_edges(rest)
    written = remainder.lower() == gold.options.shown.get(letter, "").lower()
    if letter != "A" and names_a(remainder, gold) and not written:
        return Ruling("conflicting", "mcq.letter_text")
    if _says(rest, letter, gold):
        return rule(letter, "letter_text", gold)
    whole = canon.key(text)
    if whole in gold.options.by_text and _same_surface(text, gold.options.by_text[whole], gold):
        return None
    if canon.key(remainder) in gold.options.texts.values():
        return Ruling("conflicting", "mcq.letter_text")
    return rule(letter, "letter", gold) if affirmed(remainder) else None


def _says(text: str, letter: str, gold: Gold) -> bool:
    """Whether a text is an option's own, alone or twice: "MRI (magnetic resonance imaging)"."""
    text = strip_edges(text)
    if text and canon.key(text) == gold.options.texts[letter]:
        return True
    gloss = _GLOSS.fullmatch(text)
    return gloss is not None and all(
        canon.key(clean(part)) == gold.options.texts[letter] for part in gloss.groups()
    )


def _with_gloss(text: str, gold: Gold) -> Ruling:
    """The text of an option and in brackets its letter, its text again, or both."""
    gloss = _GLOSS.fullmatch(text)
    letter = gold.options.by_text.get(canon.key(clean(gloss.group(1))), "") if gloss else ""
    if gloss is None or not letter or (letter != "A" and names_a(text, gold)):
        return Ruling("unreadable", "mcq.none")
    named, rest = marked_letter(clean(_NOUN.sub("", gloss.group(2))), gold)
    if named and not rest:
        return (
            rule(letter, "text_letter", gold) if named == letter else Ruling("conflicting", "mcq.text_letter")
        )
    if _says(gloss.group(2), letter, gold):
        return rule(letter, "text", gold)
    return Ruling("unreadable", "mcq.none")
