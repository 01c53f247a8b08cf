"""How many tokens each row of a corpus becomes, stored beside it: known before training, not found out in it.

One file for each tokenizer, chat template, system prompt and pixel budget, since each gives other lengths.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
from transformers import ProcessorMixin

from lingshu_train.bars import bar
from lingshu_train.data import chat, forgery
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.records import Location
from lingshu_train.data.corpus.table import ANSWERS, PATCHES, PROMPT, TAUGHT, WHOLE, Table
from lingshu_train.data.lessons import lessons
from lingshu_train.errors import DataError
from lingshu_train.model import family, load
from lingshu_train.model.shape import PictureBudget
from lingshu_train.naming import digest
from lingshu_train.record import Sample
from lingshu_train.runs.arrays import save_array, seal, sealed
from lingshu_train.runs.files import failure, sync

_VERSION = 3
"""Raised when rows are counted in another way: tables of before are then not found."""
_CHUNK = 2_000
"""Rows measured together: two of the corpus's Arrow batches, each of which is read once."""
_PART = 50 * _CHUNK
"""Rows that are kept together as soon as they are measured, so that a measurement that is ended goes on from there."""
_MANY = 20_000
"""Rows from which starting further processes pays."""


class Terms(Protocol):
    """What decides over lengths beside a tokenizer: of a recipe its `model` block (`model.settings.Settings`). Hashable, and
    picklable."""

    @property
    def family(self) -> str:
        """Whose processor counts."""

    @property
    def base(self) -> str:
        """The published model of which `revision` is a revision."""

    @property
    def revision(self) -> str: ...

    @property
    def system_prompt(self) -> str:
        """What stands before every conversation; empty for nothing."""

    @property
    def budget(self) -> PictureBudget: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Terms without a recipe: a published model as it is."""

    family: str
    budget: PictureBudget
    base: str
    revision: str = ""
    system_prompt: str = ""


def ready(source: str, wanted: Terms) -> None:
    """MissingInput (66): there is no tokenizer, which is better told before rows are read than after."""
    _processor(source, wanted)


def of(folder: Path, source: str, wanted: Terms, *, workers: int = 1) -> Table:
    """The table of the whole corpus in `folder`, (rows, 5), memory-mapped; measured first where there is none
    yet, and where what is kept there is damaged or of other rows.

    `source` is the folder or hub id of the model whose processor counts.
    """
    text = _processor(source, wanted)
    path = folder / f"lengths-{_key(text, wanted)[:12]}.npy"
    rows, key = corpus.load(folder).total, made_from(folder, text, wanted)
    table: Table | None = sealed(path, key)
    if table is None:
        _measure(path, folder, source, wanted, key=key, workers=workers)
        table = sealed(path, key)
    assert table is not None and table.shape == (rows, 5)
    return table


def made_from(folder: Path, text: ProcessorMixin, wanted: Terms) -> str:
    """All that determines a table, for its seal."""
    return digest([corpus.identity(folder), _key(text, wanted)])


def _measure(path: Path, folder: Path, source: str, wanted: Terms, *, key: str, workers: int) -> None:
    rows = corpus.load(folder).total
    beside, kept = path.with_name(f".{path.name}.{os.getpid()}.tmp"), path.with_name(f".{path.name}.parts")
    try:
        table = np.lib.format.open_memmap(beside, mode="w+", dtype=np.int32, shape=(rows, 5))
        done = _kept(table, kept, key)
        starts = [start for start in range(0, rows, _CHUNK) if start - start % _PART not in done]
        parts = _parts(folder, source, wanted, starts, workers=workers if rows >= _MANY else 1)
        with bar(title="lengths", unit="row", total=rows, shown=rows >= _MANY) as progress:
            progress.update(sum(min(_PART, rows - start) for start in done))
            for start, part in zip(starts, parts, strict=True):
                end = start + len(part)
                table[start:end] = part
                progress.update(len(part))
                if end % _PART == 0:
                    kept.mkdir(exist_ok=True)
                    save_array(
                        kept / f"{end - _PART}.npy", table[end - _PART : end], key=f"{key} {end - _PART}"
                    )
        table.flush()
        del table
        seal(beside, key)
        sync(beside)
        beside.replace(path)
        shutil.rmtree(kept, ignore_errors=True)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise failure(path, fault) from None


def _kept(table: Table, kept: Path, key: str) -> set[int]:
    """Take over what an attempt that was ended has measured; the first rows of the parts that are whole."""
    done = set()
    for start in range(0, len(table) - _PART + 1, _PART):
        part: Table | None = sealed(kept / f"{start}.npy", f"{key} {start}")
        if part is not None:
            table[start : start + _PART] = part
            done.add(start)
    return done


def _parts(
    folder: Path, source: str, wanted: Terms, starts: Sequence[int], *, workers: int
) -> Iterator[Table]:
    if workers <= 1:
        yield from (_part(folder, source, wanted, start) for start in starts)
        return
    # Not forked: this process may hold threads and a device.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=preparing.begin) as pool:
        count = len(starts)
        yield from pool.map(_part, [folder] * count, [source] * count, [wanted] * count, starts)


def _part(folder: Path, source: str, wanted: Terms, start: int) -> Table:
    """Rows `start` and up to _CHUNK - 1 more."""
    found, text = _corpus(folder), _processor(source, wanted)
    rows = list(found.stretch(start, min(start + _CHUNK, found.total)))
    samples = [sample for sample, _ in rows]
    _check(samples, family.of(wanted.family).control(text.tokenizer))
    read = lessons(text, [chat.conversation(sample, system=wanted.system_prompt) for sample in samples])
    given = _tokens(text, [turn.given for lesson in read for turn in lesson.turns])
    taught = _tokens(text, [turn.taught for lesson in read for turn in lesson.turns])
    # A prompt of several turns is one text where only its last answer is to be written.
    asked = iter(_tokens(text, [lesson.prompt for lesson in read if len(lesson.turns) > 1]))
    table = np.zeros((len(samples), 5), np.int32)
    start = 0
    for number, lesson in enumerate(read):
        turns = slice(start, start + len(lesson.turns))
        start = turns.stop
        table[number, PROMPT] = next(asked) if len(lesson.turns) > 1 else given[turns.start]
        table[number, TAUGHT], table[number, ANSWERS] = sum(taught[turns]), len(lesson.turns)
        table[number, WHOLE] = sum(given[turns]) + table[number, TAUGHT]
    for number, (sample, locations) in enumerate(rows):
        for location in locations:
            tokens, patches = _visual(location, wanted, sample.id)
            table[number, [PROMPT, WHOLE]] += tokens - 1
            table[number, PATCHES] += patches
    return table


def _check(samples: list[Sample], control: Collection[str]) -> None:
    """Again against the tokenizer's own tokens: the corpus may have been made for another family."""
    known = tuple(sorted(set(control) - set(forgery.TAGS)))
    for sample in samples:
        forged = forgery.found(sample, known, pictures=len(sample.images))
        if forged:
            raise DataError(f"sample {sample.id}: {forged}; prepare the corpus again for the model's family")


