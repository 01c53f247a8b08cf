"""Logits processors: tokens drawn with a seed a row, and the log-probabilities of what was written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import pad
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
    """Turns the likeliest token into a drawn one: of scores (B, V) it makes a 1 in each row, in bytes, so that greedy search
    samples. It goes last. A row draws from its own generator, and its tokens hang neither on the rest of the batch nor on
    torch's own random state.

    Of waits drawn from exponential distributions, whose rates are the tokens' chances, the shortest is a draw by these chances
    (Gumbel's trick without logarithms), and hardly ever another one where scores differ in their last bits. Here a block of the
    vocabulary is drawn by its sum, then a token in it: the same chances, from V / BLOCK + BLOCK random numbers and not from V.
    The shortest wait of what is not finite is some token: `check` says afterwards whether there was any.
    """

    BLOCK = 256
    """Tokens; about the root of a vocabulary, where the two draws together need the fewest numbers."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._sound = torch.ones((), dtype=torch.bool, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows, vocabulary = scores.shape
        blocks = -(-vocabulary // self.BLOCK)
        # A forbidden token's score is -inf, its rate 0.
        rates = (scores - scores.amax(dim=-1, keepdim=True)).exp_()
        rates = pad(rates, (0, blocks * self.BLOCK - vocabulary)).view(rows, blocks, self.BLOCK)
        chances = rates.sum(dim=-1)
        self._sound &= (chances.sum(dim=-1) < torch.inf).all()
        waits = self._waits(blocks + self.BLOCK, scores.device)
        row = torch.arange(rows, device=scores.device)
        block = (waits[:, :blocks] / chances).argmin(dim=-1)
        token = (waits[:, blocks:] / rates[row, block]).argmin(dim=-1)
        # Bytes: the largest of a vocabulary's numbers is found in a third of the time.
        drawn = torch.zeros_like(scores, dtype=torch.uint8)
        return drawn.scatter_(1, (block * self.BLOCK + token)[:, None], 1)

    def _waits(self, count: int, device: torch.device) -> torch.Tensor:
        """(B, count) from the exponential distribution of rate 1."""
        # The shortest wins, and 53 bits tell short ones apart.
        shares = torch.empty((len(self._generators), count), dtype=torch.float64, device=device)
        for row, generator in zip(shares, self._generators, strict=True):
            row.uniform_(generator=generator)
        # A draw of exactly 0 would win against any chance.
        return shares.float().clamp_min_(torch.finfo(torch.float32).tiny).neg_().log1p_().neg_()

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
