"""`lingshu data check`: a card against itself, its data against the card, its splits against each other.

Every row gets the verdict that `prepare` would give it, by the same function and in the same words.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from lingshu_train.bars import bar
from lingshu_train.data.cards import alike, fetched, packed, presence, variants
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import overlap
from lingshu_train.data.checks.findings import Findings, Report
from lingshu_train.data.checks.pictures import Pictures
from lingshu_train.data.checks.splits import Rows
from lingshu_train.data.corpus import faults, specification, stated
from lingshu_train.data.corpus.seen import Seen, notebook
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.tolerance import MOST_REFUSED
from lingshu_train.data.rows import layouts
from lingshu_train.data.rows.layouts import PictureLayout
from lingshu_train.data.rows.row import SplitFiles
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.model import shape
from lingshu_train.model.settings import FAMILY
from lingshu_train.model.shape import PictureBudget, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the rows are held against, with the defaults of `prepare`: a family's models, the pixels that they take (None: the
    family's), the least side of a picture, the share of rows of a split that may be refused, and whether a part of the set lies
    here on purpose."""

    model: type[Shape] | None = None
    budget: PictureBudget | None = None
    least_side: int = 1
    most_refused: float = MOST_REFUSED
    part: bool = False

    def specification(self, card: Card, splits: list[str], data_root: Path) -> Specification:
        """The corpus that would be made of the card."""
        model = self.model or shape.of(FAMILY)
        return specification.of_rows(
            [card.name],
            splits,
            data_root=data_root,
            least_side=self.least_side,
            model=model,
            budget=self.budget or model.published_budget(),
            part=self.part,
        )


def check(
    card: Card,
    data_root: Path,
    *,
    sample: int | None = None,
    folder: Path | None = None,
    splits: list[str] | None = None,
    terms: Terms = Terms(),
) -> Report:
    """Check a card of `folder` and its data, all splits or some. `sample`: decode only so many pictures of each split.

    Rows are read a few at a time, and what must be remembered of them is kept on disk: memory does not grow with the set.
    UsageError (64): no such split.
    """
    found, root = Findings(), cards.root(card, data_root)
    for line in faults.of_card(card, folder=folder):
        found.problem(line)
    found.card += faults.lacking(card)
    fields = _fields(card, root)
    if root is None:
        found.problem(presence.how_to_get(card, data_root), missing=True)
        return found.report(absent=True)
    with bar(title="files", unit="file", total=None, shown=sys.stderr.isatty()) as progress:
        changed = list(fetched.problems(card, root, again=True, tell=progress.update))
    for line in changed:
        found.problem(line)
    if isinstance(fields, SplitFiles):
        specification.check_splits(card, splits or ())
        chosen = splits or _chosen(card, root, fields, found, part=terms.part)
        wanted = terms.specification(card, chosen, data_root)
        found.placed += alike.seen(card.folder(data_root), root, [fields.files[split] for split in chosen])
        with notebook() as seen:
            pictures = Pictures(seen=seen, wanted=wanted, decode=sample is None)
            rows = Rows(
                card=card,
                root=root,
                found=found,
                pictures=pictures,
                most_refused=terms.most_refused,
                excuse="" if changed and not terms.part else stated.excuse(card, root, part=terms.part),
            )
            for split in chosen:
                rows.split(split, wanted, sample=sample)
            rows.leaks.close()
            _overlaps(card, data_root, folder, seen=seen, wanted=wanted, found=found)
        # Archives that were unpacked may stay where they are: they are told of where something is wrong.
        suspected = found.counts["refused"] and found.counts["problems"]
        archives = packed.archives(card, root) if suspected else []
        if archives and fetched.read(fetched.home(card, root)) is None:
            found.problem(
                f"{root}: archives of the card lie there ({len(archives)}, {archives[0].path.name} the first); if they are "
                f"still packed: lingshu data unpack {card.name}"
            )
    elif fields is not None:
        _pictures_only(card, root, found)
    return replace(found.report(), layout=variants.told(card, root))


def _chosen(card: Card, root: Path, fields: SplitFiles, found: Findings, *, part: bool) -> list[str]:
    """The splits that are checked where none is named: all, or of a part of the set those that have files; the others are told
    of."""
    here = specification.here(card, root) if part else tuple(fields.files)
    found.differs += [
        f"{card.name} {split}: none of its files is here; {stated.PART}"
        for split in fields.files
        if split not in here
    ]
    return list(here)


def _fields(card: Card, root: Path | None) -> object:
    """The `fields` block of the layout that lies there, as its format reads it; None where it is wrong, which is told."""
    try:
        return layouts.fields(card, root)
    except DataError:
        return None


def _overlaps(
    card: Card, data_root: Path, folder: Path | None, *, seen: Seen, wanted: Specification, found: Findings
) -> None:
    """What the card itself declares is known; the rest is a problem."""
    for other in overlap.others(card, folder):
        root = cards.root(other, data_root)
        if root is not None:
            common = overlap.shared(card, other, root, seen=seen, wanted=wanted)
            found.differs += common.untold
            if other.name in card.lingshu.overlaps:
                found.known.extend(common.lines)
            else:
                for line in common.lines:
                    found.problem(line)


def _pictures_only(card: Card, root: Path, found: Findings) -> None:
    """A card of labelled pictures: its format checks each against its sha256 and decodes it."""
    layout = layouts.of(card)
    assert isinstance(layout, PictureLayout), "it has no rows"
    try:
        for _ in layout.pictures(card, root):
            found.counts["pictures"] += 1
            found.counts["decoded"] += 1
    except (DataError, MissingInput) as fault:
        found.problem(str(fault))
