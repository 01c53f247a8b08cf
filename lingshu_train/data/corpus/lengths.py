"""How many tokens each row of a corpus becomes, stored beside it: known before training, not found out in it.

One file for each tokenizer, chat template, system prompt and pixel budget, since each gives other lengths.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import ProcessorMixin

from lingshu_train.bars import bar
from lingshu_train.data import chat, forgery
from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.records import Location
from lingshu_train.data.images.opening import named
from lingshu_train.errors import DataError
from lingshu_train.model import family, load
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components, digest
from lingshu_train.record import Sample
from lingshu_train.runs.files import failure, sync

Table = npt.NDArray[np.int32]
PROMPT, COMPLETION, PATCHES = 0, 1, 2
"""Columns of a table: tokens of the prompt with its image tokens, tokens of the completion, patches of the vision tower."""
_VERSION = 2
"""Raised when rows are counted in another way: tables of before are then not found."""
_CHUNK = 2_000
"""Rows measured together: two of the corpus's Arrow batches, each of which is read once."""
_MANY = 20_000
"""Rows from which starting further processes pays."""


def of(folder: Path, source: str, wanted: Settings, *, workers: int = 1) -> Table:
    """The table of the whole corpus in `folder`, (rows, 3), memory-mapped; measured first where there is none yet.

    `source` is the folder or hub id of the model whose processor counts.
    """
    text = _processor(source, wanted)
    path = folder / f"lengths-{_key(text, wanted)[:12]}.npy"
    if not path.is_file():
        _measure(path, folder, source, wanted, workers=workers)
    with named(path, kind="a table of lengths"):
        table: Table = np.load(path, mmap_mode="r")
    rows = corpus.load(folder).total
    if table.shape != (rows, 3):
        raise DataError(f"{path}: holds {table.shape[0]} rows, the corpus {rows}; move it away and run again")
    return table


def _measure(path: Path, folder: Path, source: str, wanted: Settings, *, workers: int) -> None:
    rows = corpus.load(folder).total
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        table = np.lib.format.open_memmap(beside, mode="w+", dtype=np.int32, shape=(rows, 3))
        starts = range(0, rows, _CHUNK)
        parts = _parts(folder, source, wanted, starts, workers=workers if rows >= _MANY else 1)
        with bar(title="lengths", unit="row", total=rows, shown=rows >= _MANY) as progress:
            for start, part in zip(starts, parts, strict=True):
                table[start : start + len(part)] = part
                progress.update(len(part))
        table.flush()
        sync(beside)
        beside.replace(path)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise failure(path, fault) from None


def _parts(folder: Path, source: str, wanted: Settings, starts: range, *, workers: int) -> Iterator[Table]:
    if workers <= 1:
        yield from (_part(folder, source, wanted, start) for start in starts)
        return
    # Not forked: this process may hold threads and a device.
    context = get_context("spawn")
    # A family of the user's own is on no path of theirs.
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=components, initargs=(FAMILIES,)
    ) as pool:
        count = len(starts)
        yield from pool.map(_part, [folder] * count, [source] * count, [wanted] * count, starts)


def _part(folder: Path, source: str, wanted: Settings, start: int) -> Table:
    """Rows `start` and up to _CHUNK - 1 more."""
    found, text = _corpus(folder), _processor(source, wanted)
    rows = list(found.stretch(start, min(start + _CHUNK, found.total)))
    samples = [sample for sample, _ in rows]
    _check(samples, text)
    asked = [chat.prompt(sample, system=wanted.system_prompt, images=True) for sample in samples]
    whole = [chat.completion(sample) for sample in samples]
    prompts = text.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    texts = text.apply_chat_template(
        [[*one, *two] for one, two in zip(asked, whole, strict=True)], tokenize=False
    )
    table = np.zeros((len(samples), 3), np.int32)
    table[:, PROMPT] = _tokens(text, prompts)
    table[:, COMPLETION] = _tokens(
        text, [one.removeprefix(prompt) for one, prompt in zip(texts, prompts, strict=True)]
    )
    for number, (sample, locations) in enumerate(rows):
        for location in locations:
            tokens, patches = _visual(location, wanted, sample.id)
            table[number, PROMPT] += tokens - 1
            table[number, PATCHES] += patches
    return table


def _check(samples: list[Sample], text: ProcessorMixin) -> None:
    """Again against the tokenizer's own added tokens: the corpus may have been made for another family."""
    known = tuple(sorted(set(text.tokenizer.get_added_vocab()) - set(forgery.TAGS)))
    for sample in samples:
        forged = forgery.found(sample, known)
        if forged:
            raise DataError(f"sample {sample.id}: {forged}; prepare the corpus again for the model's family")


def _visual(location: Location, wanted: Settings, sample_id: str) -> tuple[int, int]:
    """Tokens and patches of a stored picture; in the text one mark stands for the tokens."""
    size, budget = (location.width, location.height), wanted.budget
    try:
        return budget.tokens(*size), budget.patches(*size)
    except DataError as fault:
        raise DataError(f"sample {sample_id}: {fault}") from None


def _tokens(text: ProcessorMixin, texts: list[str]) -> list[int]:
    found = text.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return [len(ids) for ids in found]


def _key(text: ProcessorMixin, wanted: Settings) -> str:
    words = hashlib.sha256(text.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
    return digest([_VERSION, words, text.chat_template, wanted.system_prompt, repr(wanted.budget)])


@lru_cache(maxsize=1)
def _corpus(folder: Path) -> corpus.Corpus:
    return corpus.load(folder)


@lru_cache(maxsize=1)
def _processor(source: str, wanted: Settings) -> ProcessorMixin:
    revision = wanted.revision or None if source == wanted.base else None
    return load.processor(family.of(wanted.family), source, wanted.budget, revision=revision)
