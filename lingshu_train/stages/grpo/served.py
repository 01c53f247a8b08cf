"""A GRPO window through vLLM servers: they are given the policy and prove it before a prompt is asked; a window is whole or not
at all."""

from __future__ import annotations

import math
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel, ProcessorMixin
from trl import GRPOTrainer

from lingshu_train import dist, pulse, stopping
from lingshu_train.errors import LingshuError, RecipeError, RunAgain
from lingshu_train.model import family, load
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sampling
from lingshu_train.rollouts import Outage, Refused, _transfer, vllm
from lingshu_train.rollouts._drawing import NotFinite
from lingshu_train.rollouts._fleet import Send
from lingshu_train.rollouts._flight import Flight
from lingshu_train.rollouts._publishing import Publication
from lingshu_train.rollouts._served import Served
from lingshu_train.rollouts._wire import Answer, Request, ask
from lingshu_train.runs import processes
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
from lingshu_train.stages.grpo import probing, together, windows
from lingshu_train.stages.grpo.config import Config

FOLDER = "engine"
"""Below the stage's folder: logs of the servers, and what they open."""
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
        self._transfer = _transfer.of(params.weights, timeout_s=params.timeout_s)
        self._rests = params.sleep
        self._retries, self._timeout_s = params.retries, params.timeout_s
        self._dtype, self._title = wanted.dtype, stage.name
        # What a killed run left in a server that the user runs has another.
        self._run = dist.from_first(secrets.token_hex(4))
        self._proven = False
        self._expected: probing.Written = ((), ())
        self._flight: Flight | None = None

    @property
    def software(self) -> str:
        return self._fleet.software

    def renew(self, trainer: GRPOTrainer) -> None:
        """Have the servers answer as the policy does now. Outage (75): they cannot be had. Disagrees (70)."""
        self._patiently(trainer, None, probing.SAMPLING)

    def begin(self, trainer: GRPOTrainer, requests: Sequence[Request], sampling: Sampling) -> None:
        """Have the policy of now answer while the trainer goes on; `land` gives the answers. Outage (75), Disagrees (70)."""
        self.renew(trainer)
        fleet, rules = self._fleet, self.served.rules
        self._flight = Flight(lambda: fleet.ask(requests, sampling, rules) if requests else [])

    def land(self, prompts: Sequence[Sequence[int]]) -> Sequence[Answer]:
        """The answers of what was begun last, to `prompts` as the trainer computes with them.

        Disagrees (70), and Outage (75) as `draw`.
        """
        answers, self._flight = self._landed(), None
        self._compare(prompts, answers)
        return answers

    def _landed(self) -> Sequence[Answer]:
        """What was begun is answered, once every rank has its own. A server that failed meanwhile is started with the
        weights of then, which lie where they were published, and has to prove them. Outage (75), Disagrees (70)."""
        assert self._flight is not None, "nothing was begun"
        for left in reversed(range(self._retries + 1)):
            with together.ending():
                why = self._flight.wait()
            faults = [one for one in dist.gather((why, self._fleet.asked if why else ())) if one[0]]
            if not faults:
                return self._flight.answers
            self._doubt(faults, left)
            faults = self._up()
            if faults:
                self._doubt(faults, left)
            self._flight.again()
        raise AssertionError("the last try returns or raises")

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
        self._compare(prompts, found)
        if any(not math.isfinite(one) for answer in found for one in answer.chances):
            raise NotFinite("the engine's chances of a token are not finite")
        return found

    def rest(self) -> None:
        """Have servers give their memory back until they are asked again, where the recipe says so. One that does not is ended,
        which gives it back as well."""
        if not self._rests:
            return
        try:
            self._fleet.rest()
        except (Outage, Refused) as fault:
            sys.stderr.write(f"lingshu: {self._title}: {fault}; ended\n")
            self._fleet.doubt([one.url for one in self._fleet.own()])
        self._proven = False

    def close(self) -> None:
        self.served.close()
        if self._transfer is not None:
            self._transfer.close()

    def _compare(self, prompts: Sequence[Sequence[int]], answers: Sequence[Answer]) -> None:
        """Both sides were given the same tokens. Disagrees (70), on all ranks. Collective."""
        with together.ending():
            for number, (ids, answer) in enumerate(zip(prompts, answers, strict=True)):
                if tuple(ids) != answer.prompt_ids:
                    raise Disagrees(
                        f"{self._title}: engine vllm: prompt {number} has {len(ids)} tokens for the trainer and "
                        f"{len(answer.prompt_ids)} for the engine, or others"
                    )

    def _patiently(
        self, trainer: GRPOTrainer, requests: Sequence[Request] | None, sampling: Sampling
    ) -> list[Answer]:
        for left in reversed(range(self._retries + 1)):
            faults = self._renewed(trainer)
            if not faults:
                answers, faults = self._asked(requests or (), sampling)
                if not faults:
                    return answers
            self._doubt(faults, left)
        raise AssertionError("the last try returns or raises")

    def _doubt(self, faults: Sequence[_Fault], left: int) -> None:
        """End the servers that failed, so that they start anew; Outage (75) where no try is left."""
        self._proven = False
        self._fleet.doubt([url for _, urls in faults for url in urls])
        # A signal reaches one rank before another.
        if any(dist.gather(stopping.asked() is not None)):
            raise RunAgain("told to stop while an engine was asked; run the same command again to go on")
        if not left:
            raise Outage(
                f"{faults[0][0]}, after {self._retries + 1} tries; run the same command again to go on"
            )
        if dist.place().first:
            sys.stderr.write(f"lingshu: {self._title}: {faults[0][0]}; started anew\n")

    def _asked(self, requests: Sequence[Request], sampling: Sampling) -> tuple[list[Answer], list[_Fault]]:
        """What one rank lacks, all have to ask again: the same answers come."""
        answers, fault = [], ("", self._fleet.asked)
        with together.ending():
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
        if self._flight is not None:
            # It is asked of weights that go now.
            self._landed()
        pulse.give(pulse.RESTS)
        with windows.whole(trainer) as model:
            writes = self._needs_folder(version) and self._leads and self._fleet.owns
            with together.ending():
                if writes:
                    self.served.publication.write(model, load.DTYPES[self._dtype])
            self.served.version = version
            self._expected = probing.answered(
                model, self._text, ends=self.served.ends, never=self.served.never
            )
            dist.barrier()
            if self._rests and model.device.type == "cuda":
                # What the servers wake up to take.
                torch.cuda.empty_cache()
            faults = self._up(self._sender(model))
            if self._transfer is not None:
                # Read where a server started, and else by nobody.
                self.served.publication.close()
        pulse.give(pulse.GOES_ON)
        return faults

    def _needs_folder(self, version: str) -> bool:
        """Whether the policy has to lie where servers read: of each version, or with a transfer where one of them starts, since
        vLLM keeps beside weights what no transfer brings (as the mean of pixels). Collective."""
        if self._transfer is None:
            return version != self.served.version
        return any(dist.gather(not self._fleet.ready))

    def _sender(self, model: PreTrainedModel) -> Send | None:
        """What gives servers the weights of a model that they do not read."""
        transfer, dtype = self._transfer, load.DTYPES[self._dtype]
        if transfer is None:
            return None
        return lambda addresses, version: transfer.send(model, dtype, addresses, version)

    def _up(self, send: Send | None = None) -> list[_Fault]:
        """The faults of all ranks in starting servers, giving them what was published and having it proven. What no other try
        mends is raised by all ranks: Disagrees (70) and others."""
        fault: _Fault = ("", ())
        with together.ending():
            try:
                self._given(send)
                self._prove()
            except Outage as raised:
                fault = (str(raised), tuple(one.url for one in self._fleet.own()))
        faults = [one for one in dist.gather(fault) if one[0]]
        if not faults:
            with together.ending():
                self._fleet.meet()
            self._proven = True
        return faults

    def _given(self, send: Send | None) -> None:
        """Every server of this process is up and has what was published. A server that refuses weights is one that failed:
        Outage (75)."""
        try:
            gone = self._fleet.up(str(self.served.publication.folder), self.served.version, send)
        except Refused as refused:
            raise Outage(str(refused)) from None
        for each in gone:
            sys.stderr.write(f"lingshu: {self._title}: engine vllm: {each} was gone; started anew\n")

    def _prove(self) -> None:
        """Every server of this process answers the probe as the policy did that was published."""
        request = probing.request(self._text)
        for address in self._fleet.own():
            (theirs,) = ask(
                address, [request], probing.SAMPLING, self.served.rules, timeout_s=self._timeout_s
            )
            apart = probing.apart(self._expected, (theirs.ids, theirs.chances))
            if not apart <= probing.TOLERANCE[self._dtype]:
                raise Disagrees(
                    f"{self._title}: engine vllm: {address.url} answers a probe with log-probabilities {apart:.3g} apart from "
                    f"those of the policy that it was given, and {probing.TOLERANCE[self._dtype]:g} is rounding"
                )
