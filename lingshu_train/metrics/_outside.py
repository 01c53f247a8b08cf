"""Report metrics that other packages hold: METEOR by nltk, and those of trained models, where package and data are here.

Nothing is put in the place of one that is not here: it is not measured, and `Outside.missing` says why.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import util
from types import ModuleType

from lingshu_train.metrics import _trained
from lingshu_train.metrics._overlap import words

Pairs = Sequence[tuple[str, str]]
"""Texts, each with its reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """`values`: means by a name that says package and version. `missing`: why another one was not measured, by its name."""

    values: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def outside(pairs: Pairs) -> Outside:
    """What packages that are installed here measure over these texts."""
    found = Outside()
    for name in _trained.PACKAGES if pairs else ():
        try:
            told, value = _trained.measured(name, [text for text, _ in pairs], [gold for _, gold in pairs])
        except _trained.NotHere as fault:
            found.missing[name] = str(fault)
        else:
            found.values[told] = value
    try:
        measure, named = _meteor()
        value = sum(measure(*pair) for pair in pairs) / len(pairs) if pairs else 0.0
    except _trained.NotHere as fault:
        found.missing["METEOR"] = str(fault)
    except Exception as fault:  # noqa: BLE001 (as `_trained.measured`: the other metrics are not its business)
        found.missing["METEOR"] = f"nltk is installed and cannot run: {_trained.words_of(fault)}"
    else:
        found.values[named] = value
    return found


def _meteor() -> tuple[Callable[[str, str], float], str]:
    """MedEvalKit's METEOR: that of nltk over words parted by blanks. NotHere: nltk is not here, or WordNet is not."""
    if util.find_spec("nltk") is None:
        raise _trained.NotHere("the package nltk is not installed")
    corpus, scores = _module("nltk.corpus"), _module("nltk.translate.meteor_score")
    try:
        version = corpus.wordnet.get_version()
    except LookupError:
        raise _trained.NotHere("nltk has no WordNet here: python -m nltk.downloader wordnet") from None

    def measure(text: str, reference: str) -> float:
        if not any(sign.isalnum() for sign in text):
            return 0.0
        return float(scores.single_meteor_score(hypothesis=words(text), reference=words(reference)))

    return measure, f"METEOR (nltk {_module('nltk').__version__}, WordNet {version})"


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)
