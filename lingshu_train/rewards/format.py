"""Strict form: one <think>, one <answer>, nothing else.

The paper gives 0.5 for it. A gated composition only reads the status and takes 0.1 away for a fault.
"""

from __future__ import annotations

import re

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import example
from lingshu_train.schema import Strict

_TAG = re.compile(r"<(/?)(think|answer)>")
_ANY_TAG = re.compile(r"<\s{0,2}/?\s{0,2}(?:think|answer)\s{0,2}>", re.IGNORECASE)
_WORD = re.compile(r"\w")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_ORDER = ["think", "/think", "answer", "/answer"]


class Params(Strict):
    """What the form has to be, and what it earns."""

    hit: float = 1.0
    """The value of the exact form."""
    miss: float = 0.0
    """The value of any other."""
    min_think_tokens: int = 20
    """Words of reasoning that there must be at least; a Chinese character counts as one."""
    prefilled: bool = False
    """The chat template has written `<think>` already, so that only its end is expected."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """`hit` for the exact form with a real thought and an answer, else `miss` with the reason as status."""
    status = _fault(completion.text, params)
    return Score(value=params.miss if status else params.hit, status=status or "formatted")


def _fault(text: str, params: Params) -> str:
    text = "<think>" + text if params.prefilled and not text.lstrip().startswith("<think>") else text
    tags = list(_TAG.finditer(text))
    if [found.group(1) + found.group(2) for found in tags] != _ORDER or len(_ANY_TAG.findall(text)) != len(
        _ORDER
    ):
        return "tags"
    outside = text[: tags[0].start()] + text[tags[1].end() : tags[2].start()] + text[tags[3].end() :]
    if outside.strip():
        return "text_outside"
    if len(split(text[tags[0].end() : tags[1].start()])) < params.min_think_tokens:
        return "short_think"
    return "" if _WORD.search(text[tags[2].end() : tags[3].start()]) else "empty_answer"


def split(text: str) -> list[str]:
    """Rough tokens of a text: Latin words, and each Chinese character by itself."""
    return _TOKEN.findall(text)


_THOUGHT = (
    "The cup of the left eye takes more than half of the disc diameter, "
    "the cup of the right eye about a third, so the left one is larger."
)

EXAMPLES = (
    example(f"<think>{_THOUGHT}</think>\n<answer>B</answer>", 1.0),
    example(f"{_THOUGHT}</think><answer>B</answer>", 1.0, params={"prefilled": True}),
    example("<answer>B</answer>", 0.0),
    example("<think>Short.</think><answer>B</answer>", 0.0),
    example(f"<think>{_THOUGHT}</think><answer>B</answer><answer>A</answer>", 0.0),
    example(f"<think>{_THOUGHT}</think><answer>B</answer> Thanks", -0.1, params={"miss": -0.1, "hit": 0.0}),
    example(f"<think>{_THOUGHT}</think><answer> </answer>", 0.0),
)
