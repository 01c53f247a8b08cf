"""Supervised fine-tuning: alignment and instruction tuning through TRL's SFTTrainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from lingshu_train.errors import RecipeError
from lingshu_train.kind import Chart, Need, PlanLine
from lingshu_train.training.config import GRADIENT_NORM, LEARNING_RATE, SPEED, TrainingConfig
from lingshu_train.training.limit import Limit

Layout = Literal["padded", "end_to_end", "packs"]


class Config(TrainingConfig):
    """One supervised stage: alignment or instruction tuning. Prompts are given, answers are learned."""

    method: ClassVar[str] = "supervised fine-tuning"
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(
            title="Loss", columns=("loss", "held_out/loss"), y="cross-entropy (nats per token)", zero=False
        ),
        Chart(
            title="Token accuracy",
            columns=("token_accuracy", "held_out/token_accuracy"),
            y="share of tokens",
            aside=True,
        ),
        GRADIENT_NORM,
        LEARNING_RATE,
        *SPEED,
    )

    told: ClassVar[tuple[str, ...]] = (*TrainingConfig.told, "layout")
    moved: ClassVar[dict[str, str]] = {"packing": "is layout now: packs for true, padded for false"}

    kind: Literal["sft"]
    accumulation: int = Field(default=1, gt=0)
    """Forward passes whose gradients are added up before a step. The global batch is `per_device_batch` *
    `accumulation` * processes samples, or packs."""
    max_length: int = Field(gt=0)
    """Most tokens of a sample, pictures and answer included, or of a pack. Longer samples are left out: see
    `most_too_long`."""
    layout: Layout = "padded"
    """How samples lie in a batch. `padded`: a row each, filled up to the longest of the batch. `end_to_end`: the samples of a
    batch one after another in one row, without filling. `packs`: as many samples in a row as `max_length` holds, chosen so
    that rows are full; a batch counts rows. Samples of a row never see each other. Which samples a step has is the same
    for `padded` and `end_to_end`, and so is its gradient, beyond rounding."""
    max_patches: int | None = Field(default=None, gt=0)
    """Most patches of the vision tower in a pack, which evens out the work of ranks; none sets no bound."""

    @classmethod
    def today(cls, block: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """`packing` as `layout`: runs from before there was that have it in their records."""
        packing = block.get("packing")
        if not isinstance(packing, bool) or "layout" in block:
            return block
        rest = {key: value for key, value in block.items() if key != "packing"}
        return {**rest, "layout": "packs" if packing else "padded"}

    @property
    def naming(self) -> dict[str, JsonValue]:
        """As stages were named before there was `layout`, but for what was not there."""
        found = super().naming
        layout = found.pop("layout")
        known = layout in ("padded", "packs")
        return found | {"packing": layout == "packs"} | ({} if known else {"layout": layout})

    @property
    def packs(self) -> bool:
        """Whether a batch counts packs and not samples."""
        return self.layout == "packs"

    @property
    def together(self) -> bool:
        """Whether a batch is one row, whose samples lie end to end."""
        return self.layout != "padded"

    def describe(self) -> tuple[PlanLine, ...]:
        number = self.per_device_batch
        said = {
            "padded": f"padded: {number} sample{'s' * (number > 1)} a batch, filled up to the longest",
            "end_to_end": f"end_to_end: {number} sample{'s' * (number > 1)} in one row, without padding",
            "packs": f"packs: rows of up to {self.max_length:,} tokens, full of samples",
        }
        return (*super().describe(), PlanLine("layout", said[self.layout]))

    @property
    def teaches(self) -> tuple[Need, ...]:
        return tuple(need for need in self.needs if need.key == "data")

    def micro_steps(self, begun_on: int, world_size: int) -> int:
        """Forward passes a step, so that a step has the samples that it has on `begun_on` processes."""
        return self.accumulation * begun_on // world_size

    def check_moved(self, where: str, begun_on: int, world_size: int) -> None:
        if self.accumulation * begun_on % world_size:
            raise RecipeError(
                f"{where}.accumulation: {self.accumulation} forward passes on {begun_on} processes do not divide among the "
                f"{world_size} of cluster.continue_on"
            )

    @property
    def limit(self) -> Limit:
        """What is too long; in packs, also what has too many patches."""
        patches = self.max_patches if self.packs else None
        return Limit(tokens=self.max_length, completion=True, most=self.most_too_long, patches=patches)
