"""Reinforcement learning with verifiable rewards: GRPO through TRL's GRPOTrainer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import licences
from lingshu_train.data.order.selection import Selection
from lingshu_train.errors import NotPermitted, RecipeError
from lingshu_train.kind import Chart, Need, PlanLine
from lingshu_train.rewards import _compose as rewards
from lingshu_train.schema import Strict
from lingshu_train.training.config import GRADIENT_NORM, LEARNING_RATE, TrainingConfig


class Watched(Strict):
    """Held-out questions that the policy answers greedily every `every` steps, while it is trained.

    `samples` of them, always the same, drawn by the recipe's seed and their ids. They show whether accuracy follows the
    reward.
    """

    corpus: str
    split: str = "held_out"
    tasks: tuple[str, ...] = ()
    samples: int = Field(default=64, gt=0)
    every: int = Field(gt=0)
    per_device_batch: int = Field(default=16, gt=0)


class Config(TrainingConfig):
    """One GRPO stage.

    A generation window samples `group_size` completions for each of `rollout_prompts` prompts, then takes
    `rollout_prompts / update_prompts` optimizer steps on them (paper section 3.4: 512 and 128). `per_device_batch`
    counts completions per forward pass. Prompts of more than `max_prompt` tokens, images included, are left out;
    of the rest, `selection` (data/order/selection.py) takes those to train on.
    """

    method: ClassVar[str] = "reinforcement learning"
    outputs: ClassVar[tuple[str, ...]] = (*TrainingConfig.outputs, "completions.jsonl")
    judges: ClassVar[bool] = True
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Reward", columns=("reward",), y="mean reward"),
        Chart(title="Held-out accuracy", columns=("held_out/accuracy",), y="share of right greedy answers"),
        Chart(title="Reward terms", columns=("reward/",), y="mean of the term"),
        Chart(title="Completions by status", columns=("status/",), y="share of completions", absent=0.0),
        Chart(title="Completion length", columns=("completion_length",), y="tokens"),
        Chart(title="Spread of rewards", columns=("reward_std",), y="standard deviation"),
        Chart(title="KL from the starting model", columns=("kl",), y="nats per token"),
        GRADIENT_NORM,
        Chart(title="Policy loss", columns=("loss",), y="loss", aside=True),
        Chart(title="Entropy", columns=("entropy",), y="nats per token", aside=True),
        Chart(
            title="Completions at the length limit",
            columns=("truncated",),
            y="share of completions",
            aside=True,
        ),
        LEARNING_RATE,
    )
    told: ClassVar[tuple[str, ...]] = (*TrainingConfig.told, "rewards")

    kind: Literal["grpo"]
    rewards: rewards.Composition
    group_size: int = Field(gt=1)
    rollout_prompts: int = Field(gt=0)
    update_prompts: int = Field(gt=0)
    temperature: float = Field(default=1.0, gt=0)
    kl_coefficient: float = Field(default=0.0, ge=0)
    clip_low: float = Field(default=0.2, gt=0)
    clip_high: float = Field(default=0.2, gt=0)
    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "grpo"
    selection: Selection | None = None
    max_prompt: int | None = Field(default=None, gt=0)
    max_completion: int = Field(gt=0)
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "constant"
    watch: Watched | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        watch = self.watch
        watched = [Need("watch.corpus", watch.corpus, "corpus", watch.split, watch.tasks)] if watch else []
        return (*super().needs, *watched)

    def judged_by(self) -> tuple[PlanLine, ...]:
        terms = (f"{term.name} x {term.weight:g}" for term in self.rewards.terms)
        return (PlanLine("rewards", ", ".join(terms)),)

    def check_licences(self, where: str) -> None:
        """Only cards whose licence lets their text go to a third party may be named for a judge elsewhere."""
        for index, term in enumerate(self.rewards.terms):
            named = term.params.get("cards")
            for name in named if isinstance(named, list) else ():
                key = f"{where}.terms.{index}.params.cards"
                for reason in licences.unsendable([cards.load(str(name), where=key)]):
                    raise NotPermitted(
                        f"{key}: {reason} does not allow sending its text to a third party; judge it with an endpoint on this "
                        "machine, which needs no card named"
                    )

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(term.file for term in self.rewards.terms if term.file)

    @property
    def window(self) -> int:
        """Optimizer steps taken on one set of completions. Checkpoints fall on window borders only."""
        return self.rollout_prompts // self.update_prompts

    def check(self, where: str) -> None:
        super().check(where)
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
        weighted = [
            name
            for mix in self.data
            for name in ("repeat", "share", "limit")
            if getattr(mix, name) is not None
        ]
        if self.selection and weighted:
            raise RecipeError(
                f"{where}.data: {weighted[0]} beside selection; the selection alone decides how many rows are taken"
            )
        if self.watch and self.watch.every % self.window:
            raise RecipeError(
                f"{where}.watch.every: {self.watch.every} falls inside a generation window of {self.window} steps; use a "
                f"multiple of {self.window}"
            )
        if self.watch and self.steps and self.watch.every > self.steps:
            raise RecipeError(
                f"{where}.watch.every: {self.watch.every} is more than the stage's {self.steps} steps, so nothing would be "
                "measured"
            )
        rewards.check(self.rewards, where=f"{where}.rewards")
        self.check_licences(f"{where}.rewards")

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
