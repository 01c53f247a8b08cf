"""What stops a card, or a split of it, for whoever prepares or checks it: the one place that says so, in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import stated, tolerance
from lingshu_train.data.corpus.stated import Counted
from lingshu_train.data.rows import layouts
from lingshu_train.errors import DataError


def of_card(card: Card, *, folder: Path | None = None) -> Iterator[str]:
    """What a card says against itself, its format or other cards (of `folder`, or all). What it only leaves unsaid is told by
    `lacking`."""
    block, where = card.lingshu, card.where
    known = set(cards.names(folder)) if block.overlaps else set()
    for other in block.overlaps:
        if other not in known:
            yield f"{where}: lingshu.overlaps names {other!r}, which is no data card"
    if block.access == "credentialed":
        for permission in ("redistribute", "third_party_api"):
            if getattr(block.licence, permission) is not False:
                yield f"{where}: lingshu.licence.{permission} must be false for credentialed data"
    if block.access == "open" and block.source.kind == "physionet":
        yield f"{where}: lingshu.access must be credentialed for PhysioNet data"
    try:
        for one in card.layouts:
            layouts.fields_of(card, one)
    except DataError as fault:
        yield str(fault)


def lacking(card: Card) -> Iterator[str]:
    """What a card should tell people and does not. No corpus depends on it, and nothing is refused for it."""
    block, where = card.lingshu, card.where
    for key in ("pretty_name", "license", "language", "task_categories"):
        if not card.hub.get(key):
            yield f"{where}: hub key {key!r} is missing"
    if block.source.kind in ("http", "local") and not block.source.how_to_get:
        yield f"{where}: lingshu.source.how_to_get is missing; say in one line how a user gets the data"
    for one in block.source.companions:
        if one.by_hand(one.access or block.access) and not one.how_to_get:
            yield f"{where}: lingshu.source.companions: {one.name}: how_to_get is missing; say how a user gets it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`problems` stop the split, `differs` are told; each line comes with `advice`, once, where there is any."""

    problems: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    advice: str = ""


def of_split(  # noqa: PLR0913 (all that a split is judged by)
    card: Card,
    root: Path,
    split: str,
    found: Counted,
    *,
    most: float,
    excuse: str,
    torn: bool = False,
    stopped: str = "",
) -> Verdict:
    """What is wrong with a split as a whole, after its last row. `most`: `most_refused`. `excuse`: why it is no fault of the
    data that it is not what the card states (`stated.excuse`); empty: it may be. `torn`: it could not be read to its end.
    `stopped`: that too many rows were refused before its end."""
    name = f"{card.name} {split}"
    many = stopped or tolerance.too_many(
        name, refused=found.refused, kept=found.kept, most=most, last=found.last
    )
    none = tolerance.none_left(card, (split,), refused=found.refused, kept=found.kept, skipped=found.skipped)
    problems = [many] if many else [none] if none and not torn else []
    differs, advice, stating = list[str](), stated.ADVICE.format(card=card.name), False
    recorded = stated.recorded(card, root)
    for line in (stated.difference(card, root, split, found), stated.other_file(card, root, split)):
        if line and recorded and not excuse:
            problems.append(line)
            stating = True
        elif line:
            differs.append(f"{line}; {excuse or advice}")
    return Verdict(problems=tuple(problems), differs=tuple(differs), advice=advice if stating else "")
