"""Report metrics of trained models, by their own packages: how each is called, and what of its answer is the score.

What they need besides their package (weights, word lists) they look for themselves; where it is not here they say so, and that
is why the metric is not measured. Nothing stands in for them. Shares are means over texts; an empty text is 0 and is not handed
over, but to CheXbert's F1, which counts labels over all texts, and to RadCliQ-v1, which is an error and best at 0.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from typing import Any

Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class Package:
    """A metric's package: the module and the distribution, and what it makes of texts and their references."""

    module: str
    name: str
    measure: Callable[[Any, list[str], list[str]], float]
    whole: bool = False


class NotHere(LookupError):
    """The package, or what it needs, is not on this machine; or it raises a fault of its own, which is told in its words."""


def measured(name: str, texts: Texts, references: Texts) -> tuple[str, float]:
    """The metric's name with package and version, and its value. NotHere: why it cannot be measured."""
    one = PACKAGES[name]
    if util.find_spec(one.module) is None:
        raise NotHere(f"the package {one.name} is not installed")
    kept = [
        pair for pair in zip(texts, references, strict=True) if one.whole or any(map(str.isalnum, pair[0]))
    ]
    try:
        called = f"{name} ({one.name} {metadata.version(one.name)})"
        if not kept:
            return called, 0.0
        # Named here and imported there: it may be large, and may look for weights as soon as it is.
        found = one.measure(
            importlib.import_module(one.module), [text for text, _ in kept], [gold for _, gold in kept]
        )
    except Exception as fault:  # noqa: BLE001 (whatever a package of others raises: the other metrics are not its business)
        raise NotHere(f"{one.name} is installed and cannot run: {words_of(fault)}") from None
    return called, found * len(kept) / len(texts)


def words_of(fault: Exception) -> str:
    """The first line of what a package says, with the fault's name where that says more than that something is not here."""
    line = next(iter(str(fault).strip().splitlines()), "")
    if line and isinstance(fault, OSError | ImportError | LookupError):
        return line
    return f"{type(fault).__name__}: {line}" if line else type(fault).__name__


def _chexbert(module: Any, texts: list[str], references: list[str]) -> float:
    _, _, every, _ = module.F1CheXbert(device="cpu")(hyps=texts, refs=references)
    return float(every["micro avg"]["f1-score"])


def _radgraph(module: Any, texts: list[str], references: list[str]) -> float:
    mean, *_ = module.F1RadGraph(reward_level="partial")(hyps=texts, refs=references)
    return float(mean)


def _rate(module: Any, texts: list[str], references: list[str]) -> float:
    found = module.RaTEScore().compute_score(texts, references)
    return float(sum(found) / len(found))


def _bert(module: Any, texts: list[str], references: list[str]) -> float:
    _, _, f1 = module.score(texts, references, model_type="distilroberta-base", device="cpu")
    return float(f1.mean())


def _radeval(metric: str, key: str) -> Callable[[Any, list[str], list[str]], float]:
    def measure(module: Any, texts: list[str], references: list[str]) -> float:
        return float(module.RadEval(metrics=[metric], show_progress=False)(refs=references, hyps=texts)[key])

    return measure


PACKAGES: Mapping[str, Package] = {
    "CheXbert F1": Package("f1chexbert", "f1chexbert", _chexbert, whole=True),
    "RadGraph F1": Package("radgraph", "radgraph", _radgraph),
    "RaTEScore": Package("RaTEScore", "RaTEScore", _rate),
    "BERTScore": Package("bert_score", "bert-score", _bert),
    "GREEN": Package("radeval", "radeval", _radeval("green", "green")),
    "RadCliQ-v1": Package("radeval", "radeval", _radeval("radcliq", "radcliq_v1"), whole=True),
}
