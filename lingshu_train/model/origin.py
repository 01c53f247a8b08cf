"""What a model was started from, as its manifest and its card tell it: a model of the hub, or a folder by what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml

from lingshu_train.documents import decoded, read_text, yaml_value
from lingshu_train.errors import LingshuError
from lingshu_train.model import base as bases
from lingshu_train.model.settings import Settings
from lingshu_train.naming import digest, file_digest
from lingshu_train.runs import manifest
from lingshu_train.runs.manifest import Manifest
from lingshu_train.schema import Strict

FACT = "started_from"
"""Under which name a stage's manifest has it."""


class Origin(Strict):
    """A model of the hub at a `commit`; or a folder, by its last name alone, with the sha256 over its files of weights.

    `says`: which model the folder's own files name as what it was made from. `run` and `content`: which run of ours exported
    it, and that stage's content.
    """

    kind: Literal["hub", "folder"]
    name: str
    commit: str = ""
    weights: str = ""
    says: str = ""
    run: str = ""
    content: str = ""


def of(settings: Settings) -> Origin | None:
    """The origin of a recipe's base, which has just been loaded; None where the model is built from nothing."""
    found = bases.find(settings)
    if found is None:
        return None
    if found.kind != "folder":
        return Origin(kind="hub", name=found.named, commit=Path(found.folder).name if found.folder else "")
    folder = Path(found.folder).resolve()
    run, content = _exported(folder)
    return Origin(
        kind="folder",
        name=folder.name,
        weights=_weights(folder),
        says=_says(folder),
        run=run,
        content=content,
    )


def read(results: object) -> Origin | None:
    """The origin that a manifest's results tell of; None where they tell of none."""
    told = results.get(FACT) if isinstance(results, dict) else None
    return Origin.model_validate(told) if isinstance(told, dict) else None


def first(trained: Sequence[Manifest]) -> Origin | None:
    """What the first of these training stages started from, as it was recorded; None for random weights.

    A run of a version that did not record it tells the recipe's words alone. They name a model of the hub only where no folder
    is called so.
    """
    if not trained or trained[0].stage.about.starts_from:
        return None
    recorded = read(trained[0].results)
    base = str(trained[0].stage.model.get("base") or "")
    if recorded or not base:
        return recorded
    hub = base.count("/") == 1 and bases.REPOSITORY.fullmatch(base) and not Path(base).exists()
    return Origin(kind="hub" if hub else "folder", name=base if hub else Path(base).name)


def _weights(folder: Path) -> str:
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    return digest({path.name: file_digest(path) for path in files})


def _says(folder: Path) -> str:
    """The hub's key `base_model` of its model card, or the name in its configuration. A path of some machine is no name."""
    for named in (_front_matter(folder / "README.md").get("base_model"), _configured(folder / "config.json")):
        if isinstance(named, list) and named:
            named = named[0]
        if isinstance(named, str) and "/" in named and bases.REPOSITORY.fullmatch(named):
            return named
    return ""


def _front_matter(path: Path) -> dict[object, object]:
    """Of another's file: what cannot be read tells nothing."""
    try:
        text = read_text(path)
        found = yaml_value(text[4:].split("\n---", 1)[0]) if text.startswith("---\n") else None
    except (LingshuError, yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _configured(path: Path) -> object:
    try:
        found = decoded(read_text(path), where=str(path))
    except LingshuError:
        return None
    return found.get("_name_or_path") if isinstance(found, dict) else None


def _exported(folder: Path) -> tuple[str, str]:
    """The run and the content of the stage that wrote the folder, where it lies as our export stage left it."""
    try:
        made = manifest.read(folder.parent)
    except LingshuError:
        return "", ""
    ours = any(name.startswith(f"{folder.name}/") for name in made.files)
    return (made.stage.run, made.stage.content) if ours else ("", "")
