"""Which rewards of a GRPO stage look at both halves of a counterfactual pair, and what such a stage cannot do. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.errors import RecipeError
from lingshu_train.rewards._compose import Composition, of_pairs


def of(*compositions: Composition | None) -> tuple[str, ...]:
    """Names of those rewards, each once."""
    return tuple(dict.fromkeys(name for one in compositions if one for name in of_pairs(one)))


def check(where: str, rewards: Sequence[str], *, prompts: int, apart: Sequence[str]) -> None:
    """`prompts` of a window, and the keys of the stage at `where` that take rows one by one. RecipeError names one."""
    if prompts % 2:
        raise RecipeError(
            f"{where}.rollout_prompts: {prompts} is odd, so that a window would part the halves of a pair, which reward "
            f"{rewards[0]} looks at together; take an even number"
        )
    if apart:
        raise RecipeError(
            f"{where}.{apart[0]}: takes rows one by one, and reward {rewards[0]} needs both halves of a pair; leave one of "
            "them out"
        )
