"""What an export says of itself beside the weights: the model card and provenance.json, from the manifests it descends from.

A run that takes a finished export over may have other manifests of the same stages: rows were withdrawn, so that the hashes
that name them are others, or rows of a corpus were erased. Then the weights stay as they are, and what is said of them is of
this run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.hub import model_card, provenance
from lingshu_train.runs import manifest
from lingshu_train.runs.files import write_text
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.stage import Stage

FOLDER = "export"
"""The folder below an export stage that holds its weights."""
CARD = "README.md"


def ancestors(stage: Stage, names: Sequence[str]) -> list[Manifest]:
    """Manifests of the parents `names` of a stage and of all that they rest on, oldest first."""
    found: dict[str, Manifest] = {}

    def visit(folder: Path) -> None:
        made = manifest.read(folder)
        for parent in made.stage.parents.values():
            if parent not in found:
                visit(Path(parent))
        found[str(folder)] = made

    for name in names:
        if stage.parents[name] not in found:
            visit(stage.parent(name))
    return list(found.values())


def write(folder: Path, lineage: Sequence[Manifest], *, model: str, adapter: bool) -> None:
    """Beside the weights in `folder`, which are those of stage `model`: of the manifests `lineage`, oldest first."""
    named = {name for made in lineage for name in made.stage.about.cards}
    found = [cards.load(name) for name in sorted(named)]
    provenance.write(folder, provenance.of(lineage, model=model))
    write_text(folder / CARD, model_card.render(lineage, found, model=model, adapter=adapter))


def taken(made: Manifest, stage: Stage, beside: Path) -> tuple[str, ...]:
    """What the finished stage `made` would say of itself as `stage`, written to `beside` where that is not what it says: the
    files below the stage's folder that are others. None of a stage that exports nothing, or that an older version exported."""
    names = tuple(f"{FOLDER}/{name}" for name in (provenance.NAME, CARD))
    if not made.files.keys() >= set(names):
        return ()
    told = provenance.read(made.stage.path / FOLDER)
    if told is None or told.model not in stage.parents:
        return ()
    lineage = ancestors(stage, [told.model, *(name for name in stage.parents if name != told.model)])
    if not any(provenance.differences(told, lineage)):
        return ()
    (beside / FOLDER).mkdir()
    write(beside / FOLDER, lineage, model=told.model, adapter=bool(stage.config.get("adapter")))
    return names
