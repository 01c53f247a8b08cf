"""The inputs of a stage checked by all of its ranks at once, before any of them reads."""

from __future__ import annotations

from pathlib import Path

from lingshu_train import dist
from lingshu_train.errors import LingshuError
from lingshu_train.kind import StageConfig
from lingshu_train.model import base as bases
from lingshu_train.model.settings import Settings
from lingshu_train.runs import inputs, manifest
from lingshu_train.runs.manifest import Inputs
from lingshu_train.runs.outside import Source
from lingshu_train.runs.stage import Stage


def check(stage: Stage, config: StageConfig, settings: Settings) -> Inputs:
    """Every rank hashes its share, and all of them hear of what is wrong: DataError (65) or MissingInput (66) on each."""
    here = dist.place()
    sources: dict[str, Source] = {}
    found: inputs.Checked | LingshuError
    try:
        sources = outside(stage, config, settings)
        found = inputs.check(stage, rank=here.rank, world_size=here.world_size, sources=sources)
    except LingshuError as fault:
        found = fault
    every = dist.gather(found)
    for one in every:
        if isinstance(one, LingshuError):
            raise one
    checked = [one for one in every if isinstance(one, inputs.Checked)]
    return inputs.settle(stage, checked, first=here.first, sources=sources)


def outside(stage: Stage, config: StageConfig, settings: Settings) -> dict[str, Source]:
    """The folders outside of the run that the stage reads, by the recipe's key. MissingInput (66): one is not there."""
    found = {f"stages.{stage.name}.{key}": _folder(named) for key, named in config.folders.items() if named}
    base = bases.find(settings) if config.opens_base or config.counts_tokens else None
    if base and base.folder:
        folder = Path(base.folder)
        named = f"{base.named}@{base.revision}" if base.revision else base.named
        found["model.base"] = Source(named=named, folder=folder, names=bases.files(folder))
    return found


def _folder(named: str) -> Source:
    folder = Path(named)
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Source(named=named, folder=folder, names=tuple(sorted(name for name in names if not _own(name))))


def _own(name: str) -> bool:
    """What a corpus makes again where it is wrong, and what is no part of it."""
    parts = Path(name).parts
    return parts[-1].startswith(manifest.CACHES) or any(part.startswith(".") for part in parts)
