"""What free text, such as a report, is worth: means over a benchmark by every metric that is here, and why others are not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from lingshu_train.metrics._clinical import compared
from lingshu_train.metrics._consensus import consensus
from lingshu_train.metrics._outside import outside
from lingshu_train.metrics._overlap import overlap
from lingshu_train.record import Completion, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Means by the name of a metric, and by their names why others were not measured."""

    means: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def written(answered: Sequence[tuple[Sample, Completion]]) -> Written:
    """Over all texts; what is empty counts as 0 in each of the metrics, and is never left out."""
    if not answered:
        return Written()
    pairs = [(one.text, sample.answer) for sample, one in answered]
    found: dict[str, float] = defaultdict(float)
    weighed = consensus([text for text, _ in pairs], [reference for _, reference in pairs])
    for (text, reference), rare in zip(pairs, weighed, strict=True):
        clinical = {
            f"clinical_{name}": float(value) for name, value in asdict(compared(text, reference)).items()
        }
        own_idf = {"cider_corpus_idf": rare.cider, "cider_d_corpus_idf": rare.cider_d}
        for name, value in {**asdict(overlap(text, reference)), **own_idf, **clinical}.items():
            found[name] += value / len(pairs)
    others = outside(pairs)
    return Written(means={**found, **others.values}, missing=others.missing)
