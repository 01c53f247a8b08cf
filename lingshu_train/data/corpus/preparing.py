"""Data cards to a corpus: read, judge, encode in parallel; write in order; quarantine what is bad.

Work is cut into numbered chunks whose results do not depend on who does them or when, so that any number of processes
writes the same corpus, and a run that was killed goes on with the first chunk that is not on disk.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict
from fractions import Fraction
from itertools import islice
from pathlib import Path

import lingshu_train
from lingshu_train.bars import bar
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import catalogue
from lingshu_train.data.corpus import chunks, corpus
from lingshu_train.data.corpus.chunks import Chunk
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.summary import SUMMARY, Summary
from lingshu_train.data.corpus.writer import QUARANTINE, Outcome, Writer
from lingshu_train.data.rows import layouts
from lingshu_train.data.rows.layouts import PictureLayout
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components, digest
from lingshu_train.runs.files import link_file, write_json

_AHEAD = 4
"""Chunks in flight per process: enough to keep all busy, few enough to bound memory."""
_EARLY = 1_000
"""Rows of a card before its share of refused rows can stop the run: one per cent is ten rows then, which is no accident."""


def prepare(folder: Path, wanted: Specification, *, workers: int, most_refused: float) -> Summary:
    """Write the corpus that `wanted` specifies into `folder`, or go on with it.

    Raises MissingInput (66) where a card's data is not here, DataError (65) where more than the share `most_refused` of
    a card's rows, rounded up to whole rows, is refused: then the card, not the rows, is at fault.
    """
    if (folder / SUMMARY).is_file():
        return corpus.read_summary(folder)
    refuse(wanted)
    with closing(Writer(folder)) as writer:
        left = islice(chunks.chunks(wanted), writer.done, None)
        with bar(title="prepare", unit="row", total=chunks.expected(wanted), done=_rows(writer)) as progress:
            for outcomes in results(wanted, left, workers=workers):
                writer.add(outcomes)
                progress.set_postfix({"images": f"{writer.images:,}"}, refresh=False)
                progress.update(len(outcomes))
                _check_refused(writer, most_refused, least=_EARLY)
        _check_refused(writer, most_refused, least=1)
        _check_empty(writer, wanted)
        licences = {name: cards.load(name).lingshu.licence.id for name in wanted.cards}
        return writer.finish(licences=licences, budget=wanted.budget, control_tokens=wanted.control)


def refuse(wanted: Specification) -> None:
    """What can be told before anything is written. RecipeError (78): the cards hold no rows. MissingInput (66): their data is
    not here."""
    for card in wanted.loaded():
        if not wanted.asked and isinstance(layouts.of(card), PictureLayout):
            raise RecipeError(
                f"{card.name}: holds labelled pictures and no rows; a recipe's `questions` are asked of them"
            )
    absent = missing(wanted)
    if absent:
        raise MissingInput("; ".join(absent))


def link(prepared: Path, folder: Path) -> Summary:
    """The finished corpus in `prepared` as `folder`: the same files under another name, copied across file systems."""
    summary = corpus.read_summary(prepared)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(prepared.iterdir()):
        if not path.name.startswith(".") and path.name != SUMMARY:
            link_file(path, folder / path.name)
    write_json(folder / SUMMARY, summary.model_dump(mode="json"))
    return summary


def name(wanted: Specification) -> str:
    """What a corpus is called: its first card and how many more, and a hash of all that determines it."""
    content = asdict(wanted) | {"cards": {each: cards.load(each).digest for each in wanted.cards}}
    del content["data_root"]
    more = f"-and-{len(wanted.cards) - 1}-more" if len(wanted.cards) > 1 else ""
    return f"{wanted.cards[0]}{more}-{digest([lingshu_train.__version__, content])[:12]}"


def text(summary: Summary, folder: Path) -> str:
    """The corpus for a reader, one line a fact."""
    refused = sum(summary.refused.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(summary.refused.items()))
    unknown = summary.unknown_modalities
    return "\n".join(
        [
            f"samples      {summary.samples:,} ({_counts(summary.splits)})",
            f"answers      {_counts(summary.question_types)}",
            f"modalities   {_counts({name or 'not stated': n for name, n in summary.modalities.items()})}",
            *(
                [f"unknown      {_counts(unknown)}: no modality of the vocabulary, kept as they are"]
                if unknown
                else []
            ),
            f"images       {summary.images:,} ({summary.image_bytes / 2**20:,.0f} MiB)",
            f"refused      {refused:,}" + (f" ({reasons}); see {folder / QUARANTINE}" if refused else ""),
            f"fingerprint  {summary.fingerprint[:12]}",
            f"corpus       {folder}",
        ]
    )


def _counts(table: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in sorted(table.items()))


def missing(wanted: Specification) -> list[str]:
    """One line for every card whose data is not on this machine, with the way to get it."""
    return catalogue.missing(wanted.cards, Path(wanted.data_root))


def results(wanted: Specification, left: Iterator[Chunk], *, workers: int) -> Iterator[list[Outcome]]:
    """What comes of each chunk, in their order."""
    if workers <= 1:
        yield from (chunks.work(wanted, chunk) for chunk in left)
        return
    waiting: deque[tuple[Chunk, Future[list[Outcome]]]] = deque()
    # A family of the user's own is on no path of a process that is not forked.
    with ProcessPoolExecutor(workers, initializer=components, initargs=(FAMILIES,)) as pool:
        for chunk in left:
            waiting.append((chunk, pool.submit(chunks.work, wanted, chunk)))
            if len(waiting) >= workers * _AHEAD:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(chunk: Chunk, future: Future[list[Outcome]]) -> list[Outcome]:
    try:
        return future.result()
    except BrokenProcessPool:
        raise DataError(
            f"a process died while reading, at or soon after {chunk.where}: out of memory, or a file that crashes its "
            "decoder; run again with one thread (cluster.threads=1, --workers 1) to see which"
        ) from None


def _rows(writer: Writer) -> int:
    return sum(writer.counts("cards").values()) + sum(writer.counts("refused/cards").values())


def _check_empty(writer: Writer, wanted: Specification) -> None:
    """A card of rows that has none is a wrong file or a filter that nothing passes, found here and not in training."""
    for (name, splits), card in zip(wanted.splits, wanted.loaded(), strict=True):
        if not isinstance(layouts.of(card), PictureLayout) and not (
            writer.counts("cards").get(name) or writer.counts("refused/cards").get(name)
        ):
            read = ", ".join(own for own, _ in splits)
            raise DataError(
                f"{name}: no row in split {read}: its files hold none, or `fields` leaves out all"
            )


def _check_refused(writer: Writer, most: float, *, least: int) -> None:
    kept: Mapping[str, int] = writer.counts("cards")
    for name, refused in writer.counts("refused/cards").items():
        seen = refused + kept.get(name, 0)
        # Of few rows a share is less than one, and one bad row shall not cost the others; a share of 0 allows none.
        allowed = math.ceil(Fraction(str(most)) * seen)
        if seen >= least and refused > allowed:
            raise DataError(
                f"{name}: {refused:,} of {seen:,} rows refused, more than most_refused={most:g}; the last: "
                f"{writer.last_refused}; all are in {writer.folder / QUARANTINE}"
            )
