"""What a model was trained on stands behind its score: each question's tier, and the data cards that it was met in.

Shared: its picture as stored, its patient or study, or, of a question without pictures, its very text is in a corpus that the
model has learned from. Near: it shows a picture that looks the same as one of those, compressed again, resized or saved anew.
Clean: neither was found. What the model had learned before its run is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lingshu_train.data.cards.named_alike import named_alike
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.images import hashes
from lingshu_train.errors import LingshuError
from lingshu_train.evaluation import leaked
from lingshu_train.record import Sample
from lingshu_train.runs import stage as stages

Tier = Literal["clean", "near", "shared"]
TIERS: tuple[Tier, ...] = get_args(Tier)
MOST_PICTURES = 20_000
"""Training pictures up to which near copies are looked for: each is opened and hashed, some 3 ms."""
_LONG = 40
"""Characters from which the text of a question says which one it is."""
_BITS, _MEAN, _WORST, _BLANK = 3, 1.25, 8, 2.0
"""As the step `near_pictures` of curation has them: bits of a hash, and grey levels of thumbnails."""
Gallery = Callable[[str], Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Of questions by their ids the tier, and the cards that what they ask about was met in. `fault`: what is not known."""

    tier: Mapping[str, Tier] = field(default_factory=dict)
    cards: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fault: str = ""


UNKNOWN = Behind(fault="what the model was trained on is not recorded here")
"""Of a model that no run left."""


def of(stage: Path, samples: Sequence[Sample], gallery: Gallery) -> Behind:
    """Of the model that a stage left. No error: what cannot be told stands in `fault`."""
    try:
        trained = list(leaked.corpora(stages.read(stage / "stage.json")))
        return behind(trained, samples, gallery)
    except (LingshuError, OSError, pa.ArrowInvalid) as fault:
        line = (str(fault).splitlines() or [type(fault).__name__])[0]
        return Behind(fault=f"what the model was trained on cannot be read: {line}")


def behind(trained: Sequence[Corpus], samples: Sequence[Sample], gallery: Gallery) -> Behind:
    """Of a model that has learned from these corpora."""
    met = _met(trained, samples)
    shared = {one.id: found for one in samples if (found := met.of(one))}
    left = [one for one in samples if one.images and one.id not in shared]
    fault = ""
    near: dict[str, set[str]] = {}
    if left and len(met.trained) > MOST_PICTURES:
        fault = f"near copies were not looked for among {len(met.trained):,} training pictures or more"
    elif left:
        alike = _alike({name for one in left for name in one.images}, gallery, trained, met.trained)
        near = {
            one.id: found for one in left if (found := set().union(*(alike.get(n, ()) for n in one.images)))
        }
    tier: dict[str, Tier] = {
        one.id: "shared" if one.id in shared else "near" if one.id in near else "clean" for one in samples
    }
    return Behind(
        tier=tier,
        cards={id: frozenset(cards) for id, cards in {**near, **shared}.items()},
        fault=fault,
    )


@dataclass(slots=True)
class _Met:
    """By picture, group and text of a question the cards they were met in; `trained`: training pictures, each with its card."""

    pictures: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    texts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    trained: dict[str, tuple[int, str]] = field(default_factory=dict)

    def of(self, sample: Sample) -> set[str]:
        """The cards that share something with a question."""
        found = set().union(*(self.pictures.get(name, ()) for name in sample.images))
        if sample.group:
            found |= {card for card in self.groups.get(sample.group, ()) if named_alike(sample.card, card)}
        if not sample.images and len(sample.question) >= _LONG:
            found |= self.texts.get(_plain(sample.question), set())
        return found


def _met(trained: Sequence[Corpus], samples: Sequence[Sample]) -> _Met:
    """One pass over the corpora; what is in memory is bounded by the samples, and by MOST_PICTURES."""
    found = _Met()
    pictures = pa.array(sorted({name for one in samples for name in one.images}), pa.string())
    groups = pa.array(sorted({one.group for one in samples if one.group}), pa.string())
    texts = pa.array(sorted({_plain(one.question) for one in samples if not one.images}), pa.string())
    for place, corpus in enumerate(trained):
        for part in leaked.parts(corpus, ("images", "group", "card", "question")):
            shown = pc.struct_field(pc.list_flatten(part["images"]), "digest")
            cards = part["card"].take(pc.list_parent_indices(part["images"]))
            for name, card in _hits(shown, cards, pictures):
                found.pictures[name].add(card)
            for name, card in _hits(part["group"], part["card"], groups):
                found.groups[name].add(card)
            plain = pc.utf8_lower(pc.utf8_trim_whitespace(part["question"]))
            for name, card in _hits(plain, part["card"], texts):
                found.texts[name].add(card)
            if len(found.trained) <= MOST_PICTURES:
                named = zip(shown.to_pylist(), cards.to_pylist(), strict=True)
                found.trained.update((name, (place, card)) for name, card in named)
    return found


def _hits(values: pa.ChunkedArray, cards: pa.ChunkedArray, wanted: pa.Array) -> Iterable[tuple[str, str]]:
    mask = pc.is_in(values, value_set=wanted)
    return zip(values.filter(mask).to_pylist(), cards.filter(mask).to_pylist(), strict=True)


def _plain(text: str) -> str:
    return text.strip().lower()


def _alike(
    names: set[str], gallery: Gallery, trained: Sequence[Corpus], known: Mapping[str, tuple[int, str]]
) -> dict[str, set[str]]:
    """Of each of the pictures that looks the same as a training picture, the cards of those."""
    asked = list(_looks((name, gallery(name)) for name in sorted(names)))
    theirs = list(_looks((name, trained[place].image(name)) for name, (place, _) in sorted(known.items())))
    if not asked or not theirs:
        return {}
    mine = np.array([one[1] for one in asked], np.uint64)
    other = np.array([one[1] for one in theirs], np.uint64)
    found: dict[str, set[str]] = defaultdict(set)
    for first, second in hashes.crossing(mine, other, _BITS):
        for one, two in zip(first.tolist(), second.tolist(), strict=True):
            mean, worst = hashes.apart(asked[one][2], theirs[two][2])
            if mean <= _MEAN and worst <= _WORST:
                found[asked[one][0]].add(known[theirs[two][0]][1])
    return found


def _looks(pictures: Iterable[tuple[str, Image.Image]]) -> Iterator[tuple[str, int, hashes.Grey]]:
    """Hash and thumbnail of every picture that is not blank."""
    for name, picture in pictures:
        small = hashes.thumbnail(picture.convert("L"))
        if float(small.std()) > _BLANK:
            yield name, hashes.phash(small), small
