"""manifest.json, written last: it is what "done", "verify" and "publish" mean."""

from __future__ import annotations

import platform
import resource
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pydantic import Field, JsonValue, TypeAdapter

from lingshu_train import shipped
from lingshu_train.documents import there
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.kind import Facts
from lingshu_train.naming import digest, file_digest
from lingshu_train.runs import hashes, holding, packages
from lingshu_train.runs.files import failure, settle, write_json
from lingshu_train.runs.packages import Package
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Inside, Strict, load

NAME = "manifest.json"
CARDS = "card_digests"
"""Of a stage that reads data cards, in its results: the digest of each card by name."""
PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "deepspeed",
    "datasets",
    "tokenizers",
    "numpy",
    "pillow",
    "pydicom",
)

CACHES = ("chosen-", "lengths-", "late-", "measured-")
"""Files beside a corpus that carry a seal of their own (arrays.py) and are made again where they are wrong."""
_SMALL = 16 * 2**20
"""Bytes of a file that is hashed whenever its stage is skipped."""
_READ = ("lingshu_train", "recipes", "data_cards", "launch", "requirements.lock", "pyproject.toml")
"""What of a checkout decides what a stage does."""


class Environment(Strict):
    """Where the stage ran: enough to say why two machines may differ in the last bit."""

    python: str
    packages: dict[str, str]
    machine: str
    processor: str
    device: str
    world_size: int
    threads: int
    commit: str
    uncommitted_changes: bool


class Verified(Strict):
    """What it took to check the inputs of a stage when it started: bytes read, bytes known from before, seconds."""

    read: int
    known: int
    seconds: float


class Outside(Strict):
    """A folder outside of the run that a stage read, `named` as in the recipe: sha256 of its files by their paths in it."""

    named: str
    files: dict[Inside, str]


class Manifest(Strict):
    """Everything a finished stage did. `files` maps paths below the stage folder to sha256 digests, `sizes` to bytes.

    `inputs`: the sha256 of each parent's manifest.json; `links`: the digest of what lasts of it (chain.py). `outside`: what was
    read that no manifest vouches for, by the recipe's key (outside.py). `peak_memory_mib` is the resident memory of the first
    rank at its highest; the launcher's own is not in it. `installed`: every package of that rank's environment; empty in a
    manifest of a version before it was recorded.
    """

    stage: Stage
    inputs: dict[str, str]
    links: dict[str, str] = Field(default_factory=dict)
    outside: dict[str, Outside] = Field(default_factory=dict)
    environment: Environment
    results: dict[str, JsonValue]
    files: dict[Inside, str]
    sizes: dict[str, int] = Field(default_factory=dict)
    verified: Verified | None = None
    installed: dict[str, Package] = Field(default_factory=dict)
    seconds: float
    peak_memory_mib: int = 0
    finished: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a stage reads, checked when it starts: what that took, and what lies outside the run, by the recipe's key."""

    verified: Verified
    outside: Mapping[str, Outside]


def environment(*, device: str, processor: str, world_size: int, threads: int) -> Environment:
    commit, dirty = _commit()
    return Environment(
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
        machine=platform.machine(),
        processor=processor,
        device=device,
        world_size=world_size,
        threads=threads,
        commit=commit,
        uncommitted_changes=dirty,
    )


