"""provenance.json beside exported weights: every manifest that they descend from by its hash, so that one signature covers
them all.

The manifests stay with the run; what is published is their hashes, the hashes of the base model's files and of the prepared
corpora, and the digests of the data cards. Whoever has the run can show that it is the one that is meant. No place of any
machine is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.runs import erased, manifest
from lingshu_train.runs.files import write_json
from lingshu_train.runs.manifest import CARDS, Manifest
from lingshu_train.schema import Inside, Strict, load

NAME = "provenance.json"
_DIGESTS = TypeAdapter(dict[str, str])


class Descent(Strict):
    """A stage that the weights descend from, or are judged by. `manifest`: the sha256 of its manifest.json; `lasts`: the
    digest of what it was made from and left (manifest.lasting). `parents`: the manifests that it names itself. `outside`:
    what it read that no manifest vouches for, by the recipe's key and the file's name. `cards`: digests of the data cards
    it read."""

    stage: str
    kind: str
    content: str
    manifest: str
    lasts: str
    parents: dict[str, str]
    outside: dict[str, dict[Inside, str]]
    cards: dict[str, str]
    version: str
    commit: str
    finished: str


class Provenance(Strict):
    """`model`: the stage whose weights these are; `stages`: oldest first."""

    format: Literal[1] = 1
    run: str
    model: str
    stages: tuple[Descent, ...]

    def __str__(self) -> str:
        first = ", ".join(dict.fromkeys(one.stage for one in self.stages if not one.parents))
        return f"stage {self.model} of run {self.run}, {len(self.stages)} manifests back to {first}"


def of(manifests: Sequence[Manifest], *, model: str) -> Provenance:
    """Of the manifests that an export rests on, oldest first."""
    return Provenance(
        run=manifests[-1].stage.run, model=model, stages=tuple(_descent(made) for made in manifests)
    )


def write(folder: Path, made: Provenance) -> None:
    """Beside the weights in `folder`."""
    write_json(folder / NAME, made.model_dump(mode="json"))


def read(folder: Path) -> Provenance | None:
    """What lies beside the weights; None where nothing does. DataError (65): it is damaged, or its stages do not make a
    chain."""
    path = folder / NAME
    if not there(path):
        return None
    found = load(Provenance, path, otherwise="get the model again from where it was published")
    known: dict[str, str] = {}
    for one in found.stages:
        for parent in one.parents:
            if parent not in known:
                raise DataError(
                    f"{path}: {one.stage} was made from {parent}, of which it tells nothing: the chain has a gap"
                )
        known[one.stage] = one.manifest
    return found


def differences(told: Provenance, made: Sequence[Manifest]) -> Iterator[tuple[str, bool]]:
    """Each stage of a run, whose manifests are `made`, that is not the one that `told` names: in words, and whether it left
    the same files all the same."""
    here = {one.stage.name: one for one in made}
    for each in told.stages:
        found = here.get(each.stage)
        if found is None:
            yield f"{each.stage}: the weights descend from it, and this run has no such finished stage", False
            continue
        path = found.stage.path / manifest.NAME
        if file_digest(path) == each.manifest:
            continue
        if erased.covers(found, each.manifest):
            yield f"{path}: rows were erased of what the stage holds, since the export", True
            continue
        again = manifest.lasting(found) == each.lasts
        what = (
            "was written again since the export, for the same files" if again else "is not the one it names"
        )
        yield f"{path}: {what}", again


def _descent(made: Manifest) -> Descent:
    return Descent(
        stage=made.stage.name,
        kind=made.stage.kind,
        content=made.stage.content,
        manifest=file_digest(made.stage.path / manifest.NAME),
        lasts=manifest.lasting(made),
        parents=made.inputs,
        outside={key: one.files for key, one in made.outside.items()},
        cards=_cards(made),
        version=made.stage.version,
        commit=made.environment.commit,
        finished=made.finished,
    )


def _cards(made: Manifest) -> dict[str, str]:
    try:
        return _DIGESTS.validate_python(made.results.get(CARDS, {}))
    except ValidationError:
        raise DataError(
            f"{made.stage.path / manifest.NAME}: {CARDS} are no digests by name; {manifest.again(made.stage.path)}"
        ) from None
