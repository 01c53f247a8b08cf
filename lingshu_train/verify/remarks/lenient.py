"""The lenient door: what the strict one does not accept is read with what stands around it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from lingshu_train.record import Verdict
from lingshu_train.verify import prelude
from lingshu_train.verify.extract import Extract, boxes, opening
from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks import after, head, record, source
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.strict import told
from lingshu_train.verify.text import cues, leads, sentences
from lingshu_train.verify.text.normal import LIMIT, clean, strip_edges

# Plain text of more words is reasoning: only what stands behind an anchor in it is an answer.
_WORDS = 40
# A conclusion stands in a sentence or a line of its own, or behind a comma: "..., so yes", "..., which points to option B".
_ENDS = re.compile(
    r"(?<=[.;!?])(?<!\s[A-Z]\.)\s+|[。；！？\n]|[,，](?=因此|所以|故|考虑|选|应选|提示|符合|支持|诊断为|最可能|首先)"
    r"|,\s(?=(?:so|thus|therefore|hence|this is|it is|which (?:points|suggests|indicates|means|fits|is))\b)"
)
_SHOWN = (
    r"(?:this|these|those|the|such|all(?: of)? these) "
    r"(?:(?:imaging|radiographic|histologic(?:al)?|clinical|characteristic|typical|classic|described|observed|above|combined|key"
    r"|visual|ct|mri|microscopic) ){0,2}"
    r"(?:features?|findings?|signs?|appearances?|patterns?|changes?|characteristics|observations|combination)"
)
_CONCLUDING = re.compile(
    r"^(?:so|thus|therefore|hence|altogether|together|因此|所以|故)?,? ?"
    rf"(?:(?:which|this|it|{_SHOWN}) (?:together )?(?:is |are )?(?:best |most |all |strongly |highly |clearly )?"
    r"(?:points? to|suggests?|indicates?|means?|fits?|is|are|match(?:es)?|supports?|favou?rs?|corresponds? to|in keeping with"
    r"|(?:characteristic|typical|diagnostic) of|(?:consistent|compatible) with) (?:with )?(?:the )?(?:diagnosis of )?)?"
    r"(?:the (?:answer|diagnosis) is )?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.;!?。；！？\n]")
_CONDITIONS = frozenset(
    ("if", "unless", "whether", "were", "suppose", "supposing", "assuming", "provided", "should")
)
_LONGEST, _MOST_PARTS = 1500, 40
# A short answer, and at once another one that takes its place: "C", a new line, "On reflection the answer is B".
_REVISED = re.compile(
    r"(.{1,60}?)[.!]?\s+(?:(?:on|upon|after) (?:(?:further|closer|second|careful|more) )*"
    r"(?:reflection|thoughts?|consideration|inspection|review|look|reading)|(?:no,? )?wait|correction|更正)[,.:：]? ?"
    r"(?:(?:so )?(?:the|my) (?:(?:correct|right|best|final) )?)?",
    re.IGNORECASE,
)
# 【答案】B
_TITLE = re.compile("【([^【】\n]{1,8})】[:：]?")
# So many words before an anchor may belong to it: "the second most likely diagnosis is".
_RANKED = 4
# Whose answer is no other's; "everyone else's answer is" is.
_OWN = frozenset(("patient's", "it's", "that's", "here's", "let's", "what's", "image's"))


def judge(found: Extract, gold: Witness, refused: Verdict, question: str) -> Verdict:
    """Judge what was found in a response and is not right under strict, which gave `refused`."""
    if found.status:
        return (_same_boxes(found, gold) if found.form == "box" else None) or refused
    if found.form != "plain":
        # Another choice or another quantity inside the mark is not made right by what stands beside it.
        final = refused.status == "wrong" and gold.reads != "words"
        return refused if final else _settled(found, gold)
    if "【" in found.text:
        found = found._replace(text=_TITLE.sub(r"\n\1：", found.text).strip())
    opened = opening(found.text)
    if opened is not None and not opened.status:
        verdict = _settled(opened, gold)
        if verdict.correct:
            return verdict
    return _plain(source.without(found.text), gold, question)


def _same_boxes(found: Extract, gold: Witness) -> Verdict | None:
    """The answer of several boxes that all hold the same text, with nothing but announcements between them."""
    said = boxes(found.text) or [] if found.status == "several_boxes" else []
    contents = {box.content.strip() for box in said}
    if len(contents) != 1:
        return None
    between = [found.text[one.end : other.start] for one, other in pairwise(said)]
    if any(any(map(str.isalnum, part)) for part in between):
        return None
    ruling = gold.read(contents.pop())
    rest = found.text[said[-1].end :].strip(" $*.\n")
    if ruling.status != "right" or (rest and not after.harmless(rest, gold)):
        return None
    before = found.text[: said[0].start].strip()
    return None if before and prelude.contradicts(before, gold) else told(ruling, "box", found.text[:LIMIT])


def _settled(found: Extract, gold: Witness) -> Verdict:
    """Judge a marked answer, then make sure that nothing around it says otherwise."""
    text, tail = found.text, found.tail
    if found.form == "box" and tail:
        line, _, rest = tail.partition("\n")
        if gold.goes_on(text, line):
            text, tail = f"{text} {line}", rest
    ruling = head.read(text, gold)
    if ruling.status == "right":
        if tail and not _affirms(tail) and not after.harmless(tail, gold):
            ruling = ruling._replace(status="trailing_revision")
        elif found.prelude and prelude.contradicts(found.prelude, gold, block=found.form == "tag"):
            ruling = ruling._replace(status="conflicting")
    return told(ruling, found.form, text)


def _affirms(tail: str) -> bool:
    """Whether what stands behind a mark says only that it is the answer: "\\boxed{C} is the answer"."""
    return tail.strip(" .").lower() in words("words", "correct")


def _plain(text: str, gold: Witness, question: str) -> Verdict:
    """Plain text: whole where it is short, else from its last anchor to the end of the line."""
    whole = record.read(text, gold) if text[:1] in "{`" else None
    if whole is not None:
        return told(whole, "plain", text[:LIMIT])
    whole = Ruling("unreadable", "none")
    if len(text) <= LIMIT and len(text.split()) <= _WORDS:
        whole = gold.read(text)
        if whole.status in ("right", "wrong") and (whole.status == "right" or gold.reads != "words"):
            return told(whole, "plain", text)
    first = head.at_head(text, gold)
    if first is not None:
        return told(first, "plain", text[:LIMIT])
    concluded = _at_end(text, gold)
    if concluded is not None:
        return told(concluded, "plain", text[:LIMIT])
    found = leads.anchors(text)
    if not found or (whole.status not in head.REMARKED and gold.reads != "words"):
        return told(whole, "plain", text[:LIMIT])
    return _anchored(text, found[-1], gold, question)


def _at_end(text: str, gold: Witness) -> Ruling | None:
    """The ruling on a last sentence, or a last clause that draws the conclusion, if all before it are reasons."""
    found = [part for part in _ENDS.split(text.strip()[-_LONGEST:]) if any(map(str.isalnum, part))]
    if not 1 < len(found) <= _MOST_PARTS or len(text) > _LONGEST:
        return None
    last, reasons = found[-1].strip(), [part for part in map(strip_edges, map(clean, found[:-1])) if part]
    if not reasons or _conditional(f"{reasons[-1]} "):
        return None
    ruling = gold.read(_CONCLUDING.sub("", last))
    if ruling.status != "right" or not all(_supports(part, gold) for part in reasons):
        return None
    return ruling._replace(rule=f"{ruling.rule}_concluded")


def _supports(sentence: str, gold: Witness) -> bool:
    """Whether a sentence before the conclusion is a reason for it, or draws it already."""
    found = gold.reasons(sentence)
    return found is True or (
        found is None
        and (gold.read(sentence).status == "right" or bool(gold.upholds(sentence, goes_on=False)))
    )


def _before(text: str, gold: Witness) -> str:
    """The text before an anchor; empty where it is a short answer that the anchor's sentence replaces."""
    found = _REVISED.fullmatch(text)
    replaced = found is not None and gold.read(found.group(1)).status == "wrong" and gold.reads == "choices"
    return "" if replaced else text


