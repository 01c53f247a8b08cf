"""Every loss, over every split into forward passes, ranks and updates, has the gradient of its formula, in float64.

TRL computes the loss and the package divides the window; only the model is made up: a completion's chances of each token are
parameters of their own, so that a gradient says what became of every single token.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from independent import policy
from independent.examples import IGNORED, Example
from independent.policy import Rule, Written
from torch import Tensor
from trl import GRPOConfig

from lingshu_train.stages.grpo import losses
from lingshu_train.stages.grpo.items import Placing, item_to_row
from lingshu_train.stages.grpo.run import ExactGRPOTrainer
from lingshu_train.training.progress import RENAMED

Told = dict[str, float]

GROUP, PROMPTS, MOST, WORDS = 4, 4, 6, 11
COUNT = GROUP * PROMPTS
LOW, HIGH, BETA = 0.2, 0.3, 0.04
SPLITS = [
    (updates, ranks, batch)
    for updates, ranks, batch in product((1, 2), (1, 2), (1, 2, 4, 8))
    if COUNT // updates // ranks % batch == 0
]
RULES = [
    (loss, ratio, kl)
    for loss, ratio, kl in product(losses.LOSSES, losses.RATIOS, ("", *losses.KL))
    if not (loss == "cispo" and ratio == "completions")
]


class Made:
    """A window's completions: who wrote what with which chances, then and at the stage's start."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(3)
        lengths = [1 + (5 * n + n // 3) % MOST for n in range(COUNT)]
        self.lengths = lengths
        self.ids = torch.randint(0, WORDS, (COUNT, MOST), generator=draw)
        self.mask = torch.tensor([[int(t < length) for t in range(MOST)] for length in lengths])
        self.now = torch.randn(COUNT, MOST, WORDS, generator=draw, dtype=torch.float64)
        self.old = self.chances(self.now) + 0.3 * torch.randn(
            COUNT, MOST, generator=draw, dtype=torch.float64
        )
        self.reference = self.old + 0.5 * torch.randn(COUNT, MOST, generator=draw, dtype=torch.float64)
        rewards = torch.rand(PROMPTS, GROUP, generator=draw, dtype=torch.float64)
        self.rewards = rewards.tolist()

    def chances(self, logits: Tensor, numbers: list[int] | None = None) -> Tensor:
        ids = self.ids if numbers is None else self.ids[numbers]
        return logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]

    def surprise(self) -> Tensor:
        """Entropy at each place, (COUNT, MOST), in nats."""
        chances = self.now.detach().log_softmax(-1)
        return -(chances.exp() * chances).sum(-1)

    def gains(self, loss: str) -> list[float]:
        scaled = losses.LOSSES[loss].scale == "group"
        return [gain for group in self.rewards for gain in policy.advantages(group, scaled=scaled)]


MADE = Made()


def trainer(rule: tuple[str, str, str], split: tuple[int, int, int], rank: int, made: Made) -> Any:
    """The package's trainer with TRL's loss, without a model or processes."""
    (loss, ratio, kl), (updates, ranks, batch) = rule, split
    found: Any = ExactGRPOTrainer.__new__(ExactGRPOTrainer)
    passes = COUNT // updates // ranks // batch
    options = losses.options(loss, ratio_of=ratio, kl_estimator=kl or "k3", clip_low=LOW, clip_high=HIGH)
    found.args = SimpleNamespace(
        gradient_accumulation_steps=passes, steps_per_generation=passes * updates, seed=0, **options
    )
    found.current_gradient_accumulation_steps = passes
    found.beta = BETA if kl else 0.0
    found.loss_type, found.importance_sampling_level = (
        options["loss_type"],
        options["importance_sampling_level"],
    )
    found.epsilon_low, found.epsilon_high = options["epsilon"], options["epsilon_high"]
    found.max_completion_length = MOST
    found.top_entropy_quantile, found.off_policy_mask_threshold = 1.0, None
    found.use_vllm = found.aux_loss_enabled = found._entropy_bonus_enabled = False
    found.model, found._picture_inputs = SimpleNamespace(training=True), ()
    found.run = SimpleNamespace(family=None)
    found.state = SimpleNamespace(global_step=0)
    found._metrics = {"train": defaultdict(list)}
    found.accelerator = SimpleNamespace(
        num_processes=ranks,
        gather=lambda here: here,
        reduce=lambda here, reduction: here,
    )

    def scored(_: object, ids: Tensor, mask: Tensor, keep: int, **__: object) -> tuple[Tensor, Tensor, None]:
        numbers = ids[:, -keep - 1].tolist()
        chances = made.chances(made.now, list(range(COUNT)))[numbers][:, :keep]
        return chances, made.surprise()[numbers][:, :keep], None

    found._get_per_token_logps_and_entropies = scored
    return found


def window(rows: list[int], gains: list[float], made: Made) -> dict[str, Any]:
    """What TRL hands on of a rank's completions; the last token of a prompt is the completion's number."""
    prompts = torch.zeros(len(rows), 3, dtype=torch.long)
    prompts[:, -1] = torch.tensor(rows)
    shown = torch.ones_like(prompts)
    shown[:, 0] = torch.tensor([n % 2 for n in rows])
    return {
        "prompt_ids": prompts,
        "prompt_mask": shown,
        "completion_ids": made.ids[rows],
        "completion_mask": made.mask[rows],
        "advantages": torch.tensor([gains[n] for n in rows], dtype=torch.float64),
        "num_items_in_batch": made.mask.sum(),
        "old_per_token_logps": made.old[rows],
        "ref_per_token_logps": made.reference[rows],
    }


def parted(
    rule: tuple[str, str, str], split: tuple[int, int, int], *, whole: bool = True
) -> tuple[list[Any], list[list[dict[str, Any]]]]:
    """The trainer of each rank, and its forward passes of a window."""
    updates, ranks, _ = split
    made, gains = MADE, MADE.gains(rule[0])
    placed = Placing(prompts=PROMPTS, group=GROUP, updates=updates if whole else 1, ranks=ranks)
    row = item_to_row(lambda n: n, placed, repeats=1)
    items = [row(i) * GROUP + i % GROUP for i in range(COUNT)]
    here = COUNT // ranks
    every = [trainer(rule, split, rank, made) for rank in range(ranks)]
    windows = [window(items[rank * here : (rank + 1) * here], gains, made) for rank in range(ranks)]
    for one in every:
        one.whole_groups = whole
    # What a gather brings together is known once every rank has said its own.
    said: list[Tensor] = []
    for one, part in zip(every, windows, strict=True):
        one.accelerator.gather = lambda mine: (said.append(mine), mine)[1]
        one._divide(part)
    passes = []
    for one, part in zip(every, windows, strict=True):
        one.accelerator.gather = lambda mine: torch.cat(said)
        passes.append(one._divide(part))
        one.accelerator.gather = lambda mine: mine
    return every, passes


def theirs(
    rule: tuple[str, str, str], split: tuple[int, int, int], *, whole: bool = True
) -> Iterator[tuple[list[int], Tensor]]:
    """Of each update its completions, and the gradient that the package's ranks come to together."""
    updates, ranks, batch = split
    made = MADE
    every, passes = parted(rule, split, whole=whole)
    each = COUNT // updates // ranks // batch
    for update in range(updates):
        made.now.grad = None
        numbers = []
        for one, parts in zip(every, passes, strict=True):
            for part in parts[update * each : (update + 1) * each]:
                (one._compute_loss(None, part) / ranks).backward()
                numbers += part["prompt_ids"][:, -1].tolist()
        assert made.now.grad is not None
        yield numbers, made.now.grad.clone()


def told(rule: tuple[str, str, str], split: tuple[int, int, int]) -> Iterator[tuple[list[int], Told]]:
    """Of each update its completions, and what the ledger of the package's ranks says of it."""
    updates, ranks, batch = split
    every, passes = parted(rule, split)
    each = COUNT // updates // ranks // batch
    for number in range(updates * each):
        said: list[Tensor] = []
        for one, parts in zip(every, passes, strict=True):
            before = {name: list(values) for name, values in one._metrics["train"].items()}
            one.accelerator.reduce = lambda mine, reduction, said=said: (said.append(mine), mine)[1]
            one._compute_loss(None, parts[number])
            one._metrics["train"] = defaultdict(list, before)
        kinds = len(said) // ranks
        for one, parts in zip(every, passes, strict=True):
            sums = iter([sum(said[kind::kinds]) for kind in range(kinds)])
            one.accelerator.reduce = lambda mine, reduction, sums=sums: next(sums)
            one._compute_loss(None, parts[number])
            one._step = number + 1
        if (number + 1) % each:
            continue
        numbers = []
        for one, parts in zip(every, passes, strict=True):
            numbers += [
                n
                for part in parts[number + 1 - each : number + 1]
                for n in part["prompt_ids"][:, -1].tolist()
            ]
            one.over_tokens(one._metrics["train"])
        lines = [
            {
                ours: sum(one._metrics["train"][upstream]) / len(one._metrics["train"][upstream])
                for upstream, ours in RENAMED.items()
                if one._metrics["train"].get(upstream)
            }
            for one in every
        ]
        assert all(line == lines[0] for line in lines), "ranks say different things"
        for one in every:
            one._metrics["train"].clear()
        yield numbers, lines[0]


def own_told(rule: tuple[str, str, str], numbers: list[int]) -> Told:
    """The same by the definitions: means over the update's tokens, and the share of what the bounds hold back. TRL counts shares in
    float32."""
    loss, ratio, kl = rule
    made = MADE
    gains, now, surprise = made.gains(loss), made.chances(made.now).detach(), made.surprise()
    held, kls, entropies = [], [], []
    for n in numbers:
        length = made.lengths[n]
        away = now[n, :length] - made.old[n, :length]
        ratios = (away if ratio == "tokens" else away.mean()[None]).exp()
        high = (ratios > 1 + HIGH) & (gains[n] > 0)
        held.append(high if loss == "cispo" else high | ((ratios < 1 - LOW) & (gains[n] < 0)))
        apart = made.reference[n, :length] - now[n, :length]
        kls.append((apart.exp() - apart - 1) * (ratios if kl == "weighted_k3" else 1))
        entropies.append(surprise[n, :length])
    found = {"entropy": torch.cat(entropies), "clipped": torch.cat(held).double()}
    found |= {"kl": torch.cat(kls)} if kl else {}
    return {name: float(values.mean()) for name, values in found.items()}


def own(rule: tuple[str, str, str], numbers: list[int]) -> Tensor:
    """The gradient of the formula."""
    loss, ratio, kl = rule
    made = MADE
    stated = Rule(
        loss=loss,
        temperature=1.0,
        low=LOW,
        high=HIGH,
        kl=BETA if kl else 0.0,
        kl_weighted=kl == "weighted_k3",
        most_tokens=MOST,
        ratio_of=ratio,
    )
    gains = made.gains(loss)
    empty = Example(ids=[], labels=[], pixels=np.zeros((0, 1)), grids=[], picture_token=-1)
    update = []
    for n in numbers:
        length = made.lengths[n]
        written = replace(empty, labels=[IGNORED, *made.ids[n, :length].tolist()])
        update.append(
            Written(written, gains[n], old=made.old[n, :length], reference=made.reference[n, :length])
        )
    made.now.grad = None
    chances = made.chances(made.now)
    shares = policy.SHARES[loss](update, stated)
    parts = [
        policy.token_losses(one, chances[n, : one.tokens], stated).sum() * share
        for n, one, share in zip(numbers, update, shares, strict=True)
    ]
    torch.stack(parts).sum().backward()
    assert made.now.grad is not None
    return made.now.grad.clone()


@pytest.fixture(autouse=True)
def learned() -> None:
    MADE.now.requires_grad_(True)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: " ".join(rule).strip())
