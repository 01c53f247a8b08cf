"""A model behind vLLM servers that answers prompts: tokenized here, so that both sides are sure of the tokens."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from transformers import ProcessorMixin

from lingshu_train import dist
from lingshu_train.model import family, load
from lingshu_train.record import Completion, Prompt, Sampling
from lingshu_train.rollouts import vllm
from lingshu_train.rollouts._engine import Outage, Weights, seed_of
from lingshu_train.rollouts._fleet import Fleet
from lingshu_train.rollouts._publishing import Publication
from lingshu_train.rollouts._wire import Answer, Request, Rules


class Served:
    """An engine (`_engine.Engine`). `version` is that of the weights which have to answer, as they lie in `publication`."""

    def __init__(
        self,
        fleet: Fleet,
        publication: Publication,
        text: ProcessorMixin,
        *,
        ends: Sequence[int],
        params: vllm.Params,
    ) -> None:
        self.fleet, self.publication = fleet, publication
        self._text, self._params = text, params
        self.ends = tuple(ends)
        self.never = load.never(text)
        self.version = ""

    @property
    def rules(self) -> Rules:
        return Rules(version=self.version, ends=self.ends, never=self.never)

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        size = max(1, self._params.batch // sampling.n)
        for first in range(0, len(prompts), size):
            yield from self._slice(prompts[first : first + size], sampling)

    def close(self) -> None:
        self.fleet.end()
        self.publication.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _slice(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        texts = [
            self._text.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
            for prompt in prompts
        ]
        requests = [
            Request(ids=ids, pictures=pictures, seed=seed_of(prompt, sampling) + copy)
            for prompt, ids in zip(
                prompts, self._text.tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True
            )
            for pictures in [tuple(prompt.pictures())]
            for copy in range(sampling.n)
        ]
        found = self._patiently(requests, sampling)
        asked = [text for text in texts for _ in range(sampling.n)]
        return [self._completion(*each, sampling) for each in zip(requests, found, asked, strict=True)]

    def _patiently(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Ask, and ask again after starting the servers of this process anew."""
        for left in reversed(range(self._params.retries + 1)):
            try:
                return self.fleet.ask(requests, sampling, self.rules)
            except Outage:
                if not left or not self.fleet.owns:
                    raise
                self.fleet.doubt(self.fleet.asked)
                self.fleet.up(str(self.publication.folder), self.version)
                self.fleet.aim()
        raise AssertionError("the last try returns or raises")

    def _completion(self, request: Request, answer: Answer, asked: str, sampling: Sampling) -> Completion:
        text: str = self._text.tokenizer.decode(answer.ids, skip_special_tokens=True)
        stops = [place for stop in sampling.stop if (place := text.find(stop)) >= 0]
        return Completion(
            text=text[: min(stops)] if stops else text,
            token_ids=answer.ids,
            log_probs=answer.chances if sampling.log_probs else (),
            finish=answer.finish,
            max_tokens=sampling.max_tokens,
            seed=request.seed,
            prompt=asked,
        )


class _Alone(Served):
    """One with a folder of its own, which goes with it."""

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.publication.folder.parent, ignore_errors=True)


def open_model(params: vllm.Params, weights: Weights) -> Served:
    """Load a model, publish it to servers, and let go of it."""
    # Servers that the user runs may have weights of another model, under whatever name these were given.
    version = dist.from_first(secrets.token_hex(4))
    architecture = family.of(weights.settings.family)
    device = weights.device.partition(":")[0]
    root = Path(tempfile.mkdtemp(prefix="lingshu-vllm-"))
    fleet = vllm.fleet(
        params, weights.settings, device=device, folder=root / "servers", where="rollouts.params"
    )
    text = load.processor(architecture, weights.source, weights.settings.budget, revision=weights.revision)
    folder = Path(params.shared) / f"rank-{dist.place().rank}" if params.urls else root / "weights"
    publication = Publication(folder, family=architecture, text=text, shared=bool(params.urls))
    ends: tuple[int, ...] = ()
    if fleet.owns:
        dtype = weights.settings.dtype
        model = load.model(
            architecture, weights.source, dtype=dtype, attention="sdpa", revision=weights.revision
        )
        ends = load.ends(architecture, model, text)
        publication.write(model, load.DTYPES[dtype])
        del model
        fleet.up(str(folder), version)
    fleet.meet()
    made = _Alone(fleet, publication, text, ends=dist.from_first(ends), params=params)
    made.version = version
    return made
