"""Template questions about what a data set labels: keyed by card and picture, in the words of the card.

Which question is asked and how its options stand is decided by hashes, so that a picture has the same questions in every
run and on every machine. `task` names the template.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

from lingshu_train.data.rows.row import Origin, Picture, Row, SplitFiles
from lingshu_train.record import AnswerType, Sample

Modality = Literal[
    "X-ray",
    "CT",
    "MRI",
    "ultrasound",
    "dermoscopy",
    "clinical photography",
    "fundus photography",
    "histopathology",
    "light microscopy",
]
MODALITIES: tuple[Modality, ...] = (
    *("X-ray", "CT", "MRI", "ultrasound", "dermoscopy"),
    *("clinical photography", "fundus photography", "histopathology", "light microscopy"),
)
LETTERS = "ABCD"
"""At most four options, as most benchmarks of multiple choice have."""
MODALITY_EVERY = 10
"""The modality is the same for all pictures of a card: it is asked of every tenth."""
LARGER = 1.2
"""The largest area must exceed the next by this factor: outlines are not exact."""


KINDS: Mapping[str, AnswerType] = {
    **dict.fromkeys(("finding", "largest", "modality"), "mcq"),
    **{"presence": "yes_no", "count": "numeric", "box": "bbox"},
}


def _with_group(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if not pattern.groups:
        raise ValueError("must have a group (in parentheses) for the patient")
    return pattern


Patient = Annotated[re.Pattern[str], AfterValidator(_with_group)]
"""Finds the patient in the name of a picture: its first group."""


class Words(SplitFiles):
    """What every card of labels says."""

    picture: str
    """What one of its pictures is called in a question. For example `chest X-ray`."""
    modality: Modality | None = None
    """The kind of its pictures, as questions name it; without it nothing is asked about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The picture that is asked about. `name` keys every choice; `group` is the patient where known."""

    origin: Origin
    words: Words
    image: Picture
    name: str
    group: str = ""

    def ask(self, task: str, question: str, answer: str, **more: Mapping[str, str]) -> Row:
        sample = Sample(
            id="",
            card=self.origin.card,
            split=self.origin.split,
            task=f"template_{task}",
            question=question,
            question_type=KINDS[task],
            answer=answer,
            options=more.get("options", {}),
            group=self.group or self.name,
            modality=self.words.modality or "",
        )
        return Row(sample=sample, images=(self.image,))

    def choose(self, task: str, question: str, right: str, wrong: Iterable[str]) -> Iterator[Row]:
        """A choice of up to four, the wrong ones drawn from `wrong`; not asked where there are none."""
        key = f"{self.origin.card}/{self.name}/{task}"
        drawn = order({text for text in wrong if text != right}, key)[: len(LETTERS) - 1]
        options = dict(zip(LETTERS, order([right, *drawn], f"{key}/place"), strict=False))
        letter = next(letter for letter, text in options.items() if text == right)
        if drawn:
            yield self.ask(task, question, letter, options=options)

    def finding(self, right: str, labels: Iterable[str]) -> Iterator[Row]:
        yield from self.choose("finding", f"What does this {self.words.picture} show?", right, labels)

    def modality(self) -> Iterator[Row]:
        if self.words.modality and number(f"{self.origin.card}/{self.name}/modality") % MODALITY_EVERY == 0:
            question = "By which modality was this image made?"
            yield from self.choose("modality", question, self.words.modality, MODALITIES)

    def presence(self, asked: Mapping[str, bool]) -> Iterator[Row]:
        for label, there in asked.items():
            question = f"Does this {self.words.picture} show the following: {label}?"
            yield self.ask("presence", question, "yes" if there else "no")

    def count(self, label: str, count: int) -> Row:
        question = (
            f"How many separate instances of the following does this {self.words.picture} show: {label}?"
        )
        return self.ask("count", question, str(count))

    def box(self, label: str, box: Sequence[float], size: tuple[int, int]) -> Row:
        """`box` is left, top, right, bottom in pixels of the picture, whose `size` is width and height."""
        question = (
            f"Give the bounding box of the following in this {self.words.picture} of {size[0]} x {size[1]} "
            f"pixels, as [x1, y1, x2, y2] in pixels: {label}."
        )
        return self.ask("box", question, "[" + ", ".join(f"{side:g}" for side in box) + "]")

    def largest(self, areas: Mapping[str, float]) -> Iterator[Row]:
        """Which of the labelled parts is the largest; not asked where two are nearly equal."""
        ranked = sorted(areas, key=lambda label: -areas[label])
        if len(ranked) > 1 and areas[ranked[0]] >= LARGER * areas[ranked[1]]:
            question = f"Which of these takes up the largest area in this {self.words.picture}?"
            yield from self.choose("largest", question, ranked[0], ranked[1:])


def balanced(
    labelled: Iterable[tuple[str, Set[str], Set[str]]], key: str, *, leave_out: Set[str] = frozenset()
) -> dict[str, dict[str, bool]]:
    """Picture -> labels to ask about -> whether it is there: of each label as many yes as no over the split.

    `labelled`: name of a picture, labels stated present, labels stated absent. A label that is rarer present than
    absent is asked about on all pictures with it and on as many without, drawn by hash; and the other way round.
    """
    present, absent = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for name, there, gone in labelled:
        for label in there - leave_out:
            present[label].append(name)
        for label in gone - leave_out:
            absent[label].append(name)
    asked = defaultdict[str, dict[str, bool]](dict)
    for label in sorted(present):
        count = min(len(present[label]), len(absent[label]))
        for answer, names in ((True, present[label]), (False, absent[label])):
            for name in order(names, f"{key}/{label}")[:count]:
                asked[name][label] = answer
    return dict(asked)


def pair(there: Set[str], gone: Set[str], key: str) -> dict[str, bool]:
    """One label that is there and one that is not, where the picture has both: yes and no as often each."""
    if not there or not gone:
        return {}
    return {order(there, key)[0]: True, order(gone, key)[0]: False}


def order(items: Iterable[str], key: str) -> list[str]:
    """The items in an order that depends on `key` and on nothing else."""
    return sorted(items, key=lambda item: (number(f"{key}/{item}"), item))


def number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