def write(
    stage: Stage,
    *,
    ran_on: Environment,
    results: Facts,
    outputs: list[str],
    seconds: float,
    inputs: Inputs | None = None,
) -> Manifest:
    """Force every file below the `outputs` (paths below the stage folder) to disk and hash it, then commit the manifest.

    RunAgain (75) where another run has taken the stage over meanwhile.
    """
    names = listing(stage.path, outputs)
    try:
        settle(stage.path, names)
        found = hashes.of(stage.path / name for name in names)
        sizes = {name: (stage.path / name).stat().st_size for name in names}
    except OSError as fault:
        raise failure(stage.path, fault) from None
    manifest = Manifest(
        stage=stage,
        inputs=parents_of(stage),
        links=links_of(stage),
        outside=dict(inputs.outside) if inputs else {},
        environment=ran_on,
        results=TypeAdapter(dict[str, JsonValue]).validate_python(results),
        files={name: str(found[stage.path / name]) for name in names},
        sizes=sizes,
        verified=inputs.verified if inputs else None,
        installed=dict(packages.installed()),
        seconds=round(seconds, 3),
        peak_memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    holding.confirm(stage.path)
    write_json(stage.path / NAME, portable(manifest))
    return manifest


def parents_of(stage: Stage) -> dict[str, str]:
    """sha256 of the manifest of each stage that this one reads."""
    return {name: file_digest(Path(folder) / NAME) for name, folder in sorted(stage.parents.items())}


def links_of(stage: Stage) -> dict[str, str]:
    """What lasts of each stage that this one reads."""
    return {name: lasting(read(Path(folder))) for name, folder in sorted(stage.parents.items())}


def lasting(made: Manifest) -> str:
    """Digest of what a stage was made from and what it left, without when, where and how fast: a stage that runs again to the
    same bytes has it again. Its ledgers carry times, and its caches are made where they are asked for, so neither counts."""
    files = {
        name: sha256
        for name, sha256 in made.files.items()
        if not Path(name).name.startswith(CACHES) and ("/" in name or not name.endswith(".jsonl"))
    }
    foreign = {key: one.files for key, one in made.outside.items()}
    return digest({"content": made.stage.content, "files": files, "links": made.links, "outside": foreign})


def portable(manifest: Manifest) -> dict[str, object]:
    """As it is written down: without the place where the run lies."""
    return {**manifest.model_dump(mode="json"), "stage": manifest.stage.portable()}


def read(folder: Path) -> Manifest:
    """The manifest of a finished stage. MissingInput when the stage never finished, DataError when it is damaged."""
    path = folder / NAME
    if not there(path):
        raise MissingInput(f"{folder}: no {NAME}: the stage has not finished; run its recipe again")
    found = load(Manifest, path, otherwise=again(folder))
    return found.model_copy(update={"stage": found.stage.at(folder)})


def done(folder: Path) -> bool:
    """Whether the stage has finished. DataError where its manifest is there and cannot be read: then nothing says so."""
    if not there(folder / NAME):
        return False
    read(folder)
    return True


def finished(stage: Stage) -> bool:
    """Whether this very stage has finished and what it left is there: every file in its size, and the small ones, up to 16 MiB,
    byte for byte. Large ones are hashed when a stage reads them (inputs.py). DataError (65) names a file that is not so."""
    if not there(stage.path / NAME):
        return False
    made = read(stage.path)
    if made.stage.content != stage.content:
        raise DataError(
            f"{stage.path / NAME}: is of another stage ({made.stage.name}, {made.stage.content[:12]}); {again(stage.path)}"
        )
    small: list[str] = []
    for name in (each for each in made.files if not Path(each).name.startswith(CACHES)):
        path = stage.path / name
        size = path.stat().st_size if path.is_file() else None
        if size is None or size != made.sizes.get(name, size):
            what = "is missing" if size is None else f"has {size:,} bytes and not {made.sizes[name]:,}"
            raise DataError(f"{path}: {what}, and its stage has finished; {again(stage.path)}")
        small += [name] if size <= _SMALL else []
    found = hashes.of(stage.path / name for name in small)
    for name in small:
        if found[stage.path / name] != made.files[name]:
            raise DataError(f"{stage.path / name}: has changed since its stage finished; {again(stage.path)}")
    return True


def again(folder: Path) -> str:
    """What to do about a finished stage that is damaged. Nothing is thrown away: the person may still need some of it."""
    return f"restore it from a backup, or move {folder} away and run the same command again"


def damaged(folder: Path) -> list[str]:
    """Files of a finished stage that are missing or no longer have the recorded hash."""
    files = read(folder).files
    found = hashes.of(folder / name for name in files)
    return [name for name, expected in files.items() if found[folder / name] != expected]


def listing(folder: Path, outputs: list[str]) -> list[str]:
    """Every file at or below the given paths, as sorted paths below `folder`."""
    found: set[str] = set()
    for name in outputs:
        place = folder / name
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        found.update(path.relative_to(folder).as_posix() for path in files)
    return sorted(found)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> tuple[str, bool]:
    """Commit of the checkout the package runs from, and whether what is read from it has changed since.

    Empty for an installed package, also in an environment that lies in a repository of the user's: that one's commit says
    nothing of this code. A card or recipe of the user's elsewhere in the checkout changes nothing either; its digest names
    the stage.
    """
    folder = shipped.checkout()
    if folder is None:
        return "", False
    try:
        _git("ls-files", "--error-unmatch", "lingshu_train/__init__.py", folder=folder)
        return _git("rev-parse", "HEAD", folder=folder), bool(
            _git("status", "--porcelain", "--", *_READ, folder=folder)
        )
    except (OSError, subprocess.CalledProcessError):
        return "", False


def _git(*words: str, folder: Path) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()
