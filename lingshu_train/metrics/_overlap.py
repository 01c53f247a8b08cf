"""How much of a report's wording a text shares: BLEU, ROUGE. Two packages that give one name to two numbers are kept apart.

`bleu`, `rouge1`, `rouge2` and `rouge_l` are MedEvalKit's, whose ROUGE is that of the package rouge 1.0.1: sets of words,
sentences cut at points, the longest common subsequence over the whole summary. `rouge_score_l` is that of the package
rouge-score 0.1.2. An empty text is 0 in all of them. CIDEr is in `_consensus.py`, METEOR in `_outside.py`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_TINY = 1e-8
"""What rouge 1.0.1 adds below its fractions."""
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Shares in [0, 1] of one text against its reference."""

    bleu1: float = 0.0
    bleu2: float = 0.0
    bleu3: float = 0.0
    bleu4: float = 0.0
    rouge1: float = 0.0
    rouge2: float = 0.0
    rouge_l: float = 0.0
    rouge_score_l: float = 0.0


def overlap(text: str, reference: str) -> Overlap:
    """Of a text and its reference; all zero where either has no word."""
    low, gold = text.lower(), reference.lower()
    if not _WORD.search(low) or not _WORD.search(gold):
        return Overlap()
    said, wanted = words(text), words(reference)
    one, two, three, four = (bleu(said, wanted, size) for size in (1, 2, 3, 4))
    mine, theirs = _sentences(low), _sentences(gold)
    return Overlap(
        bleu1=one,
        bleu2=two,
        bleu3=three,
        bleu4=four,
        rouge1=_rouge_n(mine, theirs, 1),
        rouge2=_rouge_n(mine, theirs, 2),
        rouge_l=_rouge_l(mine, theirs),
        rouge_score_l=_rouge_score_l(low, gold),
    )


def words(text: str) -> list[str]:
    """What MedEvalKit takes as words for BLEU and METEOR: parted by blanks, a point stands alone."""
    return [word for word in text.lower().replace(".", " .").split(" ") if word]


def bleu(said: Sequence[str], wanted: Sequence[str], size: int) -> float:
    """BLEU up to n-grams of `size`, equal weights, no smoothing (Papineni et al. 2002)."""
    logs = 0.0
    for length in range(1, size + 1):
        mine, theirs = Counter(_grams(said, length)), Counter(_grams(wanted, length))
        shared = sum(min(count, theirs[gram]) for gram, count in mine.items())
        if not shared:
            return 0.0
        logs += math.log(shared / mine.total())
    brevity = 1.0 if len(said) > len(wanted) else math.exp(1 - len(wanted) / len(said))
    return brevity * math.exp(logs / size)


def _grams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]


def _sentences(text: str) -> list[list[str]]:
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _rouge_n(mine: list[list[str]], theirs: list[list[str]], size: int) -> float:
    said = set(_grams([word for sentence in mine for word in sentence], size))
    wanted = set(_grams([word for sentence in theirs for word in sentence], size))
    shared = len(said & wanted)
    return _f1(shared / len(said) if said else 0.0, shared / len(wanted) if wanted else 0.0)


def _rouge_l(mine: list[list[str]], theirs: list[list[str]]) -> float:
    said = {word for sentence in mine for word in sentence}
    wanted = {word for sentence in theirs for word in sentence}
    met = set[str]()
    for sentence in theirs:
        for other in mine:
            met |= set(_common(sentence, other))
    return _f1(len(met) / len(said), len(met) / len(wanted))


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall + _TINY)


def _rouge_score_l(text: str, reference: str) -> float:
    said, wanted = _WORD.findall(text), _WORD.findall(reference)
    shared = len(_common(wanted, said))
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall) if shared else 0.0


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """A longest common subsequence, walked back as rouge 1.0.1 does where there are several."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for row, word in enumerate(one, start=1):
        for column, with_it in enumerate(other, start=1):
            same = word == with_it
            table[row][column] = (
                table[row - 1][column - 1] + 1
                if same
                else max(table[row - 1][column], table[row][column - 1])
            )
    found, row, column = [], len(one), len(other)
    while row and column:
        if one[row - 1] == other[column - 1]:
            found.append(one[row - 1])
            row, column = row - 1, column - 1
        elif table[row - 1][column] > table[row][column - 1]:
            row -= 1
        else:
            column -= 1
    return found[::-1]
