"""The question given back: its words, with all options, hold the right answer somewhere."""

from __future__ import annotations

from lingshu_train.auditing.region import region
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards.format import split
from lingshu_train.rewards.trace import copied_share
from lingshu_train.verify import trace_of

_SHARE = 0.6
_LEAST = 6


def found(sample: Sample, completion: Completion) -> bool:
    """Most of what is said, or of the thought, are runs of four words of the question and its options."""
    options = " ".join(f"{letter} {text}" for letter, text in sample.options.items())
    asked = split(f"{sample.question} {options}".casefold())
    parts = (split(text.casefold()) for text in (region(completion.text), trace_of(completion.text)))
    return any(len(words) >= _LEAST and copied_share(words, asked) > _SHARE for words in parts)
