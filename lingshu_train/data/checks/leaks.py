"""Patients and pictures that stand in two splits of one card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks.findings import Findings
from lingshu_train.data.checks.pictures import Pictures, named
from lingshu_train.data.corpus import leaks
from lingshu_train.data.corpus.seen import Occurrence, Seen
from lingshu_train.data.rows.row import Row

GROUP, PICTURE = "rows whose group is in another split", "pictures that are in another split"


@dataclass(slots=True, kw_only=True)
class Leaks:
    """Takes the rows of a card, split after split. What the card declares, by naming itself among its `overlaps`, is known and
    counted in rows; the rest is told row by row, and picture by picture."""

    card: Card
    seen: Seen
    pictures: Pictures
    found: Findings
    rows: Counter[str] = field(default_factory=Counter)
    shared: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def declared(self) -> bool:
        return self.card.name in self.card.lingshu.overlaps

    def take(self, row: Row, here: Occurrence) -> None:
        """A row that is kept, its pictures looked at."""
        self.rows[here.split] += 1
        with_group = self._group(row, here)
        others = [with_group, *self._pictured(row, here)]
        other = next(filter(None, others), None)
        if other and self.declared:
            what = "group" if with_group else "picture"
            self.shared[here.split, other.split] += 1
            self.first.setdefault((here.split, other.split), f"a {what} of {here.where} is in {other.where}")

    def close(self) -> None:
        """Tell what was declared, after the last row."""
        for (split, other), count in self.shared.items():
            self.found.known.append(
                f"{self.card.name}: {count:,} of {self.rows[split]:,} rows of {split} have a group or a picture that is in "
                f"{other} too; the first: {self.first[split, other]}"
            )

    def _group(self, row: Row, here: Occurrence) -> Occurrence | None:
        """Where the row's group was met in another split."""
        met = leaks.group(self.seen, here, row.sample.group)
        if met and not self.declared:
            self.found.leak(str(met), kind=GROUP, split=f"{here.card} {here.split}")
        return met.first if met else None

    def _pictured(self, row: Row, here: Occurrence) -> list[Occurrence]:
        """Where the row's pictures were met in other splits. Each file is told once."""
        others = []
        for picture in row.images:
            digest = self.pictures.of(picture).digest
            met = leaks.picture(self.seen, here, name=picture.name, digest=digest)
            again = self.seen.add("file", f"{here.card} {here.split} {named(picture)}", here)
            self.found.counts["pictures"] += again is None
            if met is None:
                continue
            others.append(met.first)
            if not again and not self.declared:
                self.found.leak(str(met), kind=PICTURE, split=f"{here.card} {here.split}")
        return others
