"""Dynamic sampling: a window goes on asking prompts until it has enough whose completions differ in reward (DAPO, section 3.2).

A window has a share of the order of its own, of which it takes what it needs: where the next one begins hangs on its number
alone, so that nothing has to be kept for a resume, and prompts that a window had no need of are passed over in that epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lingshu_train import dist
from lingshu_train.model.family import Family
from lingshu_train.runs.ledger import Column
from lingshu_train.stages.grpo import pictures
from lingshu_train.stages.grpo.updates import BOTH, PROMPT, Divided, taken
from lingshu_train.training.guarded import Batch

if TYPE_CHECKING:
    from lingshu_train.stages.grpo.served import Rollouts

SPREAD = 1e-3
"""Advantages of a group that are further apart than this differ by more than rounding."""
Item = dict[str, Any]


class Dynamic(Divided):
    """Mixin that goes before TRL's GRPOTrainer.

    `most_draws` is how often a window may ask as many prompts as it trains on; `others(n)` gives this rank's items of its n-th
    asking, whole groups. Where they do not suffice, groups without spread fill the window up.
    """

    most_draws = 1
    rollouts: Rollouts | None
    others: Callable[[int], Sequence[Item]]
    asking = 0
    """Which asking of the window is being answered."""
    _asked = 1
    _filled = 0

    def _generate_and_score_completions(self, inputs: list[Item]) -> Batch:
        if self.most_draws == 1:
            found: Batch = super()._generate_and_score_completions(inputs)
            return found
        group = self.num_generations
        wanted = len(inputs) // group
        parts: list[Batch] = []
        spread: list[list[int]] = []
        flat: list[list[int]] = []
        for number in range(self.most_draws):
            items = list(inputs) if number == 0 else list(self.others(number))
            self.asking = number
            parts.append(super()._generate_and_score_completions(items))
            first = number * len(inputs)
            gains = parts[-1]["advantages"].view(-1, group)
            differ = gains.amax(dim=1) - gains.amin(dim=1) > SPREAD
            for place, some in enumerate(differ.tolist()):
                places = [first + place * group + n for n in range(group)]
                (spread if some else flat).append(places)
            if min(dist.gather(len(spread))) >= wanted:
                break
        if self.rollouts is not None:
            self.rollouts.rest()
        chosen = [*spread, *flat][:wanted]
        self._asked = len(parts)
        self._filled = sum(dist.gather(max(0, wanted - len(spread))))
        numbers = [place for places in chosen for place in places]
        return taken_from(parts, numbers, self.run.family, self._picture_inputs)

    def asked(self, *, prompts: int) -> dict[str, Column]:
        """Of the last window: the prompts that were asked, and the groups without spread that filled it up."""
        if self.most_draws == 1:
            return {}
        return {"prompts_asked": self._asked * prompts, "groups_filled_up": self._filled}


def taken_from(parts: Sequence[Batch], places: Sequence[int], family: Family, pixels: Sequence[str]) -> Batch:
    """One window of the completions at these places, counted through all parts."""
    width = max(part["prompt_mask"].shape[1] for part in parts)
    length = max(part["completion_mask"].shape[1] for part in parts)
    left_out = {*pixels, pictures.COUNTS, pictures.PIECES}
    wide = [_widened(part, width, length) for part in parts]
    rows = {
        name: torch.cat([part[name] for part in wide])
        for name, value in wide[0].items()
        if name not in left_out and value.ndim and all(name in part for part in wide)
    }
    distinct: list[Batch] = []
    shown: list[list[int]] = []
    for part in parts:
        seen = pictures.of_window(family, part, pixels)
        before = len(distinct)
        distinct += seen.distinct if seen else []
        looked = seen.shown if seen else [[] for _ in part["advantages"]]
        shown += [[before + number for number in some] for some in looked]
    found = taken(rows, places)
    return found | pictures.Pictures(distinct, shown).at(places) if distinct else found


def _widened(part: Batch, width: int, length: int) -> Batch:
    """The part with prompts padded on the left and completions on the right."""
    left, right = width - part["prompt_mask"].shape[1], length - part["completion_mask"].shape[1]
    own = part["completion_mask"].shape[1]
    found = dict(part)
    for name, value in part.items():
        if isinstance(value, torch.Tensor) and value.ndim == 2:
            both, prompt = name in BOTH, name in PROMPT
            before = left if both or prompt else 0
            after = right if both or (not prompt and value.shape[1] == own) else 0
            found[name] = torch.nn.functional.pad(value, (before, after))
    return found
