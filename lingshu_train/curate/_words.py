"""Texts as words, for comparing them; and the words that decide what a medical sentence says."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lingshu_train.record import Sample
from lingshu_train.verify import lexicon

Keys = npt.NDArray[np.uint64]
_TOKEN = re.compile(
    r"[\u3400-\u9fff]"  # Chinese is written without spaces: a sign is a word.
    r"|\d+(?:[.,:/]\d+)*"
    r"|[^\W\d_\u3400-\u9fff](?:[^\W_\u3400-\u9fff]|'(?=\w))*"
    r"|[<>≤≥±%=+]|(?<=\w)-(?!\w)|(?<!\w)-(?=\d)"
)
_PLAIN = re.compile(
    r"[a-z][a-z0-9]*(?:'(?=\w)[a-z0-9]*)*|\d+(?:[.,:/]\d+)*|[<>%=+]|(?<=\w)-(?!\w)|(?<!\w)-(?=\d)", re.ASCII
)
"""The same of ASCII in lower case, in half the time."""
_SIDES = (
    *("left", "right", "bilateral", "unilateral", "both", "upper", "lower", "middle", "superior", "inferior"),
    *(
        "anterior",
        "posterior",
        "medial",
        "lateral",
        "proximal",
        "distal",
        "dorsal",
        "ventral",
        "cranial",
        "caudal",
    ),
)
_SIDES_CN = "左右双上下前后内外中"
_SIGNS = "<>≤≥±%=+-"
_NEITHER = (
    "non",
    "free",
    "denies",
    "denied",
    "cannot",
    "resolved",
    "excluded",
    "removed",
    "ruled",
    "unremarkable",
)


@lru_cache(maxsize=4_096)
def words(text: str) -> tuple[str, ...]:
    """Words, numbers and signs in lower case. `3mm` is a number and a word, `T1` is one word.

    Of a text that several steps ask for one after another they are found once.
    """
    if text.isascii():
        return tuple(_PLAIN.findall(text.lower()))
    return tuple(_TOKEN.findall(text.casefold().replace("’", "'")))


def words_of(several: Iterable[str]) -> list[str]:
    """The words of several texts, one after another: as of all of them with a space between."""
    return [word for text in several if text for word in words(text)]


def plain(text: str) -> str:
    """What texts have in common that differ in case, spaces and punctuation alone."""
    return " ".join(words(text))


def asked(sample: Sample) -> str:
    """What a row asks: question and options, as `plain`."""
    return plain(" ".join((sample.question, *(f"{key} {text}" for key, text in sample.options.items()))))


def texts(sample: Sample) -> tuple[str, ...]:
    """Everything that a row shows and teaches."""
    turns = (text for turn in sample.turns for text in turn)
    options = (f"{key} {text}" for key, text in sample.options.items())
    return (*turns, sample.question, *options, sample.reasoning, sample.answer)


def whole(sample: Sample) -> str:
    """The same as one text."""
    return "\n".join(texts(sample))


def of_row(sample: Sample) -> list[str]:
    """The words of all of it."""
    return words_of(texts(sample))


def protected(found: Sequence[str]) -> Counter[str]:
    """Of words those that two texts must have in common, as often, to say the same: numbers and what holds digits, the unit
    after a number, sides, negations, modalities, opposites, signs."""
    kept = Counter(word for word in found if word in _deciding() or any(map(str.isdigit, word)))
    kept.update(after for word, after in pairwise(found) if word[0].isdigit())
    return kept


@cache
def _deciding() -> frozenset[str]:
    opposites = lexicon.lists("words", "opposites")
    return frozenset(
        (
            *_SIDES,
            *_SIDES_CN,
            *_SIGNS,
            *_NEITHER,
            *lexicon.words("words", "negation"),
            *lexicon.words("words", "negation_cn"),
            *lexicon.words("findings", "denying"),
            *lexicon.words("numbers", "words"),
            *lexicon.words("numbers", "tens"),
            *lexicon.words("abbreviations", "phrases"),
            *opposites,
            *(word for each in opposites.values() for word in each),
        )
    )


def grams(found: Sequence[str], size: int) -> Keys:
    """A 64-bit key for each run of `size` words, in order; of fewer words none."""
    if len(found) < size:
        return np.empty(0, np.uint64)
    keys = np.array([_key(word) for word in found], np.uint64)
    made = np.zeros(len(keys) - size + 1, np.uint64)
    for step in range(size):
        made = mixed(made * _TURN + keys[step : step + len(made)])
    return made


def shingles(found: Sequence[str], size: int) -> Keys:
    """The different runs of `size` words, as keys in ascending order; a shorter text is one run."""
    return np.unique(grams(found, min(size, max(len(found), 1))))


def jaccard(one: Keys, other: Keys) -> float:
    """Share of the keys of both that are in each of the two; 1 for two empty sets."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    together = len(one) + len(other) - common
    return common / together if together else 1.0


def key(text: str) -> int:
    """64 bits of the blake2b of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


_TURN, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(33)


def mixed(values: Keys) -> Keys:
    """Every bit of each made to depend on all of its bits (the finisher of MurmurHash3)."""
    # In place: this is where comparing texts spends its time.
    found: Keys = values >> _HALF
    found ^= values
    found *= np.uint64(0xFF51AFD7ED558CCD)
    found ^= found >> _HALF
    found *= np.uint64(0xC4CEB9FE1A85EC53)
    found ^= found >> _HALF
    return found


@lru_cache(maxsize=1 << 18)  # Words of a language, each hashed once.
def _key(word: str) -> int:
    return key(word)


def runs(keys: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Places of equal keys, ascending, for each key that stands at two places or more."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    if not len(keys):
        return
    borders = np.flatnonzero(sorted_keys[1:] != sorted_keys[:-1]) + 1
    starts, ends = np.r_[0, borders], np.r_[borders, len(keys)]
    several = ends - starts > 1
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield order[start:end]
