"""The head without Triton gives TRL's log-probabilities, entropies and gradients, in fewer passes over the logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from trl.trainer import utils

from lingshu_train.training import head

HIDDEN, VOCABULARY = 16, 300
OUTPUTS = ("log_probs", "entropy", "is_top1")


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(utils, "_use_triton", utils._use_triton)
    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", utils._ChunkedLogProbFunction)
    yield


def given(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(count)
    hidden, weight = torch.randn(count, HIDDEN), torch.randn(VOCABULARY, HIDDEN)
    return hidden.requires_grad_(), weight.requires_grad_(), torch.randint(0, VOCABULARY, (count,))


def found(
    function: Any, count: int, *, temperature: float = 1.0, entropic: bool = False
) -> list[torch.Tensor]:
    """What comes out, and both gradients of a loss in which each position has a weight of its own."""
    hidden, weight, targets = given(count)
    logs, entropy, _, _, top = function.apply(
        hidden, weight, None, targets, temperature, 128, None, 1.0, OUTPUTS
    )
    share = torch.linspace(-1.0, 2.0, count)
    loss = (logs * share).sum() + (entropy * share.flip(0)).sum() * (0.5 if entropic else 0.0)
    (loss if entropic else (logs * share).sum()).backward()
    assert hidden.grad is not None and weight.grad is not None
    return [logs, entropy, top, hidden.grad, weight.grad]


@pytest.mark.parametrize("entropic", [False, True])
@pytest.mark.parametrize(("count", "kept"), [(1, True), (head.ROWS + 44, True), (head.ROWS + 44, False)])
def test_all_that_comes_out_and_both_gradients_are_trls(
    monkeypatch: pytest.MonkeyPatch, count: int, kept: bool, entropic: bool
) -> None:
    expected = found(head.UPSTREAM, count, temperature=0.7, entropic=entropic)
    if not kept:
        monkeypatch.setattr(head, "MOST_KEPT", 0)
    ours = found(head.Head, count, temperature=0.7, entropic=entropic)
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.dtype == theirs.dtype
        far = float((mine.detach().double() - theirs.detach().double()).abs().max())
        assert far <= 1e-5 * float(theirs.detach().double().abs().max())


def test_what_is_kept_and_what_is_made_again_give_the_same_bits_of_log_probabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = found(head.Head, 40)
    monkeypatch.setattr(head, "MOST_KEPT", 0)
    again = found(head.Head, 40)
    for one, other in zip(kept[:3], again[:3], strict=True):
        assert torch.equal(one, other)


def test_of_equal_scores_the_first_token_is_the_likeliest() -> None:
    weight = torch.zeros(6, HIDDEN)
    weight[2] = weight[4] = 1.0
    hidden = torch.ones(3, HIDDEN)
    targets = torch.tensor([2, 4, 0])
    for function in (head.Head, head.UPSTREAM):
        *_, top = function.apply(hidden, weight, None, targets, 1.0, 128, None, 1.0, OUTPUTS)
        assert top.tolist() == [True, False, False]


def test_no_label_at_all_is_a_loss_of_nothing() -> None:
    hidden, weight, targets = given(0)
    logs, entropy, _, _, top = head.Head.apply(hidden, weight, None, targets, 1.0, 128, None, 1.0, OUTPUTS)
    assert len(logs) == len(entropy) == len(top) == 0
    logs.sum().backward()
    assert weight.grad is not None and not weight.grad.any()


def test_a_frozen_head_gets_no_gradient_and_a_pass_that_teaches_nothing_keeps_nothing() -> None:
    hidden, weight, targets = given(5)
    weight.requires_grad_(False)
    logs, *_ = head.Head.apply(hidden, weight, None, targets, 1.0, 128, None, 1.0, ("log_probs",))
    logs.sum().backward()
    assert weight.grad is None and hidden.grad is not None
    with torch.no_grad():
        logs, entropy, *_ = head.Head.apply(hidden, weight, None, targets, 1.0, 128, None, 1.0, OUTPUTS)
    assert logs.grad_fn is None and entropy is not None


@pytest.mark.parametrize("how", ["capped", "scaled", "biased", "in bfloat16", "autocast", "more asked"])
def test_what_it_does_not_know_is_trls(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(head.LogProbs, "apply", lambda *_: pytest.fail("not for this"))
    hidden, weight, targets = given(4)
    low = how == "in bfloat16"
    words: Any = [
        hidden.bfloat16() if low else hidden,
        weight.bfloat16() if low else weight,
        torch.zeros(VOCABULARY) if how == "biased" else None,
        targets,
        1.0,
        128,
        30.0 if how == "capped" else None,
        0.5 if how == "scaled" else 1.0,
        (*OUTPUTS, "mean_logits") if how == "more asked" else OUTPUTS,
    ]
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        mine = head.Head.apply(*words)
        theirs = head.UPSTREAM.apply(*words)
    assert torch.equal(mine[0], theirs[0])


def test_a_model_with_the_fused_head_asks_ours_once_it_is_installed() -> None:
    head.install()
    assert utils._ChunkedLogProbFunction is head.Head and utils._use_triton(torch.device("cpu"))
