"""How a generation window becomes updates, and an update forward passes: sorted by length, without columns of padding alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lingshu_train import dist, naming
from lingshu_train.data.order.permutation import Permutation
from lingshu_train.model import repeated
from lingshu_train.stages.grpo import pictures
from lingshu_train.stages.grpo.pictures import Pictures
from lingshu_train.training.exact import Exact
from lingshu_train.training.guarded import Batch

PROMPT = ("prompt_ids", "prompt_mask")
"""What has a column for each place of a prompt, padded on the left."""
BOTH = ("token_type_ids", "mm_token_type_ids")
"""What has a column for each place of prompt and completion."""
OF_TOKENS = ("kl", "entropy")
"""What upstream tells of each forward pass as a mean over its tokens on all ranks."""
CLIPPED = ("clip_ratio/region_mean", "cispo_clip_ratio")
"""The same where ratios are of tokens; of completions, of which every pass has as many, where ratios are of completions."""


def divided(lengths: Sequence[int], *, updates: int, passes: int, key: str = "") -> list[list[int]]:
    """Places of a rank's part of a window in each forward pass, `passes` of each update, one update after the other.

    `lengths` are the tokens at each place. An update takes the next places, which hold whole groups where the loader put
    them so (`item_to_row`); with a `key` it takes places drawn from all the window. The longest of an update come first.
    """
    places = range(len(lengths))
    order = [Permutation(len(lengths), key)(place) for place in places] if key else list(places)
    each = len(lengths) // updates
    batch = each // passes
    found = []
    for first in range(0, updates * each, each):
        by_length = sorted(order[first : first + each], key=lambda place: -lengths[place])
        found += [by_length[start : start + batch] for start in range(0, passes * batch, batch)]
    return found


def taken(window: Batch, places: Sequence[int]) -> Batch:
    """The part of a window at these places. What has no place, such as a count, stays."""
    found: dict[str, Any] = {}
    for name, value in window.items():
        if isinstance(value, torch.Tensor):
            found[name] = value[list(places)] if value.ndim else value
        else:
            found[name] = [value[place] for place in places]
    return found


def trimmed(batch: Batch) -> Batch:
    """The batch without the columns that are padding in every row. A completion keeps one column at least."""
    prompt, completion = batch["prompt_mask"], batch["completion_mask"]
    left = prompt.shape[1] - max(1, _width(prompt.flip(1)))
    right = max(1, _width(completion))
    found = dict(batch)
    for name, value in batch.items():
        if not isinstance(value, torch.Tensor) or value.ndim != 2:
            continue
        if name in PROMPT:
            found[name] = value[:, left:]
        elif name in BOTH:
            found[name] = value[:, left : prompt.shape[1] + right]
        elif value.shape[1] == completion.shape[1]:
            found[name] = value[:, :right]
    return found


def mean(values: Sequence[float], tokens: Sequence[float]) -> float:
    """Of an update over its tokens: `values` are the means of its forward passes, `tokens` how many each has on all ranks."""
    assert len(values) == len(tokens), f"{len(values)} means of {len(tokens)} forward passes"
    total = sum(value * count for value, count in zip(values, tokens, strict=True))
    return total / max(sum(tokens), 1.0)


def _width(mask: torch.Tensor) -> int:
    """Columns up to the last one that any row uses."""
    used = mask.any(dim=0).nonzero()
    return int(used[-1]) + 1 if len(used) else 0


class Divided(Exact):
    """Mixin that goes before TRL's GRPOTrainer, which shuffles a window completion by completion and keeps its width.

    `whole_groups`: an update has all completions of its prompts, which its place in the order of rows decides; else any of the
    window, drawn by the run's seed.
    """

    whole_groups = True
    copies: repeated.Copies
    """Of the pictures in whatever batch passes the model."""
    importance_sampling_level: str
    _buffered_inputs: list[Batch] | None
    _picture_inputs: tuple[str, ...]
    _pictures: Pictures | None
    _places: list[list[int]]
    """Of the window, those of each forward pass."""
    _tokens_of: list[list[float]]
    """Of each update of the window, the tokens of each of its forward passes, on all ranks."""

    def _prepare_inputs(self, generation_batch: Batch) -> Batch:
        """Instead of upstream's. A step that is run again uses the completions that its window has."""
        number = self._step % self.args.steps_per_generation
        if not self.again and (number == 0 or self._buffered_inputs is None):
            self._buffered_inputs = self._divide(self._generate_and_score_completions(generation_batch))
        assert self._buffered_inputs is not None
        found: Batch = self._buffered_inputs[number]
        return found | self.shown(self._pictures, self._places[number]) if self._pictures else found

    def _prepare_input(self, data: Any) -> Any:
        """As upstream's, but that pictures of a whole window stay on the host: on the device upstream would have a copy of each
        for each completion."""
        if isinstance(data, Mapping) and self._picture_inputs[0] in data:
            kind: Any = type(data)
            return kind(
                {
                    name: value
                    if name in self._picture_inputs
                    else super(Divided, self)._prepare_input(value)
                    for name, value in data.items()
                }
            )
        return super()._prepare_input(data)

    def shown(self, kept: Pictures, places: Sequence[int]) -> dict[str, Any]:
        """What a pass over these places has of pictures, the pixels of each once, where the model is and in its format."""
        found = kept.once_at(places, self._picture_inputs[0])
        return {name: super(Divided, self)._prepare_input(value) for name, value in found.items()}

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        places: Any = inputs.get(pictures.COPIES)
        with self.copies.told(places):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        self.over_tokens(self._metrics["train"])
        super().log(logs, start_time)

    def over_tokens(self, told: dict[str, list[float]]) -> None:
        """Make what is told of the update just done means over its tokens. Upstream takes those over forward passes, whatever
        number of tokens each of them has."""
        by_completions = self.importance_sampling_level == "sequence"
        for name in OF_TOKENS if by_completions else (*OF_TOKENS, *CLIPPED):
            if told.get(name):
                update = (self._step - 1) // self.args.gradient_accumulation_steps % len(self._tokens_of)
                told[name] = [mean(told[name], self._tokens_of[update])]

    def _divide(self, window: Batch) -> list[Batch]:
        """Forward passes of this rank, each with the tokens of its update on all ranks."""
        passes = self.args.gradient_accumulation_steps
        updates = self.args.steps_per_generation // passes
        self._pictures = pictures.of_window(self.run.family, window, self._picture_inputs)
        window = {
            name: value
            for name, value in window.items()
            if name not in (*self._picture_inputs, pictures.COUNTS, pictures.PIECES)
        }
        lengths = (window["prompt_mask"].sum(dim=1) + window["completion_mask"].sum(dim=1)).tolist()
        key = naming.digest([self.args.seed, int(self.state.global_step), dist.place().rank])
        self._places = divided(
            lengths, updates=updates, passes=passes, key="" if self.whole_groups or updates == 1 else key
        )
        found = [trimmed(taken(window, places)) for places in self._places]
        tokens = self._tokens(found).view(updates, passes)
        self._tokens_of = tokens.tolist()
        for number, part in enumerate(found):
            # Upstream takes the tokens of the whole window here, and an update's share of them.
            part["num_items_in_batch"] = tokens[number // passes].sum() * updates
        return found

    def _tokens(self, passes: Sequence[Batch]) -> torch.Tensor:
        """Tokens that each forward pass trains on all ranks, (passes,). In float64, in which upstream's division loses none."""
        mine = torch.stack([part["completion_mask"].sum() for part in passes])
        everywhere: torch.Tensor = self.accelerator.gather(mine)
        return everywhere.view(-1, len(passes)).sum(dim=0).double()
