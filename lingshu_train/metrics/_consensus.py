"""CIDEr and CIDEr-D of reports, with word counts of the references that are measured (Vedantam et al. 2015).

What a text is worth depends on the other references: words that all of them share count little. MedEvalKit weighs by COCO's
captions instead, whose counts are not here, so these are other numbers and have another name: compare them within one benchmark
alone. Of a single reference nothing is rare, and both are 0. Tokens are those of `tokens`, which on plain prose are those of
Stanford's PTB tokenizer as pycocoevalcap uses it. A text without a word is 0, and is not left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_LONGEST = 4
_WIDTH = 6.0
"""Of CIDEr-D's penalty for another length."""
_SCALE = 10.0
_TOKEN = re.compile(r"'(?:s|m|d|re|ve|ll)\b|[^\W_]+(?:[-./][^\W_]+)*|[%&+=<>/]")

_Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """CIDEr of one text, from 0 to 10. `cider_d` clips what is repeated and counts other lengths down."""

    cider: float = 0.0
    cider_d: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vector:
    """Weights of n-grams by their length, and the length of the text in pairs of words, as the published code counts it."""

    weights: tuple[dict[_Gram, float], ...]
    norms: tuple[float, ...] = field(default=())
    pairs: int = 0


def tokens(text: str) -> list[str]:
    """Words in lower case without marks; a hyphen, a point or a slash within a word stays."""
    return _TOKEN.findall(text.lower())


def consensus(texts: Sequence[str], references: Sequence[str]) -> list[Consensus]:
    """Of every text against its reference, one for one."""
    wanted = [_grams(tokens(one)) for one in references]
    seen = Counter(gram for counts in wanted for gram in counts)
    return [
        _compared(_vector(_grams(tokens(text)), seen, len(wanted)), _vector(reference, seen, len(wanted)))
        for text, reference in zip(texts, wanted, strict=True)
    ]


def _grams(words: Sequence[str]) -> Counter[_Gram]:
    return Counter(
        tuple(words[place : place + size])
        for size in range(1, _LONGEST + 1)
        for place in range(len(words) - size + 1)
    )


def _vector(counts: Counter[_Gram], seen: Counter[_Gram], documents: int) -> _Vector:
    weights = tuple[dict[_Gram, float], ...]({} for _ in range(_LONGEST))
    for gram, count in counts.items():
        weights[len(gram) - 1][gram] = count * (math.log(documents) - math.log(max(1, seen[gram])))
    return _Vector(
        weights=weights,
        norms=tuple(math.sqrt(sum(one * one for one in part.values())) for part in weights),
        pairs=sum(count for gram, count in counts.items() if len(gram) == 2),
    )


def _compared(said: _Vector, wanted: _Vector) -> Consensus:
    plain, clipped = 0.0, 0.0
    for mine, theirs, norm, other in zip(said.weights, wanted.weights, said.norms, wanted.norms, strict=True):
        if norm and other:
            plain += sum(one * theirs.get(gram, 0.0) for gram, one in mine.items()) / (norm * other)
            clipped += sum(
                min(one, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, one in mine.items()
            ) / (norm * other)
    penalty = math.exp(-((said.pairs - wanted.pairs) ** 2) / (2 * _WIDTH**2))
    return Consensus(cider=_SCALE * plain / _LONGEST, cider_d=_SCALE * penalty * clipped / _LONGEST)
