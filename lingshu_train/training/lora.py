"""What a recipe says of low-rank adapters: which parts of a model train whole, and which through an adapter. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field, JsonValue, ValidatorFunctionWrapHandler, field_validator

from lingshu_train.errors import RecipeError
from lingshu_train.model.shape import PARTS, Part
from lingshu_train.schema import Strict


class Lora(Strict):
    """A low-rank adapter beside the frozen linear layers of a part (Hu et al. 2021): W x + alpha / rank * B A x."""

    rank: int = Field(gt=0)
    """Rows of A and columns of B. A layer of `n` inputs and `m` outputs gets rank * (n + m) parameters."""
    alpha: float | None = Field(default=None, gt=0)
    """The adapter counts `alpha / rank` times; none takes twice the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs that are set to zero while training; the same in all parts of a stage."""
    targets: tuple[str, ...] = ()
    """The linear layers that get one, by the end of their names, such as `q_proj`; empty takes all of the part. The output
    head gets none: the loss is computed from its weight, past any adapter."""

    @property
    def scaled(self) -> float:
        """Alpha, its default resolved."""
        return self.alpha if self.alpha is not None else 2.0 * self.rank

    def takes(self, layer: str) -> bool:
        """Whether the layer of that name gets an adapter."""
        return not self.targets or any(f".{layer}".endswith(f".{target}") for target in self.targets)

    def __str__(self) -> str:
        layers = f" on {' '.join(self.targets)}" if self.targets else ""
        return f"LoRA of rank {self.rank}, alpha {self.scaled:g}{layers}"


class Adapted(Strict):
    """How a part trains that does not train whole."""

    lora: Lora
    """A low-rank adapter; the part's own weights stay as they are."""


How = Literal["full"] | Adapted | None


class Parts(Strict):
    """How each part of the model trains: `full`, or `{lora: {rank: 64}}`; a part that is not named is frozen."""

    vision_tower: How = None
    """The vision encoder."""
    merger: How = None
    """The projector."""
    language_model: How = None
    """The language model. Beside an adapter elsewhere it is frozen or has one itself."""

    @field_validator("vision_tower", "merger", "language_model", mode="wrap")
    @classmethod
    def _one_way(cls, data: JsonValue | Adapted, _: ValidatorFunctionWrapHandler) -> How:
        """pydantic merges a ValidationError raised here, and tells one error for a part instead of one for each way."""
        if data is None or isinstance(data, Adapted):
            return data
        if data == "full":
            return "full"
        if isinstance(data, dict):
            return Adapted.model_validate_json(json.dumps(data))
        raise ValueError("must be full, or a mapping such as {lora: {rank: 64}}")

    def of(self, part: Part) -> How:
        found: How = getattr(self, part)
        return found


Train = tuple[str, ...] | Parts
"""A list of parts trains them whole."""


def read(data: object) -> Train:
    """Either form. What trains all its parts whole is a list, so that both ways to say it name one stage."""
    if isinstance(data, Parts):
        parts = data
    elif isinstance(data, dict):
        parts = Parts.model_validate_json(json.dumps(data))
    elif isinstance(data, list | tuple) and all(isinstance(one, str) for one in data):
        return tuple(data)
    else:
        raise ValueError("must be a list of parts, or a mapping such as {language_model: {lora: {rank: 64}}}")
    named = tuple(part for part in PARTS if parts.of(part) is not None)
    return named if all(parts.of(part) == "full" for part in named) else parts


def named(train: Train) -> tuple[str, ...]:
    """The parts that change, whole or through an adapter."""
    return train if isinstance(train, tuple) else tuple(part for part in PARTS if train.of(part) is not None)


def whole(train: Train) -> tuple[str, ...]:
    """The parts whose own weights change."""
    return train if isinstance(train, tuple) else tuple(part for part in PARTS if train.of(part) == "full")


def adapters(train: Train) -> dict[Part, Lora]:
    """The adapter of each part that has one."""
    ways = {} if isinstance(train, tuple) else {part: train.of(part) for part in PARTS}
    return {part: how.lora for part, how in ways.items() if isinstance(how, Adapted)}


def check(where: str, train: Train) -> None:
    """Rules among the parts. RecipeError names the key."""
    found = adapters(train)
    if found and "language_model" in whole(train):
        first = next(iter(found))
        raise RecipeError(
            f"{where}.language_model: full beside an adapter of {first}; its tables would be kept twice, and a tied head would "
            f"lose its table: give it an adapter too, or train {first} whole"
        )
    if len({one.dropout for one in found.values()}) > 1:
        told = ", ".join(f"{part} {one.dropout:g}" for part, one in found.items())
        raise RecipeError(
            f"{where}: dropout differs among the adapters of a stage ({told}); give all the same"
        )


def check_layers(where: str, train: Train, layers: Mapping[str, Collection[str]]) -> None:
    """Every target is a linear layer of its part. RecipeError names what there is.

    `layers` are the names of the linear layers of each part; a family that cannot tell them before the model is loaded leaves
    the part out, and is asked again then.
    """
    for part, one in adapters(train).items():
        if part not in layers:
            continue
        kinds = dict.fromkeys(re.sub(r"\.\d+\.", ".N.", layer) for layer in layers[part])
        there = f"it has: {', '.join(kinds) or 'none'}; the output head takes no adapter"
        if not layers[part]:
            raise RecipeError(f"{where}.{part}.lora: {part} has no linear layer; {there}")
        for target in one.targets:
            if not any(Lora(rank=1, targets=(target,)).takes(layer) for layer in layers[part]):
                raise RecipeError(
                    f"{where}.{part}.lora.targets: no linear layer of {part} is called {target!r}; {there}"
                )
