"""What a row must be so that every later stage can take it: each limit is asked here, once, and what breaks one is refused.

What only a tokenizer or a stage's own settings can tell is told by the stage before it loads a model (docs/data.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lingshu_train import vocabulary
from lingshu_train.data import forgery
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Kept, Outcome, Refused, StoredPicture
from lingshu_train.model.shape import Unfit
from lingshu_train.record import IMAGE_MARK, Sample
from lingshu_train.verify import gold_problem
from lingshu_train.verify.types import bbox, label_set

PROPORTIONS = "image: proportions that the model does not take"


def admitted(sample: Sample, pictures: Sequence[StoredPicture], wanted: Specification) -> Outcome:
    """The sample, with the vocabulary's word for its modality; or why it is refused, the first reason alone."""
    for kind, reason in _problems(sample, pictures, wanted):
        return Refused(card=sample.card, where=sample.id, reason=reason, kind=kind)
    word = vocabulary.modality(sample.modality)
    named = sample if word == sample.modality else replace(sample, modality=word)
    return Kept(sample=named, pictures=tuple(pictures))


def _problems(
    sample: Sample, pictures: Sequence[StoredPicture], wanted: Specification
) -> Iterator[tuple[str, str]]:
    """A few words that are the same for all rows refused for it, and the reason."""
    yield from _text(sample, wanted, len(pictures))
    if sample.question_type != "free":
        problem = gold_problem(sample)
        if problem:
            yield f"{sample.task}: {problem}", problem
    yield from _pictures(pictures, wanted)
    if sample.question_type == "bbox" and pictures:
        yield from _box(sample.answer, pictures)
    if sample.question_type == "label_set" and sample.options:
        yield from _labels(sample)


def _text(sample: Sample, wanted: Specification, pictures: int) -> Iterator[tuple[str, str]]:
    """What a prompt and its completion are made of."""
    asked = [("question", sample.question), ("answer", sample.answer)]
    asked += [("turn", text) for turn in sample.turns for text in turn]
    for name, text in asked:
        if not _visible(text.replace(IMAGE_MARK, "")):
            yield f"{name}: nothing to be seen", f"{name}: {text!r} holds nothing that can be seen"
    forged = forgery.found(sample, wanted.control, pictures=pictures)
    if forged:
        yield f"{forged.field}: {forged.kind}", str(forged)


def _visible(text: str) -> bool:
    """Whether any character is neither space nor control nor without width."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def _pictures(pictures: Sequence[StoredPicture], wanted: Specification) -> Iterator[tuple[str, str]]:
    least = min((min(one.width, one.height) for one in pictures), default=wanted.least_side)
    if least < wanted.least_side:
        yield f"image: a side under {wanted.least_side} pixels", f"a side of {least} pixels"
    try:
        tokens = sum(wanted.budget.tokens(one.width, one.height) for one in pictures)
    except Unfit as fault:
        yield PROPORTIONS, str(fault)
        return
    if tokens > wanted.context:
        yield (
            f"image: more than the {wanted.context:,} tokens of the model's context",
            f"{len(pictures)} pictures are {tokens:,} tokens, and the model takes {wanted.context:,} in all",
        )


def _box(answer: str, pictures: Sequence[StoredPicture]) -> Iterator[tuple[str, str]]:
    """A box is told in the pixels of the file: they must be where they were, and hold it."""
    if any(one.moved for one in pictures):
        yield (
            "answer: a box on a picture that was turned or stretched",
            f"answer: {answer} is told in the pixels of a file that is turned upright or made square; store it that way, and "
            "say the box anew",
        )
    box = bbox.read(answer)
    if box is not None and not any(_inside(box, one.whole) for one in pictures):
        sizes = ", ".join(f"{width}x{height}" for width, height in (one.whole for one in pictures))
        yield (
            "answer: a box outside its picture",
            f"answer: {answer} is not inside the picture, {sizes} pixels",
        )


def _inside(box: bbox.Box, size: tuple[int, int]) -> bool:
    left, top, right, bottom = box
    return left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1]


def _labels(sample: Sample) -> Iterator[tuple[str, str]]:
    """Where a question names the labels that there are, the answer is made of these."""
    gold = label_set.read(sample.answer) or frozenset()
    there = frozenset().union(*(label_set.read(text) or () for text in sample.options.values()))
    if not gold <= there:
        extra = ", ".join(sorted(gold - there))
        yield "answer: a label that is not among the options", f"answer: {extra} is not among the options"
