"""A thought that is marked and says nothing: the answer is a guess that was lucky."""

from __future__ import annotations

import re

from lingshu_train.record import Completion, Sample
from lingshu_train.rewards.format import split
from lingshu_train.verify import trace_of

_MARK = re.compile(r"</?think>", re.IGNORECASE)
_LEAST = 3


def found(sample: Sample, completion: Completion) -> bool:
    """Thinking is marked, and has under three words. Where nothing marks it, none was asked for."""
    return bool(_MARK.search(completion.text)) and len(split(trace_of(completion.text))) < _LEAST