def _conditional(before: str) -> bool:
    """Whether the sentence that leads to an answer makes it depend on something: "If she had fever, the answer is"."""
    return not _CONDITIONS.isdisjoint(cues.plain_words(_SENTENCE.split(before)[-1]))


def _ranks(before: str, question: str) -> bool:
    """Whether the words right before an anchor make it another answer than the one asked for: "the least likely diagnosis is",
    "the alternative answer is".
    """
    near = cues.plain_words(_SENTENCE.split(before)[-1])[-_RANKED:]
    asked = cues.plain_words(question)
    return any(
        word not in asked
        and (word in words("words", "ranking") or (word.endswith("'s") and word not in _OWN))
        for word in near
    )


def _anchored(text: str, anchor: tuple[int, int], gold: Witness, question: str) -> Verdict:
    """The answer behind an anchor such as "the answer is", to the end of its line or its sentence."""
    start, end = anchor
    line, _, tail = text[end:].partition("\n")
    if not any(map(str.isalnum, line)):
        # "The answer is:", and the answer in a line of its own.
        line, _, tail = tail.lstrip().partition("\n")
    if len(line) > LIMIT:
        return Verdict(correct=False, status="too_long", rule="anchor")
    ruling, used = head.read(line, gold), line
    sentence, rest = sentences.first(line)
    if ruling.status != "right" and rest:
        ruling, used = gold.read(sentence), sentence
        tail = f"{rest}\n{tail}"
    verdict = told(ruling, "anchor", used)
    if not verdict.correct:
        return verdict
    if tail.strip() and not after.harmless(tail.strip(), gold):
        status = "trailing_revision"
    elif (
        prelude.contradicts(before := _before(text[:start], gold), gold)
        or _conditional(before)
        or _ranks(before, question)
    ):
        status = "conflicting"
    else:
        return verdict
    return replace(verdict, correct=False, status=status, normalized="")
