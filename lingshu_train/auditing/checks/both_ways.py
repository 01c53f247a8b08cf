"""Yes and no, or one or the other: an answer that cannot be wrong."""

from __future__ import annotations

import re

from lingshu_train.auditing.region import region
from lingshu_train.record import Completion, Sample

_YES, _NO = re.compile(r"\byes\b|是的?|有", re.IGNORECASE), re.compile(r"\bno\b|不是|没有|否", re.IGNORECASE)
_OR = re.compile(
    r"\b(?:or|either|possibly|perhaps|maybe|cannot be excluded|may or may not)\b|或者?|可能", re.IGNORECASE
)


def found(sample: Sample, completion: Completion) -> bool:
    """Both words of a yes-no question, or a word of doubt that the gold answer does not have."""
    said = region(completion.text)
    if sample.question_type == "yes_no" and _YES.search(said) and _NO.search(_YES.sub(" ", said)):
        return True
    asked = " ".join((sample.answer, *sample.aliases, *sample.options.values()))
    return sample.question_type != "free" and bool(_OR.search(said)) and not _OR.search(asked)
