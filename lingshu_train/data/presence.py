"""Whether a card's data is on this machine and reads as the card says, and how to get it where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lingshu_train.data import card as cards
from lingshu_train.data import reading
from lingshu_train.data.card import Card
from lingshu_train.data.croissant import home
from lingshu_train.data.row import SplitFiles
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.naming import component, file_digest
from lingshu_train.schema import parse


def how_to_get(card: Card, data_root: Path) -> str:
    """One line: the command, or the steps that a person has to take first."""
    source, access = card.lingshu.source, card.lingshu.access
    folder = data_root / (source.folder or card.name)
    pin = f" --revision {source.revision}" if source.revision else ""
    download = f"hf download {source.name} --repo-type dataset{pin} --local-dir {folder}"
    steps = source.how_to_get or f"download it from {home(card)}"
    if source.kind == "package":
        way = source.how_to_get or f"install the Python package {source.name}"
    elif source.kind == "physionet":
        way = (
            f"finish the human-subjects training, sign the data use agreement at {home(card)}, "
            f"download it with your own account into {folder}"
        )
    elif source.kind == "hub":
        gate = f"accept the terms at {home(card)}, then: hf auth login && " if access == "gated" else ""
        way = source.how_to_get or f"{gate}{download}"
    else:
        way = f"{steps}; put it in {folder}"
    return f"{card.name} ({access}): {way}"


def problems(card: Card, data_root: Path) -> Iterator[str]:
    """The field block against the reader's schema; where data is there: rows, images, groups, counts."""
    where, block = f"data_cards/{card.name}.md", card.lingshu
    root = cards.root(card, data_root)
    try:
        layout = component(reading.FORMATS, block.format, where=f"{where}: lingshu.format", error=DataError)
        fields = parse(layout.Fields, block.fields, where=f"{where}: lingshu.fields", error=DataError)
    except DataError as fault:
        yield str(fault)
        return
    if root is None:
        yield how_to_get(card, data_root)
    elif isinstance(fields, SplitFiles):
        yield from _content(card, root, splits=list(fields.files))


def _content(card: Card, root: Path, *, splits: Sequence[str]) -> Iterator[str]:
    """Read every row of every split. The first bad row of a split ends that split."""
    seen: dict[str, str] = {}
    for split in splits:
        count, absent = 0, 0
        first, shared = "", set[str]()
        try:
            for row in reading.open(card, root, split=split):
                count += 1
                if row.sample.group and seen.setdefault(row.sample.group, split) != split:
                    shared.add(row.sample.group)
                gone = [picture.name for picture in row.images if not picture.exists()]
                absent, first = absent + len(gone), first or "".join(gone[:1])
        except (DataError, MissingInput) as fault:
            yield str(fault)
            continue
        yield from _checksum(card, root, split)
        stated = card.lingshu.splits.get(split)
        if stated and stated.rows is not None and not stated.unverified and stated.rows != count:
            yield f"{card.name} {split}: {count:,} rows, the card states {stated.rows:,}"
        if absent:
            yield f"{card.name} {split}: {absent:,} images are missing under {root}, the first is {first}"
        if shared:
            yield f"{card.name} {split}: {len(shared):,} groups are in another split too: {min(shared)!r}"


def _checksum(card: Card, root: Path, split: str) -> Iterator[str]:
    """Compare the split's file with the checksum that the card states, where it states one."""
    stated = card.lingshu.splits.get(split)
    path = root / str(card.lingshu.fields["files"][split])
    if stated and stated.sha256 and path.is_file() and file_digest(path) != stated.sha256:
        yield f"{path}: sha256 differs from the card's; fetch revision {card.lingshu.source.revision} again"