def test_the_gradient_is_that_of_the_formula_however_a_window_is_divided(rule: tuple[str, str, str]) -> None:
    for split in SPLITS:
        seen = []
        for numbers, found in theirs(rule, split):
            wanted = own(rule, numbers)
            apart = (found - wanted).abs().max() / wanted.abs().max()
            assert apart < 1e-9, f"{split}: {apart:.1e}"
            seen.append(sorted(numbers))
        each = COUNT // split[0]
        assert seen == [list(range(start, start + each)) for start in range(0, COUNT, each)], split


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: " ".join(rule).strip())
def test_kl_entropy_and_clipped_share_are_the_update_s_however_it_is_divided(
    rule: tuple[str, str, str],
) -> None:
    seen = []
    for split in SPLITS:
        for numbers, found in told(rule, split):
            assert found == pytest.approx(own_told(rule, numbers), rel=1e-6), split
            seen.append(found["clipped"])
    assert 0 < max(seen) < 1


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_an_update_of_completions_has_the_gradient_of_the_formula_too(loss: str) -> None:
    rule = (loss, "tokens", "k3")
    for split in (one for one in SPLITS if one[0] > 1):
        used = []
        for numbers, found in theirs(rule, split, whole=False):
            wanted = own(rule, numbers)
            assert (found - wanted).abs().max() / wanted.abs().max() < 1e-9
            used += numbers
        assert sorted(used) == list(range(COUNT))
        assert used != list(range(COUNT))


