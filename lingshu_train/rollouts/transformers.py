"""Completions from a model in this process, through transformers: slices of a batch size, padded on the left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lingshu_train.errors import RecipeError
from lingshu_train.rollouts._engine import Weights
from lingshu_train.schema import Strict

if TYPE_CHECKING:
    from lingshu_train.rollouts._generating import Transformers


OPENS = True


class Params(Strict):
    """How a model of this machine is asked."""

    batch: int = Field(default=64, gt=0)
    """Completions in one forward pass."""


def start(params: Params, weights: Weights | None) -> Transformers:
    """Load the model. MissingInput (66) where there is none."""
    if weights is None:
        raise RecipeError("engine transformers: opens a model of this machine, and none is named")
    # What may be said of an engine is read without torch.
    from lingshu_train.model import family, flash, load
    from lingshu_train.rollouts._generating import Transformers

    settings = weights.settings
    architecture = family.of(settings.family)
    attention: str = settings.attention
    if attention == "auto":
        attention = flash.choose(device=str(weights.device).partition(":")[0], dtype=settings.dtype).name
    model = load.model(
        architecture,
        weights.source,
        dtype=settings.dtype,
        attention=attention,
        revision=weights.revision,
    )
    text = load.processor(architecture, weights.source, settings.budget, revision=weights.revision)
    ends = load.ends(architecture, model, text)
    return Transformers(
        model.to(weights.device).eval(), text, batch=params.batch, ends=ends, never=load.never(text)
    )
