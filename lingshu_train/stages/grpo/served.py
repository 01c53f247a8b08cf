"""A GRPO window through vLLM servers: they are given the policy and prove it before a prompt is asked; a window is whole or not
at all."""

from __future__ import annotations

import math
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin
from trl import GRPOTrainer

from lingshu_train import dist, pulse, stopping
from lingshu_train.errors import LingshuError, RecipeError, RunAgain
from lingshu_train.model import family, load
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sampling
from lingshu_train.rollouts import Outage, vllm
from lingshu_train.rollouts._drawing import NotFinite
from lingshu_train.rollouts._generating import Tokens, draw
from lingshu_train.rollouts._publishing import Publication
from lingshu_train.rollouts._served import Served
from lingshu_train.rollouts._wire import Answer, Request, ask
from lingshu_train.runs import processes
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
from lingshu_train.stages.grpo import windows
from lingshu_train.stages.grpo.config import Config

FOLDER = "engine"
"""Below the stage's folder: logs of the servers, and what they open."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.5}
"""Largest difference of a log-probability of the probe, by the number format of both sides."""
PROBE = Sampling(max_tokens=8, log_probs=True)
_Fault = tuple[str, tuple[str, ...]]
"""What kept a rank from its answers, and the servers that it asked; empty where nothing did."""


class Disagrees(LingshuError):
    """An engine answers, and not as the policy does that it was given: to train on that would be off-policy and silent."""

    exit_code = 70


class Rollouts:
    """The servers of a stage and the policy that they have. Every method that a trainer is given to is collective."""

    def __init__(
        self,
        stage: Stage,
        config: Config,
        wanted: Settings,
        *,
        text: ProcessorMixin,
        ends: Sequence[int],
        device: str,
    ) -> None:
        """RecipeError: the model lies in 4 bits, which nobody can be given."""
        where = f"stages.{stage.name}.rollouts.params"
        if wanted.quantize != "none":
            raise RecipeError(
                f"stages.{stage.name}.rollouts.engine: vllm cannot be given a model in {wanted.quantize}"
            )
        params = parse(vllm.Params, config.rollouts.params, where=where, error=RecipeError)
        rank, here = dist.place().rank, stage.path / FOLDER
        fleet = vllm.fleet(
            params,
            wanted,
            device=device,
            folder=here / f"rank-{rank}",
            processed=config.temperature != 1.0,
            where=where,
        )
        # One process of a machine writes for all servers there: the first that has one.
        known = dist.gather((processes.machine(), fleet.owns))
        leader = next((n for n, one in enumerate(known) if one == (processes.machine(), True)), 0)
        self._leads = leader == rank
        root = Path(params.shared) if params.urls else here
        publication = Publication(
            root / f"weights-{leader}", family=family.of(wanted.family), text=text, shared=bool(params.urls)
        )
        self.served = Served(fleet, publication, text, ends=ends, params=params)
        self._fleet, self._text = fleet, text
        self._retries, self._timeout_s = params.retries, params.timeout_s
        self._dtype, self._title = wanted.dtype, stage.name
        # What a killed run left in a server that the user runs has another.
        self._run = dist.from_first(secrets.token_hex(4))
        self._proven = False

    @property
    def software(self) -> str:
        return self._fleet.software

    def renew(self, trainer: GRPOTrainer) -> None:
        """Have the servers answer as the policy does now. Outage (75): they cannot be had. Disagrees (70)."""
        self._patiently(trainer, None, PROBE)

    def draw(
        self,
        trainer: GRPOTrainer,
        prompts: Sequence[Sequence[int]],
        requests: Sequence[Request],
        sampling: Sampling,
    ) -> list[Answer]:
        """An answer for each request of this rank, once every rank has all of its own. `prompts` are the tokens that the
        trainer computes with. Outage (75), Disagrees (70), NotFinite."""
        found = self._patiently(trainer, requests, sampling)
        for number, (ids, answer) in enumerate(zip(prompts, found, strict=True)):
            if tuple(ids) != answer.prompt_ids:
                raise Disagrees(
                    f"{self._title}: engine vllm: prompt {number} has {len(ids)} tokens for the trainer and "
                    f"{len(answer.prompt_ids)} for the engine, or others"
                )
        if any(not math.isfinite(one) for answer in found for one in answer.chances):
            raise NotFinite("the engine's chances of a token are not finite")
        return found

    def close(self) -> None:
        self.served.close()

    def _patiently(
        self, trainer: GRPOTrainer, requests: Sequence[Request] | None, sampling: Sampling
    ) -> list[Answer]:
        for left in reversed(range(self._retries + 1)):
            faults = self._renewed(trainer)
            if not faults:
                answers, faults = self._asked(requests or (), sampling)
                if not faults:
                    return answers
            self._proven = False
            self._fleet.doubt([url for _, urls in faults for url in urls])
            if stopping.asked():
                raise RunAgain("told to stop while an engine was asked; run the same command again to go on")
            if not left:
                raise Outage(
                    f"{faults[0][0]}, after {self._retries + 1} tries; run the same command again to go on"
                )
            if dist.place().first:
                sys.stderr.write(f"lingshu: {self._title}: {faults[0][0]}; started anew\n")
        raise AssertionError("the last try returns or raises")

    def _asked(self, requests: Sequence[Request], sampling: Sampling) -> tuple[list[Answer], list[_Fault]]:
        """What one rank lacks, all have to ask again: the same answers come."""
        answers, fault = [], ("", self._fleet.asked)
        try:
            answers = self._fleet.ask(requests, sampling, self.served.rules) if requests else []
        except Outage as raised:
            fault = (str(raised), self._fleet.asked)
        return answers, [one for one in dist.gather(fault) if one[0]]

    def _renewed(self, trainer: GRPOTrainer) -> list[_Fault]:
        """The faults of all ranks in starting servers, giving them the policy and having it proven; none: all is well."""
        version = f"{self._run}-{int(trainer.state.global_step)}"
        if self._proven and version == self.served.version:
            return []
        pulse.give(pulse.RESTS)
        fault: _Fault = ("", ())
        with windows.whole(trainer) as model:
            if version != self.served.version and self._leads and self._fleet.owns:
                self.served.publication.write(model, load.DTYPES[self._dtype])
            self.served.version = version
            dist.barrier()
            try:
                for gone in self._fleet.up(str(self.served.publication.folder), version):
                    sys.stderr.write(f"lingshu: {self._title}: engine vllm: {gone} was gone; started anew\n")
                self._prove(model)
            except Outage as raised:
                fault = (str(raised), tuple(one.url for one in self._fleet.own()))
            faults = [one for one in dist.gather(fault) if one[0]]
        if not faults:
            self._fleet.meet()
            self._proven = True
        pulse.give(pulse.GOES_ON)
        return faults

    def _prove(self, model: PreTrainedModel) -> None:
        """A prompt with the same picture each time, so that what a server still has of old weights shows too."""
        text = self._text.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}],
            tokenize=False,
            add_generation_prompt=True,
        )
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (56, 84, 3), dtype=np.uint8))
        inputs = self._text(text=[text], images=[[picture]], return_tensors="pt").to(model.device)
        served = self.served
        tokens = Tokens(words=self._text.tokenizer, ends=served.ends, never=served.never)
        ours, chances = draw(model, inputs, PROBE, [0], tokens)
        request = Request(ids=self._text.tokenizer(text)["input_ids"], pictures=(picture,))
        for address in self._fleet.own():
            (theirs,) = ask(address, [request], PROBE, served.rules, timeout_s=self._timeout_s)
            apart = _apart((ours[0], chances[0]), (theirs.ids, theirs.chances))
            if not apart <= TOLERANCE[self._dtype]:
                raise Disagrees(
                    f"{self._title}: engine vllm: {address.url} answers a probe with log-probabilities {apart:.3g} apart from "
                    f"those of the policy that it was given, and {TOLERANCE[self._dtype]:g} is rounding"
                )


def _apart(
    ours: tuple[Sequence[int], Sequence[float]], theirs: tuple[Sequence[int], Sequence[float]]
) -> float:
    """The largest difference up to the first token that differs: where two are as likely, either is the likeliest."""
    largest = 0.0
    for one, other, first, second in zip(ours[0], theirs[0], ours[1], theirs[1], strict=False):
        difference = abs(first - second)
        if not difference <= largest:
            largest = difference
        if one != other:
            break
    return largest
