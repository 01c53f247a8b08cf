"""The data verbs: which cards there are, what one says, whether its data is sound, how to get it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data import card as cards
from lingshu_train.data import presence
from lingshu_train.data.card import Card
from lingshu_train.data.croissant import croissant
from lingshu_train.data.permissions import PERMISSIONS, Strictest, strictest

__all__ = ["Entry", "Strictest", "check", "croissant", "missing", "rows", "show", "strictest", "table"]

_ANSWER = {True: "yes", False: "no", None: "not known (treated as no)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the catalogue. `rows` is the sum over splits, None where a split states no count."""

    name: str
    title: str
    role: str
    access: str
    licence: str
    modality: tuple[str, ...]
    task: tuple[str, ...]
    format: str
    used_in: tuple[str, ...]
    rows: int | None
    present: bool


def rows(
    *,
    modality: str | None = None,
    task: str | None = None,
    access: str | None = None,
    present: bool | None = None,
    data_root: Path,
) -> list[Entry]:
    """The cards that match every filter given, by name. `modality` and `task` match part of a word."""
    entries = (_entry(cards.load(name), data_root) for name in cards.names())
    return [
        entry
        for entry in entries
        if _among(modality, entry.modality)
        and _among(task, entry.task)
        and access in (None, entry.access)
        and present in (None, entry.present)
    ]


def table(rows: Sequence[Entry]) -> str:
    """Aligned columns for a terminal, with a last line that counts."""
    if not rows:
        return "no data card matches"
    head = ("name", "role", "access", "licence", "rows", "data", "modality")
    lines = [
        (
            entry.name,
            entry.role,
            entry.access,
            entry.licence.removeprefix("LicenseRef-"),
            "?" if entry.rows is None else f"{entry.rows:,}",
            "present" if entry.present else "missing",
            _short(entry.modality),
        )
        for entry in rows
    ]
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head) - 1)]
    there = sum(entry.present for entry in rows)
    return "\n".join(
        [*(_aligned(line, widths) for line in [head, *lines]), f"{len(rows)} cards, data present for {there}"]
    )


def show(card: Card) -> str:
    """The card for a reader: its body, then what the machine-readable block says, one line each."""
    block = card.lingshu
    facts = [
        (
            "source",
            f"{block.source.kind} {block.source.name} {block.source.revision or '(revision not pinned)'}",
        ),
        ("access", block.access),
        ("licence", block.licence.id + (" (not read at the source)" if block.licence.unverified else "")),
        *((name, _ANSWER[getattr(block.licence, name)]) for name in PERMISSIONS),
        ("role", block.role),
        ("used in", ", ".join(block.used_in)),
        ("modality", ", ".join(block.modality)),
        ("body part", ", ".join(block.body_part)),
        ("task", ", ".join(block.task)),
        ("language", ", ".join(block.language)),
        ("answers", ", ".join(block.answer_type)),
        ("format", block.format),
        *((f"split {name}", _counts(split)) for name, split in block.splits.items()),
        ("overlaps", ", ".join(block.overlaps)),
        ("cite", "; ".join(block.citations)),
    ]
    width = max(len(name) for name, _ in facts) + 2
    return (
        card.body.strip()
        + "\n\n"
        + "\n".join(f"{name:<{width}}{value or 'not known'}" for name, value in facts)
    )


def check(card: Card, data_root: Path) -> list[str]:
    """What is wrong with a card and with its data on this machine, one line each; empty where all is well."""
    return [*_statement(card), *presence.problems(card, data_root)]


def missing(names: Sequence[str], data_root: Path) -> list[str]:
    """One line per named card without data on this machine: how to get it. Unknown names: RecipeError."""
    loaded = (cards.load(name) for name in names)
    return [presence.how_to_get(card, data_root) for card in loaded if cards.root(card, data_root) is None]


def _statement(card: Card) -> Iterator[str]:
    """Contradictions within the card."""
    block, where = card.lingshu, f"data_cards/{card.name}.md"
    for key in ("pretty_name", "license", "language", "task_categories"):
        if not card.hub.get(key):
            yield f"{where}: hub key {key!r} is missing"
    for other in block.overlaps:
        if not (cards.CARDS / f"{other}.md").is_file():
            yield f"{where}: lingshu.overlaps names {other!r}, which is no data card"
    if block.access == "credentialed":
        for permission in ("redistribute", "third_party_api"):
            if getattr(block.licence, permission) is not False:
                yield f"{where}: lingshu.licence.{permission} must be false for credentialed data"
    if block.source.kind in ("http", "local") and not block.source.how_to_get:
        yield f"{where}: lingshu.source.how_to_get is missing; say in one line how a user gets the data"
    if block.access == "open" and block.source.kind == "physionet":
        yield f"{where}: lingshu.access must be credentialed for PhysioNet data"


def _entry(card: Card, data_root: Path) -> Entry:
    block = card.lingshu
    counts = [split.rows for split in block.splits.values()]
    return Entry(
        name=card.name,
        title=card.title,
        role=block.role,
        access=block.access,
        licence=block.licence.id,
        modality=block.modality,
        task=block.task,
        format=block.format,
        used_in=block.used_in,
        rows=sum(count for count in counts if count) if counts and None not in counts else None,
        present=cards.root(card, data_root) is not None,
    )


def _among(wanted: str | None, words: Sequence[str]) -> bool:
    return wanted is None or any(wanted.casefold() in word.casefold() for word in words)


def _short(words: Sequence[str], keep: int = 4) -> str:
    return ", ".join(words[:keep]) + (f" +{len(words) - keep}" if len(words) > keep else "")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [*(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=False)), line[-1]]
    ).rstrip()


def _counts(split: cards.Split) -> str:
    stated = [
        f"{count:,} {what}"
        for count, what in ((split.rows, "rows"), (split.images, "images"))
        if count is not None
    ]
    return ", ".join(stated) + (" (second-hand)" if split.unverified else "") if stated else "count not known"
