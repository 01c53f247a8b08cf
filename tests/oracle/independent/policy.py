"""Group relative policy optimisation: rewards of what was written, advantages in a group, the clipped surrogate."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import optimizer
from .examples import IGNORED, Example
from .optimizer import AdamW
from .qwen import Model, Weights, logits
from .supervised import Step, gradients

SOFT = 1e-4
"""Added to the standard deviation of a group."""


@dataclass(frozen=True)
class Written:
    """A completion: prompt and answer as one example, whose targets are the written tokens.

    `rank` and `part` say in which forward pass of a step it is used. `old` are the log-probabilities of its tokens under the
    policy that wrote it, `reference` those under the policy that the stage began with.
    """

    example: Example
    advantage: float
    rank: int = 0
    part: int = 0
    old: Tensor | None = None
    reference: Tensor | None = None

    @property
    def tokens(self) -> int:
        return sum(label != IGNORED for label in self.example.labels)


@dataclass(frozen=True)
class Rule:
    """What the loss is made of."""

    loss: str
    temperature: float
    low: float
    high: float
    kl: float
    kl_weighted: bool
    """By the ratio of new to old policy, so that its gradient is that of the divergence off policy as well."""
    most_tokens: int
    """A completion can have."""
    ratio_of: str = "tokens"
    """Or "completions"."""


def reward(
    text: str, answer: str, *, tokens: int, ended: bool, most: int, margin: int
) -> dict[str, float | None]:
    """1 for the right answer inside its tags; -1 to 0 for the last `margin` tokens before the limit."""
    found = re.fullmatch(r"(?s).*?<answer>(.*?)</answer>.*", text)
    marks = len(re.findall(r"<answer>|</answer>", text))
    right = found is not None and marks == 2 and _same(found.group(1).strip(), answer)
    over = (tokens - (most - margin)) / margin
    return {"accuracy": float(right), "length": -1.0 if not ended else -min(1.0, max(0.0, over))}


def _same(one: str, other: str) -> bool:
    """Numbers by their value, other text letter by letter."""
    numbers = all(re.fullmatch(r"[+-]?\d+(\.\d+)?", text) for text in (one, other))
    return float(one) == float(other) if numbers else one == other


def advantages(rewards: Sequence[float | None], *, scaled: bool = True) -> list[float]:
    """How much better each of a group is than its mean, in (sample) standard deviations. What was not scored counts for nothing
    in either, and is as good as the mean."""
    scored = [value for value in rewards if value is not None]
    if len(scored) < 2:
        return [0.0] * len(rewards)
    mean = statistics.fmean(scored)
    spread = statistics.stdev(scored) + SOFT if scaled else 1.0
    return [0.0 if value is None else (value - mean) / spread for value in rewards]


def chances(model: Model, weights: Weights, example: Example, temperature: float) -> Tensor:
    """Log-probabilities of the written tokens, as they were drawn: of the logits divided by the temperature."""
    labels = torch.tensor(example.labels[1:])
    asked = labels != IGNORED
    found = torch.log_softmax(logits(model, weights, example)[:-1][asked] / temperature, dim=-1)
    return found.gather(1, labels[asked][:, None])[:, 0]


def token_losses(one: Written, now: Tensor, rule: Rule) -> Tensor:
    """Of each token: the clipped surrogate, and the penalty for leaving the reference."""
    assert one.old is not None
    away = now - one.old
    ratio = (away if rule.ratio_of == "tokens" else away.mean().expand_as(away)).exp()
    bounded = ratio.clamp(1 - rule.low, 1 + rule.high)
    found = -torch.minimum(ratio * one.advantage, bounded * one.advantage)
    if rule.loss == "cispo":
        found = -ratio.detach().clamp(max=1 + rule.high) * one.advantage * now
    if rule.kl:
        assert one.reference is not None
        away = one.reference - now
        divergence = away.exp() - away - 1  # Schulman's k3
        found = found + rule.kl * (ratio * divergence if rule.kl_weighted else divergence)
    return found


Shares = Callable[[Sequence[Written], Rule], list[float]]


def _of_completions(update: Sequence[Written], _: Rule) -> list[float]:
    """The mean over completions of the mean over their tokens."""
    return [1 / len(update) / one.tokens for one in update]


def _of_limit(update: Sequence[Written], rule: Rule) -> list[float]:
    """The sum over tokens, by as many as there could have been."""
    return [1 / len(update) / rule.most_tokens for _ in update]


def _of_update(update: Sequence[Written], _: Rule) -> list[float]:
    """The mean over the tokens of an update."""
    return [1 / sum(one.tokens for one in update) for _ in update]


def _of_passes(update: Sequence[Written], _: Rule) -> list[float]:
    """The mean over forward passes (each rank's count) of the mean over their tokens: no loss of the package is this one."""
    tokens: dict[tuple[int, int], int] = {}
    for one in update:
        tokens[one.rank, one.part] = tokens.get((one.rank, one.part), 0) + one.tokens
    return [1 / len(tokens) / tokens[one.rank, one.part] for one in update]


SHARES: Mapping[str, Shares] = {
    "grpo": _of_completions,
    "dr_grpo": _of_limit,
    "bnpo": _of_update,
    "dapo": _of_update,
    "cispo": _of_update,
    "by the passes' tokens": _of_passes,
}
"""By what the loss of a token is divided."""


def remembered(
    model: Model, weights: Weights, start: Weights, window: Sequence[Written], rule: Rule
) -> list[Written]:
    """The completions of a window with the log-probabilities that stay as they are while it is used."""
    with torch.no_grad():
        return [
            replace(
                one,
                old=chances(model, weights, one.example, rule.temperature),
                reference=chances(model, start, one.example, rule.temperature) if rule.kl else None,
            )
            for one in window
        ]


def step(
    model: Model,
    weights: Weights,
    update: Sequence[Written],
    rule: Rule,
    *,
    adam: AdamW,
    most: float,
    scale: float = 1.0,
) -> Step:
    """Take one step on an update's completions; `weights` move in place."""
    loss = 0.0
    for weight in weights.values():
        weight.grad = None
    for one, share in zip(update, SHARES[rule.loss](update, rule), strict=True):
        now = chances(model, weights, one.example, rule.temperature)
        part = token_losses(one, now, rule).sum() * share
        part.backward()
        loss += part.item()
    found = gradients(weights)
    norm = optimizer.norm(found)
    found = optimizer.clipped(found, most)
    adam.step(weights, found, scale=scale)
    return Step(loss, norm, found)


@torch.no_grad()
def greedy(
    model: Model, weights: Weights, prompt: Example, *, ends: Sequence[int], most: int
) -> tuple[list[int], float]:
    """The likeliest token again and again, without a cache, to an end token or `most`; and the smallest lead of a token over the
    next, in logits."""
    written: list[int] = []
    lead = float("inf")
    while len(written) < most:
        scores, tokens = logits(model, weights, prompt.answered(written))[-1].topk(2)
        lead = min(lead, (scores[0] - scores[1]).item())
        written.append(int(tokens[0]))
        if written[-1] in ends:
            break
    return written, lead
