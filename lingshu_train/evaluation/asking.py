"""Samples to prompts: which questions can be asked, and how they are put."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from PIL import Image

from lingshu_train.data import chat
from lingshu_train.metrics import accuracy
from lingshu_train.record import Prompt, Sample, Sampling
from lingshu_train.verify import Policy

Gallery: TypeAlias = Callable[[str], Image.Image]
"""Opens a picture by the name that samples give it: `Corpus.image`, or `__getitem__` of a dict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How questions are put to a model, and how its answers are read. `title` names the progress bar; empty: none.
    `together`: answers that the engine makes at once."""

    sampling: Sampling
    policy: Policy = Policy.lenient
    system: str = ""
    title: str = ""
    together: int = 1


def judgeable(samples: Iterable[Sample]) -> list[Sample]:
    """The samples whose answers a rule can judge."""
    return [sample for sample in samples if accuracy.applies(sample)]


def prompts(samples: Iterable[Sample], gallery: Gallery, asking: Asking) -> list[Prompt]:
    """Their pictures are opened when an engine comes to them."""
    return [
        Prompt(
            id=sample.id,
            messages=chat.prompt(sample, system=asking.system, images=True),
            images=partial(_opened, gallery, sample.images),
            card=sample.card,
        )
        for sample in samples
    ]


def _opened(gallery: Gallery, names: Sequence[str]) -> list[Image.Image]:
    return [gallery(name) for name in names]
