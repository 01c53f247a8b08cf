"""The recipe's model block: which weights, at what precision, how many pixels."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field, JsonValue, SerializeAsAny, ValidationInfo, field_validator, model_validator

from lingshu_train.model import shape
from lingshu_train.model.shape import PictureBudget, Shape
from lingshu_train.schema import Strict

FAMILY = "qwen2_5_vl"
"""Where a recipe names none: the paper's."""


class Build(Strict):
    """How to make a model from nothing."""

    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the random weights."""


class Settings(Strict):
    """Which model, at what precision, and how large its pictures are. Recipes take one of `recipes/model/`."""

    family: str = FAMILY
    """The architecture: a folder of `model/families/`."""
    base: str = ""
    """The model to start from: an id of the Hugging Face Hub, or a folder. Empty where a `build` stage makes the
    model."""
    revision: str = ""
    """Commit or tag of the base model on the hub; empty takes the newest."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of the forward pass, of evaluation and of the export. Weights are kept in float32 while they
    train."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "sdpa"
    """How attention is computed. `sdpa` runs everywhere, and where samples lie end to end takes each by itself;
    `flash_attention_2` needs a GPU, bfloat16 and the package kernels or flash-attn, and a family whose tokens see earlier ones
    alone. `auto` is `flash_attention_2` where it
    can be had, and `sdpa` elsewhere; which it was stands in the manifest, and the name of a stage does not depend on it."""
    quantize: Literal["none", "nf4"] = "none"
    """`nf4` keeps the linear layers of the language model in 4 bits while adapters train beside them (QLoRA), for a small GPU.
    What a stage leaves, and evaluation, are in `dtype`. Needs the extra qlora; every training stage needs an adapter."""
    gradient_checkpointing: bool = False
    """Compute activations twice rather than keep them: less memory, more time."""
    min_pixels: int = Field(gt=0)
    """Fewest pixels (width times height) of a picture as the model sees it; smaller ones are enlarged."""
    max_pixels: int = Field(gt=0)
    """Most pixels of a picture as the model sees it; larger ones are reduced. How many pixels are one token is the
    family's matter."""
    system_prompt: str = ""
    """Text that stands before every conversation, in training and in evaluation alike; empty for none."""
    shape: SerializeAsAny[Shape]
    """The sizes of the model, as its family counts them: what a plan tells of memory follows from them. Every file of
    `recipes/model/` has them."""
    build: Build | None = None
    """How a `build` stage makes the model from nothing; none where it starts from a base."""

    @field_validator("shape", mode="plain")
    @classmethod
    def _of_the_family(cls, data: JsonValue | Shape, info: ValidationInfo) -> JsonValue | Shape:
        """pydantic merges a ValidationError raised here, so that its keys read `model.shape.text. ...`."""
        if "family" not in info.data:
            return data  # The family itself was refused, which is what the user is told.
        wanted = shape.of(info.data["family"])
        return data if isinstance(data, wanted) else wanted.model_validate_json(json.dumps(data))

    @model_validator(mode="after")
    def _some_picture_fits(self) -> Settings:
        if why := shape.fault(self.budget):
            raise ValueError(why)
        return self

    @model_validator(mode="after")
    def _attention_sees_what_it_must(self) -> Settings:
        if self.shape.looks_ahead and self.attention == "flash_attention_2":
            raise ValueError(
                f"attention: flash_attention_2 takes no mask, and in {self.family} tokens of a picture see later ones, which "
                "it would leave out; take sdpa"
            )
        return self

    @property
    def budget(self) -> PictureBudget:
        """What becomes of a picture."""
        return self.shape.budget(min_pixels=self.min_pixels, max_pixels=self.max_pixels)
