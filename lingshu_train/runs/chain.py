"""The chain of manifests, from what a run leaves back to its corpora: each names the manifests it was made from by their hash.

A link holds by the parent's manifest itself (`inputs`), or else by what lasts of it (`links`, manifest.lasting): a parent that
ran again, to the same bytes, wrote another manifest with other times. Where rows of a corpus were erased since, its manifest
says so under the owner's key (erased.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.runs import erased, hashes, manifest
from lingshu_train.runs.manifest import Manifest, Outside
from lingshu_train.runs.run import Run

Holds = Literal["whole", "made again", "erased", "not recorded", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a finished stage says of one that it was made from. `told`: a line for people, empty where it is whole."""

    child: str
    parent: str
    holds: Holds
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A folder outside of the run that a stage read, and whether it is still what was read."""

    stage: str
    key: str
    named: str
    told: str


def links(folders: Iterable[Path]) -> Iterator[Link]:
    """Every link of the finished stages in `folders` and of those that they were made from, oldest first."""
    seen: set[Path] = set()
    for folder in folders:
        yield from _visit(folder, seen)


def of(found: Run) -> tuple[Link, ...]:
    """Every link of a run, oldest first."""
    return tuple(links(found.folder(one) for one in found.stages if found.state(one) == "done"))


def broken(every: Iterable[Link]) -> Link | None:
    """The first that does not hold."""
    return next((link for link in every if link.holds == "broken"), None)


def text(every: Iterable[Link]) -> str:
    """The chain for a reader: one line, and one more for each link that holds in another way."""
    found = list(every)
    counts = {
        holds: sum(link.holds == holds for link in found) for holds in ("whole", "made again", "erased")
    }
    torn = broken(found)
    if torn:
        return f"chain: broken at {torn.child} <- {torn.parent}: {torn.told}"
    lost = sum(link.holds == "not recorded" for link in found)
    said = f"chain: {sum(counts.values())} links hold, "
    said += f"{lost} were not recorded" if lost else "back to the corpora"
    return "\n".join([said, *(f"chain: {link.told}" for link in found if link.told)])


def leaves(found: Run) -> Iterator[Leaf]:
    """The base models and prepared corpora that the run read, each once, compared with what lies there now."""
    told: set[tuple[str, str]] = set()
    for entry in found.stages:
        if found.state(entry) != "done":
            continue
        for key, one in manifest.read(found.folder(entry)).outside.items():
            if (key, one.named) not in told:
                told.add((key, one.named))
                yield Leaf(stage=entry.name, key=key, named=one.named, told=_now(one))


def _visit(folder: Path, seen: set[Path]) -> Iterator[Link]:
    if folder in seen:
        return
    seen.add(folder)
    made = manifest.read(folder)
    for name, parent in sorted(made.stage.parents.items()):
        try:
            if there(Path(parent) / manifest.NAME):
                yield from _visit(Path(parent), seen)
            yield _link(made, name, Path(parent))
        except DataError as fault:
            yield Link(child=made.stage.name, parent=name, holds="broken", told=str(fault))


def _link(made: Manifest, name: str, parent: Path) -> Link:
    child, recorded, lasts = made.stage.name, made.inputs.get(name), made.links.get(name)
    if not there(parent / manifest.NAME):
        return Link(
            child=child,
            parent=name,
            holds="broken",
            told=f"{parent / manifest.NAME}: is not there, and nothing else vouches for what {child} was made from; "
            "restore it from a backup",
        )
    if recorded is None and made.inputs:
        return Link(
            child=child,
            parent=name,
            holds="broken",
            told=f"{made.stage.path / manifest.NAME}: names what else {child} was made from, and no {name}: it was changed; "
            "restore it from a backup",
        )
    if recorded is None:
        return Link(
            child=child,
            parent=name,
            holds="not recorded",
            told=f"{child} does not say which {name} it was made from: a version of lingshu made it that did not write it down",
        )
    if file_digest(parent / manifest.NAME) == recorded:
        return Link(child=child, parent=name, holds="whole")
    if lasts and manifest.lasting(manifest.read(parent)) == lasts:
        return Link(
            child=child,
            parent=name,
            holds="made again",
            told=f"{name} was run again after {child} was made from it, and left the same bytes",
        )
    if erased.covers(manifest.read(parent), recorded):
        return Link(
            child=child,
            parent=name,
            holds="erased",
            told=f"rows of {name} were erased after {child} was made from it",
        )
    return Link(
        child=child,
        parent=name,
        holds="broken",
        told=f"{parent / manifest.NAME}: {child} was made from another {name} than the one here, which was changed "
        f"or run again to other bytes; restore {parent.name} from a backup, or move {made.stage.path.name} "
        "and all that was made from it away and run the recipe again",
    )


def _now(one: Outside) -> str:
    folder = Path(one.named)
    if not folder.is_dir():
        return f"{len(one.files)} files recorded; not a folder of this machine, so not compared"
    try:
        found = hashes.of(folder / name for name in one.files)
    except OSError as fault:
        raise DataError(f"{fault.filename}: {fault.strerror}") from None
    other = [name for name, sha256 in one.files.items() if found[folder / name] != sha256]
    if not other:
        return f"{len(one.files)} files as they were read"
    return (
        f"{other[0]} is gone or has changed since it was read ({len(other)} of {len(one.files)} files): the run is what it was "
        "and cannot be made again from this folder"
    )
