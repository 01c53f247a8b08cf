"""Whatever a stage reads was verified: each file of the stages it reads has the hash that their manifests vouch for, and what
lies outside the run is what was read before."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lingshu_train.errors import DataError
from lingshu_train.runs import hashes, manifest, outside
from lingshu_train.runs import stage as stages
from lingshu_train.runs.hashes import Known
from lingshu_train.runs.manifest import Inputs, Outside, Verified
from lingshu_train.runs.outside import Source
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict


class Checked(Strict):
    """What one rank has checked: its share of the files. `outside`: what it found of the folders outside the run, by key and
    file."""

    faults: tuple[str, ...]
    outside: dict[str, dict[str, str]]
    learned: dict[str, Known]
    read: int
    known: int
    seconds: float


def check(
    stage: Stage, *, rank: int, world_size: int, sources: Mapping[str, Source] | None = None
) -> Checked:
    """Hash this rank's share of every file that the stage may read, of its parents and of the `sources` outside the run, which
    are told by the recipe's key. DataError (65) where a parent's records are damaged or of another stage, MissingInput (66)
    where it has not finished."""
    started = time.monotonic()
    expected = {
        path: (parent, sha256) for parent in stage.parents for path, sha256 in _vouched(stage, parent)
    }
    foreign = {
        source.folder / name: (key, name) for key, source in (sources or {}).items() for name in source.names
    }
    # Large files first, so that the ranks' shares are alike.
    paths = sorted({*expected, *foreign}, key=lambda path: (-_size(path), path))[rank::world_size]
    memory = hashes.Memory(stage.path.parent)
    found = memory.of(paths)
    faults = [
        _fault(path, found[path], stage.parent(expected[path][0]))
        for path in sorted(paths)
        if path in expected and found[path] != expected[path][1]
    ]
    told: dict[str, dict[str, str]] = {}
    for path in sorted(foreign.keys() & set(paths)):
        key, name = foreign[path]
        sha256 = found[path]
        if sha256 is None:
            faults.append(f"{key}: {path}: went away while it was read; put it back")
        else:
            told.setdefault(key, {})[name] = sha256
    return Checked(
        faults=tuple(faults),
        outside=told,
        learned=memory.learned,
        read=memory.hashed,
        known=memory.found,
        seconds=time.monotonic() - started,
    )


def whole(folder: Path, below: str) -> None:
    """For a reader outside a run: the files below `below` of a finished stage are those that it left. DataError (65)."""
    made = manifest.read(folder)
    names = [name for name in made.files if name.startswith(f"{below}/")]
    memory = hashes.Memory(folder.parent)
    found = memory.of(folder / name for name in names)
    for name in names:
        if found[folder / name] != made.files[name]:
            raise DataError(_fault(folder / name, found[folder / name], folder))
    memory.keep()


def settle(
    stage: Stage, every: Sequence[Checked], *, first: bool, sources: Mapping[str, Source] | None = None
) -> Inputs:
    """What all ranks have found. DataError (65) names the first file that is not what its stage left, or, outside the run, not
    what was read before. The first rank remembers the hashes."""
    faults = sorted(fault for one in every for fault in one.faults)
    if faults:
        more = (
            f" ({len(faults) - 1} more: `lingshu verify {stage.path.parent}` lists them)"
            if len(faults) > 1
            else ""
        )
        raise DataError(f"{faults[0]}{more}")
    found: dict[str, Outside] = {}
    for key, source in (sources or {}).items():
        files = {name: sha256 for one in every for name, sha256 in one.outside.get(key, {}).items()}
        found[key] = Outside(named=source.named, files=dict(sorted(files.items())))
    outside.compare(stage, found, sources or {})
    if first:
        memory = hashes.Memory(stage.path.parent)
        memory.keep({name: known for one in every for name, known in one.learned.items()})
        outside.write(stage, found)
    verified = Verified(
        read=sum(one.read for one in every),
        known=sum(one.known for one in every),
        seconds=round(max(one.seconds for one in every), 3),
    )
    return Inputs(verified=verified, outside=found)


def _vouched(stage: Stage, parent: str) -> list[tuple[Path, str]]:
    folder = stage.parent(parent)
    made = manifest.read(folder)
    record = folder / "stage.json"
    if record.is_file() and stages.read(record).content != made.stage.content:
        raise DataError(
            f"{record}: is of another stage than {manifest.NAME} beside it; {manifest.again(folder)}"
        )
    return [
        (folder / name, sha256)
        for name, sha256 in sorted(made.files.items())
        if not Path(name).name.startswith(manifest.CACHES)
    ]


def _fault(path: Path, found: str | None, folder: Path) -> str:
    what = "is missing" if found is None else "is damaged (its sha256 is not the one that its stage left)"
    return f"{path}: {what}; {manifest.again(folder)}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
