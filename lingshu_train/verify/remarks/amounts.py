"""An option that is a quantity, in another unit or called approximate: "58 mm" and "about 5.8 cm" for "5.8 cm"."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.quantity import grammar, units
from lingshu_train.verify.quantity.grammar import Quantity
from lingshu_train.verify.types import mcq

_ABOUT = re.compile(
    r"^(?:(?:it|this) (?:is|measures) )?(?:about|approximately|roughly|around|approx\.?|~|≈) ?(?=[0-9])",
    re.IGNORECASE,
)


def read(text: str, gold: mcq.Gold) -> Ruling | None:
    """The ruling on a text that equals exactly one option, all of which are quantities; None else."""
    if not any(map(str.isdigit, text)):
        return None
    offered = _quantities(tuple(gold.options.shown.items()), gold.question)
    found = grammar.parse(_ABOUT.sub("", text), gold.question) if offered else None
    if found is None:
        return None
    fits = [letter for letter, quantity in offered.items() if _same(found, quantity)]
    return mcq.rule(fits[0], "amount", gold) if len(fits) == 1 else None


@lru_cache(maxsize=1024)
def _quantities(shown: tuple[tuple[str, str], ...], question: str) -> dict[str, Quantity]:
    """The quantity of each option; empty where one of them is none, or has no unit."""
    found = {letter: grammar.parse(text, question) for letter, text in shown}
    read = {letter: one for letter, one in found.items() if one is not None and one.unit is not None}
    return read if len(read) == len(shown) else {}


def _same(one: Quantity, other: Quantity) -> bool:
    return (
        one.kind == other.kind
        and one.comparator == other.comparator
        and one.bases == other.bases
        and all(
            mine is not None and theirs is not None and units.compatible(mine, theirs)
            for mine, theirs in zip(one.units, other.units, strict=True)
        )
    )
