"""Reinforcement learning with verifiable rewards: GRPO through TRL's GRPOTrainer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from lingshu_train.auditing.alarms import Alarms
from lingshu_train.auditing.choice import Audit
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import licences
from lingshu_train.data.order.selection import Selection
from lingshu_train.errors import NotPermitted, RecipeError
from lingshu_train.kind import Chart, PlanLine
from lingshu_train.rewards import _compose as rewards
from lingshu_train.rollouts import Choice
from lingshu_train.stages.grpo import drawing, losses, pairs
from lingshu_train.stages.grpo.asking import Curriculum, DynamicSampling
from lingshu_train.stages.grpo.charts import CHARTS
from lingshu_train.training.config import TrainingConfig
from lingshu_train.training.limit import Limit

ROLLOUT_BATCH = 64
"""Completions drawn in one call where a recipe does not say."""


class Config(TrainingConfig):
    """One GRPO stage. A generation window samples completions for some prompts, then takes one or more optimizer
    steps on them; `per_device_batch` counts completions per forward pass. Checkpoints fall on window borders only."""

    method: ClassVar[str] = "reinforcement learning"
    outputs: ClassVar[tuple[str, ...]] = (*TrainingConfig.outputs, "completions.jsonl")
    judges: ClassVar[bool] = True
    charts: ClassVar[tuple[Chart, ...]] = CHARTS
    told: ClassVar[tuple[str, ...]] = (
        *TrainingConfig.told,
        "rewards",
        "loss",
        "ratio_of",
        "kl_estimator",
        "update_of",
        "ahead",
    )
    added: ClassVar[Mapping[str, JsonValue]] = {
        **TrainingConfig.added,
        "importance_cap": None,
        "engine_gap_alarm": None,
        "ahead": 0,
        "ratio_of": "tokens",
        "dynamic_sampling": None,
        "audit": None,
        "curriculum": None,
        "alarms": None,
    }

    kind: Literal["grpo"]
    rewards: rewards.Composition
    """What a completion earns: named terms, and how they become one number."""
    audit: Audit | None = None
    """A second look at a share of the answers that the reward accepts, and what follows where too many are false
    (docs/audit.md); none looks at none."""
    alarms: Alarms | None = None
    """A line where completions grow, repeat themselves, are cut off, lose their form, are accepted by unusual rules or give one
    answer to all; none looks for none of it."""
    group_size: int = Field(gt=1)
    """Completions of each prompt, whose rewards are compared with one another."""
    rollout_prompts: int = Field(gt=0)
    """Prompts of a generation window: completions are drawn for all of them before the weights change (the paper,
    section 3.4: 512)."""
    rollout_batch: int = Field(default=ROLLOUT_BATCH, gt=0)
    """Completions that one process draws in one call of `generate`, prompts of like length together: what bounds the memory of
    generation. A completion is drawn with a seed of its own, so that another number draws the same ones, up to rounding."""
    rollouts: Choice = Choice()
    """Who draws the completions, in training and where held-out questions are watched (docs/engines.md)."""
    importance_cap: float | None = Field(default=None, gt=0)
    """Truncated importance sampling (Yao et al. 2025): each token's loss is weighed by the trainer's probability of it over the
    engine's, at most this. None weighs nothing. Of use where the engine rounds otherwise, as in bfloat16; with `vllm` alone."""
    ahead: Literal[0, 1] = 0
    """1: servers draw the next window while this one is learned from, by the weights from before it, which `importance_cap`
    corrects. 0 draws each window by the weights that learn from it first. With `vllm` alone (docs/engines.md)."""
    engine_gap_alarm: float | None = Field(default=None, gt=0)
    """Mean difference of the engine's log-probabilities from the trainer's (nats a token) past which a window is an alarm of
    the report; none: it is only recorded."""
    update_prompts: int = Field(gt=0)
    """Prompts whose completions one optimizer step uses (the paper: 128). A window takes `rollout_prompts` /
    `update_prompts` steps."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature at which completions are drawn."""
    kl_coefficient: float = Field(default=0.0, ge=0)
    """Weight of the KL penalty that keeps the policy near the starting model, `beta` in TRL; 0 leaves it out."""
    clip_low: float = Field(default=0.2, gt=0)
    """How far below 1 the probability ratio of new to old policy counts, `epsilon` in TRL; not with `cispo`."""
    clip_high: float = Field(default=0.2, gt=0)
    """How far above 1 it counts, `epsilon_high` in TRL."""
    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo"] = "grpo"
    """What the loss of a step is. `grpo`: the mean over the update's completions of the mean over their tokens. `dr_grpo`: the
    sum over tokens by completions times `max_completion`, and advantages that no standard deviation divides. `dapo` and `bnpo`:
    the mean over the update's tokens, on all processes. `cispo`: that mean of log-probabilities by their bounded ratio, which
    no clipping leaves out."""
    ratio_of: Literal["tokens", "completions"] = "tokens"
    """What has one probability ratio of new to old policy: each token, or each completion the geometric mean of its tokens'
    (GSPO)."""
    kl_estimator: Literal["k3", "weighted_k3"] = "k3"
    """The KL term of a token: Schulman's k3, as GRPO was published, or k3 times the ratio of new to old policy, as in
    DeepSeek-V3.2, whose gradient is that of the divergence off policy as well."""
    update_of: Literal["groups", "completions"] = "groups"
    """What an optimizer step uses: all completions of its `update_prompts` prompts, or as many completions drawn from all of
    the window, so that most groups are split over its steps."""
    dynamic_sampling: DynamicSampling | None = None
    """Ask on until a window has `rollout_prompts` groups with spread; none takes the groups as they come."""
    curriculum: Curriculum | None = None
    """Choose the prompts of a window by what the policy gets right about half of the time; none takes them as they come."""
    selection: Selection | None = None
    """Which rows of `data` to train on, by rules of balance; none takes them as they come."""
    max_prompt: int | None = Field(default=None, gt=0)
    """Most tokens of a prompt, pictures included; longer ones are left out. None sets no bound."""
    max_completion: int = Field(gt=0)
    """Most tokens of a completion."""
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "constant"

    @property
    def draws(self) -> int:
        """How often a window may ask `rollout_prompts` prompts."""
        return self.dynamic_sampling.most_draws if self.dynamic_sampling else 1

    @property
    def choice(self) -> int:
        """How many times more than it asks a window has to choose among."""
        return self.draws * (self.curriculum.candidates if self.curriculum else 1)

    @property
    def window_prompts(self) -> int:
        """Prompts by which the order goes on with each window: those that it may ask."""
        return self.rollout_prompts * self.choice

    @property
    def whole_groups(self) -> bool:
        """Whether an update has all completions of its prompts."""
        return self.update_of == "groups"

    def describe(self) -> tuple[PlanLine, ...]:
        loss = losses.told(
            self.loss,
            ratio_of=self.ratio_of,
            kl_estimator=self.kl_estimator,
            kl_coefficient=self.kl_coefficient,
            update_of=self.update_of,
        )
        ahead = drawing.told(self)
        return (*super().describe(), PlanLine("loss", loss), PlanLine("held", losses.held()), *ahead)

    @property
    def naming(self) -> dict[str, JsonValue]:
        return {key: value for key, value in super().naming.items() if key != "rollouts"} | dict(
            self.rollouts.naming
        )

    def judged_by(self) -> tuple[PlanLine, ...]:
        terms = (f"{term.name} x {term.weight:g}" for term in self.rewards.terms)
        return (PlanLine("rewards", ", ".join(terms)),)

    def check_licences(self, where: str) -> None:
        """Only cards whose licence lets their text go to a third party may be named for a judge elsewhere."""
        asked = {f"{where}.rewards.terms.{n}": term.params for n, term in enumerate(self.rewards.terms)}
        if self.audit:
            asked[f"{where}.audit"] = self.audit.params
            fallback = self.audit.fallback.terms if self.audit.fallback else ()
            asked |= {f"{where}.audit.fallback.terms.{n}": term.params for n, term in enumerate(fallback)}
        for place, params in asked.items():
            named = params.get("cards")
            for name in named if isinstance(named, list) else ():
                key = f"{place}.params.cards"
                for reason in licences.unsendable([cards.load(str(name), where=key)]):
                    raise NotPermitted(
                        f"{key}: {reason} does not allow sending its text to a third party; judge it with an endpoint on this "
                        "machine, which needs no card named"
                    )

    def check_device(self, where: str, device: str) -> None:
        self.rollouts.check_device(f"{where}.rollouts", device)

    @property
    def files(self) -> tuple[str, ...]:
        fallback = self.audit.fallback if self.audit else None
        terms = (*self.rewards.terms, *(fallback.terms if fallback else ()))
        return (*super().files, *(term.file for term in terms if term.file))

    @property
    def pairs(self) -> tuple[str, ...]:
        """The rewards that are decided over both halves of a pair, so that windows hold whole pairs."""
        return pairs.of(self.rewards, self.audit.fallback if self.audit else None)

    @property
    def leaves(self) -> tuple[str, ...]:
        return (*self.outputs, "audits.jsonl") if self.audit else self.outputs

    @property
    def limit(self) -> Limit:
        """What is too long."""
        return Limit(tokens=self.max_prompt or sys.maxsize, completion=False, most=self.most_too_long)

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
        if self.save_every is not None and self.save_every % self.window:
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
        rewards.check(self.rewards, where=f"{where}.rewards")
        if self.audit:
            self.audit.check(f"{where}.audit", self.rewards)
        if self.curriculum:
            fallback = self.audit.fallback if self.audit else None
            self.curriculum.check(
                where, [self.rewards, fallback or self.rewards], workers=self.loader_workers
            )
        if self.pairs:
            pairs.check(
                where,
                self.pairs,
                prompts=self.rollout_prompts,
                apart=[name for name in ("selection", "curriculum", "consented_late") if getattr(self, name)],
            )
        drawing.check(self, where)
        self.check_licences(where)

    def try_out(self, where: str) -> None:
        super().try_out(where)
        fallback = self.audit.fallback if self.audit else None
        for key, wanted in (("rewards", self.rewards), ("audit.fallback", fallback)):
            if wanted is None:
                continue
            composed = rewards.compose(wanted, where=f"{where}.{key}")
            try:
                composed.start()
            finally:
                composed.close()

    def accumulation(self, world_size: int) -> int:
        """Micro-steps per optimizer step: `update_prompts * group_size` completions over all ranks."""
        return self.update_prompts * self.group_size // (self.per_device_batch * world_size)

    def check_moved(self, where: str, begun_on: int, world_size: int) -> None:
        self.check_world(where, world_size)

    def check_world(self, where: str, world_size: int) -> None:
        completions = self.update_prompts * self.group_size
        at_once = self.per_device_batch * world_size
        if completions % at_once:
            raise RecipeError(
                f"{where}.per_device_batch: {completions} completions a step (update_prompts * group_size) do not divide "
                f"into {at_once} at once (per_device_batch * {world_size} processes)"
            )
        if self.dynamic_sampling and self.rollout_prompts % world_size:
            raise RecipeError(
                f"{where}.dynamic_sampling: {self.rollout_prompts} groups a window (rollout_prompts) do not divide among "
                f"{world_size} processes; take a multiple"
            )
        if self.whole_groups and self.window > 1 and self.update_prompts % world_size:
            raise RecipeError(
                f"{where}.update_of: {self.update_prompts} groups a step (update_prompts) do not divide among {world_size} "
                "processes; take a multiple, or update_of=completions"
            )
