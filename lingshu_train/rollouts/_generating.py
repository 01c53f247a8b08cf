"""A loaded model that answers prompts: slices of a batch size, padded on the left, every row drawn with its own seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from transformers.generation import TemperatureLogitsWarper, TopPLogitsWarper

from lingshu_train.record import Completion, Prompt, Sampling
from lingshu_train.rollouts._cache import reserved
from lingshu_train.rollouts._drawing import Drawing, LogProbs, Never
from lingshu_train.rollouts._engine import seed_of

_Request = tuple[Prompt, int]
"""One completion to be drawn, with its seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokenizer, the tokens that end an answer (model/load.py: `ends`), and those that are never written."""

    words: PreTrainedTokenizerBase
    ends: Sequence[int]
    never: Sequence[int] = ()


@torch.no_grad()
def draw(
    model: PreTrainedModel,
    inputs: Mapping[str, torch.Tensor],
    sampling: Sampling,
    seeds: Sequence[int],
    tokens: Tokens,
) -> tuple[list[list[int]], list[list[float]]]:
    """One call of `generate`: of each row the tokens written, with the one that ended them, and their log-probabilities where
    the sampling asks for them.

    `inputs` are padded on the left, with the pixels of all pictures. NotFinite: the model's chances are not.
    """
    watched = [LogProbs()] if sampling.log_probs else []
    drawing = [Drawing(seeds, model.device)] if sampling.temperature else []
    out: torch.Tensor = model.generate(
        **inputs,
        max_new_tokens=sampling.max_tokens,
        # Drawn by our own processors where it is sampled, so that every row has its own seed.
        do_sample=False,
        # Some models are published with 1.05, which no other engine and no training applies.
        repetition_penalty=1.0,
        logits_processor=LogitsProcessorList(
            [*watched, *_narrowed(sampling, tokens.never, model.device), *drawing]
        ),
        stop_strings=list(sampling.stop) or None,
        tokenizer=tokens.words,
        past_key_values=reserved(model, inputs["input_ids"].shape[1] + sampling.max_tokens),
        use_cache=True,
        # Every rank holds the whole model here, and some have a batch more than others: none may wait for the rest.
        synced_gpus=False,
        eos_token_id=list(tokens.ends),
        pad_token_id=tokens.words.pad_token_id,
    )
    for one in drawing:
        one.check()
    written = out[:, inputs["input_ids"].shape[1] :]
    chances = watched[0].of(written).tolist() if watched else [[]] * len(out)
    return [_until(ids, tokens.ends) for ids in written.tolist()], chances


def _narrowed(sampling: Sampling, never: Sequence[int], device: torch.device) -> list[LogitsProcessor]:
    """What changes the model's own scores before a token is taken, in the order of its steps."""
    suppressed = [Never(never, device)] if never else []
    if sampling.temperature == 0:
        return suppressed
    nucleus = [TopPLogitsWarper(sampling.top_p)] if sampling.top_p < 1 else []
    tempered = [TemperatureLogitsWarper(sampling.temperature)] if sampling.temperature != 1 else []
    return [*suppressed, *tempered, *nucleus]


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    """Cut after the token that ended them."""
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    return ids if end is None else ids[: end + 1]


class Transformers:
    """A loaded model, in evaluation mode, its processor, and the tokens that end an answer (model/load.py: `ends`) and
    that are never in one (`never`). Draws from no random state but each completion's own."""

    def __init__(
        self,
        model: PreTrainedModel,
        text: ProcessorMixin,
        *,
        batch: int,
        ends: Sequence[int],
        never: Sequence[int] = (),
    ) -> None:
        self._model, self._text, self._batch = model, text, batch
        self._pad: int = text.tokenizer.pad_token_id
        self._ends, self._never = list(ends), tuple(never)

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

    def _slice(self, rows: Sequence[_Request], sampling: Sampling) -> list[Completion]:
        prompts = [prompt for prompt, _ in rows]
        texts = self._texts(prompts)
        written, chances = draw(
            self._model,
            self._inputs(prompts, texts),
            sampling,
            [seed for _, seed in rows],
            Tokens(words=self._text.tokenizer, ends=self._ends, never=self._never),
        )
        return [
            replace(self._completion(ids, one, seed, sampling), prompt=asked)
            for ids, one, (_, seed), asked in zip(written, chances, rows, texts, strict=True)
        ]

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
        """A row of the batch, whose tokens end with the one that ended it."""
        ended = ids[-1] in self._ends
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
            finish="stop" if stops or ended else "length",
            max_tokens=sampling.max_tokens,
            seed=seed,
        )
