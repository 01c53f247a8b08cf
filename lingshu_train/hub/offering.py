"""`lingshu data fetch` without --yes: what a download would bring, from where, and what a person must do first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from lingshu_train.data.cards import fetched
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.parts import Part
from lingshu_train.hub import fetch
from lingshu_train.hub.fetch import State

Turn = Literal["here", "fetch", "person"]
"""Whose turn it is: nobody's, the command's, or a person's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One source of a card. `bytes`: the size of what comes, None where it is not known; `stated`: by the publisher, perhaps
    rounded, and not by the card for each file. `first`: what a person must do before, or instead, and `why`: the data is
    gated or credentialed, or got by hand. `licence`: the card's; empty for its further sources."""

    card: str
    source: str
    turn: Turn
    revision: str
    licence: str
    access: str
    files: str
    bytes: int | None
    stated: bool
    unpack: str
    into: str
    why: str
    first: str

    @property
    def size(self) -> str:
        """The size for a reader."""
        if self.bytes is None:
            return "not known before"
        return f"{self.bytes:,} bytes{_large(self.bytes)}" + (
            ", as the publisher states" if self.stated else ""
        )


def of(card: Card, data_root: Path) -> tuple[Offered, ...]:
    """What would come from each source of a card. Asks no server."""
    present, record = fetch.present(card, data_root), fetched.read(card.folder(data_root))
    found = fetch.states(card, data_root, record)
    return tuple(_offered(state, data_root, here=present or state.here) for state in found)


def _offered(state: State, data_root: Path, *, here: bool) -> Offered:
    part = state.part
    source, found = part.source, fetch.way(part).offer(part)
    unpinned = source.kind == "hub" and not source.revision
    return Offered(
        card=part.card.name,
        source=f"{source.kind} {', '.join((source.name, *source.also))}",
        turn="here" if here else "person" if state.first else "fetch",
        revision=source.revision
        or ("not pinned: today's will be fetched and written down" if unpinned else "none"),
        licence=str(part.card.lingshu.licence) if part.own else "",
        access=part.access,
        files=found.what,
        bytes=source.bytes if found.size is None else found.size,
        stated=found.size is None and source.bytes is not None,
        unpack=", ".join(map(str, source.unpack)) or "nothing",
        into=str(part.card.folder(data_root) / part.into),
        why=_why(part) if state.first and not here else "",
        first="" if here or not state.first else str(state.first).removeprefix(f"{part.label}: "),
    )


def _why(part: Part) -> str:
    return "by hand" if part.by_hand or part.source.kind == "package" else part.access


def text(found: Sequence[Offered]) -> str:
    """The sources of a card, one fact a line."""
    if all(one.turn == "here" for one in found):
        return f"{found[0].card}: is here already ({found[0].into})"
    return "\n".join(line for number, one in enumerate(found) for line in _lines(one, further=number > 0))


def _lines(one: Offered, *, further: bool) -> Iterator[str]:
    yield f"{one.card}, further source" if further else one.card
    if one.turn == "here":
        yield f"  {'source':<9} {one.source}: is here already ({one.into})"
        return
    facts = {
        "source": one.source,
        "revision": one.revision,
        **({"licence": one.licence} if one.licence else {}),
        "access": one.access,
        **({"files": one.files} if one.files else {}),
        "size": one.size,
        "unpack": one.unpack,
        "into": one.into,
        **({"first": one.first} if one.first else {}),
    }
    yield from (f"  {name:<9} {value}" for name, value in facts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Cards by whose turn it is for them. `why`: for how many sources it is a person's, by reason. `bytes`: the size of what
    the command would fetch, as far as it is known, and of how many sources it is not."""

    here: int
    fetch: int
    person: int
    why: dict[str, int]
    bytes: int
    sizes_not_known: int

    def __str__(self) -> str:
        unknown = f", and {self.sizes_not_known} sources of unknown size" if self.sizes_not_known else ""
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.why.items())
        first = f" that need you first ({reasons})" if reasons else " that need you first"
        return (
            f"{self.here + self.fetch + self.person} cards: {self.here} here already, {self.fetch} to fetch, "
            f"{self.person}{first}; {self.bytes:,} bytes{_large(self.bytes)} to fetch as far as known{unknown}"
        )


def totals(found: Iterable[Sequence[Offered]]) -> Totals:
    """A card is a person's turn where one of its sources is."""
    offers = list(found)
    turns = [{one.turn for one in card} for card in offers]
    coming = [one for card in offers for one in card if one.turn == "fetch"]
    return Totals(
        here=sum(turn == {"here"} for turn in turns),
        fetch=sum("fetch" in turn and "person" not in turn for turn in turns),
        person=sum("person" in turn for turn in turns),
        why=dict(sorted(Counter(one.why for card in offers for one in card if one.why).items())),
        bytes=sum(one.bytes or 0 for one in coming),
        sizes_not_known=sum(one.bytes is None for one in coming),
    )


def names(found: Iterable[Sequence[Offered]]) -> Iterator[str]:
    """The cards by whose turn it is, a line for each that has any: those to fetch, and those that need a person, by reason."""
    lines: dict[str, list[str]] = {}
    for card in found:
        whys = dict.fromkeys(one.why for one in card if one.why)
        if not whys and any(one.turn == "fetch" for one in card):
            whys = {"to fetch": None}
        for why in whys:
            lines.setdefault(why, []).append(card[0].card)
    for why in ("to fetch", *sorted(set(lines) - {"to fetch"})):
        if cards := lines.get(why):
            yield f"{why}: {', '.join(cards)}"


def _large(size: int) -> str:
    """A large number of bytes for a reader; empty for a small one."""
    for unit, one in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= one:
            return f" ({size / one:.3g} {unit})"
    return ""


def plain(one: Offered | Totals) -> dict[str, JsonValue]:
    """For machines."""
    return {name: getattr(one, name) for name in one.__slots__}
