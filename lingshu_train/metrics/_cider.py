"""CIDEr of texts against one reference each, with the document frequencies of those references: a corpus of its own.

Plain CIDEr and CIDEr-D (Vedantam et al. 2015: counts clipped, a Gaussian penalty on the difference in length, sigma 6), n-grams
of one to four words, times ten. Words: lower case, letters and digits with inner points, hyphens and apostrophes. Published
figures of MedEvalKit take the frequencies of COCO's captions, which are not here: theirs is another number.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:[-.'][^\W_]+)*")
_SIZES = (1, 2, 3, 4)
_SIGMA = 6.0
_TIMES = 10.0

Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cider:
    """Of one text; 10 is a copy."""

    cider: float = 0.0
    cider_d: float = 0.0


def cider(texts: Sequence[str], references: Sequence[str]) -> list[Cider]:
    """Text by text, in their order. One that has no word is 0."""
    golds = [_grams(one) for one in references]
    seen = Counter(gram for grams in golds for gram in {gram for each in grams for gram in each})
    log_n = math.log(len(golds)) if golds else 0.0
    weights = {gram: log_n - math.log(n) for gram, n in seen.items()}
    return [_alike(_grams(text), gold, weights, log_n) for text, gold in zip(texts, golds, strict=True)]


def _alike(
    mine: Sequence[Counter[Gram]], gold: Sequence[Counter[Gram]], weights: dict[Gram, float], rare: float
) -> Cider:
    if not mine[0] or not gold[0]:
        return Cider()
    apart = sum(mine[1].values()) - sum(gold[1].values())
    penalty = math.exp(-(apart**2) / (2 * _SIGMA**2))
    plain = clipped = 0.0
    for one, other in zip(mine, gold, strict=True):
        said = {gram: count * weights.get(gram, rare) for gram, count in one.items()}
        wanted = {gram: count * weights.get(gram, rare) for gram, count in other.items()}
        lengths = math.hypot(*said.values()) * math.hypot(*wanted.values())
        if lengths:
            plain += sum(said[gram] * value for gram, value in wanted.items() if gram in said) / lengths
            clipped += (
                sum(min(said[gram], value) * value for gram, value in wanted.items() if gram in said)
                / lengths
            )
    return Cider(cider=_TIMES * plain / len(_SIZES), cider_d=_TIMES * penalty * clipped / len(_SIZES))


def _grams(text: str) -> list[Counter[Gram]]:
    words = _WORD.findall(text.lower())
    return [
        Counter(tuple(words[place : place + size]) for place in range(len(words) - size + 1))
        for size in _SIZES
    ]
