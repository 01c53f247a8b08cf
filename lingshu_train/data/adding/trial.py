"""A card tried to the end: every row goes through all that preparing does with it, and nothing is written."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from tqdm import tqdm

from lingshu_train.data.corpus import chunks, preparing, tolerance
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Kept, Refused

SHOWN = 5
"""Refused rows and shared pictures that are kept as examples."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """What a prepare stage would make of the card. `leaks`: patients and pictures that are in two splits, by what they are."""

    kept: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)

    def accepted(self, most: float) -> bool:
        """Whether preparing lets pass what is refused."""
        return tolerance.within(refused=self.refused, kept=self.kept.total(), most=most)


def trial(wanted: Specification, *, workers: int) -> Trial:
    """Decode, judge and encode every row. Memory grows with the names of patients and pictures alone."""
    found = Trial()
    patients: dict[str, str] = {}
    pictures: dict[str, str] = {}
    with tqdm(desc="try", unit="row", file=sys.stderr, disable=None) as bar:
        for outcomes in preparing.results(wanted, islice(chunks.chunks(wanted), None), workers=workers):
            for outcome in outcomes:
                if isinstance(outcome, Refused):
                    _refused(found, outcome)
                elif isinstance(outcome, Kept):
                    _kept(found, outcome, patients, pictures)
            bar.update(len(outcomes))
    return found


def _refused(found: Trial, outcome: Refused) -> None:
    found.refused += 1
    found.reasons[outcome.kind] += 1
    if len(found.examples) < SHOWN:
        found.examples.append(
            outcome.reason if outcome.where in outcome.reason else f"{outcome.where}: {outcome.reason}"
        )


def _kept(found: Trial, outcome: Kept, patients: dict[str, str], pictures: dict[str, str]) -> None:
    sample = outcome.sample
    found.kept[sample.split] += 1
    found.types[sample.question_type] += 1
    if sample.group and patients.setdefault(sample.group, sample.split) != sample.split:
        found.patients.append(sample.group)
    for picture in outcome.pictures:
        if pictures.setdefault(picture.digest, sample.split) != sample.split:
            found.twins.append(sample.id)
