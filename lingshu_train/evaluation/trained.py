"""The model that a stage of a run left, as an engine opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from pydantic import JsonValue
from transformers.utils import logging

from lingshu_train.errors import DataError, UsageError
from lingshu_train.model.settings import Settings
from lingshu_train.rollouts import Choice, Weights
from lingshu_train.runs import inputs, manifest
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.schema import parse


def weights(folder: Path, stage: str, *, device: str = "") -> Weights:
    """Where the model lies, with the recipe's block `model`. `device` empty: a GPU where there is one.

    MissingInput (66): no such run or stage, or it has not finished. UsageError (64): the stage leaves no model. DataError (65):
    its model is not the one that it left.
    """
    found = runs.read(folder)
    entry = found.stage(stage)
    if entry.about.role != "model":
        models = ", ".join(each.name for each in found.stages if each.about.role == "model")
        raise UsageError(f"{folder}: stage {stage!r} leaves no model; these do: {models or 'none'}")
    place = found.folder(entry)
    record = manifest.read(place).stage
    inputs.whole(place, "model")
    settings = parse(Settings, record.model, where=f"{place}: model", error=DataError)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Weights(source=str(place / "model"), settings=settings, device=chosen)


def choice(folder: Path, stage: str) -> Choice:
    """Who answers for the model of a stage by its run's recipe: the block `rollouts` of that stage, else of a stage that
    measures it, else transformers. MissingInput (66): no such run or stage.
    """
    found = runs.read(folder)
    own = found.folder(found.stage(stage))
    begun = [place for entry in found.stages if (place := found.folder(entry) / "stage.json").is_file()]
    for record in sorted(map(stages.read, begun), key=lambda one: one.path != own):
        asks = record.name == stage or stage in _names(record.config.get("models"))
        if asks and (block := record.config.get("rollouts")):
            return parse(Choice, block, where=f"{record.path}: rollouts", error=DataError)
    return Choice()


def _names(models: JsonValue) -> list[JsonValue]:
    return models if isinstance(models, list) else []


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own bars, which are the caller's again afterwards."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
