"""What stands in the files of a corpus: the Arrow row of a sample, and where its pictures lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NotRequired, TypedDict, cast

import pyarrow as pa

from lingshu_train.record import AnswerType, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a picture's bytes lie: `size` bytes at `offset` of tar file `shard`. `digest` is their sha256.

    `width` and `height` are in pixels, as stored.
    """

    digest: str
    shard: int
    offset: int
    size: int
    width: int
    height: int


class _Location(TypedDict):
    digest: str
    shard: int
    offset: int
    size: int
    width: int
    height: int


class _Option(TypedDict):
    letter: str
    text: str


class _Turn(TypedDict):
    question: str
    answer: str


class _Tag(TypedDict):
    name: str
    value: str


class Record(TypedDict):
    """An Arrow row as plain data."""

    id: str
    card: str
    split: str
    task: str
    question: str
    question_type: AnswerType
    answer: str
    reasoning: str
    form: str
    group: str
    modality: str
    tol: float | None
    options: list[_Option]
    aliases: list[str]
    turns: list[_Turn]
    images: list[_Location]
    system: NotRequired[str]
    parents: NotRequired[list[str]]
    """Corpora of before have neither of these columns."""
    tags: NotRequired[list[_Tag] | None]
    """A file of rows has this column where one of its rows has a tag: others are written as before there were any."""


_TEXT = (
    "id",
    "card",
    "split",
    "task",
    "question",
    "question_type",
    "answer",
    "reasoning",
    "form",
    "group",
    "modality",
)
_OPTION = pa.struct([("letter", pa.string()), ("text", pa.string())])
_TURN = pa.struct([("question", pa.string()), ("answer", pa.string())])
_LOCATION = pa.struct(
    [
        ("digest", pa.string()),
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("size", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT),
        ("tol", pa.float64()),
        ("options", pa.list_(_OPTION)),
        ("aliases", pa.list_(pa.string())),
        ("turns", pa.list_(_TURN)),
        ("images", pa.list_(_LOCATION)),
        ("system", pa.string()),
        ("parents", pa.list_(pa.string())),
    ]
)
_TAG = pa.struct([("name", pa.string()), ("value", pa.string())])
TAGGED = SCHEMA.append(pa.field("tags", pa.list_(_TAG)))
"""Of files of rows that have tags."""


def record(sample: Sample, locations: Sequence[Location]) -> Record:
    """The row of a sample, whose pictures lie at `locations`."""
    return {
        "id": sample.id,
        "card": sample.card,
        "split": sample.split,
        "task": sample.task,
        "question": sample.question,
        "question_type": sample.question_type,
        "answer": sample.answer,
        "reasoning": sample.reasoning,
        "form": sample.form,
        "group": sample.group,
        "modality": sample.modality,
        "tol": sample.tol,
        "options": [{"letter": letter, "text": text} for letter, text in sample.options.items()],
        "aliases": list(sample.aliases),
        "turns": [{"question": question, "answer": answer} for question, answer in sample.turns],
        "images": [cast(_Location, asdict(location)) for location in locations],
        "system": sample.system,
        "parents": list(sample.parents),
        "tags": [{"name": name, "value": value} for name, value in sample.tags.items()],
    }


def sample_of(row: Record) -> Sample:
    """The sample of a row; its images are their digests."""
    return Sample(
        id=row["id"],
        card=row["card"],
        split=row["split"],
        task=row["task"],
        question=row["question"],
        question_type=row["question_type"],
        answer=row["answer"],
        reasoning=row["reasoning"],
        form=row["form"],
        group=row["group"],
        modality=row["modality"],
        tol=row["tol"],
        options={option["letter"]: option["text"] for option in row["options"]},
        aliases=tuple(row["aliases"]),
        turns=tuple((turn["question"], turn["answer"]) for turn in row["turns"]),
        images=tuple(location["digest"] for location in row["images"]),
        system=row.get("system", ""),
        parents=tuple(row.get("parents", ())),
        tags={tag["name"]: tag["value"] for tag in row.get("tags") or ()},
    )


def locations_of(row: Record) -> tuple[Location, ...]:
    """Where the pictures of a row lie, in its order."""
    return tuple(Location(**location) for location in row["images"])
