"""Logits processors: tokens drawn with a seed a row, and the log-probabilities of what was written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor


class NotFinite(ArithmeticError):
    """The chances of a next token are not finite, so that none can be drawn."""


class Never(LogitsProcessor):  # type: ignore[misc]
    """Forbids tokens, in place. transformers' own looks the whole vocabulary up among them and copies the scores, each time."""

    def __init__(self, tokens: Sequence[int], device: torch.device) -> None:
        self._tokens = torch.tensor(list(tokens), device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores.index_fill_(1, self._tokens, -torch.inf)


class Drawing(LogitsProcessor):  # type: ignore[misc]
    """Turns the likeliest token into a drawn one: adds Gumbel noise to the scores (B, V), each row from its own generator.

    argmax(score + noise) is a draw from softmax(score) (Gumbel 1954), so greedy search samples, and a row's tokens hang
    neither on the rest of the batch nor on torch's own random state. The argmax of what is not finite is some token: `check`
    says afterwards whether there was any.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._sound = torch.ones((), dtype=torch.bool, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # A forbidden token's score is -inf, and stays out of it.
        self._sound &= (scores.sum(dim=-1) < torch.inf).all()
        # The shortest wait wins, and 53 bits tell short ones apart.
        shares = torch.empty(scores.shape, dtype=torch.float64, device=scores.device)
        for row, generator in zip(shares, self._generators, strict=True):
            row.uniform_(generator=generator)
        # A draw of exactly 0 would win against any score.
        waits = shares.float().clamp_min_(torch.finfo(torch.float32).tiny).neg_().log1p_().neg_()
        return waits.log_().neg_().add_(scores)

    def check(self) -> None:
        """Waits for the device."""
        if not bool(self._sound):
            raise NotFinite("the model's chances of the next token are not finite")


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
