"""What is absent: the option that excludes all others ("None"), and what a normal finding is without ("Normal fundus: no
papilloedema, no detachment").
"""

from __future__ import annotations

import re

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.text import cues
from lingshu_train.verify.types import mcq

_NORMAL = frozenset(("normal", "unremarkable", "healthy"))
_MEMBER = (
    r"(?:no|without)(?: any)?(?: evidence of| signs? of)?"
    r"(?: (?!no\b|without\b|but\b|other\b|longer\b|more\b|doubt\b|normal|change\b|way\b|idea\b|certainty\b|one\b)"
    r"[a-z-]+){1,4}"
)
_WITHOUT = re.compile(
    rf"[,:;. (-]*(?:with )?{_MEMBER}(?:(?:,|,? and|,? or) (?:with )?{_MEMBER})*[.) ]*", re.IGNORECASE
)
_NONE = re.compile(
    r"none(?: of (?:the above|them|(?:these|those|the(?: (?:listed|given|offered|other))?)(?: (?!above)([a-z]+))?))?"
    r"(?: is (?:seen|present|shown|visible))?\.?",
    re.IGNORECASE,
)


def follows(rest: str, option: str) -> bool:
    """Whether an option calls something normal and what stands behind it says only what is not there."""
    if _NORMAL.isdisjoint(option.lower().split()) or option.lower().startswith(("no ", "not ")):
        return False
    return _WITHOUT.fullmatch(rest) is not None


def named(text: str, gold: mcq.Gold) -> Ruling | None:
    """The ruling on the option that excludes all others, named in other words: "None", "none of these"."""
    said = _NONE.fullmatch(text)
    asked = cues.plain_words(gold.question)
    if said is None or not set(cues.plain_words(said.group(1) or "")) <= {*asked, "options", "choices"}:
        return None
    shown = gold.options.shown.items()
    fits = [letter for letter, own in shown if _NONE.fullmatch(own)]
    more = any("none" in own.lower() for letter, own in shown if letter not in fits)
    return mcq.rule(fits[0], "none_of", gold) if len(fits) == 1 and not more else None
