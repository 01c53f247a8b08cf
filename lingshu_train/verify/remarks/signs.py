"""The sign that a whole sentence takes: yes or no at its head with a reason, or a statement of what was asked."""

from __future__ import annotations

import re
from itertools import pairwise

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.remarks import elliptic
from lingshu_train.verify.remarks.explanation import explained
from lingshu_train.verify.remarks.findings import predicates, spread, statements, whole, worded
from lingshu_train.verify.text import asks, cues
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import strip_edges
from lingshu_train.verify.types import yes_no

_DENIED = frozenset(("no", "not", "absent", "none"))
_CLAUSE = re.compile(r"[,;.，；。](?=\s|[\u3400-\u9fff])| (?=without )")
# So many clauses are tried: a text made of commas must not cost more than its length.
_MOST = 6
_NONE = re.compile(
    r"(?:(?:there (?:is|are) )?no (?:such )?)?(?:evidence|signs?|findings?|ones?)"
    r"(?: (?:is|are) (?:(?:not )?(?:seen|present|visible|noted|found)|absent))?"
    r"|none (?:(?:is|are|was|were|can be) )?(?:seen|present|visible|noted|found|identified|detected)"
)


def side(text: str, question: str) -> Ruling:
    """The sign an answer takes: status "right" with normalized "yes" or "no", or the reason there is none."""
    text = spread.plain(worded.plain(strip_edges(without_lead_in(text)).lower(), question), question)
    if "?" in text or statements.of_before(text, question):
        return Ruling("unreadable", "yes_no.none")
    sign, length, rule = yes_no.leading(text, question)
    if sign:
        return explained(sign, text[length:], question, rule)
    if _NONE.fullmatch(text) and not _DENIED.isdisjoint(text.split()) and asks.sign_of("absent", question):
        return Ruling("right", "yes_no.statement", asks.sign_of("absent", question))
    stated = _stated(text, question) or elliptic.sign(text, question) or elliptic.restated(text, question)
    if stated:
        return Ruling("right", "yes_no.statement", stated)
    if not cues.hedges(text):
        return _in_clauses(text, question)
    return Ruling("hedged", "yes_no.none")


def _stated(text: str, question: str) -> str:
    """The sign of a statement that says what its question asks: "there is a mass" says nothing of whether it is solid."""
    stated = statements.statement(text, question) or whole.states(text, question)
    return stated if stated == "no" or predicates.said(text, question) else ""


def _in_clauses(text: str, question: str) -> Ruling:
    """The sign that a clause states, where all others agree with it."""
    places = [0, *(found.end() for found in _CLAUSE.finditer(text)), len(text) + 1]
    for start, end in list(pairwise(places))[:_MOST] if len(places) > 2 else ():
        clause = text[start : end - 1].strip(" ,;.，；。")
        stated = _stated(clause, question)
        if stated and clause.startswith("without") and cues.negates(text[:start]):
            # "No bone without fracture".
            break
        if stated:
            rest = text[:start] + text[end - 1 :]
            return explained(stated, rest, question, "yes_no.statement")
    return Ruling("unreadable", "yes_no.none")
