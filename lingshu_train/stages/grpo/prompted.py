"""The prompts of a window, each prepared once: upstream renders, tokenizes and divides the pictures of every copy, twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Any

import torch
from transformers import BatchFeature, ProcessorMixin
from trl import GRPOTrainer

from lingshu_train.model.family import Family

ASKED = "asked"
"""Beside what the processor made of distinct prompts: which of them each completion answers."""
Pieces = Callable[[Sequence[int], int], int]
"""Of a prompt's tokens and the number of its pictures: how many of Family.apart these are."""


def distinct(prompts: Sequence[object]) -> tuple[list[int], list[int]]:
    """Places of the prompts that are the first of their kind, and of each prompt its number among these. Pictures are alike
    that are one object."""
    numbers: dict[str, int] = {}
    firsts: list[int] = []
    asked: list[int] = []
    for place, prompt in enumerate(prompts):
        number = numbers.setdefault(json.dumps(prompt, default=id), len(firsts))
        if number == len(firsts):
            firsts.append(place)
        asked.append(number)
    return firsts, asked


@contextmanager
def once(trainer: GRPOTrainer, family: Family, names: Sequence[str], pieces: Pieces) -> Iterator[None]:
    """Meanwhile the trainer's processor prepares copies of rendered prompts once. `names` as Family.blank."""
    processor = trainer.processing_class
    trainer.processing_class = _EachOnce(processor, family, names, pieces)
    try:
        yield
    finally:
        trainer.processing_class = processor


class _EachOnce:
    """What is called with rendered prompts and their pictures gives what the processor gives; all else is the processor's."""

    def __init__(
        self, processor: ProcessorMixin, family: Family, names: Sequence[str], pieces: Pieces
    ) -> None:
        self._processor, self._family, self._names, self._pieces = processor, family, names, pieces

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(
        self, *, images: Sequence[Sequence[object]], text: Sequence[str], **how: Any
    ) -> BatchFeature:
        firsts, asked = distinct(list(zip(text, images, strict=True)))
        some = [images[place] for place in firsts]
        found = self._processor(images=some, text=[text[place] for place in firsts], **how)
        if len(firsts) == len(asked):
            return found
        pictures = {name: found.pop(name) for name in self._names if name in found}
        ids: list[list[int]] = found["input_ids"].tolist()
        counts = [self._pieces(tokens, len(shown)) for tokens, shown in zip(ids, some, strict=True)]
        for name, value in found.items():
            found[name] = value[asked]
        starts = pairwise(accumulate(counts, initial=0))
        each = [range(start, end) for start, end in starts]
        apart = self._family.apart(pictures)
        assert len(apart) == sum(counts), "pieces of pictures that belong to no prompt"
        for name in pictures:
            found[name] = torch.cat([apart[number][name] for prompt in asked for number in each[prompt]])
        return found
