"""What came of chunks, in a file: for a writer on another machine. An Arrow batch a chunk, a row an outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from lingshu_train.data.corpus.leaks import Compared
from lingshu_train.data.corpus.writer import Kept, LeftOut, Outcome, Refused, StoredPicture
from lingshu_train.record import Sample
from lingshu_train.runs.files import replacing

_SCHEMA = pa.schema([("told", pa.string()), ("pictures", pa.list_(pa.large_binary()))])
_KINDS: dict[str, type[Kept] | type[Refused] | type[LeftOut]] = {
    "kept": Kept,
    "refused": Refused,
    "left out": LeftOut,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def write(path: Path, chunks: Sequence[Sequence[Outcome]]) -> None:
    """The outcomes of chunks, in order, committed by a rename."""
    with (
        replacing(path) as beside,
        pa.OSFile(str(beside), "wb") as sink,
        pa.ipc.new_file(sink, _SCHEMA) as file,
    ):
        for outcomes in chunks:
            rows = [{"told": _told(one), "pictures": _pictures(one)} for one in outcomes]
            file.write_batch(pa.RecordBatch.from_pylist(rows, schema=_SCHEMA))


def read(path: Path) -> Iterator[list[Outcome]]:
    """The same again, chunk by chunk."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        for number in range(file.num_record_batches):
            yield [_outcome(row["told"], row["pictures"]) for row in file.get_batch(number).to_pylist()]


def _told(outcome: Outcome) -> str:
    """Everything but the pictures' bytes. Escaped, since a publisher's text may be no UTF-8."""
    if not isinstance(outcome, Kept):
        return json.dumps({"outcome": _NAMES[type(outcome)], **asdict(outcome)})
    pictures = [
        {name: value for name, value in _fields(one).items() if name != "data"} for one in outcome.pictures
    ]
    return json.dumps(
        {
            "outcome": "kept",
            "sample": asdict(outcome.sample),
            "pictures": pictures,
            "notes": outcome.notes,
            "own": outcome.own,
            "compared": asdict(outcome.compared) if outcome.compared else None,
            "told": outcome.told,
        }
    )


def _fields(picture: StoredPicture) -> dict[str, object]:
    return {name: getattr(picture, name) for name in picture.__dataclass_fields__}


def _pictures(outcome: Outcome) -> list[bytes]:
    return [one.data for one in outcome.pictures] if isinstance(outcome, Kept) else []


def _outcome(told: str, pictures: Sequence[bytes]) -> Outcome:
    found: dict[str, Any] = json.loads(told)
    kind = _KINDS[found.pop("outcome")]
    if kind is not Kept:
        return kind(**found)
    compared = found["compared"]
    return Kept(
        sample=_sample(found["sample"]),
        pictures=tuple(
            StoredPicture(data=data, **{**about, "whole": tuple(about["whole"])})
            for data, about in zip(pictures, found["pictures"], strict=True)
        ),
        notes=tuple(found["notes"]),
        own=found["own"],
        compared=Compared(
            where=compared["where"],
            pictures=tuple((name, digest) for name, digest in compared["pictures"]),
        )
        if compared
        else None,
        told=tuple(found["told"]),
    )


def _sample(found: dict[str, Any]) -> Sample:
    """JSON has lists alone."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
    }
    values["turns"] = tuple((question, answer) for question, answer in found["turns"])
    return Sample(**values)
