"""The language model's head at the positions that have a label, on every device, and read once where no Triton is.

TRL's fused head scores labelled positions alone where it has Triton, and every position elsewhere, prompts and padding among
them: for compilers that want one shape, which a CPU does not need. Its backward pass multiplies once more what the forward pass
has multiplied, since a GPU's memory is dear, and without Triton goes over all logits some twenty times. With a vocabulary of
152,064 the head is most of a step's time and memory on a CPU (benchmarks/head.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from trl.kernels import chunked_logprob
from trl.trainer import utils

UPSTREAM = chunked_logprob.ChunkedLogProbFunction
ROWS = 256
"""Positions whose logits are made at once: what is done to them next finds them in the processor's cache."""
MOST_KEPT = chunked_logprob.TOKEN_CHUNK_SIZE * utils._CHUNKED_LOGPROB_CHUNK_SIZE
"""Numbers that wait for the backward pass: no more than TRL's buffer for one product has. Beyond, they are made again there."""
KNOWN = frozenset({"log_probs", "entropy", "is_top1"})

_Found = tuple[
    torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None
]


def labelled_alone() -> None:
    """For the rest of this process. The kernel that scores a position is chosen elsewhere, by a name of its own."""
    utils._use_triton = _always


def install() -> None:
    """Labelled positions alone; without Triton, in float32, by `LogProbs`. For the rest of this process."""
    labelled_alone()
    utils._ChunkedLogProbFunction = Head


def _always(device: torch.device) -> bool:
    return True


class Head:
    """Stands where TRL looks for its function."""

    @staticmethod
    def apply(*given: Any) -> _Found:
        """As TRL's, which is called with all of: states (N, H), the head's weight (V, H) and bias, tokens (N,), a temperature,
        the columns of a product, cap and scale of logits, names of outputs. Gives log-probabilities (N,), and those outputs.
        """
        hidden, weight, bias, targets, temperature, _, softcap, scale, outputs = given
        low = torch.is_autocast_enabled(hidden.device.type) or {hidden.dtype, weight.dtype} != {torch.float32}
        plain = softcap is None and scale == 1.0 and bias is None and KNOWN.issuperset(outputs)
        if low or not plain or chunked_logprob._use_triton(hidden.device):
            found: _Found = UPSTREAM.apply(*given)
            return found
        asked = Asked(
            temperature=temperature,
            entropy="entropy" in outputs,
            top="is_top1" in outputs,
            learns=torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad),
        )
        logs, entropy, top = LogProbs.apply(hidden, weight, targets, asked)  # type: ignore[no-untyped-call]
        return logs, entropy, None, None, top


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`learns`: whether a backward pass may follow."""

    temperature: float
    entropy: bool
    top: bool
    learns: bool


class LogProbs(torch.autograd.Function):
    """Log-probabilities, entropies (nats) and whether a token is the likeliest, from blocks of logits.

    What is kept of a logit z is exp(z - the position's largest): its share of that position's sum is the chance, which is all
    that both gradients need.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        asked: Asked,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        ctx.set_materialize_grads(False)
        count, vocabulary = len(hidden), len(weight)
        kept = asked.learns and count * vocabulary <= MOST_KEPT
        rates = hidden.new_empty(count if kept else min(ROWS, count), vocabulary)
        sums, largest, own, spread = (hidden.new_empty(count) for _ in range(4))
        first = torch.zeros(count, dtype=torch.bool, device=hidden.device) if asked.top else None
        for block, scores in _scores(hidden, weight, asked.temperature):
            most = scores.amax(dim=-1)
            largest[block] = most
            own[block] = scores.gather(1, targets[block, None])[:, 0]
            if first is not None:
                # The first of several largest is the likeliest; few positions have to be asked.
                best = (own[block] >= most).nonzero()[:, 0]
                first[block.start + best] = scores[best].argmax(dim=-1) == targets[block][best]
            scores.sub_(most[:, None])
            rate = torch.exp(scores, out=rates[block] if kept else rates[: len(scores)])
            torch.sum(rate, dim=-1, out=sums[block])
            if asked.entropy:
                spread[block] = torch.linalg.vecdot(rate, scores)
        logs = sums.log()
        entropies = logs - spread / sums if asked.entropy else None
        ctx.save_for_backward(
            hidden, weight, targets, largest + logs, sums, rates if kept else None, entropies
        )
        ctx.temperature = asked.temperature
        if first is not None:
            ctx.mark_non_differentiable(first)
        return own - largest - logs, entropies, first

    @staticmethod
    def backward(
        ctx: Any, of_logs: torch.Tensor | None, of_entropies: torch.Tensor | None, _: object
    ) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, targets, total, sums, rates, entropies = ctx.saved_tensors
        with utils.maybe_gather_lm_head_ctx(weight, None):
            to_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
            to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
            again = _scores(hidden, weight, ctx.temperature)
            for block, chances in _chances(again, total, None if rates is None else (rates, sums)):
                entropic = None
                if of_entropies is not None:
                    # d entropy / d z = -chance (log chance + entropy)
                    entropic = torch.xlogy(chances, chances).addcmul_(chances, entropies[block, None])
                    entropic.mul_(-of_entropies[block, None])
                if of_logs is None:
                    chances.zero_()
                else:
                    # d log chance of the token / d z = 1 where z is the token's - chance
                    chances.mul_(-of_logs[block, None])
                    chances.scatter_add_(1, targets[block, None], of_logs[block, None])
                grad = chances if entropic is None else chances.add_(entropic)
                if ctx.temperature != 1:
                    grad.div_(ctx.temperature)
                if to_hidden is not None:
                    torch.mm(grad, weight, out=to_hidden[block])
                if to_weight is not None:
                    to_weight.addmm_(grad.t(), hidden[block])
        return to_hidden, to_weight, None, None


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, ROWS):
        yield slice(start, min(start + ROWS, count))


def _scores(
    hidden: torch.Tensor, weight: torch.Tensor, temperature: float
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Logits of a block of positions at a time, in one buffer."""
    buffer = hidden.new_empty(min(ROWS, len(hidden)), len(weight))
    for block in _blocks(len(hidden)):
        scores = torch.mm(hidden[block], weight.t(), out=buffer[: block.stop - block.start])
        yield block, scores if temperature == 1 else scores.div_(temperature)


def _chances(
    scores: Iterator[tuple[slice, torch.Tensor]],
    total: torch.Tensor,
    kept: tuple[torch.Tensor, torch.Tensor] | None,
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Chances of all tokens at a block of positions at a time, in one buffer: of what was `kept`, rates and their sums, or of
    the logits made again."""
    if kept is None:
        for block, some in scores:
            yield block, some.sub_(total[block, None]).exp_()
        return
    rates, sums = kept
    buffer = rates.new_empty(min(ROWS, len(rates)), rates.shape[1])
    for block in _blocks(len(rates)):
        yield block, torch.div(rates[block], sums[block, None], out=buffer[: block.stop - block.start])
