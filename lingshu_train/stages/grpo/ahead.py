"""Windows drawn ahead: servers answer the next one while this one is learned from, one window off policy.

Window n is drawn by the weights from before the steps on window n - 1, the first by those that the stage begins with. Its loss
is that of decoupled PPO (Hilton et al. 2021, arXiv 2110.00641): the ratio that is clipped is to the weights at the window's own
beginning, and each token is weighed by their probability of it over that of the weights that drew it, at most `importance_cap`.
What was drawn of the next window is part of a checkpoint, since a resumed run has the weights that drew it no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trl.data_utils import prepare_multimodal_messages

from lingshu_train import dist, naming
from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.rollouts._drawing import NotFinite
from lingshu_train.rollouts._wire import Answer, Request
from lingshu_train.runs.files import write_json
from lingshu_train.runs.ledger import Column
from lingshu_train.schema import Strict, load
from lingshu_train.stages.grpo import together
from lingshu_train.stages.grpo.windows import Windowed
from lingshu_train.training.exact import TrainingRun

if TYPE_CHECKING:
    from lingshu_train.stages.grpo.served import Rollouts

NAME = "ahead.json"
"""In a checkpoint: what was drawn of the window that comes next."""
STEP = "drawn_by_step"
"""Column of the ledger: the steps that the weights had taken which drew the window."""
Item = dict[str, Any]
_Found = tuple[list[list[int]], list[list[float]]]


class Kept(Strict):
    """One completion: its seed, a digest of its prompt's tokens, its own tokens and their log-probabilities (nats; None where
    the engine had no finite number)."""

    seed: int
    prompt: str
    ids: tuple[int, ...]
    log_probs: tuple[float | None, ...]


class Drawn(Strict):
    """A window, by its number, and the `step` of the weights that drew it."""

    window: int
    step: int
    completions: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class _Flying:
    """What servers draw meanwhile: the window, the step of their weights, and what every completion of this rank is of."""

    window: int
    step: int
    prompts: Sequence[Sequence[int]]
    requests: Sequence[Request]


class Ahead(Windowed):
    """Mixin that goes before TRL's GRPOTrainer. With `ahead` 1 each window but the first is drawn as the module says;
    `items_of(window, draw)` gives this rank's items of a window's n-th asking, `window_steps` is how many steps one takes."""

    ahead = 0
    window_steps = 1
    items_of: Callable[[int, int], Sequence[Item]]
    asking: int
    _flying: _Flying | None = None
    _next: Drawn | None = None
    _drawn_by: int | None = None

    def begin(self, run: TrainingRun) -> None:
        super().begin(run)
        if self.ahead and run.resume is not None and there(run.resume / NAME):
            self._next = load(Drawn, run.resume / NAME, otherwise="another checkpoint goes on")

    def carry(self, folder: Path) -> None:
        """Everything that was drawn of the next window, of all ranks; a run with other ranks finds its own by their seeds."""
        super().carry(folder)
        if self.rollouts is None or self._flying is None:
            return
        self._land(self.rollouts)
        assert self._next is not None
        every = [one for part in dist.gather(self._next.completions) for one in part]
        self._next = self._next.model_copy(update={"completions": tuple(every)})
        if dist.place().first:
            write_json(folder / NAME, self._next.model_dump(mode="json"))

    def drawn_by(self) -> dict[str, Column]:
        """Of the window that is learned from."""
        return {STEP: self._drawn_by} if self.ahead else {}

    def _served(
        self,
        rollouts: Rollouts,
        prompt_ids: Sequence[Sequence[int]],
        images: Sequence[Sequence[Any]] | None,
    ) -> _Found:
        """As without, but that the window may be there already, and that the next one is begun."""
        if not self.ahead or self.asking:
            return super()._served(rollouts, prompt_ids, images)
        step = int(self.state.global_step)
        window = step // self.window_steps
        if self._flying is not None:
            self._land(rollouts)
        known, self._next = self._next, None
        found: _Found = ([], [])
        fault: NotFinite | None = None
        other: DataError | None = None
        try:
            if known is None or known.window != window:
                self._drawn_by = step
                found = super()._served(rollouts, prompt_ids, images)
            else:
                self._drawn_by = known.step
                seeds = self._seeds(self._rows, self._sampling(step))
                found = _of({one.seed: one for one in known.completions}, prompt_ids, seeds)
        except NotFinite as raised:
            fault = raised
        except DataError as raised:
            other = raised
        together.end(other)
        # All ranks begin the next one or none does.
        if not any(dist.gather(fault is not None)):
            self._begin_next(rollouts, window + 1)
        if fault is not None:
            raise fault
        return found

    def _begin_next(self, rollouts: Rollouts, window: int) -> None:
        first = window * self.window_steps
        if first >= self.run.steps or self.guard.leaves_out_window(first + 1):
            return
        items = self.items_of(window, 0)
        prompts, images, _ = self._tokenize_prompts(_messages(items))
        sampling = self._sampling(first)
        seeds = self._seeds([item["row"] for item in items], sampling)
        requests = self._requests(prompts, images, seeds)
        rollouts.begin(self, requests, sampling)
        self._flying = _Flying(window, int(self.state.global_step), prompts, requests)

    def _land(self, rollouts: Rollouts) -> None:
        """Wait for what servers draw of the next window."""
        assert self._flying is not None
        flown, self._flying = self._flying, None
        answers = rollouts.land(flown.prompts)
        kept = [_kept(request, answer) for request, answer in zip(flown.requests, answers, strict=True)]
        self._next = Drawn(window=flown.window, step=flown.step, completions=tuple(kept))


def _messages(items: Sequence[Item]) -> list[object]:
    """The prompts of items with their pictures in them, as upstream makes them of a window."""
    return [
        prepare_multimodal_messages(item["prompt"], images=list(item.get("images") or ())) for item in items
    ]


def _kept(request: Request, answer: Answer) -> Kept:
    return Kept(
        seed=request.seed,
        prompt=_digest(answer.prompt_ids),
        ids=answer.ids,
        log_probs=tuple(None if one is None or not math.isfinite(one) else one for one in answer.log_probs),
    )


def _of(known: Mapping[int, Kept], prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> _Found:
    """Tokens and log-probabilities of a rank's completions, by the tokens of their prompts and their seeds. DataError (65)
    where something else was drawn; NotFinite."""
    found = [known.get(seed) for seed in seeds]
    wrong = [
        place
        for place, (one, ids) in enumerate(zip(found, prompts, strict=True))
        if one is None or one.prompt != _digest(ids)
    ]
    if wrong:
        raise DataError(
            f"{NAME}: {len(wrong)} of {len(prompts)} completions of the next window were drawn for other prompts; "
            "go on from another checkpoint"
        )
    whole = [one for one in found if one is not None]
    if any(chance is None for one in whole for chance in one.log_probs):
        raise NotFinite("the engine's chances of a token are not finite")
    return [list(one.ids) for one in whole], [[chance or 0.0 for chance in one.log_probs] for one in whole]


def _digest(ids: Sequence[int]) -> str:
    return naming.digest(list(ids))[:16]
