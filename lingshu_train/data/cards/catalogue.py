"""Which cards there are, what one says, how to get the data of those that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from lingshu_train import environment, vocabulary
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import licences, presence
from lingshu_train.data.cards.card import Card, Evidence, EvidenceKind
from lingshu_train.errors import UsageError

CLASSES: tuple[EvidenceKind, ...] = get_args(EvidenceKind)
"""Of evidence, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the catalogue. `rows` is the sum over splits, None where a split states no count.

    `revision`: "unpinned" where the publisher may change the data, empty where the source has no revisions. `folder`: where
    the card lies; "lingshu" for one that comes with it. `evidence`: what its account of the files rests on.
    """

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
    revision: str
    present: bool
    folder: str
    evidence: Evidence


def rows(
    *,
    modality: str | None = None,
    task: str | None = None,
    access: str | None = None,
    present: bool | None = None,
    rests_on: str | None = None,
    data_root: Path,
) -> list[Entry]:
    """The cards that match every filter given, own ones first, by name. `task` matches part of a word.

    `modality` may be in any known spelling; UsageError lists the vocabulary for another, and the tasks of cards
    for one that no card has. `rests_on`: the class of the evidence.
    """
    if rests_on is not None and rests_on not in CLASSES:
        raise UsageError(f"rests_on: {rests_on!r} is none of: {', '.join(CLASSES)}")
    word = None if modality is None else vocabulary.modality(modality)
    if word is not None and word not in vocabulary.MODALITIES:
        raise UsageError(f"modality: {modality!r} is none of: {', '.join(vocabulary.MODALITIES)}")
    entries = [_entry(cards.load(name), data_root) for name in cards.names()]
    if not any(_among(task, entry.task) for entry in entries):
        known = sorted({one for entry in entries for one in entry.task})
        raise UsageError(f"task: {task!r} is part of none of: {', '.join(known)}")
    return [
        entry
        for entry in entries
        if word in (None, *entry.modality)
        and _among(task, entry.task)
        and access in (None, entry.access)
        and present in (None, entry.present)
        and rests_on in (None, entry.evidence.kind)
    ]


def table(rows: Sequence[Entry]) -> str:
    """Aligned columns for a terminal, with a last line that counts."""
    if not rows:
        return "no data card matches"
    head = ("name", "role", "access", "licence", "rows", "revision", "data", "card", "modality")
    lines = [
        (
            entry.name,
            entry.role,
            entry.access,
            entry.licence.removeprefix("LicenseRef-"),
            "?" if entry.rows is None else f"{entry.rows:,}",
            entry.revision.rpartition("=")[2][:12] or "-",
            "present" if entry.present else "missing",
            entry.folder,
            _short(entry.modality),
        )
        for entry in rows
    ]
    there = sum(entry.present for entry in rows)
    return _columns(head, lines, last=f"{len(rows)} cards, data present for {there}")


def evidence(rows: Sequence[Entry]) -> str:
    """What each card's account of the files rests on, for a terminal, with a last line that counts the classes."""
    if not rows:
        return "no data card matches"
    head = ("name", "role", "evidence", "read", "rests on")
    lines = [
        (entry.name, entry.role, entry.evidence.kind, entry.evidence.read or "-", entry.evidence.of or "-")
        for entry in rows
    ]
    count = Counter(entry.evidence.kind for entry in rows)
    classes = ", ".join(f"{kind} {count[kind]}" for kind in CLASSES if count[kind])
    return _columns(head, lines, last=f"{len(rows)} cards: {classes}")


def show(card: Card) -> str:
    """The card for a reader: its body, then what the machine-readable block says, one line each."""
    block = card.lingshu
    facts = [
        ("card", card.where),
        (
            "source",
            f"{block.source.kind} {block.source.name} {block.source.revision or '(revision not pinned)'}",
        ),
        *(
            ("further source", f"{one.kind} {one.name} {one.revision}".strip())
            for one in block.source.companions
        ),
        ("access", block.access),
        ("licence", str(block.licence)),
        *((name, licences.said(card, name)) for name in licences.PERMISSIONS),
        ("role", block.role),
        ("used in", ", ".join(block.used_in)),
        ("modality", ", ".join(block.modality)),
        ("body part", ", ".join(block.body_part)),
        ("task", ", ".join(block.task)),
        ("language", ", ".join(block.language)),
        ("answers", ", ".join(block.answer_type)),
        ("format", block.format),
        *((f"split {name}", _counts(split)) for name, split in block.splits.items()),
        ("rests on", _rests_on(block.evidence)),
        ("overlaps", ", ".join(block.overlaps)),
        ("cite", "; ".join(block.citations)),
    ]
    width = max(len(name) for name, _ in facts) + 2
    return (
        card.body.strip()
        + "\n\n"
        + "\n".join(f"{name:<{width}}{value or 'not known'}" for name, value in facts)
    )


def missing(names: Sequence[str], data_root: Path) -> list[str]:
    """One line per named card without data on this machine: how to get it. Unknown names: RecipeError."""
    loaded = (cards.load(name) for name in names)
    return [presence.how_to_get(card, data_root) for card in loaded if cards.root(card, data_root) is None]


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
        revision="unpinned" if card.unpinned else block.source.revision,
        present=cards.root(card, data_root) is not None,
        folder=str(environment.near(card.file.parent)) if card.own and card.file else "lingshu",
        evidence=block.evidence,
    )


def _among(wanted: str | None, words: Sequence[str]) -> bool:
    return wanted is None or any(wanted.casefold() in word.casefold() for word in words)


def _short(words: Sequence[str], keep: int = 4) -> str:
    return ", ".join(words[:keep]) + (f" +{len(words) - keep}" if len(words) > keep else "")


def _rests_on(found: Evidence) -> str:
    of = f": {found.of}" if found.of else ""
    return f"{found.kind}{f', read {found.read}' if found.read else ''}{of}"


def _columns(head: Sequence[str], lines: Sequence[Sequence[str]], *, last: str) -> str:
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head) - 1)]
    return "\n".join([*(_aligned(line, widths) for line in [head, *lines]), last])


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
