"""manifest.json, written last: it is what "done", "verify" and "publish" mean."""

from __future__ import annotations

import platform
import resource
import subprocess
import time
from importlib import metadata
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from lingshu_train import shipped
from lingshu_train.documents import read_json, there
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.kind import Facts
from lingshu_train.naming import file_digest
from lingshu_train.runs.files import write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict, parse

NAME = "manifest.json"
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


class Manifest(Strict):
    """Everything a finished stage did. `files` maps paths below the stage folder to sha256 digests.

    `peak_memory_mib` is the resident memory of the first rank at its highest; the launcher's own is not in it.
    """

    stage: Stage
    inputs: dict[str, str]
    environment: Environment
    results: dict[str, JsonValue]
    files: dict[str, str]
    seconds: float
    peak_memory_mib: int = 0
    finished: str


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
    stage: Stage, *, ran_on: Environment, results: Facts, outputs: list[str], seconds: float
) -> Manifest:
    """Hash every file below the `outputs` (paths below the stage folder), then commit the manifest."""
    manifest = Manifest(
        stage=stage,
        inputs={name: file_digest(Path(folder) / NAME) for name, folder in sorted(stage.parents.items())},
        environment=ran_on,
        results=TypeAdapter(dict[str, JsonValue]).validate_python(results),
        files={name: file_digest(stage.path / name) for name in listing(stage.path, outputs)},
        seconds=round(seconds, 3),
        peak_memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    write_json(stage.path / NAME, manifest.model_dump(mode="json"))
    return manifest


def read(folder: Path) -> Manifest:
    """The manifest of a finished stage. MissingInput when the stage never finished, DataError when it is damaged."""
    path = folder / NAME
    if not there(path):
        raise MissingInput(f"{folder}: no {NAME}: the stage has not finished; run its recipe again")
    return parse(Manifest, read_json(path), where=f"{path}:", error=DataError)


def done(folder: Path) -> bool:
    """Whether the stage has finished. DataError where its manifest is there and cannot be read: then nothing says so."""
    if not there(folder / NAME):
        return False
    read(folder)
    return True


def damaged(folder: Path) -> list[str]:
    """Files of a finished stage that are missing or no longer have the recorded hash."""
    manifest = read(folder)
    return [
        name
        for name, expected in manifest.files.items()
        if not (folder / name).is_file() or file_digest(folder / name) != expected
    ]


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
