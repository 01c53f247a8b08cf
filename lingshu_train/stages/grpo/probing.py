"""The probe that servers answer as the policy does: what is asked, what the policy says, how far two answers lie apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from lingshu_train.record import Sampling
from lingshu_train.rollouts._generating import Tokens, draw
from lingshu_train.rollouts._wire import Request

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.5}
"""Largest difference of a log-probability, by the number format of both sides."""
SAMPLING = Sampling(max_tokens=8, log_probs=True)
Written = tuple[Sequence[int], Sequence[float]]
"""Tokens and their log-probabilities."""


def request(text: ProcessorMixin) -> Request:
    """As a server is asked."""
    asked, picture = _asked(text)
    return Request(ids=text.tokenizer(asked)["input_ids"], pictures=(picture,))


def answered(
    model: PreTrainedModel, text: ProcessorMixin, *, ends: Sequence[int], never: Sequence[int]
) -> Written:
    """What the policy itself says, greedily."""
    asked, picture = _asked(text)
    inputs = text(text=[asked], images=[[picture]], return_tensors="pt").to(model.device)
    tokens = Tokens(words=text.tokenizer, ends=ends, never=never)
    ids, chances = draw(model, inputs, SAMPLING, [0], tokens)
    return ids[0], chances[0]


def apart(ours: Written, theirs: Written) -> float:
    """The largest difference up to the first token that differs: where two are as likely, either is the likeliest."""
    largest = 0.0
    for one, other, first, second in zip(ours[0], theirs[0], ours[1], theirs[1], strict=False):
        difference = abs(first - second)
        if not difference <= largest:
            largest = difference
        if one != other:
            break
    return largest


def _asked(text: ProcessorMixin) -> tuple[str, Image.Image]:
    """A prompt with the same picture each time, so that what a server still has of old weights shows too."""
    asked = text.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    noise = np.random.default_rng(0).integers(0, 255, (56, 84, 3), dtype=np.uint8)
    return asked, Image.fromarray(noise)
