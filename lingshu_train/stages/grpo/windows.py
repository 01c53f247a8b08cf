"""A generation window of GRPO: its completions come in slices, each drawn with a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel
from trl import GRPOTrainer
from trl.models import unwrap_model_for_generation

from lingshu_train import dist, naming
from lingshu_train.model import load, repeated
from lingshu_train.record import Sampling
from lingshu_train.rollouts._drawing import NotFinite
from lingshu_train.rollouts._engine import seeds_of
from lingshu_train.rollouts._generating import Tokens, draw
from lingshu_train.rollouts._window import Window
from lingshu_train.rollouts._wire import Request
from lingshu_train.stages.grpo import prompted
from lingshu_train.stages.grpo.config import ROLLOUT_BATCH
from lingshu_train.stages.grpo.withdrawn import Passing
from lingshu_train.training import adapters
from lingshu_train.training.exact import TrainingRun
from lingshu_train.training.guarded import Batch

if TYPE_CHECKING:
    from lingshu_train.stages.grpo.agreement import Agreement
    from lingshu_train.stages.grpo.served import Rollouts


@contextmanager
def whole(trainer: GRPOTrainer) -> Iterator[PreTrainedModel]:
    """The model as it answers: unwrapped, whole on every rank under ZeRO-3 too, and in evaluation mode, since dropout would
    draw from a state that all rows share."""
    with unwrap_model_for_generation(
        trainer.model_wrapped,
        trainer.accelerator,
        gather_deepspeed3_params=trainer.args.ds3_gather_for_generation,
        gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
    ) as model:
        training = model.training
        model.eval()
        try:
            yield model
        finally:
            model.train(training)


class Windowed(Passing):
    """Mixin that goes before TRL's GRPOTrainer, which draws a whole window in one call from torch's own random state.

    What is random in a completion hangs on the run's seed, the prompt's id, the number of the completion among those of this
    prompt in the window, and the optimizer steps that made the policy; on nothing else. `names` gives the ids of rows.
    """

    rollout_batch: int = ROLLOUT_BATCH
    rollouts: Rollouts | None = None
    """The servers that draw in place of this process, where the recipe says so."""
    asks_on = False
    """Whether the window may ask again before it is learned from, so that servers may not rest."""
    agreement: Agreement | None = None
    names: Callable[[Sequence[int]], Sequence[str]] = staticmethod(lambda rows: list(map(str, rows)))
    copies: repeated.Copies
    _buffered_inputs: list[Batch] | None
    _rows: list[int]
    """Of the window, a row for each completion of this rank."""

    def begin(self, run: TrainingRun) -> None:
        super().begin(run)
        model = adapters.base_of(self.accelerator.unwrap_model(self.model))
        self._ends = load.ends(run.family, model, self.processing_class)
        self._picture_inputs = tuple(run.family.blank(model))

    def _tokenize_prompts(
        self, prompts: list[object]
    ) -> tuple[list[list[int]], list[list[Any]] | None, object]:
        """As upstream's, but that copies of a prompt are prepared once: the third part is of distinct prompts, and says by
        ASKED which of them each completion answers. Upstream says None of a prompt without images, which the processor refuses
        where another prompt has some."""
        firsts, asked = prompted.distinct(prompts)
        ids, images, fields = super()._tokenize_prompts([prompts[place] for place in firsts])
        shown = [(images[prompt] or []) for prompt in asked] if images else images
        return [ids[prompt] for prompt in asked], shown, {**fields, prompted.ASKED: asked}

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        self._rows = [item["row"] for item in inputs]
        # Upstream keeps the pixels of the last window until the next one is there.
        self._buffered_inputs = None
        with prompted.once(self, self.run.family, self._picture_inputs, self._pieces_of):
            output: Batch = super()._generate_and_score_completions(inputs)
        return output

    def _generate_single_turn(
        self,
        prompt_ids: Sequence[Sequence[int]],
        images: Sequence[Sequence[object]] | None,
        multimodal_fields: Mapping[str, object],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        """Instead of upstream's. Where a rank's chances are not finite, none of them goes on."""
        self.look_at_weights(self.next_step)
        fault = ""
        drawn: list[list[int]] = []
        chances: list[list[float]] | None = None
        try:
            with self.meter.phase("generating") if self.meter else nullcontext():
                if self.rollouts is None:
                    window = self._window(prompt_ids, images, multimodal_fields)
                    drawn = self._draw(window, self._sampling(int(self.state.global_step)), len(prompt_ids))
                else:
                    drawn, chances = self._served(self.rollouts, prompt_ids, images)
                    if not self.asks_on:
                        self.rollouts.rest()
        except NotFinite as raised:
            fault = str(raised)
        if any(dist.gather(fault)):
            self.guard.persists(
                self.next_step,
                "the model's chances of the next token are not finite",
                steps=self.guard.window_of(self.next_step),
            )
        return drawn, chances

    def _window(
        self,
        prompt_ids: Sequence[Sequence[int]],
        images: Sequence[Sequence[object]] | None,
        fields: Mapping[str, object],
    ) -> Window:
        rest = dict(fields)
        asked = rest.pop(prompted.ASKED)
        assert isinstance(asked, list)
        places = [asked.index(prompt) for prompt in range(max(asked) + 1)]
        ids = [prompt_ids[place] for place in places]
        return Window(
            ids,
            rest,
            family=self.run.family,
            names=self._picture_inputs,
            pieces=self._pieces(ids, [images[place] for place in places]) if images else [0] * len(ids),
            asked=asked,
        )

    def _pieces(self, prompt_ids: Sequence[Sequence[int]], images: Sequence[Sequence[object]]) -> list[int]:
        return [self._pieces_of(ids, len(some)) for ids, some in zip(prompt_ids, images, strict=True)]

    def _pieces_of(self, ids: Sequence[int], pictures: int) -> int:
        model = adapters.base_of(self.accelerator.unwrap_model(self.model))
        return self.run.family.pieces(model, ids, pictures)

    def _served(
        self,
        rollouts: Rollouts,
        prompt_ids: Sequence[Sequence[int]],
        images: Sequence[Sequence[Any]] | None,
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Tokens and log-probabilities of the window from servers, which are given one mark a picture."""
        sampling = self._sampling(int(self.state.global_step))
        requests = self._requests(prompt_ids, images, self._seeds(self._rows, sampling))
        found = rollouts.draw(self, prompt_ids, requests, sampling)
        return [list(one.ids) for one in found], [list(one.chances) for one in found]

    def _requests(
        self,
        prompt_ids: Sequence[Sequence[int]],
        images: Sequence[Sequence[Any]] | None,
        seeds: Sequence[int],
    ) -> list[Request]:
        mark = self._tokenizer.convert_tokens_to_ids(self.processing_class.image_token)
        never = load.never(self.processing_class)
        return [
            Request(ids=_marked(ids, mark, never), pictures=images[place] if images else (), seed=seed)
            for place, (ids, seed) in enumerate(zip(prompt_ids, seeds, strict=True))
        ]

    def _sampling(self, step: int) -> Sampling:
        """Of a window that begins after `step` optimizer steps."""
        return Sampling(
            max_tokens=self.max_completion_length,
            temperature=self.temperature if self.generation_config.do_sample else 0.0,
            top_p=self.top_p,
            seed=int(naming.digest([self.args.seed, step])[:12], 16),
        )

    def _draw(self, window: Window, sampling: Sampling, count: int) -> list[list[int]]:
        seeds = self._seeds(self._rows, sampling)
        tokens = Tokens(words=self._tokenizer, ends=self._ends, never=load.never(self.processing_class))
        found: list[list[int]] = [[] for _ in range(count)]
        with whole(self) as model:
            for places in window.slices(self.rollout_batch):
                inputs, copies = window.inputs(
                    places, pad=self._tokenizer.pad_token_id, device=self.args.device
                )
                with self.copies.told(copies):
                    written, _ = draw(model, inputs, sampling, [seeds[place] for place in places], tokens)
                for place, ids in zip(places, written, strict=True):
                    found[place] = ids
        return found

    def _seeds(self, rows: Sequence[int], sampling: Sampling) -> list[int]:
        """Of this rank's completions of `rows`. A prompt's copies may lie on several ranks, and come twice in a window."""
        everywhere = dist.gather(list(rows))
        distinct = sorted({row for part in everywhere for row in part})
        names = dict(zip(distinct, self.names(distinct), strict=True))
        seeds = seeds_of([names[row] for part in everywhere for row in part], sampling)
        first = sum(map(len, everywhere[: dist.place().rank]))
        return seeds[first : first + len(rows)]


def _marked(ids: Sequence[int], mark: int, never: Sequence[int]) -> list[int]:
    """A prompt as it was before each picture's mark became as many tokens as it has, and what stands around them."""
    found: list[int] = []
    for token, run in groupby(ids):
        if token == mark:
            found.append(token)
        elif token not in never:
            found += run
    return found
