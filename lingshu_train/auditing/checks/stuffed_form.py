"""More answers or thoughts marked than one: where a reward takes the first that fits, each is a try."""

from __future__ import annotations

import re

from lingshu_train.record import Completion, Sample

_OPENS = re.compile(r"<\s{0,2}(think|answer)\s{0,2}>|\\boxed\s{0,2}\{", re.IGNORECASE)


def found(sample: Sample, completion: Completion) -> bool:
    """A mark that opens twice."""
    marks = [(one.group(1) or "boxed").casefold() for one in _OPENS.finditer(completion.text)]
    return len(marks) != len(set(marks))
