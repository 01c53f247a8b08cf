"""How full packs are, how many are without an image, and how long ranks wait for the slowest: for `order.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from generated_rows import IMAGE_TOKENS, TOKENS, Lengths, generated

from lingshu_train.data.order.packing import deal, plan

BUDGETS = {"no_patch_budget": None, "patch_budget_20480": 20_480, "patch_budget_24576": 24_576}


def quality(rows: int) -> dict[str, Any]:
    """Fill, and how long ranks wait for the slowest: the mean over steps of highest over mean cost of its packs."""
    found: dict[str, Any] = {}
    for images in IMAGE_TOKENS:
        lengths = generated(rows, images=images)
        found[images] = {name: _quality(lengths, most_patches=budget) for name, budget in BUDGETS.items()}
        found[images]["mean_tokens"] = float(lengths.tokens.mean())
        found[images]["mean_patches_per_full_pack"] = float(
            lengths.patches.sum(dtype=np.int64) / lengths.tokens.sum(dtype=np.int64) * TOKENS
        )
    return found


def _quality(lengths: Lengths, *, most_patches: int | None) -> dict[str, Any]:
    packs = plan(lengths.tokens, lengths.patches, tokens=TOKENS, most_patches=most_patches)
    patches = packs.sums(lengths.patches)
    # A 7B: 15.2 GF a token, 0.4 MF a pair of tokens that see each other, 1.35 GF a patch with the tower trained.
    pairs = packs.sums(np.square(lengths.tokens, dtype=np.int64)) / 2
    cost = 15.2 * packs.sums(lengths.tokens) + 0.0004 * pairs + 1.35 * patches
    waits = {}
    for ranks in (8, 64):
        per_batch = 8 * ranks
        whole = cost[: len(cost) // per_batch * per_batch]
        waits[str(ranks)] = {
            "as_planned": _wait(whole, ranks),
            "dealt_in_batches_of_8_steps": _wait(whole[deal(whole, ranks=ranks, per_batch=per_batch)], ranks),
        }
    return {
        "fill": packs.fill(lengths.tokens),
        "packs_without_image": float((patches == 0).mean()),
        "most_patches_in_a_pack": int(patches.max()),
        "slowest_over_mean_by_ranks": waits,
    }


def _wait(cost: np.ndarray, ranks: int) -> float:
    steps = cost.reshape(-1, ranks)
    return round(float((steps.max(axis=1) / steps.mean(axis=1)).mean()), 4)
