"""`lingshu data check`: a card against itself, its data against the card, and its splits against each other."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lingshu_train import vocabulary
from lingshu_train.bars import bar
from lingshu_train.data import forgery
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched, patterns, presence
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import overlap
from lingshu_train.data.checks.pictures import Examined, Pictures
from lingshu_train.data.checks.seen import Occurrence, Seen, notebook
from lingshu_train.data.rows import layouts, reading
from lingshu_train.data.rows.layouts import PictureLayout
from lingshu_train.data.rows.row import Row, SplitFiles
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.model import shape
from lingshu_train.model.settings import FAMILY
from lingshu_train.naming import file_digest
from lingshu_train.verify import gold_problem

SHOWN = 20
"""Problems of one kind in one split that get a line each; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. `absent`: the data is not on this machine. `known`: overlaps that the card itself declares. `unknown`:
    modalities that the vocabulary has no word for, with the rows that have them; they are kept, and no recipe can name them.
    `answers`: of each split, how many are of which type, stated or guessed.
    """

    problems: tuple[str, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    answers: tuple[str, ...]
    counts: dict[str, int]
    absent: bool

    @property
    def summary(self) -> str:
        """What was looked at, and how many problems there are."""
        names = {
            "rows": "row",
            "answers verified": "answer verified",
            "pictures": "picture",
            "decoded": "decoded",
        }
        counts = {name: self.counts.get(name, 0) for name in names} if not self.absent else {}
        seen = [f"{count:,} {names[name] if count == 1 else name}" for name, count in counts.items()]
        count = self.counts.get("problems", 0)
        found = f"{count:,} problem{'s' * (count != 1)}" if count else "whole"
        return ", ".join([*seen, found])

    @property
    def exit_code(self) -> int:
        return 66 if self.absent else 65 if self.problems else 0


@dataclass(slots=True)
class _Findings:
    """Lines as they come; of each kind in each split the first ones, and how many more there were."""

    lines: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    modalities: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, line: str, *, kind: str = "", split: str = "") -> None:
        self.counts["problems"] += 1
        if kind:
            self.kinds[kind, split] += 1
        if not kind or self.kinds[kind, split] <= SHOWN:
            self.lines.append(line)

    def report(self, *, absent: bool) -> Report:
        more = [
            f"{split}: {count - SHOWN:,} more {kind}"
            for (kind, split), count in self.kinds.items()
            if count > SHOWN
        ]
        return Report(
            problems=(*self.lines, *more),
            known=tuple(self.known),
            unknown=tuple(
                line for split, counts in self.modalities.items() for line in _unknown(split, counts)
            ),
            answers=tuple(
                f"{split}: {', '.join(f'{kind} {count:,}' for kind, count in counts.most_common())}"
                for split, counts in self.answers.items()
            ),
            counts=dict(self.counts),
            absent=absent,
        )


def _unknown(split: str, modalities: Mapping[str, int]) -> Iterator[str]:
    """A line for each of the commonest words that are no modality of the vocabulary, and how many more there are."""
    words = Counter(vocabulary.unknown(modalities)).most_common()
    yield from (f"{split}: modality {word!r} of {count:,} rows" for word, count in words[:SHOWN])
    if len(words) > SHOWN:
        yield f"{split}: {len(words) - SHOWN:,} more modalities"


def check(card: Card, data_root: Path, *, sample: int | None = None, folder: Path | None = None) -> Report:
    """Check a card of `folder` and its data. `sample`: decode only so many pictures of each split.

    Rows are read one by one, and what must be remembered of them is kept on disk: memory does not grow with the set.
    """
    found, root = _Findings(), cards.root(card, data_root)
    for line in _statement(card, folder):
        found.add(line)
    fields = _fields(card, found)
    if root is None:
        found.add(presence.how_to_get(card, data_root))
        return found.report(absent=True)
    with bar(title="files", unit="file", total=None, shown=sys.stderr.isatty()) as progress:
        for line in fetched.problems(card, root, lambda name: progress.update()):
            found.add(line)
    if isinstance(fields, SplitFiles):
        with notebook() as seen:
            for split in fields.files:
                _split(card, root, split, found=found, pictures=Pictures(seen, card, split, sample))
            _overlaps(card, data_root, folder, seen=seen, found=found)
    elif fields is not None:
        _pictures_only(card, root, found)
    return found.report(absent=False)


def _statement(card: Card, folder: Path | None) -> Iterator[str]:
    """Contradictions within the card."""
    block, where = card.lingshu, card.where
    for key in ("pretty_name", "license", "language", "task_categories"):
        if not card.hub.get(key):
            yield f"{where}: hub key {key!r} is missing"
    known = set(cards.names(folder)) if block.overlaps else set()
    for other in block.overlaps:
        if other not in known:
            yield f"{where}: lingshu.overlaps names {other!r}, which is no data card"
    if block.access == "credentialed":
        for permission in ("redistribute", "third_party_api"):
            if getattr(block.licence, permission) is not False:
                yield f"{where}: lingshu.licence.{permission} must be false for credentialed data"
    if block.source.kind in ("http", "local") and not block.source.how_to_get:
        yield f"{where}: lingshu.source.how_to_get is missing; say in one line how a user gets the data"
    if block.access == "open" and block.source.kind == "physionet":
        yield f"{where}: lingshu.access must be credentialed for PhysioNet data"


def _fields(card: Card, found: _Findings) -> object:
    """The `fields` block as its format reads it; None where the format is unknown or the block is wrong."""
    try:
        return layouts.fields(card)
    except DataError as fault:
        found.add(str(fault))
        return None


def _split(card: Card, root: Path, split: str, *, found: _Findings, pictures: Pictures) -> None:
    """Every row of one split: does it read, does its answer verify, is its group of this split alone."""
    name, stated = f"{card.name} {split}", card.lingshu.splits.get(split, cards.Split())
    reader, count, unread = reading.open(card, root, split=split), 0, 0
    with bar(title=name, unit="row", total=stated.rows, shown=sys.stderr.isatty()) as progress:
        try:
            for line in reader.lines():
                try:
                    rows = list(reader.rows(line))
                except (DataError, MissingInput) as fault:
                    found.add(str(fault), kind="rows that cannot be read", split=name)
                    unread += 1
                    continue
                for row in rows:
                    _row(row, Occurrence(card=card.name, split=split, where=line.where), found, pictures.seen)
                    _tell(pictures.take(row.images, line.where), name, found)
                count += len(rows)
                progress.update(len(rows))
        except (DataError, MissingInput) as fault:
            found.add(str(fault))
        _tell(pictures.rest(), name, found)
    found.counts["rows"] += count
    if stated.rows is not None and not stated.unverified and stated.rows != count:
        also = f" and {unread:,} that cannot be read" if unread else ""
        found.add(f"{name}: {count:,} rows{also}, the card states {stated.rows:,}")
    files = set(patterns.files(root, card.files[split]))
    if stated.sha256 and len(files) == 1 and file_digest(path := files.pop()) != stated.sha256:
        found.add(
            f"{path}: sha256 differs from the card's, so it is not the file "
            + (
                "that the card was written for"
                if card.lingshu.source.kind == "local"
                else f"of revision {card.lingshu.source.revision or 'none'} that the card describes"
            )
        )


def _row(row: Row, here: Occurrence, found: _Findings, seen: Seen) -> None:
    name = f"{here.card} {here.split}"
    found.modalities[name][vocabulary.modality(row.sample.modality)] += 1
    found.answers[name][row.sample.question_type] += 1
    whole = replace(row.sample, turns=tuple((turn.question, turn.answer) for turn in row.turns))
    forged = forgery.found(whole, shape.of(FAMILY).control)
    if forged:
        found.add(f"{here.where}: {forged}", kind="rows whose text is not all text", split=name)
    elif row.sample.question_type != "free":
        problem = gold_problem(row.sample)
        found.counts["answers verified"] += problem is None
        if problem:
            found.add(
                f"{here.where}: answer: {problem}", kind="answers that the verifier refuses", split=name
            )
    if row.sample.group:
        first = seen.add("group", row.sample.group, here)
        if first and first.split != here.split:
            found.add(
                f"{here.where}: group {row.sample.group!r} is in split {first.split} too ({first.where})",
                kind="rows whose group is in another split",
                split=name,
            )


def _tell(examined: Iterator[Examined], name: str, found: _Findings) -> None:
    for one in examined:
        found.counts["pictures"] += not one.again
        found.counts["decoded"] += one.decoded
        if one.fault:
            found.add(f"{one.where}: {one.fault}", kind="pictures that cannot be read", split=name)
        elif one.twin:
            found.add(
                f"{one.where}: picture {one.name} is in split {one.twin.split} too ({one.twin.where})",
                kind="pictures that are in another split",
                split=name,
            )


def _overlaps(card: Card, data_root: Path, folder: Path | None, *, seen: Seen, found: _Findings) -> None:
    """What the card itself declares is known; the rest is a problem."""
    for other in overlap.others(card, folder):
        root = cards.root(other, data_root)
        if root is not None:
            lines = overlap.shared(card, other, root, seen)
            if other.name in card.lingshu.overlaps:
                found.known.extend(lines)
            else:
                for line in lines:
                    found.add(line)


def _pictures_only(card: Card, root: Path, found: _Findings) -> None:
    """A card of labelled pictures: its format checks each against its sha256 and decodes it."""
    layout = layouts.of(card)
    assert isinstance(layout, PictureLayout), "it has no rows"
    try:
        for _ in layout.pictures(card, root):
            found.counts["pictures"] += 1
            found.counts["decoded"] += 1
    except (DataError, MissingInput) as fault:
        found.add(str(fault))
