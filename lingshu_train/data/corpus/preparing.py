"""Data cards to a corpus: read, judge, encode in parallel; write in order; quarantine what is bad.

Work is cut into numbered chunks whose results do not depend on who does them or when, so that any number of processes
writes the same corpus, and a run that was killed goes on with the first chunk that is not on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import lingshu_train
from lingshu_train.bars import bar
from lingshu_train.data.cards import alike, catalogue, fetched, variants
from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus import chunks, comparing, corpus, faults, shared, stated, tolerance
from lingshu_train.data.corpus.chunks import Chunk
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.summary import SUMMARY, Summary
from lingshu_train.data.corpus.taught import Taught
from lingshu_train.data.corpus.writer import QUARANTINE, Outcome, Writer
from lingshu_train.data.rows import layouts
from lingshu_train.data.rows.layouts import PictureLayout
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components, digest
from lingshu_train.runs import processes
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import link_file, write_json

_AHEAD = 4
"""Chunks in flight per process: enough to keep all busy, few enough to bound memory."""


def prepare(
    folder: Path,
    wanted: Specification,
    *,
    workers: int,
    most_refused: float,
    cluster: Cluster | None = None,
) -> Summary:
    """Write the corpus that `wanted` specifies into `folder`, or go on with it. Chunks are done by `workers` processes of this
    machine, or by the tasks of the executor that `cluster` names; this process alone writes.

    Raises MissingInput (66) where a card's data is not here, DataError (65) at whatever `lingshu data check` would refuse of
    these splits: more than the share `most_refused` of a split's rows, rounded up to whole rows; a split of which nothing is
    left, or not what the card states; a patient or a picture in two splits (`comparing`).
    """
    if (folder / SUMMARY).is_file():
        shared.remove(folder)
        return corpus.read_summary(folder)
    refuse(wanted)
    for card in wanted.loaded():
        if changed := next(fetched.problems(card, wanted.folder(card), again=False), ""):
            raise DataError(changed)
    against = comparing.of(wanted)
    with closing(Writer(folder)) as writer:
        found = _results(folder, wanted, against, writer, workers=workers, cluster=cluster)
        with bar(title="prepare", unit="row", total=chunks.expected(wanted), done=_rows(writer)) as progress:
            for outcomes in found:
                writer.add(outcomes)
                progress.set_postfix({"images": f"{writer.images:,}"}, refresh=False)
                progress.update(len(outcomes))
                _stop(writer, wanted, most_refused)
                comparing.stop(writer, against)
        differs = _whole(writer, wanted, most_refused)
        comparing.stop(writer, against)
        comparing.stop_at_others(writer, wanted, against)
        licences = {name: cards.load(name).lingshu.licence.id for name in wanted.cards}
        summary = writer.finish(
            licences=licences,
            budget=wanted.budget,
            control_tokens=wanted.control,
            layouts=_seen(writer, wanted),
            differs=differs,
        )
    shared.remove(folder)
    return summary


def _results(
    folder: Path,
    wanted: Specification,
    against: Collection[str],
    writer: Writer,
    *,
    workers: int,
    cluster: Cluster | None,
) -> Iterator[list[Outcome]]:
    """What comes of the chunks that are not written, in order."""
    if cluster is None or cluster.executor == "local":
        left = islice(chunks.chunks(wanted, against), writer.done, None)
        return results(wanted, left, workers=workers)
    place = folder / f"{shared.FOLDER}{name(wanted).rpartition('-')[2]}"
    return shared.results(place, wanted, against, writer, cluster=cluster)


def refuse(wanted: Specification) -> None:
    """What can be told before anything is written. RecipeError (78): the cards hold no rows. MissingInput (66): their data is
    not here. DataError (65): a card contradicts itself; of a download something is missing or was changed, or it is of another
    revision than the card."""
    for card in wanted.loaded():
        if not wanted.asked and isinstance(layouts.of(card), PictureLayout):
            raise RecipeError(
                f"{card.name}: holds labelled pictures and no rows; a recipe's `questions` are asked of them"
            )
    absent = missing(wanted)
    if absent:
        raise MissingInput("; ".join(absent))
    for card in wanted.loaded():
        if fault := next(faults.of_card(card), ""):
            raise DataError(fault)
    for card in wanted.loaded():
        if other := next(fetched.another(card, wanted.folder(card)), ""):
            raise DataError(other)


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
    # Left out where there is none, so that other corpora keep their names.
    content |= {"layouts": layouts} if (layouts := _layouts(wanted)) else {}
    del content["data_root"]
    for key in ("part", "made"):
        if not content[key]:
            del content[key]
    more = f"-and-{len(wanted.cards) - 1}-more" if len(wanted.cards) > 1 else ""
    return f"{wanted.cards[0]}{more}-{digest([lingshu_train.__version__, content])[:12]}"


def _layouts(wanted: Specification) -> dict[str, str]:
    """Of each card that knows several layouts of its data, which lies in its folder. Cards whose data is not here have none."""
    here = (
        (card, cards.root(card, Path(wanted.data_root))) for card in wanted.loaded() if card.lingshu.variants
    )
    return {card.name: variants.told(card, root) for card, root in here if root is not None}


def _seen(writer: Writer, wanted: Specification) -> dict[str, str]:
    """Of each card that lies otherwise than it says, or knows several layouts: what was read."""
    variant, found = _layouts(wanted), dict[str, str]()
    for (name, splits), card in zip(wanted.splits, wanted.loaded(), strict=True):
        folder, root = card.folder(Path(wanted.data_root)), wanted.folder(card)
        files = card.files_of(variants.seen(card, root)) if card.files else {}
        lines = alike.seen(folder, root, [files[own] for own, _ in splits if own in files])
        lines += [f"{line} ({count:,} rows)" for line, count in writer.otherwise(name).items()]
        if told := "; ".join(filter(None, (variant.get(name, ""), *lines))):
            found[name] = told
    return found


def text(summary: Summary, folder: Path, counted: Mapping[str, Taught] | None = None) -> str:
    """The corpus for a reader, one line a fact. `counted`: what each card teaches, where a tokenizer was at hand."""
    refused = sum(summary.refused.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(summary.refused.items()))
    unknown = summary.unknown_modalities
    return "\n".join(
        [
            f"samples      {summary.samples:,} ({_counts(summary.splits)})",
            f"answers      {_counts(summary.question_types)}",
            *(
                f"taught       {summary.answers[card]:,} answers of {rows:,} rows of {card}{_tokens(card, counted)}"
                for card, rows in sorted(summary.cards.items())
            ),
            *([] if counted is not None else ["tokens       not counted: name the model's --tokenizer"]),
            f"modalities   {_counts({name or 'not stated': n for name, n in summary.modalities.items()})}",
            *(
                [f"unknown      {_counts(unknown)}: no modality of the vocabulary, kept as they are"]
                if unknown
                else []
            ),
            f"images       {summary.images:,} ({summary.image_bytes / 2**20:,.0f} MiB)",
            *(f"layout       {card}: {layout}" for card, layout in sorted(summary.layouts.items())),
            *(f"differs      {line}" for _, line in sorted(summary.differs.items())),
            f"refused      {refused:,}" + (f" ({reasons}); see {folder / QUARANTINE}" if refused else ""),
            *_by_card("skipped", summary.skipped),
            *_by_card("not whole", summary.notes),
            f"fingerprint  {summary.fingerprint[:12]}",
            f"corpus       {folder}",
        ]
    )


def _tokens(card: str, counted: Mapping[str, Taught] | None) -> str:
    """What the answers of a card are of all its tokens."""
    found = (counted or {}).get(card)
    return f": {found.taught:,} of {found.tokens:,} tokens" if found else ""


def _by_card(what: str, tables: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A line for each card."""
    yield from (
        f"{what:<12} {sum(table.values()):,} of {card} ({_counts(table)})"
        for card, table in sorted(tables.items())
    )