def _visual(location: Location, wanted: Terms, sample_id: str) -> tuple[int, int]:
    """Tokens and patches of a stored picture; in the text one mark stands for the tokens."""
    size, budget = (location.width, location.height), wanted.budget
    try:
        return budget.tokens(*size), budget.patches(*size)
    except DataError as fault:
        raise DataError(f"sample {sample_id}: {fault}") from None


def _tokens(text: ProcessorMixin, texts: list[str]) -> list[int]:
    if not texts:
        return []
    found = text.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return [len(ids) for ids in found]


def _key(text: ProcessorMixin, wanted: Terms) -> str:
    # Padding and truncation are what the last call asked for, and are saved with a trained model: no part of what is counted.
    told = {**json.loads(text.tokenizer.backend_tokenizer.to_str()), "padding": None, "truncation": None}
    words = hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()
    return digest([_VERSION, words, text.chat_template, wanted.system_prompt, repr(wanted.budget)])


@lru_cache(maxsize=1)
def _corpus(folder: Path) -> corpus.Corpus:
    return corpus.load(folder)


@lru_cache(maxsize=1)
def _processor(source: str, wanted: Terms) -> ProcessorMixin:
    revision = wanted.revision or None if source == wanted.base else None
    return load.processor(family.of(wanted.family), source, wanted.budget, revision=revision)
