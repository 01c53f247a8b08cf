"""What each loss of GRPO is in TRL's options, and at what those options are held that no recipe varies. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Option = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Loss:
    """`upstream` is TRL's `loss_type`, `scale` its `scale_rewards`; `mean` says over what the losses of tokens are averaged.

    Where `by_tokens`, TRL divides by a number that comes with each forward pass; updates.py makes it the update's tokens.
    """

    upstream: str
    mean: str
    scale: str = "group"
    by_tokens: bool = False


LOSSES: Mapping[str, Loss] = {
    "grpo": Loss("grpo", "mean over the update's completions of the mean over their tokens"),
    "dr_grpo": Loss("dr_grpo", "sum over the update's tokens, by completions x max_completion", scale="none"),
    "bnpo": Loss("dapo", "mean over the update's tokens", by_tokens=True),
    "dapo": Loss("dapo", "mean over the update's tokens", by_tokens=True),
    "cispo": Loss(
        "cispo", "mean over the update's tokens, of the log-probability by the bounded ratio", by_tokens=True
    ),
}
"""`grpo`: Shao et al. 2024 (arXiv 2402.03300), equation 3. `dr_grpo`: Liu et al. 2025 (2503.20783): neither a deviation nor a
length divides. `dapo`: Yu et al. 2025 (2503.14476), equation 8, over the update's own tokens. `bnpo`: Xiao et al. 2025
(2506.02864) by its average alone, that of the update over all processes, so that it is `dapo`'s. `cispo`: MiniMax 2025
(2506.13585), equation 4: only the upper bound holds."""

RATIOS: Mapping[str, str] = {"tokens": "token", "completions": "sequence"}
"""TRL's `importance_sampling_level`. `completions`: Zheng et al. 2025 (GSPO, 2507.18071), equation 7: the geometric mean of the
ratios of a completion's tokens."""

KL: Mapping[str, bool] = {"k3": False, "weighted_k3": True}
"""TRL's `use_bias_correction_kl`."""

HELD: Mapping[str, Option] = {
    "num_iterations": 1,
    "delta": None,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "mask_truncated_completions": False,
    "multi_objective_aggregation": "sum_then_normalize",
    "sync_ref_model": False,
    "top_entropy_quantile": 1.0,
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "off_policy_mask_threshold": None,
    "disable_dropout": False,
    "cast_lm_head_to_fp32": False,
    "router_aux_loss_coef": None,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
}
"""Options of TRL and transformers that could change a step and are no key of a recipe. They are given, so that another version
of a library with other defaults trains the same; a plan lists them."""


def options(
    loss: str, *, ratio_of: str, kl_estimator: str, clip_low: float, clip_high: float
) -> dict[str, Option]:
    """Arguments of TRL's GRPOConfig for a recipe's choice, those held included."""
    chosen = LOSSES[loss]
    return {
        **HELD,
        "loss_type": chosen.upstream,
        "scale_rewards": chosen.scale,
        "importance_sampling_level": RATIOS[ratio_of],
        "use_bias_correction_kl": KL[kl_estimator],
        "epsilon": clip_low,
        # CISPO's bound is the ratio itself in TRL, and elsewhere how far above 1 it may be.
        "epsilon_high": 1 + clip_high if chosen.upstream == "cispo" else clip_high,
    }


def told(loss: str, *, ratio_of: str, kl_estimator: str, kl_coefficient: float, update_of: str) -> str:
    """The loss in a plan's words."""
    chosen = LOSSES[loss]
    advantage = {"group": "advantages in deviations of their group", "none": "advantages undivided"}
    penalty = {"k3": "k3", "weighted_k3": "k3 x ratio"}[kl_estimator]
    unit = {"groups": "whole groups", "completions": "completions of the whole window"}[update_of]
    return "; ".join(
        [
            f"{loss}: {chosen.mean}",
            advantage[chosen.scale],
            f"ratios of {ratio_of}",
            f"KL {kl_coefficient:g} x {penalty}" if kl_coefficient else "no KL term",
            f"updates of {unit}",
        ]
    )


def held() -> str:
    """The options held, in a plan's words."""
    return ", ".join(f"{name}={_shown(value)}" for name, value in HELD.items())


def _shown(value: Option) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