def _counts(table: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in sorted(table.items()))


def missing(wanted: Specification) -> list[str]:
    """One line for every card whose data is not on this machine, with the way to get it."""
    made = dict(wanted.made)
    return catalogue.missing([name for name in wanted.cards if name not in made], Path(wanted.data_root))


def results(wanted: Specification, left: Iterator[Chunk], *, workers: int) -> Iterator[list[Outcome]]:
    """What comes of each chunk, in their order."""
    if workers <= 1:
        yield from (chunks.work(wanted, chunk) for chunk in left)
        return
    waiting: deque[tuple[Chunk, Future[list[Outcome]]]] = deque()
    with ProcessPoolExecutor(workers, initializer=begin) as pool:
        for chunk in left:
            waiting.append((chunk, pool.submit(chunks.work, wanted, chunk)))
            if len(waiting) >= workers * _AHEAD:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def begin() -> None:
    """What each process of a pool does first. It ends with the one that started it, which may be killed."""
    processes.end_with_parent()
    # A family of the user's own is on no path of a process that is not forked.
    components(FAMILIES)


def _result(chunk: Chunk, future: Future[list[Outcome]]) -> list[Outcome]:
    try:
        return future.result()
    except BrokenProcessPool:
        raise DataError(
            f"a process died while reading, at or soon after {chunk.where}: out of memory, or a file that crashes its "
            "decoder; run again with one process (cluster.workers=1, --workers 1) to see which"
        ) from None


def _rows(writer: Writer) -> int:
    return sum(sum(writer.counts(what).values()) for what in ("cards", "refused/cards", "cards/skipped"))


def _stop(writer: Writer, wanted: Specification, most: float) -> None:
    """DataError: of a split too many rows are refused by now."""
    for name, splits in wanted.splits:
        for own, _ in splits:
            found = writer.counted(name, own)
            fault = tolerance.too_many(
                f"{name} {own}",
                refused=found.refused,
                kept=found.kept,
                most=most,
                last=found.last,
                least=tolerance.EARLY,
            )
            if fault:
                raise DataError(_aside(writer, fault))


def _whole(writer: Writer, wanted: Specification, most: float) -> dict[str, str]:
    """Split by split what differs from the card, and what may be the reason. DataError: what stops it (`faults.of_split`)."""
    differs = {}
    for (name, splits), card in zip(wanted.splits, wanted.loaded(), strict=True):
        for own, _ in splits if card.files else ():
            root, found = wanted.folder(card), writer.counted(name, own)
            excuse = stated.excuse(card, root, part=name in wanted.part)
            verdict = faults.of_split(card, root, own, found, most=most, excuse=excuse)
            if verdict.problems:
                told = _aside(writer, verdict.problems[0]) if found.refused else verdict.problems[0]
                raise DataError("; ".join(filter(None, (told, verdict.advice))))
            if verdict.differs:
                differs[f"{name} {own}"] = "; ".join(verdict.differs)
    return differs


def _aside(writer: Writer, fault: str) -> str:
    return f"{fault}; all are in {writer.folder / QUARANTINE}"
