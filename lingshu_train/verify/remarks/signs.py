"""The sign that a whole sentence takes: yes or no at its head with a reason, or a statement of what was asked."""

from __future__ import annotations

import re

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.remarks.explanation import explained
from lingshu_train.verify.remarks.findings import statements, whole
from lingshu_train.verify.text import asks, cues
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import strip_edges
from lingshu_train.verify.types import yes_no

_DENIED = frozenset(("no", "not", "absent", "none"))
_CLAUSE = re.compile(r"[,;.，；。](?=\s|[\u3400-\u9fff])")
_NONE = re.compile(
    r"(?:(?:there (?:is|are) )?no (?:such )?)?(?:evidence|signs?|findings?|ones?)"
    r"(?: (?:is|are) (?:(?:not )?(?:seen|present|visible|noted|found)|absent))?"
    r"|none (?:is|are|was|were|can be) (?:seen|present|visible|noted|found|identified|detected)"
)


def side(text: str, question: str) -> Ruling:
    """The sign an answer takes: status "right" with normalized "yes" or "no", or the reason there is none."""
    text = strip_edges(without_lead_in(text)).lower()
    if "?" in text:
        return Ruling("unreadable", "yes_no.none")
    sign, length, rule = yes_no.leading(text, question)
    if sign:
        return explained(sign, text[length:], question, rule)
    if _NONE.fullmatch(text) and not _DENIED.isdisjoint(text.split()) and asks.sign_of("absent", question):
        return Ruling("right", "yes_no.statement", asks.sign_of("absent", question))
    stated = statements.statement(text, question) or whole.states(text, question)
    if stated:
        return Ruling("right", "yes_no.statement", stated)
    first = _CLAUSE.search(text)
    if first and not cues.hedges(text):
        stated = statements.statement(text[: first.start()], question) or whole.states(
            text[: first.start()], question
        )
        if stated:
            return explained(stated, text[first.start() :], question, "yes_no.statement")
    return Ruling("hedged" if cues.hedges(text) else "unreadable", "yes_no.none")
