"""Reinforcement learning with verifiable rewards: GRPO through TRL's GRPOTrainer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from lingshu_train.errors import RecipeError
from lingshu_train.rewards import _compose as rewards
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
from lingshu_train.stages._config import Mix, Provided, StageConfig, check_parts, trained_from

OUTPUTS = ("model", "ledger.jsonl", "completions.jsonl")


class Config(StageConfig):
    """One GRPO stage.

    A generation window samples `group_size` completions for each of `rollout_prompts` prompts, then takes
    `rollout_prompts / update_prompts` optimizer steps on them (paper section 3.4: 512 and 128). `per_device_batch`
    counts completions per forward pass. `steps` counts optimizer steps.
    """

    distributed: ClassVar[bool] = True
    provides: ClassVar[Provided | None] = "model"

    kind: Literal["grpo"]
    base: str = ""
    data: tuple[Mix, ...] = Field(min_length=1)
    train: tuple[str, ...]
    learning_rate: dict[str, float]
    rewards: rewards.Composition
    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    group_size: int = Field(gt=1)
    rollout_prompts: int = Field(gt=0)
    update_prompts: int = Field(gt=0)
    per_device_batch: int = Field(gt=0)
    temperature: float = Field(default=1.0, gt=0)
    kl_coefficient: float = Field(default=0.0, ge=0)
    clip_low: float = Field(default=0.2, gt=0)
    clip_high: float = Field(default=0.2, gt=0)
    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "grpo"
    max_completion: int = Field(gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "constant"
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    save_every: int = Field(gt=0)
    keep: int = Field(default=2, gt=0)
    loader_workers: int = Field(default=0, ge=0)

    @property
    def needs(self) -> tuple[tuple[str, str, Provided], ...]:
        return trained_from(self.base, self.data)

    @property
    def trains(self) -> tuple[str, ...]:
        return self.train

    @property
    def num_steps(self) -> int | None:
        return self.steps

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(term.file for term in self.rewards.terms if term.file)

    @property
    def window(self) -> int:
        """Optimizer steps taken on one set of completions. Checkpoints fall on window borders only."""
        return self.rollout_prompts // self.update_prompts

    def check(self, where: str) -> None:
        check_parts(where, self.train, self.learning_rate)
        if (self.steps is None) == (self.epochs is None):
            raise RecipeError(f"{where}: give either steps or epochs")
        if self.rollout_prompts % self.update_prompts:
            raise RecipeError(
                f"{where}.rollout_prompts: {self.rollout_prompts} is not a multiple of update_prompts ({self.update_prompts})"
            )
        if self.save_every % self.window:
            raise RecipeError(
                f"{where}.save_every: {self.save_every} falls inside a generation window of {self.window} steps, where a "
                f"resume could not be exact; use a multiple of {self.window}"
            )
        if self.steps and self.steps % self.window:
            raise RecipeError(
                f"{where}.steps: {self.steps} is not a multiple of the generation window ({self.window} steps)"
            )
        rewards.check(self.rewards, where=f"{where}.rewards")

    def accumulation(self, world_size: int) -> int:
        """Micro-steps per optimizer step: `update_prompts * group_size` completions over all ranks."""
        return self.update_prompts * self.group_size // (self.per_device_batch * world_size)

    def check_world(self, where: str, world_size: int) -> None:
        completions = self.update_prompts * self.group_size
        at_once = self.per_device_batch * world_size
        if completions % at_once:
            raise RecipeError(
                f"{where}.per_device_batch: {completions} completions a step (update_prompts * group_size) do not divide "
                f"into {at_once} at once (per_device_batch * {world_size} processes)"
            )


def run(stage: Stage) -> dict[str, Any]:
    """Train, resuming from the newest whole checkpoint, and write `model/`, the ledger and the completions kept."""
    from lingshu_train.trainers import grpo

    return grpo.train(stage, parse(Config, stage.config, where=f"stages.{stage.name}", error=RecipeError))
