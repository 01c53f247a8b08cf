"""Logits processors: tokens drawn with a seed a row, and the log-probabilities of what was written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor


class Drawing(LogitsProcessor):  # type: ignore[misc]
    """Turns the likeliest token into a drawn one: adds Gumbel noise to the scores (B, V), each row from its own generator.

    argmax(score + noise) is a draw from softmax(score) (Gumbel 1954), so greedy search samples, and a row's tokens hang
    neither on the rest of the batch nor on torch's own random state.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        noise = torch.empty_like(scores)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        # A draw of exactly 0 would win against any score.
        return scores - noise.clamp_min(torch.finfo(noise.dtype).tiny).log()


class LogProbs(LogitsProcessor):  # type: ignore[misc]
    """Keeps the log-probability of each token under the model's own scores. First in the list, it sees them unchanged.

    A step's token is known at the next, so one distribution (B, V) is held, never all of them.
    """

    def __init__(self) -> None:
        self._found: list[torch.Tensor] = []
        self._last: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._last is not None:
            self._found.append(self._last.gather(1, input_ids[:, -1:]))
        self._last = torch.log_softmax(scores.float(), dim=-1)
        return scores

    def of(self, written: torch.Tensor) -> torch.Tensor:
        """(B, T) for the tokens (B, T) that generation returned."""
        found = self._found[: written.shape[1]]
        if len(found) < written.shape[1]:
            assert self._last is not None
            found = [*found, self._last.gather(1, written[:, -1:])]
        return torch.cat(found, dim=1)
