"""The text after an answer: silence, politeness, or a remark that cannot be another answer."""

from __future__ import annotations

import re

from lingshu_train.verify.lexicon import entries, words
from lingshu_train.verify.remarks import prose
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.text import cues, leads, sentences
from lingshu_train.verify.text.courtesy import courteous
from lingshu_train.verify.text.normal import LIMIT, clean, strip_edges

_DIGIT = re.compile(r"[0-9]|[一二两三四五六七八九十]")
_LETTER = re.compile(r"(?<![A-Za-z0-9'])[A-Z](?![A-Za-z0-9'])")
# "I" and "A" before a small word are words; as options they are found by their texts.
_PRONOUN = re.compile(r"\b[IA](?= [a-z])")
# Two short sentences. Whoever goes on for longer may say anything, and a right answer needs none of it; courtesy and
# what is said of each option do not count.
_LONGEST = 160
_MOST, _MOST_PARTS = 2000, 40
_DRESS = "-*•_|? "
_WORD = re.compile(r"[a-z]+|[\u3400-\u9fff]+")
# A line of a list of options: "(B) Diverticulitis: ...", "| B | ...".
_LISTED = re.compile(r"[-*•| ]*(\(?[A-Z]\)?(?=[ .:)|])[^:|]{0,80}?) ?[:|] ?")
# "A. Pneumonia is wrong": the stop behind the letter ends no sentence.
_OPTION = re.compile(r"(?:^|(?<=[.;!?] )|(?<=[-*•] ))([A-Z])\. (?=\S)")
# A remark has a subject and a verb: fewer words may be another answer ("Left lung.").
_FEWEST_WORDS, _FEWEST_HAN = 4, 6


def harmless(tail: str, gold: Witness) -> bool:
    """Whether what follows a right answer leaves it right."""
    if "boxed" in tail or len(tail) > _MOST:
        return False
    parts = _sentences(tail)
    if len(parts) > _MOST_PARTS:
        return False
    if not parts:
        return "?" not in tail
    unsettled = _unsettled(parts, gold)
    if unsettled is None:
        return False
    reasons = {part: gold.reasons(part) for part in unsettled}
    rest = [part for part in unsettled if reasons[part] is None]
    if False in reasons.values():
        return False
    if not rest:
        return True
    remark = " ".join(rest)
    if (
        len(remark) > _LONGEST
        or _DIGIT.search(remark)
        or _LETTER.search(_PRONOUN.sub("", remark))
        or "?" in remark
    ):
        return False
    if (
        not words("words", "discarding").isdisjoint(cues.plain_words(remark))
        or cues.revises(remark)
        or cues.revises_firmly(remark)
        or cues.hedges(remark)
        or gold.answered_again(remark)
        or prose.turns_on_itself(remark)
        or (not remark.isascii() and cues.contains(remark, entries("others", "naming_cn")))
    ):
        return False
    return all(_is_remark(sentence, gold) for sentence in rest)


def _sentences(tail: str) -> list[str]:
    """The sentences of a text in surface normal form, lines first: a list of options has one a line."""
    lines = [clean(line[:LIMIT]) for line in tail.splitlines()]
    parts = [part for line in lines for part in sentences.split(_OPTION.sub(r"\1) ", line))]
    return [part for part in map(strip_edges, parts) if any(map(str.isalnum, part))]


def _unsettled(parts: list[str], gold: Witness) -> list[str] | None:
    """The sentences that are neither courtesy nor uphold the answer; None where one of them speaks against it."""
    polite, headings = words("words", "pleasantries"), words("others", "headings")
    rest, goes_on, ruling_out = [], False, False
    for part in parts:
        label, colon, body = part.partition(":")
        heading = label.strip(_DRESS).lower()
        if heading in headings or (
            part[0] == "|" and words("others", "header").issuperset(_WORD.findall(part.lower()))
        ):
            # "Why the others are wrong:" is the verdict on each option in the list that follows.
            ruling_out = not words("others", "ruling").isdisjoint(_WORD.findall(part.lower()))
            goes_on, part = goes_on or not colon, body.strip()
        bare = part.strip(_DRESS)
        if not bare or bare.lower() in polite or (courteous(bare) and not gold.answered_again(bare)):
            continue
        upheld = gold.upholds(part, goes_on=goes_on)
        if ruling_out and (found := _LISTED.match(part)):
            if gold.upholds(f"{found.group(1)} is wrong", goes_on=goes_on) is False:
                return None
            upheld = upheld or gold.upholds(
                f"{found.group(1)} is wrong: {part[found.end() :]}", goes_on=goes_on
            )
        if upheld is False:
            return None
        goes_on = goes_on or upheld is True
        if not upheld:
            rest.append(part)
    return rest


def _is_remark(sentence: str, gold: Witness) -> bool:
    """Whether a sentence is no other answer: the same one again, or too long to be one."""
    shorter = leads.without_lead_in(sentence, statements=True)
    if shorter != sentence:
        ruling = gold.read(shorter)
        return ruling.status == "right" or (ruling.status == "unreadable" and gold.reads == "choices")
    if gold.read(sentence).status == "right":
        return True
    return len(sentence.split()) >= _FEWEST_WORDS or (not sentence.isascii() and len(sentence) >= _FEWEST_HAN)