def test_every_option_of_trl_is_a_recipe_s_or_is_held() -> None:
    """A new option of TRL's that could change a step has to be looked at."""
    base = {name for parent in GRPOConfig.__mro__[1:] for name in getattr(parent, "__dataclass_fields__", {})}
    new = set(GRPOConfig.__dataclass_fields__) - base
    options = losses.options("grpo", ratio_of="tokens", kl_estimator="k3", clip_low=LOW, clip_high=HIGH)
    recipe = {
        "num_generations",
        "steps_per_generation",
        "max_completion_length",
        "temperature",
        "beta",
    }
    without_effect = {
        "model_init_kwargs": "the model is opened here",
        "trust_remote_code": "the model is opened here",
        "num_generations_eval": "TRL evaluates nothing",
        "shuffle_dataset": "the order is that of exact.Items",
        "pad_to_multiple_of": "no column of padding is left",
        "generation_batch_size": "follows from steps_per_generation",
        "generation_kwargs": "completions are drawn by rollouts/",
        "chat_template_kwargs": "none",
        "ds3_gather_for_generation": "memory alone",
        "cache_implementation": "completions are drawn by rollouts/",
        "reward_weights": "there is one reward",
        "ref_model_mixup_alpha": "sync_ref_model is held",
        "ref_model_sync_steps": "sync_ref_model is held",
        "entropy_coef_min": "use_adaptive_entropy is held",
        "entropy_coef_max": "use_adaptive_entropy is held",
        "entropy_coef_delta": "use_adaptive_entropy is held",
        "entropy_target": "use_adaptive_entropy is held",
        "max_tool_calling_iterations": "no tools",
        "use_transformers_continuous_batching": "completions are drawn by rollouts/",
        "transformers_continuous_batching_config": "completions are drawn by rollouts/",
        "use_transformers_paged": "completions are drawn by rollouts/",
        "sapo_temperature_neg": "no recipe names sapo",
        "sapo_temperature_pos": "no recipe names sapo",
        "vespo_k_pos": "no recipe names vespo",
        "vespo_lambda_pos": "no recipe names vespo",
        "vespo_k_neg": "no recipe names vespo",
        "vespo_lambda_neg": "no recipe names vespo",
    }
    left = {
        name
        for name in new - set(options) - recipe - set(without_effect)
        if not name.startswith(("vllm_", "use_vllm", "log_", "num_completions_to_print"))
    }
    assert left == set()
    assert set(options) <= set(GRPOConfig.__dataclass_fields__)
