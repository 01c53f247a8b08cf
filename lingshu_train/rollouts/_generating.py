"""A loaded model that answers prompts: slices of a batch size, padded on the left, every row drawn with its own seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel, ProcessorMixin
from transformers.generation import TemperatureLogitsWarper, TopPLogitsWarper

from lingshu_train.record import Completion, Prompt, Sampling
from lingshu_train.rollouts._drawing import Drawing, LogProbs
from lingshu_train.rollouts._engine import seed_of

_Request = tuple[Prompt, int]
"""One completion to be drawn, with its seed."""


class Transformers:
    """A loaded model, in evaluation mode, its processor, and the tokens that end an answer (model/load.py: `ends`). Draws from
    no random state but each completion's own."""

    def __init__(
        self, model: PreTrainedModel, text: ProcessorMixin, *, batch: int, ends: Sequence[int]
    ) -> None:
        self._model, self._text, self._batch = model, text, batch
        self._pad: int = text.tokenizer.pad_token_id
        self._ends = list(ends)

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        rows = [
            (prompt, seed_of(prompt, sampling) + copy) for prompt in prompts for copy in range(sampling.n)
        ]
        for first in range(0, len(rows), self._batch):
            yield from self._slice(rows[first : first + self._batch], sampling)

    def close(self) -> None:
        """Nothing is held but the model, which whoever made the engine lets go with it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    @torch.no_grad()
    def _slice(self, rows: Sequence[_Request], sampling: Sampling) -> list[Completion]:
        prompts = [prompt for prompt, _ in rows]
        texts = self._texts(prompts)
        batch = self._inputs(prompts, texts)
        watched = LogProbs() if sampling.log_probs else None
        drawing = self._drawing(sampling, [seed for _, seed in rows])
        out: torch.Tensor = self._model.generate(
            **batch,
            max_new_tokens=sampling.max_tokens,
            # Drawn by our own processors where it is sampled, so that every row has its own seed.
            do_sample=False,
            # Some models are published with 1.05, which no other engine and no training applies.
            repetition_penalty=1.0,
            logits_processor=LogitsProcessorList([*([watched] if watched else []), *drawing]),
            stop_strings=list(sampling.stop) or None,
            tokenizer=self._text.tokenizer,
            use_cache=True,
            # Every rank holds the whole model here, and some have a batch more than others: none may wait for the rest.
            synced_gpus=False,
            eos_token_id=self._ends,
            pad_token_id=self._pad,
        )
        written = out[:, batch["input_ids"].shape[1] :]
        chances = watched.of(written).tolist() if watched else [()] * len(rows)
        return [
            replace(self._completion(ids, one, seed, sampling), prompt=asked)
            for ids, one, (_, seed), asked in zip(written.tolist(), chances, rows, texts, strict=True)
        ]

    def _drawing(self, sampling: Sampling, seeds: Sequence[int]) -> list[LogitsProcessor]:
        """What makes a draw of greedy search, in the order of its steps; nothing at temperature 0."""
        if sampling.temperature == 0:
            return []
        nucleus = [TopPLogitsWarper(sampling.top_p)] if sampling.top_p < 1 else []
        return [TemperatureLogitsWarper(sampling.temperature), *nucleus, Drawing(seeds, self._model.device)]

    def _texts(self, prompts: Sequence[Prompt]) -> list[str]:
        """The prompts as the chat template writes them, one mark a picture."""
        return [
            self._text.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
            for prompt in prompts
        ]

    def _inputs(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """input_ids and attention_mask (B, L), padded on the left, and the pixels of all pictures."""
        # Copies of a prompt share their opened pictures: the processor then resizes each once.
        distinct = {id(prompt): prompt for prompt in prompts}
        opened = {key: list(prompt.pictures()) for key, prompt in distinct.items()}
        pictures = [opened[id(prompt)] for prompt in prompts]
        batch: dict[str, torch.Tensor] = self._text(
            text=list(texts),
            images=pictures if any(pictures) else None,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            add_special_tokens=False,
        ).to(self._model.device)
        return batch

    def _completion(
        self, ids: list[int], log_probs: Sequence[float], seed: int, sampling: Sampling
    ) -> Completion:
        """A row of the batch, cut after the token that ended it."""
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        if end is not None:
            ids = ids[: end + 1]
        text: str = self._text.tokenizer.decode(ids, skip_special_tokens=True)
        stops = [place for stop in sampling.stop if (place := text.find(stop)) >= 0]
        if stops:
            text = text[: min(stops)]
            while ids[-1] == self._pad and ids[-1] not in self._ends:
                ids.pop()
        return Completion(
            text=text,
            token_ids=tuple(ids),
            log_probs=tuple(log_probs[: len(ids)]),
            finish="stop" if stops or end is not None else "length",
            max_tokens=sampling.max_tokens,
            seed=seed,
        )
