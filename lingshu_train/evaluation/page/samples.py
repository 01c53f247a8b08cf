"""Every question with what each model answered, as data that the page reads a benchmark at a time; pictures as thumbnails.

Of a benchmark the page has at most MOST questions and its share of LARGEST characters of text, those whose ids have the
smallest sha256, so that none is chosen by hand; all stand in the files that it names. Pictures end where LARGEST_PICTURES is
spent.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from lingshu_train.documents import decoded
from lingshu_train.errors import DataError
from lingshu_train.evaluation.benchmarks import measuring
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.page.model import Model

MOST = 5_000
LARGEST, LARGEST_PICTURES = 12_000_000, 12_000_000
LONGEST_TEXT = 2_000
SIDE = 160
"""Pixels of a thumbnail's longer side."""
_ASKED = ("id", "card", "task", "modality", "question_type", "question", "options", "gold", "images")
_ANSWERED = ("text", "status", "rule", "extracted", "finish", "strict", "lenient", "medevalkit", "tier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A benchmark as the page holds it: `data` is JSON with `samples` and `pictures`."""

    name: str
    title: str
    shown: int
    total: int
    data: str


def chunks(asked: Sequence[Questions], models: Sequence[Model], variant: str = "") -> Iterator[Chunk]:
    """One benchmark after the other."""
    room = LARGEST_PICTURES
    for one in asked:
        files = [
            measuring.named(each.folder, measuring.SCORED, variant) / f"{one.benchmark.name}.jsonl"
            for each in models
        ]
        ids = list(dict.fromkeys(str(row["id"]) for path in files for row in _rows(path)))
        kept = set(sorted(ids, key=_key)[:MOST])
        samples = _samples(files, kept, LARGEST // len(asked))
        pictures, room = _pictures(samples, one.gallery, room)
        yield Chunk(
            name=one.benchmark.name,
            title=one.benchmark.title,
            shown=len(samples),
            total=len(ids),
            data=_embedded({"samples": samples, "pictures": pictures}),
        )


def _samples(files: Sequence[Path], kept: set[str], room: int) -> list[JsonValue]:
    """In the order of the benchmark, as many as there is room for."""
    found: dict[str, dict[str, JsonValue]] = {}
    for place, path in enumerate(files):
        for row in _rows(path):
            id = str(row["id"])
            if id in kept:
                answers: list[JsonValue] = [None] * len(files)
                sample = found.setdefault(id, {**{name: row[name] for name in _ASKED}, "answers": answers})
                given = sample["answers"]
                assert isinstance(given, list)
                given[place] = {name: _cut(row[name]) for name in _ANSWERED}
    fitting = set[str]()
    for id in sorted(found, key=_key):
        room -= len(json.dumps(found[id], ensure_ascii=False))
        if room < 0:
            break
        fitting.add(id)
    return [sample for id, sample in found.items() if id in fitting]


def _rows(path: Path) -> Iterator[Mapping[str, JsonValue]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            row = decoded(line, where=f"{path}:{number}")
            if not isinstance(row, dict) or not {*_ASKED, *_ANSWERED} <= row.keys():
                raise DataError(
                    f"{path}:{number}: not an answer as it is scored; score it again with --rescore"
                )
            yield row


def _cut(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]} … ({len(value):,} characters)"
    return value


def _pictures(
    samples: Sequence[JsonValue], gallery: Callable[[str], Image.Image], room: int
) -> tuple[dict[str, JsonValue], int]:
    """Thumbnails by the name of their picture, and the room that is left."""
    found: dict[str, JsonValue] = {}
    for sample in samples:
        images = sample["images"] if isinstance(sample, dict) else ()
        for name in images if isinstance(images, list) else ():
            if isinstance(name, str) and name not in found and room > 0:
                thumbnail = _thumbnail(gallery(name))
                found[name] = thumbnail
                room -= len(thumbnail)
    return found, room


def _thumbnail(picture: Image.Image) -> str:
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _embedded(data: JsonValue) -> str:
    """JSON that may stand inside a script element: no text of a model can end it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _key(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()
