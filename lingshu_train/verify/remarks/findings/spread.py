"""One denial in front of a list, spread over its members: "no effusion or pneumothorax" is "no effusion, no pneumothorax".

Behind a denial "or" joins what is denied and leaves nothing open; elsewhere it offers another answer. "Not only" denies
nothing.
"""

from __future__ import annotations

import re

# What a denial may deny in a list: up to so many words, without a verb.
_MEMBER = r"[a-z][a-z -]{0,50}"
_LIST = re.compile(
    r"\b(?P<head>no|without|free of|free from|negative for|nor"
    r"|(?:not|doesn't|don't|didn't) (?:show|see|have|demonstrate|reveal|contain)(?: any)?)"
    rf"(?P<first> {_MEMBER}?)(?P<more>(?:, {_MEMBER}?){{0,6}}),? or (?P<last>{_MEMBER})"
)
_VERBS = re.compile(
    r"\b(?:is|are|was|were|has|have|had|there|it|they|this|that|shows?|but|if|which|because|yes|no|not|can|could|may|might|i|we"
    r"|doubt|longer|more|less|other than|else)\b"
)
_NOT_ONLY = re.compile(r"\bnot (?:only|just|merely|simply|solely) ")
_NOT_ONLY_CN = re.compile("不(?:仅仅|仅|只)是?|不[单光]是")


def plain(text: str, question: str) -> str:
    """A text in small letters with every denied list spread, and without "not only"."""
    if "only" in text or "just" in text or "merely" in text or "simply" in text or "solely" in text:
        text = _NOT_ONLY.sub("", text)
    if "不" in text:
        text = _NOT_ONLY_CN.sub("", text)
    if " or " not in text or " or " in question.lower():
        return text
    return _LIST.sub(_spread, text)


def _spread(found: re.Match[str]) -> str:
    """The members of one list, each with the denial before it."""
    head, last = found.group("head"), found.group("last")
    members = [found.group("first").strip(), *map(str.strip, found.group("more").strip(", ").split(","))]
    members = [member for member in members if member]
    end = _VERBS.search(last)
    if any(_VERBS.search(member) for member in members) or (end is not None and end.start() == 0):
        return found.group()
    again = "no" if head not in ("without", "nor") else head
    return ", ".join([f"{head} {members[0]}", *(f"{again} {member}" for member in [*members[1:], last])])
