"""Several quantities where one was asked for: 41 mm, 41 cm and 4.1 m, of which one will do."""

from __future__ import annotations

import re

from lingshu_train.auditing.region import region
from lingshu_train.record import Completion, Sample

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def found(sample: Sample, completion: Completion) -> bool:
    """More than one number of one value, or of several; in two units a right answer says one quantity twice, which is too many
    all the same where the gold answer has one."""
    if sample.question_type != "numeric" or len(_NUMBER.findall(sample.answer)) != 1:
        return False
    return len(_NUMBER.findall(region(completion.text))) > 1
