"""What a stage reads from outside its run, for which no manifest vouches: the model a recipe starts from, a prepared corpus.

The first stage that reads such a folder writes down the hash of each of its files: in `outside.json` when it begins, in its
manifest when it ends. Whoever of the run reads the folder later, or goes on with a stage, must find the same files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import RootModel

from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.runs import manifest
from lingshu_train.runs.files import write_json
from lingshu_train.runs.manifest import Outside
from lingshu_train.runs.stage import AGAIN, Stage
from lingshu_train.schema import load

NAME = "outside.json"
ELSEWHERE = (
    "put the folder back as it was; what is to start from the changed one needs an output folder of its own "
    "(output=FOLDER)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A folder outside of the run, `named` as in the recipe, and what of it a stage reads: paths below `folder`."""

    named: str
    folder: Path
    names: tuple[str, ...]


class _Record(RootModel[dict[str, Outside]]):
    """By the recipe's key."""


def compare(stage: Stage, found: Mapping[str, Outside], sources: Mapping[str, Source]) -> None:
    """DataError (65) names the first file that is not as this stage, or another of its run, has read it before."""
    for key, here in found.items():
        for since, before in _read_before(stage, here.named):
            fault = _first(before, here)
            if fault:
                name, what = fault
                raise DataError(f"{key}: {sources[key].folder / name}: {what} {since}; {ELSEWHERE}")


def write(stage: Stage, found: Mapping[str, Outside]) -> None:
    """Before the stage reads: what it will have read, should it be stopped."""
    if found and not there(stage.path / NAME):
        write_json(stage.path / NAME, {key: one.model_dump(mode="json") for key, one in found.items()})


def _read_before(stage: Stage, named: str) -> Iterator[tuple[str, Outside]]:
    """What was found in that folder before, and since when: by this stage as it began, and by the finished ones beside it."""
    own = stage.path / NAME
    if there(own):
        found = load(_Record, own, otherwise=AGAIN).root.values()
        yield from (("since this stage began", one) for one in found if one.named == named)
    for path in sorted(stage.path.parent.glob(f"*/{manifest.NAME}")):
        if path.parent == stage.path or path.parent.name.startswith("."):
            continue
        made = _finished(path.parent)
        if made:
            found = made.outside.values()
            yield from (
                (f"since stage {made.stage.name} read it", one) for one in found if one.named == named
            )


def _finished(folder: Path) -> manifest.Manifest | None:
    """None where it cannot be read: that is told where that stage is read, not here."""
    try:
        return manifest.read(folder)
    except DataError:
        return None


def _first(before: Outside, here: Outside) -> tuple[str, str] | None:
    """The first file that is not the same, and what became of it."""
    for name in sorted(before.files.keys() | here.files.keys()):
        if name not in before.files:
            return name, "was added"
        if name not in here.files:
            return name, "is gone"
        if before.files[name] != here.files[name]:
            return name, "has changed"
    return None
