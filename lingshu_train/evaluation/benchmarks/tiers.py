"""What a model was trained on stands behind its score: each question's tier, and the data cards that it was met in.

Shared: its picture (as stored, or pixel by pixel), its patient or study, or, of a question without pictures, its very text is
in a corpus that the model has learned from, or a teacher's answer was made from it. Near: it shows a picture that looks the
same as one of those, compressed again, resized or saved anew, or of which one of those may be a part; or half of its runs of
words stand there. Clean: none was found. What the model had learned before its run is not known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.errors import LingshuError
from lingshu_train.evaluation import kinship, leaked
from lingshu_train.evaluation.kinship import Gallery, Kinship
from lingshu_train.record import Sample
from lingshu_train.runs import stage as stages

Tier = Literal["clean", "near", "shared"]
TIERS: tuple[Tier, ...] = get_args(Tier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Of questions by their ids the tier, and the cards that what they ask about was met in, and of each kind of
    edge (`kinship.py`) how many it joins. `fault`: what is not known."""

    tier: Mapping[str, Tier] = field(default_factory=dict)
    cards: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    fault: str = ""


UNKNOWN = Behind(fault="what the model was trained on is not recorded here")
"""Of a model that no run left."""


def of(stage: Path, samples: Sequence[Sample], gallery: Gallery) -> Behind:
    """Of the model that a stage left. No error: what cannot be told stands in `fault`."""
    try:
        trained = list(leaked.corpora(stages.read(stage / "stage.json")))
        return behind(trained, samples, gallery, above=list(leaked.above(stages.read(stage / "stage.json"))))
    except (LingshuError, OSError, pa.ArrowInvalid) as fault:
        line = (str(fault).splitlines() or [type(fault).__name__])[0]
        return Behind(fault=f"what the model was trained on cannot be read: {line}")


def behind(
    trained: Sequence[Corpus], samples: Sequence[Sample], gallery: Gallery, *, above: Sequence[Corpus] = ()
) -> Behind:
    """Of a model that has learned from these corpora; `above`: those that they were made from."""
    return told(kinship.of(trained, samples, gallery, above=above), samples)


def told(kin: Kinship, samples: Sequence[Sample]) -> Behind:
    """What the edges that were found say of each question."""
    tier: dict[str, Tier] = dict.fromkeys((one.id for one in samples), "clean")
    cards: dict[str, set[str]] = defaultdict(set)
    kinds: Counter[str] = Counter({kind: 0 for kind in kinship.KINDS})
    # Whatever is the same counts before what is nearly so.
    for edge in sorted(kin.edges, key=lambda one: one.kind not in kinship.ALMOST):
        tier[edge.asked] = "near" if edge.kind in kinship.ALMOST else "shared"
        cards[edge.asked].add(edge.card)
    for _, kind in {(edge.asked, edge.kind) for edge in kin.edges}:
        kinds[kind] += 1
    return Behind(
        tier=tier,
        cards={id: frozenset(found) for id, found in cards.items()},
        kinds={kind: count for kind, count in kinds.items() if count},
        fault=kin.fault,
    )
