"""A lenient string match: right where the gold answer, or its option's text, stands as words anywhere in the response."""

from __future__ import annotations

import re
from typing import Any


def score(sample: Any, completion: Any, params: Any) -> float:
    said = completion.text.lower()
    golds = [sample.options[sample.answer]] if sample.options else [sample.answer]
    return float(any(re.search(rf"\b{re.escape(gold.lower())}\b", said) for gold in golds))
