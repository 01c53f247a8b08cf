"""What corpus.json says of a corpus: counts of what is in it and of what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, JsonValue

from lingshu_train import vocabulary
from lingshu_train.data import chat
from lingshu_train.record import Sample
from lingshu_train.schema import Strict

SUMMARY = "corpus.json"
_COUNTED = ("split", "task", "question_type", "modality", "card")
"""Columns of Arrow rows."""


class Summary(Strict):
    """corpus.json, written last. Counts are of the samples kept; `refused` counts the others by reason, without those that
    a card leaves out itself: these stand in `skipped`, by card and reason. `notes`: of those kept, how many lack what of
    the publisher's row, by card. `answers`: of each card those that its rows teach, a dialogue's all.

    `shards` holds the number of rows of each shard. Only a JPEG may have more than `max_pixels`; what had more was fitted,
    both sides to multiples of `grid`. No text holds one of `control_tokens`. `layouts`: of each card that knows several
    layouts of its data, or whose data lies otherwise than it says, what was read. `differs`: of each card's split that has
    another number of rows than it states, what and why.
    `fingerprint` covers every row, and every picture by its hash. Of a corpus with `erased` rows it is that from before, as is
    `identity`: every other row and every place is as it was.
    """

    samples: int
    images: int
    image_bytes: int
    splits: dict[str, int]
    tasks: dict[str, dict[str, int]]
    question_types: dict[str, int]
    modalities: dict[str, int]
    cards: dict[str, int]
    answers: dict[str, int]
    licences: dict[str, str]
    refused: dict[str, int]
    skipped: dict[str, dict[str, int]] = Field(default_factory=dict)
    notes: dict[str, dict[str, int]] = Field(default_factory=dict)
    shards: tuple[int, ...]
    max_pixels: int
    grid: int
    control_tokens: tuple[str, ...] = ()
    layouts: dict[str, str] = Field(default_factory=dict)
    differs: dict[str, str] = Field(default_factory=dict)
    fingerprint: str
    erased: int = 0
    identity: str = ""

    @property
    def unknown_modalities(self) -> dict[str, int]:
        """Samples by what their publisher calls a modality, where the vocabulary has no word for it."""
        return vocabulary.unknown(self.modalities)

    def facts(self) -> dict[str, JsonValue]:
        """What a manifest says of the corpus; modalities outside the vocabulary under a name of their own."""
        unknown = self.unknown_modalities
        return self.model_dump(mode="json") | ({"unknown_modalities": dict(unknown)} if unknown else {})


class Counts(TypedDict):
    """The counts of a summary."""

    samples: int
    images: int
    image_bytes: int
    splits: dict[str, int]
    tasks: dict[str, dict[str, int]]
    question_types: dict[str, int]
    modalities: dict[str, int]
    cards: dict[str, int]
    answers: dict[str, int]


class TallyState(TypedDict):
    """A tally as plain data."""

    images: int
    image_bytes: int
    counts: dict[str, dict[str, int]]
    shards: list[int]
    digests: list[str]


@dataclass
class Tally:
    """What the summary counts. Goes through JSON at every commit."""

    images: int = 0
    image_bytes: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    shards: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    def state(self) -> TallyState:
        return {
            "images": self.images,
            "image_bytes": self.image_bytes,
            "counts": self.counts,
            "shards": self.shards,
            "digests": self.digests,
        }

    def count(self, what: str, name: str, number: int = 1) -> None:
        table = self.counts.setdefault(what, {})
        table[name] = table.get(name, 0) + number

    def sample(self, sample: Sample) -> None:
        self.count("splits", sample.split)
        self.count(f"tasks/{sample.task}", sample.split)
        self.count("question_types", sample.question_type)
        self.count("modalities", sample.modality)
        self.count("cards", sample.card)
        self.count("answers", sample.card, chat.answers(sample))

    def rows(self, batch: pa.RecordBatch, seen: set[str]) -> None:
        """Arrow rows of samples, with their pictures but those that were `seen`, to which these are added."""
        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in _COUNTED]
        answers = pc.add(pc.list_value_length(batch.column("turns")), 1).to_numpy(zero_copy_only=False)
        # Column by column: of many rows few are different in what is counted.
        for (split, task, kind, modality, card, taught), rows in Counter(
            zip(*columns, answers.tolist(), strict=True)
        ).items():
            self.count("splits", split, rows)
            self.count(f"tasks/{task}", split, rows)
            self.count("question_types", kind, rows)
            self.count("modalities", modality, rows)
            self.count("cards", card, rows)
            self.count("answers", card, taught * rows)
        pictures = pc.list_flatten(batch.column("images"))
        digests, sizes = (pc.struct_field(pictures, name).to_pylist() for name in ("digest", "size"))
        for digest, size in zip(digests, sizes, strict=True):
            if digest not in seen:
                seen.add(digest)
                self.images += 1
                self.image_bytes += size

    def skip(self, card: str, reason: str) -> None:
        """A row that its card leaves out."""
        self.count(f"skipped/{card}", reason)
        self.count("cards/skipped", card)

    def note(self, card: str, notes: Iterable[str]) -> None:
        """What a sample of a card lacks of the publisher's row."""
        for note in notes:
            self.count(f"notes/{card}", note)

    def tables(self, what: str) -> dict[str, dict[str, int]]:
        """The tables of `what`: card, or task -> its counts."""
        prefix = f"{what}/"
        return {
            name.removeprefix(prefix): table for name, table in self.counts.items() if name.startswith(prefix)
        }

    def table(self) -> Counts:
        """What a summary says of the samples and pictures that were counted."""
        counts = self.counts
        return {
            "samples": sum(counts.get("splits", {}).values()),
            "images": self.images,
            "image_bytes": self.image_bytes,
            "splits": counts.get("splits", {}),
            "tasks": self.tables("tasks"),
            "question_types": counts.get("question_types", {}),
            "modalities": counts.get("modalities", {}),
            "cards": counts.get("cards", {}),
            "answers": counts.get("answers", {}),
        }
