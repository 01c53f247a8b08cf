"""That a row shares something with a row of a benchmark, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["same", "near", "shared", "crop"]
TIERS: tuple[Tier, ...] = ("same", "near", "shared", "crop")
"""Strongest first: same picture, text or row; a copy, or runs of words; one patient or study; perhaps a part of a picture."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What is shared, in a few words, with the benchmark row of this number."""

    tier: Tier
    what: str
    number: int

    @property
    def order(self) -> tuple[int, int]:
        """Of several hits the least is told."""
        return TIERS.index(self.tier), self.number
