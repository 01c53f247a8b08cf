"""A corpus as the files of a data set on the hub: Parquet with the pictures in it, a card, and Croissant. Nothing is sent here.

The schema carries the features of the package `datasets`, so that the hub's viewer and `load_dataset` show pictures as such.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import JsonValue

from lingshu_train import credentials
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.croissant import CONFORMS_TO, context
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.records import Location
from lingshu_train.errors import NotPermitted
from lingshu_train.naming import file_digest
from lingshu_train.record import Sample
from lingshu_train.runs.files import write_text

FOLDER, CARD, CROISSANT = "data", "README.md", "croissant.json"
_ROWS = 100
"""Rows of a Parquet row group: with their pictures some megabytes, which a viewer reads at a time."""
_TOGETHER = 1_000
"""Rows that are read at a time."""
_BYTES = 400 << 20
"""Bytes of pictures and text after which a file ends."""
_TEXTS = (
    "id",
    "question",
    "answer",
    "question_type",
    "reasoning",
    "task",
    "modality",
    "group",
    "card",
    "system",
)
_STRING: JsonValue = {"dtype": "string", "_type": "Value"}
_FEATURES: Mapping[str, JsonValue] = {
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
    **dict.fromkeys(_TEXTS, _STRING),
    "options": [{"letter": _STRING, "text": _STRING}],
    "turns": [{"question": _STRING, "answer": _STRING}],
    "tags": [{"kind": _STRING, "word": _STRING}],
    "parents": {"feature": _STRING, "_type": "List"},
}
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_PAIR = {
    "options": pa.struct([("letter", pa.string()), ("text", pa.string())]),
    "turns": pa.struct([("question", pa.string()), ("answer", pa.string())]),
    "tags": pa.struct([("kind", pa.string()), ("word", pa.string())]),
}
SCHEMA = pa.schema(
    [
        ("images", pa.list_(_PICTURE)),
        *((name, pa.string()) for name in _TEXTS),
        *((name, pa.list_(pair)) for name, pair in _PAIR.items()),
        ("parents", pa.list_(pa.string())),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


@dataclass(frozen=True, slots=True)
class Written:
    """Rows that go, by split and by the card that they are from."""

    by_split: dict[str, int]
    by_card: dict[str, int]


def write(found: Corpus, folder: Path, *, skipped: frozenset[int]) -> Written:
    """`data/SPLIT-00000.parquet` and so on. `skipped`: numbers of rows that do not go."""
    (folder / FOLDER).mkdir(parents=True)
    counts: dict[str, int] = {}
    cards = Counter[str]()
    for split in sorted(set(_splits(found))):
        rows = _rows(found, split, skipped)
        number = counts[split] = 0
        while first := list(islice(rows, _ROWS)):
            path = folder / FOLDER / f"{split}-{number:05}.parquet"
            # The same rows give the same bytes: neither a time nor a codec's choice of threads is in them.
            with pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=False) as writer:
                group, size = first, 0
                while group:
                    writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
                    counts[split] += len(group)
                    cards.update(str(row["card"]) for row in group)
                    size += _size(group)
                    group = list(islice(rows, _ROWS)) if size < _BYTES else []
            number += 1
    return Written({split: count for split, count in counts.items() if count}, dict(cards))


def _size(rows: Sequence[Mapping[str, object]]) -> int:
    """Bytes of the pictures."""
    found = 0
    for row in rows:
        images = row["images"]
        assert isinstance(images, list)
        found += sum(len(one["bytes"]) for one in images)
    return found


def _splits(found: Corpus) -> Iterator[str]:
    for values in found.values("split"):
        yield from set(values.tolist())


def _rows(
    found: Corpus, split: str, skipped: frozenset[int]
) -> Iterator[dict[str, JsonValue | list[dict[str, object]]]]:
    """NotPermitted (77): a text holds what looks like a credential."""
    chosen = None if found.chosen is None else set(found.chosen.tolist())
    for start in range(0, found.total, _TOGETHER):
        stop = min(start + _TOGETHER, found.total)
        for number, (sample, places) in enumerate(found.stretch(start, stop), start):
            if sample.split == split and number not in skipped and (chosen is None or number in chosen):
                yield _row(found, sample, places)


def _row(
    found: Corpus, sample: Sample, places: Sequence[Location]
) -> dict[str, JsonValue | list[dict[str, object]]]:
    pictures: list[dict[str, object]] = [
        {"bytes": found.encoded(place, owner=f"sample {sample.id}"), "path": place.digest} for place in places
    ]
    row: dict[str, JsonValue] = {name: getattr(sample, name) for name in _TEXTS}
    row["options"] = [{"letter": letter, "text": text} for letter, text in sample.options.items()]
    row["turns"] = [{"question": asked, "answer": said} for asked, said in sample.turns]
    row["tags"] = [{"kind": kind, "word": word} for kind, word in sorted(sample.tags.items())]
    row["parents"] = list(sample.parents)
    for place, kind in credentials.inside(row):
        raise NotPermitted(
            f"sample {sample.id}, {place}: holds what looks like {kind}; revoke it, and take the row out of the corpus"
        )
    return {"images": pictures, **row}


def card(title: str, cards: Sequence[Card], written: Written, *, licence: str, body: str) -> str:
    """The data card, with what the hub's viewer has to know: which files are which split."""
    counts = written.by_split
    files: list[JsonValue] = [
        {"split": split, "path": f"{FOLDER}/{split}-*.parquet"} for split in sorted(counts)
    ]
    head: dict[str, JsonValue] = {
        "pretty_name": title,
        "license": "other",
        "license_name": licence,
        "language": [*sorted({language for one in cards for language in one.lingshu.language})],
        "tags": ["medical", "croissant"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)
    rows = "\n".join(f"| {split} | {count:,} |" for split, count in sorted(counts.items()))
    made = "\n".join(
        f"| {one.name} | {one.title} | {one.lingshu.licence} | {written.by_card.get(one.name, 0):,} |"
        for one in cards
    )
    return f"""---
{front}---
{body or f"# {title}"}

| Split | Rows |
|---|---|
{rows}

Rows come from these data sets, and their terms hold:

| Card | Data set | Licence | Rows |
|---|---|---|---|
{made}
"""


def croissant(
    name: str, title: str, cards: Sequence[Card], folder: Path, *, licence: str, url: str
) -> dict[str, JsonValue]:
    """The files as Croissant 1.0: each with its checksum, and the columns of a row."""
    files = sorted((folder / FOLDER).glob("*.parquet"))
    whole: dict[str, JsonValue] = {"@type": "cr:FileObject", "@id": "repo", "name": "repo", "contentUrl": url}
    whole |= {
        "encodingFormat": "git+https",
        "sha256": "https://github.com/mlcommons/croissant/issues/80",
        "description": "The repository.",
    }
    objects: list[JsonValue] = [
        {
            "@type": "cr:FileObject",
            "@id": path.name,
            "name": path.name,
            "contentUrl": f"{FOLDER}/{path.name}",
            "containedIn": {"@id": "repo"},
            "encodingFormat": "application/x-parquet",
            "contentSize": f"{path.stat().st_size} B",
            "sha256": file_digest(path),
        }
        for path in files
    ]
    fileset: dict[str, JsonValue] = {
        "@type": "cr:FileSet",
        "@id": "parquet",
        "name": "parquet",
        "containedIn": {"@id": "repo"},
        "encodingFormat": "application/x-parquet",
        "includes": f"{FOLDER}/*.parquet",
    }
    return {
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "alternateName": title,
        "description": f"{title}: rows of {', '.join(one.title for one in cards)}.",
        "url": url,
        "license": licence,
        "creator": [{"@type": "sc:Organization", "name": "who pushed it"}],
        "isLiveDataset": False,
        "inLanguage": [*sorted({language for one in cards for language in one.lingshu.language})],
        "rai:dataLimitations": [*sorted({problem for one in cards for problem in one.lingshu.problems})],
        "distribution": [whole, *objects, fileset],
        "recordSet": [_records()],
    }


def _records() -> dict[str, JsonValue]:
    """A row's columns of text. Croissant 1.0 has no type for a list of records, as pictures and options are."""
    fields: list[JsonValue] = [
        {
            "@type": "cr:Field",
            "@id": f"rows/{name}",
            "name": f"rows/{name}",
            "description": f"Column {name}.",
            "dataType": "sc:Text",
            "source": {"fileSet": {"@id": "parquet"}, "extract": {"column": name}},
        }
        for name in _TEXTS
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "description": "A row each.",
        "field": fields,
    }


def put(folder: Path, readme: str, described: Mapping[str, JsonValue]) -> None:
    """Card and Croissant beside the rows."""
    write_text(folder / CARD, readme)
    write_text(folder / CROISSANT, json.dumps(described, indent=1, ensure_ascii=False) + "\n")
