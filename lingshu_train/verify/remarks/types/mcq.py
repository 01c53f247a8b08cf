"""A chosen option and what stands behind it: a justification, others ruled out, words of the question, or yes and no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, cast

from lingshu_train.verify.gold import GoldAnswer, Reads, Ruling
from lingshu_train.verify.lexicon import entries, longest_first
from lingshu_train.verify.remarks import (
    absence,
    amounts,
    carried,
    concluded,
    given,
    left_open,
    lent,
    others,
    prose,
    reason,
    signs,
    turned,
    verbatim,
)
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.leads import readings
from lingshu_train.verify.text.normal import strip_edges
from lingshu_train.verify.types import mcq, yes_no

_GLOSS_WORDS, _GLOSS_HAN = 4, 6
_NAMELY = re.compile(
    r"^(?:即|也就是|就是|i\.e\.,? |namely,? |that is,? |which is |meaning )(?:the |an? )?", re.IGNORECASE
)
# So many places are tried at which a reason may begin.
_MOST_BEHIND = 4
_EXCLUDING = ("not", "rather than", "instead of", "and not")
_REASONING = ("because", "since", "as", "which", "where")
# "Which statement is false?" "B is a true statement" takes B back.
_ASKS_FALSE = re.compile(r"\b(?:false|untrue|incorrect|wrong|not (?:true|correct))\b", re.IGNORECASE)
_TRUE = re.compile(r"\b(?:true|accurate|valid)\b", re.IGNORECASE)
_LIKELIEST_CN = re.compile("(?:的)?可能性(?:最大|最高|较大|很大|大|极大|高|较高)$")
_BEHIND = re.compile(
    r",? \b(because|since|as|which|where|and not|not|rather than|instead of|with|showing|evidenced by|as evidenced by|given"
    r"|due to|based on|indicated by|supported by|characterized by|in view of)\b (?:in |on |at |the |an? )*"
    r"|, (an?) "
)
_ARTICLE = re.compile(r"A [a-z]{3}")
_BRIEF = re.compile(r"(?!it |this |that )[a-z]+ (?:is|are|was|were) [a-z]+|the [a-z]+ [a-z]+", re.IGNORECASE)
_THERE = re.compile(r"^there (?:is|are) (?:an? )?(?=[a-z]{3})", re.IGNORECASE)
# "Distal ileum, option B": a letter without brackets behind the text.
_LETTERED = re.compile(r",? (?:option|choice|answer) ([A-Za-z])$")


@dataclass(frozen=True, slots=True)
class Chosen(Witness):
    """The gold option; where the options say yes and no, the letter of each sign."""

    reads: ClassVar[Reads] = "choices"
    named: ClassVar[bool] = True
    gold: mcq.Gold
    polar: dict[str, str]

    def judge(self, text: str) -> Ruling:
        ruling = self.gold.judge(text)
        if ruling.status == "conflicting" and _ARTICLE.match(text):
            # "A neuroblastoma": before the small first letter of another option's text the letter is the article.
            return self.gold.judge(text[2:])
        if ruling.normalized or ruling.status in ("right", "wrong", "conflicting"):
            return ruling
        if text[:4].lower() == "none" and (found := absence.named(text, self.gold)):
            return found
        if self.polar and (left := left_open.letter(text, self.gold.options)):
            return mcq.rule(left, "left_open", self.gold)
        announced = verbatim.without_question(text, self.gold.question)
        if announced != text:
            found = self.gold.read(announced)
            return found if found.normalized else ruling
        for candidate in readings(text):
            found = _read(candidate, self)
            if found.status != "unreadable":
                return found
        plain = _LIKELIEST_CN.sub("", turned.without_initials(text))
        if plain != text:
            return self.judge(plain)
        return (
            carried.read(text, Turnable(self.gold), self.gold.question, self.gold.options.spoken)
            or self._with_reason(text)
            or self._behind_reason(text)
            or self._turned(text)
            or concluded.read(
                text, Turnable(self.gold), self.gold.options, self.gold.letter, self.gold.question
            )
            or ruling
        )

    def _turned(self, text: str) -> Ruling | None:
        lettered = _LETTERED.sub(r" (\1)", text)
        if lettered != text and (ruling := self.gold.judge(lettered)).normalized:
            return ruling
        return _in_other_order(text, self.gold) or amounts.read(text, self.gold)

    def _with_reason(self, text: str) -> Ruling | None:
        """A sentence that carries the option, and behind it why, or what it is not."""
        for found in islice(_BEHIND.finditer(text), _MOST_BEHIND):
            ruling = self.gold.judge(text[: found.start()])
            if ruling.status != "right":
                ruling = (
                    carried.read(
                        text[: found.start()], self.gold, self.gold.question, self.gold.options.spoken
                    )
                    or ruling
                )
            introduced = found.group(1) or found.group(2)
            if ruling.status == "right" and self._stands(introduced, text[found.end() :]):
                return ruling._replace(rule=f"{ruling.rule}_behind")
        return None

    def _stands(self, introduced: str, rest: str) -> bool:
        """Whether what follows the option, behind a word such as "because", leaves it right."""
        letter = self.gold.letter
        if introduced in _EXCLUDING:
            other = rest.strip("( )")
            upheld = others.upholds(f"not {other}", letter, self.gold.options.shown, goes_on=False)
            return bool(upheld or (upheld is None and reason.names_part(other, letter, self.gold.options)))
        if introduced in _REASONING:
            return prose.harmless(f"there {rest}", letter, self.gold.options)
        if introduced in ("a", "an") and ("," in rest or others.denied_times(rest)):
            return False
        # "With no sign of it" gives no reason.
        return not cues.negates(rest) and prose.harmless(f"there is {rest}", letter, self.gold.options)

    def _behind_reason(self, text: str) -> Ruling | None:
        """The answer behind its reason in one sentence: "Given the filling defect, pulmonary embolism is the best answer"."""
        found = given.leading(text)
        if found is None or not prose.harmless(found[0], self.gold.letter, self.gold.options):
            return None
        ruling = self.judge(found[1])
        return ruling._replace(rule=f"{ruling.rule}_given") if ruling.status == "right" else None

    def answered_again(self, remark: str) -> bool:
        return self.gold.answered_again(remark)

    def reasons(self, sentence: str) -> bool | None:
        # Beside a yes or no, three words with a verb are no other answer: "Mortality was lower, so yes".
        brief = self.polar and _BRIEF.fullmatch(sentence)
        said = f"here {sentence}" if brief else sentence
        return prose.harmless(said, self.gold.letter, self.gold.options) or None

    def upholds(self, sentence: str, *, goes_on: bool) -> bool | None:
        sentence = verbatim.affirmed(sentence, self.gold.question)
        if _ASKS_FALSE.search(self.gold.question) and _TRUE.search(sentence):
            return False
        if prose.asks_spared(self.gold.question, sentence) or prose.asks_lacking(
            self.gold.question, sentence, self.gold.letter, self.gold.options
        ):
            return False
        return others.upholds(sentence, self.gold.letter, self.gold.options.shown, goes_on=goes_on)


def witness(gold: GoldAnswer) -> Chosen:
    found = cast(mcq.Gold, gold)
    return Chosen(found, yes_no.polar_options(found.options.shown))


@dataclass(frozen=True, slots=True)
class Turnable(GoldAnswer):
    """The gold option, its text in another order of words too: what a sentence may carry."""

    reads: ClassVar[Reads] = "choices"
    gold: mcq.Gold

    def judge(self, text: str) -> Ruling:
        ruling = self.gold.judge(text)
        if ruling.status != "unreadable":
            return ruling
        found = _in_other_order(text, self.gold) if " of " in text else None
        shorter = lent.without_noun(text, self.gold.question)
        return found or (self.gold.judge(shorter) if shorter != text else ruling)


def _in_other_order(text: str, gold: mcq.Gold) -> Ruling | None:
    """The text of exactly one option in another order of its words, or without "there is"."""
    plain = turned.key(_THERE.sub("", text))
    fits = [letter for letter, own in gold.options.shown.items() if turned.key(_THERE.sub("", own)) == plain]
    return mcq.rule(fits[0], "text_turned", gold) if len(fits) == 1 else None


def _read(text: str, chosen: Chosen) -> Ruling:
    gold = chosen.gold
    letter, rest = mcq.marked_letter(text, gold)
    if letter and rest:
        ruling = _after_letter(letter, text, rest, gold)
        if ruling is not None:
            return ruling
    return _text_with_more(text, chosen)


def _after_letter(letter: str, text: str, rest: str, gold: mcq.Gold) -> Ruling | None:
    """Judge what follows a leading letter; None when the text must be read without the letter."""
    if letter in "AI" and text[1:2] == " " and not rest.startswith(("because ", "since ")):
        # "I as a doctor", "A for effort": without a sign after it, the letter may be a word.
        return None
    namely = _NAMELY.match(rest)
    rest = rest[namely.end() :] if namely else rest
    named, length = gold.options.leading(rest)
    if named == letter:
        if namely and not strip_edges(rest[length:]):
            return mcq.rule(letter, "letter_text", gold)
        if _of_question(strip_edges(rest[length:]), gold) and not reason.names_another(
            rest[length:], letter, gold.options
        ):
            return mcq.rule(letter, "letter_text", gold)
        return _justified(letter, rest[length:], gold, rule="letter_text", gloss=True)
    sign = text[: len(text) - len(rest)].rstrip()[-1:]
    return _justified(letter, f"{sign} {rest}" if sign in ":-" else rest, gold, rule="letter")


def _text_with_more(text: str, chosen: Chosen) -> Ruling:
    """The own text of one option, then a gloss, an affirmation or a justification; or a sentence that says yes or no."""
    gold = chosen.gold
    best, length = gold.options.leading(text)
    if length and best != "A" and mcq.names_a(text, gold):
        return Ruling("conflicting", "mcq.text")
    if length:
        inner = strip_edges(text[length:])
        if mcq.affirmed(inner):
            return mcq.rule(best, "text", gold)
        if _of_question(inner, gold) and not reason.names_another(inner, best, gold.options):
            return mcq.rule(best, "text", gold)
        ruling = _justified(best, text[length:], gold, rule="text", gloss=True)
        if ruling is not None:
            return ruling
    if chosen.polar:
        side = signs.side(text, gold.question)
        if side.status == "right" and not reason.names_another_letter(
            text, chosen.polar[side.normalized], gold.options
        ):
            return mcq.rule(chosen.polar[side.normalized], "polarity", gold)
    return Ruling("unreadable", "mcq.none")


def _justified(letter: str, rest: str, gold: mcq.Gold, *, rule: str, gloss: bool = False) -> Ruling | None:
    if absence.follows(rest, gold.options.shown.get(letter, "")):
        return mcq.rule(letter, f"{rule}_without", gold)
    how = reason.accepted(_reasoned(rest), letter, gold.options, gloss=gloss)
    return mcq.rule(letter, f"{rule}_{how}", gold) if how else None


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


def _of_question(text: str, gold: mcq.Gold) -> bool:
    """Whether a text is up to three words of the question: "3 cusps" where cusps were to be counted."""
    if concluded.ASKS_OTHER.search(gold.question):
        # "Which is not seen?" "Effusion is seen": the same words say the opposite.
        return False
    found = canon.tokenize(text)
    asked = {verbatim.kin(token) for token in canon.tokenize(gold.question) if token.isalpha()}
    return (
        0 < len(found) <= 3
        and not cues.negates(text)
        and all(verbatim.kin(token) in asked for token in found)
    )
