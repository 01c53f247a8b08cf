"""The rows of a card, each with its verdict; and each split as a whole, as if it were prepared by itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lingshu_train import vocabulary
from lingshu_train.bars import bar
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks.findings import Findings
from lingshu_train.data.checks.judging import Judged, Judging
from lingshu_train.data.checks.leaks import Leaks
from lingshu_train.data.checks.pictures import Pictures, named
from lingshu_train.data.corpus import faults, stated, tolerance
from lingshu_train.data.corpus.seen import Occurrence
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.stated import Counted
from lingshu_train.data.corpus.writer import Kept, LeftOut, Refused
from lingshu_train.data.rows import reading
from lingshu_train.errors import DataError, MissingInput


@dataclass(slots=True)
class _Tally:
    """Rows of one split. `missed`: those of the publisher's that the card skips. `last`: the latest that was refused.
    `stopped`: why `prepare` would stop. `torn`: the files could not be read to the end."""

    kept: int = 0
    refused: int = 0
    missed: int = 0
    last: str = ""
    stopped: str = ""
    torn: bool = False


class Rows:
    """The rows of a card, split by split: each gets its verdict, and each split what `prepare` would say of it alone."""

    def __init__(
        self,
        *,
        card: Card,
        root: Path,
        found: Findings,
        pictures: Pictures,
        most_refused: float,
        excuse: str,
    ) -> None:
        """`excuse`: why it is no fault of the data that it is not what the card states (`stated.excuse`); empty: it may be."""
        self.card, self.root, self.found = card, root, found
        self.pictures, self.seen = pictures, pictures.seen
        self.leaks = Leaks(card=card, seen=self.seen, pictures=pictures, found=found)
        self.most, self.excuse = most_refused, excuse

    def split(self, split: str, wanted: Specification, *, sample: int | None) -> None:
        """Every row of one split gets its verdict; then the split as a whole."""
        name, total = f"{self.card.name} {split}", stated.of(self.card, self.root, split).rows
        tally = _Tally()
        judging = Judging(
            card=self.card,
            split=split,
            wanted=wanted,
            pictures=self.pictures,
            sample=sample,
            after_chunk=lambda: self._watch(name, tally, least=tolerance.EARLY),
        )
        with bar(title=name, unit="row", total=total, shown=sys.stderr.isatty()) as progress:
            try:
                for judged in judging.rows(reading.open(self.card, self.root, split=split)):
                    self._row(judged, split, tally)
                    progress.update(not judged.again)
            except (DataError, MissingInput) as fault:
                tally.torn = True
                self.found.problem(str(fault), missing=isinstance(fault, MissingInput))
        self.found.counts["rows"] += tally.kept
        self.found.counts["skipped"] += self.found.skipped[name].total()
        self._whole(split, tally)

    def _row(self, judged: Judged, split: str, tally: _Tally) -> None:
        name, outcome = f"{self.card.name} {split}", judged.outcome
        if isinstance(outcome, LeftOut):
            self.found.skipped[name][outcome.reason] += 1
            tally.missed += outcome.stated
            if outcome.told:
                self.found.lack(str(outcome), split=name)
        elif isinstance(outcome, Refused):
            tally.refused += 1
            tally.kept -= judged.again
            tally.last = str(outcome)
            self.found.refuse(tally.last, split=name)
        elif judged.row is not None and isinstance(outcome, Kept):
            self._kept(judged, outcome, split, tally)

    def _kept(self, judged: Judged, kept: Kept, split: str, tally: _Tally) -> None:
        name, found, row = f"{self.card.name} {split}", self.found, judged.row
        assert row is not None, "a row that is kept was read"
        here = Occurrence(card=self.card.name, split=split, where=judged.line.where)
        for picture in row.images:
            if self.pictures.of(picture).decoded:
                found.counts["decoded"] += self.seen.add("decoded", f"{name} {named(picture)}", here) is None
        if judged.again:
            return
        tally.kept += 1
        # In the publisher's spelling where the vocabulary has no word, and without the card's own, which stands for all.
        found.modalities[name][vocabulary.modality(row.sample.modality)] += 1
        found.answers[name][row.sample.question_type] += 1
        found.notes[name].update(row.notes)
        found.otherwise[name].update(row.told)
        found.counts["answers verified"] += kept.sample.question_type != "free"
        self.leaks.take(row, here)

    def _watch(self, name: str, tally: _Tally, *, least: int) -> None:
        """Where `prepare` would stop, by now or at the end, for the rows that are refused."""
        tally.stopped = tally.stopped or tolerance.too_many(
            name, refused=tally.refused, kept=tally.kept, most=self.most, last=tally.last, least=least
        )

    def _whole(self, split: str, tally: _Tally) -> None:
        """The split against `prepare`, which would stop at it, and against what the card states of it."""
        found = self.found
        counted = Counted(
            kept=tally.kept,
            refused=tally.refused,
            missed=tally.missed,
            skipped=found.skipped[f"{self.card.name} {split}"],
            last=tally.last,
        )
        verdict = faults.of_split(
            self.card,
            self.root,
            split,
            counted,
            most=self.most,
            excuse=self.excuse,
            torn=tally.torn,
            stopped=tally.stopped,
        )
        for line in verdict.problems:
            found.problem(line)
        found.differs += verdict.differs
        if verdict.advice and (line := f"{self.card.name}: {verdict.advice}") not in found.differs:
            found.differs.append(line)
