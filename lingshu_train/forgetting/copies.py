"""Rows that hold what withdrawn rows hold: those made from them, the same stored picture, a long text word by word, or a
picture that looks alike.

A long question that many rows have is how a data set asks, and no copy. Copies are listed and not taken: another patient may
have the same sentence, and two slices of one organ look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.parents import descending
from lingshu_train.data.corpus.records import locations_of
from lingshu_train.data.corpus.summary import SUMMARY
from lingshu_train.runs.stage import Stage
from lingshu_train.tracing.matching import Ints

SAME_PICTURE, SAME_TEXT, ALIKE = "the same stored picture", "the same text", "a picture that looks alike"
SAME_QUESTION = "the same question"
MADE_FROM = "made from one of them"
_LONG = 60
"""Characters from which a text that stands twice is no coincidence."""
_ASKED = 20
"""Rows of one corpus with the same long question that may be copies of each other: more have it from a form of questions."""
_SIDE = 8
_DIFFERS = 4
"""Bits of 64 in which the brightness steps of two pictures that look alike may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One row of a corpus, by the name of its stage, and why it is listed."""

    corpus: str
    row: int
    id: str
    why: str


def find(rows: Mapping[str, Ints], read: Sequence[Stage], *, near: bool) -> tuple[Copy, ...]:
    """Of all corpora that hold withdrawn rows, and all others of the run. `near` opens every stored picture."""
    found: dict[tuple[str, int], Copy] = {}
    places = {stage.name: stage.path / "corpus" for stage in read if stage.about.role == "corpus"}
    every = {name: corpus.load(place) for name, place in places.items() if (place / SUMMARY).is_file()}
    pictures: set[str] = set()
    texts: set[str] = set()
    questions: set[str] = set()
    for name, numbers in rows.items():
        for row in numbers.tolist():
            record = every[name].reader.record(row)
            pictures |= {one.digest for one in locations_of(record)}
            told = (record["answer"], record["reasoning"], *(turn["answer"] for turn in record["turns"]))
            asked = (record["question"], *(turn["question"] for turn in record["turns"]))
            texts |= {_plain(text) for text in told if len(text) >= _LONG}
            questions |= {_plain(text) for text in asked if len(text) >= _LONG}
    for name, row in descending(every, rows):
        found[name, row] = Copy(corpus=name, row=row, id=every[name].reader.record(row)["id"], why=MADE_FROM)
    for name, here in every.items():
        lost = rows.get(name, np.empty(0, np.int64))
        for row, why in _matches(here, pictures, texts, questions, near=near):
            if row not in lost:
                found.setdefault(
                    (name, row), Copy(corpus=name, row=row, id=here.reader.record(row)["id"], why=why)
                )
    return tuple(found.values())


def _matches(
    found: Corpus, pictures: set[str], texts: set[str], questions: set[str], *, near: bool
) -> Iterator[tuple[int, str]]:
    yield from ((row, SAME_PICTURE) for row in _with_pictures(found, pictures))
    for column in ("answer", "reasoning"):
        yield from ((row, SAME_TEXT) for row, _ in _with_text(found, column, texts))
    yield from ((row, SAME_TEXT) for row, _ in _with_turn(found, "answer", texts))
    asked: dict[str, set[int]] = {}
    for row, text in (*_with_text(found, "question", questions), *_with_turn(found, "question", questions)):
        asked.setdefault(text, set()).add(row)
    few = (rows for rows in asked.values() if len(rows) <= _ASKED)
    yield from ((row, SAME_QUESTION) for row in sorted(set().union(*few)))
    if near and pictures:
        yield from ((row, ALIKE) for row in _with_pictures(found, _alike(found, pictures)))


def _with_text(found: Corpus, column: str, texts: set[str]) -> Iterator[tuple[int, str]]:
    """Rows that have one of the plain texts in a column, and which."""
    wanted, start = pa.array(sorted(texts), pa.string()), 0
    for part in found.reader.column(column):
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(part))
        hits = np.flatnonzero(_flags(pc.is_in(plain, value_set=wanted)))
        yield from zip((hits + start).tolist(), plain.take(pa.array(hits)).to_pylist(), strict=True)
        start += len(part)


def _with_turn(found: Corpus, name: str, texts: set[str]) -> Iterator[tuple[int, str]]:
    """The same of the earlier turns of a dialogue."""
    wanted, start = pa.array(sorted(texts), pa.string()), 0
    for part in found.reader.column("turns"):
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(pc.struct_field(pc.list_flatten(part), name)))
        hits = np.flatnonzero(_flags(pc.is_in(plain, value_set=wanted)))
        owners = pc.list_parent_indices(part).to_numpy(zero_copy_only=False)[hits]
        yield from zip((owners + start).tolist(), plain.take(pa.array(hits)).to_pylist(), strict=True)
        start += len(part)


def _with_pictures(found: Corpus, digests: set[str]) -> Iterator[int]:
    wanted, start = pa.array(sorted(digests), pa.string()), 0
    for part in found.reader.column("images"):
        hit = _flags(pc.is_in(pc.struct_field(pc.list_flatten(part), "digest"), value_set=wanted))
        owners = pc.list_parent_indices(part).to_numpy(zero_copy_only=False)
        yield from (int(row) + start for row in np.unique(owners[hit]))
        start += len(part)


def _alike(found: Corpus, pictures: set[str]) -> set[str]:
    """Stored pictures of a corpus that look like one of these, which may lie in another."""
    digests: dict[str, int] = {}
    for start in range(0, found.total, 1_000):
        for row, (_, locations) in enumerate(found.stretch(start, min(start + 1_000, found.total)), start):
            for one in locations:
                digests.setdefault(one.digest, row)
    names = list(digests)
    hashes = np.array([_steps(found.image(name)) for name in names], np.uint64)
    mine = hashes[[place for place, name in enumerate(names) if name in pictures]]
    near = np.zeros(len(names), np.bool_)
    for one in mine:
        near |= _bits(hashes ^ one) <= _DIFFERS
    return {name for name, hit in zip(names, near, strict=True) if hit} - pictures


def _steps(picture: Image.Image) -> int:
    """64 bits: whether each of 8 x 8 places is brighter than the one to its left. Blind to size, brightness and compression."""
    small = picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(small, np.int16)
    return int.from_bytes(np.packbits(values[:, 1:] > values[:, :-1]).tobytes(), "big")


def _bits(values: npt.NDArray[np.uint64]) -> Ints:
    """How many bits of each are set."""
    counts: Ints = np.unpackbits(values[:, None].view(np.uint8), axis=1).sum(axis=1, dtype=np.int64)
    return counts


def _flags(found: pa.Array) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return flags


def _plain(text: str) -> str:
    return text.strip().lower()
