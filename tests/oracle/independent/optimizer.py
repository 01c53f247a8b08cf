"""AdamW with decoupled decay, a bound on the gradient's norm, and a warm-up before a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .qwen import Weights

Gradients = dict[str, Tensor]
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8


class AdamW:
    """`rate(name)` is the highest learning rate of a parameter. Matrices decay; vectors (biases, norms) do not."""

    def __init__(self, rate: Callable[[str], float], *, decay: float) -> None:
        self._rate, self._decay, self._steps = rate, decay, 0
        self._mean: Gradients = {}
        self._square: Gradients = {}

    @torch.no_grad()
    def step(self, weights: Weights, gradients: Mapping[str, Tensor], *, scale: float) -> None:
        """Move the weights, at `scale` times their highest rates."""
        self._steps += 1
        for name, gradient in gradients.items():
            weight, rate = weights[name], self._rate(name) * scale
            mean = self._mean.get(name, torch.zeros_like(weight))
            square = self._square.get(name, torch.zeros_like(weight))
            self._mean[name] = mean = FIRST * mean + (1 - FIRST) * gradient
            self._square[name] = square = SECOND * square + (1 - SECOND) * gradient**2
            ahead = mean / (1 - FIRST**self._steps)
            size = (square / (1 - SECOND**self._steps)).sqrt() + TINY
            decay = self._decay if weight.dim() > 1 else 0.0
            weight -= rate * (ahead / size + decay * weight)


def norm(gradients: Mapping[str, Tensor]) -> float:
    """L2, over all parameters."""
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values()))


def clipped(gradients: Mapping[str, Tensor], most: float) -> Gradients:
    """The gradient, shortened to a norm of `most`."""
    found = norm(gradients)
    factor = min(1.0, most / found) if found else 1.0
    return {name: gradient * factor for name, gradient in gradients.items()}


def cosine(done: int, *, steps: int, warmup: int) -> float:
    """Share of the highest rate after `done` steps."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (steps - warmup)))
