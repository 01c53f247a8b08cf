"""Several options named where one was asked for: a reward that looks for the right one anywhere accepts all of them."""

from __future__ import annotations

import re

from lingshu_train.auditing.region import region
from lingshu_train.record import Completion, Sample


def found(sample: Sample, completion: Completion) -> bool:
    """Two letters, or two options' texts of which neither is part of the other."""
    if sample.question_type != "mcq" or len(sample.options) < 2:
        return False
    said = region(completion.text)
    letters = {
        letter for letter in sample.options if re.search(rf"(?<!\w){re.escape(letter)}(?![\w'])", said)
    }
    folded = said.casefold()
    texts = [text.casefold() for text in sample.options.values() if text and text.casefold() in folded]
    apart = [one for one in texts if not any(one != other and one in other for other in texts)]
    # "A" is a word too: it counts as an option where another letter stands beside it.
    return len(letters) > 1 or len(apart) > 1
