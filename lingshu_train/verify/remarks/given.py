"""A reason before its answer in one sentence: "Given the filling defect, pulmonary embolism is the best answer"."""

from __future__ import annotations

import re

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.text import cues

_GIVEN = re.compile(
    r"(?:given|because of|due to|based on|considering|in view of|in light of|judging by|owing to|since there (?:is|are)"
    r"|as there (?:is|are)|with|on the basis of|in this|in a|since|because|as) ([^,;:?]{3,160}), (?=\S)",
    re.IGNORECASE,
)
_GIVEN_CN = re.compile("(?:根据|结合|鉴于|由于|因|考虑到)([^,，。；;？?]{4,60})[,，](?=.)")
# More reasons than these begin no answer, and each is read with all that follows it.
_MOST = 2


def leading(text: str) -> tuple[str, str] | None:
    """The reason that a sentence begins with, as a statement, and what follows; None where there is none."""
    found = _GIVEN.match(text) or _GIVEN_CN.match(text)
    if found is None or cues.hedges(text) or "?" in text or _again(text[found.end() :]):
        return None
    if not words("others", "unsure").isdisjoint(cues.plain_words(found.group(1))):
        # "Based on the old image": another picture, another time.
        return None
    return f"there is {found.group(1)}" if text.isascii() else found.group(1), text[found.end() :]


def _again(text: str) -> bool:
    for _ in range(_MOST):
        found = _GIVEN.match(text) or _GIVEN_CN.match(text)
        if found is None:
            return False
        text = text[found.end() :]
    return True
