"""The strict door: the answer alone, inside its mark. What stands beside it there makes it unreadable, however true.

Closed on every side. Inside the mark stands what the grammar of the type reads as a whole. Behind it stands nothing but
courtesy, whose words cannot answer. Its own sentence before it has no words but those that announce an answer and those of
the question, none of which denies. What was said further before, such as reasoning, states no other answer.
"""

from __future__ import annotations

import re
from functools import cache

from lingshu_train.record import Verdict
from lingshu_train.verify import prelude
from lingshu_train.verify.extract import Extract, opening
from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.lexicon import longest_first, words
from lingshu_train.verify.text import sentences
from lingshu_train.verify.text.courtesy import courteous
from lingshu_train.verify.text.normal import LIMIT, clean, strip_edges

_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|[0-9]+")
_HAN = re.compile("[\u3400-\u9fff]+")
_END = re.compile(r"[.;!?](?=\s|$)|[。；！？\n]")
_LONGEST_TAIL, _MOST_PARTS = 2000, 40
_REGION = 4000


def judge(found: Extract, gold: GoldAnswer, item: Key) -> Verdict:
    """Judge what was found in a response. Never right where `found` has a status or no mark."""
    if found.status:
        return Verdict(correct=False, status=found.status, rule=found.form, extracted=found.text[:LIMIT])
    if found.form == "plain":
        opened = opening(found.text)
        if opened is None or opened.status:
            return Verdict(correct=False, status="unmarked", rule="plain")
        found = opened
    text, tail = found.text, found.tail
    if found.form == "box" and tail:
        line, _, rest = tail.partition("\n")
        if gold.goes_on(text, line):
            text, tail = f"{text} {line}", rest
    ruling = gold.read(text)
    if ruling.status == "right":
        if tail and not _is_courtesy(tail, gold):
            ruling = ruling._replace(status="trailing_revision")
        elif found.prelude and not _quiet(found, gold, item):
            ruling = ruling._replace(status="conflicting")
    return told(ruling, found.form, text)


def told(ruling: Ruling, form: str, text: str) -> Verdict:
    """The verdict on a text by its ruling."""
    return Verdict(
        correct=ruling.status == "right",
        status=ruling.status,
        rule=f"{form}:{ruling.rule}",
        extracted=text,
        normalized=ruling.normalized,
    )


def _is_courtesy(tail: str, gold: GoldAnswer) -> bool:
    """Whether what follows a mark is closing punctuation and courtesy alone."""
    if len(tail) > _LONGEST_TAIL:
        return False
    parts = [clean(part) for line in tail.splitlines() for part in sentences.split(line[:LIMIT])]
    spoken = [part for part in map(strip_edges, parts) if any(map(str.isalnum, part))]
    if "?" in tail and not spoken:
        return False
    polite = words("words", "pleasantries")
    return len(spoken) <= _MOST_PARTS and all(
        (part.lower() in polite or courteous(part)) and not gold.answered_again(part) for part in spoken
    )


def _quiet(found: Extract, gold: GoldAnswer, item: Key) -> bool:
    """Whether the text before a right answer announces it at most, and states no other one."""
    own = _END.split(found.prelude[-_REGION:])[-1]
    return _announces(own, item) and not prelude.contradicts(found.prelude, gold, block=found.form == "tag")


def _announces(sentence: str, item: Key) -> bool:
    """Whether a sentence that ends in an answer has no words but those that announce one and those of the question."""
    low = sentence.lower().replace("’", "'")
    asked = item.question.lower()
    known = words("leadins", "announcing") | (frozenset(_WORD.findall(asked)) - words("words", "disowning"))
    # "70 x 80 = \\boxed{5600}" announces by its last sign.
    sums = low.rstrip(" $(*").endswith("=")
    found = _WORD.findall(_HAN.sub(" ", low))
    return all(word in known or (sums and word.isdigit()) for word in found) and all(
        run in asked and words("words", "negation_cn").isdisjoint(run)
        for part in _HAN.findall(low)
        for run in _HAN.findall(_announcing_cn().sub(" ", part))
    )


@cache
def _announcing_cn() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, longest_first("leadins", "announcing_cn"))))
