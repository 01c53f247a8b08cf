"""An answer at the head of a text and remarks behind it: "B. A is wrong because ...", "Yes. Please see a doctor"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.remarks import after
from lingshu_train.verify.remarks.witness import Witness

# What a text is called as a whole if there are remarks behind its answer.
REMARKED = ("unreadable", "negated", "hedged")
# Where an answer may end: a sentence, a line; behind a letter also a comma, if what follows speaks of "the others".
_END = re.compile(
    r"(?<=[.;!?])\s+|[。；！？\n]|(?<=[A-Z])[,，] ?(?=(?:the |all )?(?:others?|rest|remaining)\b|其他|其它|其余|排除|而非|不是)"
    r"|(?<=^[A-Z])[,，] ?(?=(?:it|this|there|they|the [a-z]+) (?:is|are|was|were|has|have|shows?|lies?)\b)"
    r"|(?<=[A-Z])[,，] ?(?=[\u3400-\u9fff]{6})"
)
# A Chinese sentence goes on behind a comma: "图中为胆囊，呈无回声结构".
_END_CN = re.compile(_END.pattern + "|(?<=[\u3400-\u9fff])[,，](?=[\u3400-\u9fff]{4})")
# Most answers end nowhere but at their end.
_SIGN = re.compile("[.;!?,，。；！？\n]")
# "C. Rib fracture. The others are wrong": letter, text, and the sentence that gives the answer again.
_MOST = 4
# An answer is short, and what stands behind it is read sentence by sentence.
_LONGEST = 200


def read(text: str, gold: Witness) -> Ruling:
    """Judge a text; where it is not right as a whole, by its head, if all that follows leaves that as it is."""
    whole = gold.read(text)
    if whole.status not in REMARKED and not (whole.status == "wrong" and gold.reads == "words"):
        return whole
    return (_SIGN.search(text) and at_head(text, gold)) or whole


def at_head(text: str, gold: Witness) -> Ruling | None:
    """The ruling of the answer that a text begins with; None where there is none or the rest may change it."""
    for head, rest in _heads(text, _END if text.isascii() or not gold.named else _END_CN):
        ruling = gold.read(head)
        if ruling.status == "right" and after.harmless(rest, gold):
            return ruling._replace(rule=f"{ruling.rule}_remarked")
    return None


def _heads(text: str, ends: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for place, end in enumerate(ends.finditer(text)):
        if place >= _MOST or end.start() > _LONGEST:
            return
        head, rest = text[: end.start()].strip(), text[end.end() :].strip()
        if head and rest:
            yield head, rest
