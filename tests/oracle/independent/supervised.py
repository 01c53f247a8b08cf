"""Supervised steps: the mean of the negative log-likelihood over all targets of a global batch, however it is divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from . import optimizer
from .examples import IGNORED, Example
from .optimizer import AdamW, Gradients
from .qwen import Model, Weights, logits


@dataclass(frozen=True)
class Step:
    """What one step came to; `gradients` after the bound on their norm."""

    loss: float
    norm: float
    gradients: Gradients


def step(
    model: Model, weights: Weights, batch: Sequence[Example], adam: AdamW, *, most: float, scale: float
) -> Step:
    """Take one step; `weights` move in place."""
    targets = sum(label != IGNORED for example in batch for label in example.labels[1:])
    loss = 0.0
    for weight in weights.values():
        weight.grad = None
    for example in batch:
        part = summed(model, weights, example) / targets
        part.backward()
        loss += part.item()
    found = gradients(weights)
    norm = optimizer.norm(found)
    found = optimizer.clipped(found, most)
    adam.step(weights, found, scale=scale)
    return Step(loss, norm, found)


def summed(model: Model, weights: Weights, example: Example) -> torch.Tensor:
    """Negative log-likelihood of a sample's targets, in nats: each is asked of the token before it."""
    chances = torch.log_softmax(logits(model, weights, example)[:-1], dim=-1)
    labels = torch.tensor(example.labels[1:])
    asked = labels != IGNORED
    return -chances[asked].gather(1, labels[asked][:, None]).sum()


@torch.no_grad()
def measured(model: Model, weights: Weights, rows: Sequence[Example]) -> tuple[float, float]:
    """Mean negative log-likelihood of all targets of some rows, and the share of them that were likeliest."""
    loss, right, targets = 0.0, 0, 0
    for example in rows:
        labels = torch.tensor(example.labels[1:])
        asked = labels != IGNORED
        loss += summed(model, weights, example).item()
        likeliest = logits(model, weights, example)[:-1].argmax(dim=-1)
        right += int((likeliest == labels)[asked].sum())
        targets += int(asked.sum())
    return loss / targets, right / targets


def gradients(weights: Weights) -> Gradients:
    """What was added up since it was last forgotten."""
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in weights.items()
    }
