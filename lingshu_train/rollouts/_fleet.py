"""The vLLM servers of a stage: who looks after which, who asks which, and what follows where one fails. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from lingshu_train import dist
from lingshu_train.errors import RecipeError
from lingshu_train.record import Sampling
from lingshu_train.rollouts import _wire
from lingshu_train.rollouts._engine import Outage, Refused
from lingshu_train.rollouts._servers import Server, Start
from lingshu_train.rollouts._wire import Address, Answer, Request, Rules
from lingshu_train.runs import processes

AGAIN = "run the same command again to go on"


Send = Callable[[Sequence[Address], str], None]
"""Gives servers weights, and what their version is."""


class Replica(Protocol):
    """A server that this process looks after. `begin` and then `wait` give it a model; it need not be there before."""

    address: Address | None
    software: str

    def begin(self, model: str, version: str) -> None: ...

    def wait(self) -> Address: ...

    def end(self) -> None: ...


class Elsewhere:
    """A server that the user runs: it is given weights, and neither started nor ended."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self.address: Address | None = address
        self.software = ""
        self._address, self._timeout_s = address, timeout_s

    def begin(self, model: str, version: str) -> None:
        _wire.load(self._address, model, version, timeout_s=self._timeout_s)

    def wait(self) -> Address:
        found = _wire.state(self._address)
        if found is None:
            raise Outage(f"{self._address.url}: still loads its model; {AGAIN}")
        self.software = found.software
        return self._address

    def end(self) -> None:
        """It is the user's."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a rank tells the others of a server of its own."""

    machine: str
    address: Address


class Fleet:
    """Servers by number; rank r looks after those whose number is r modulo the ranks, and asks them, or where it has none
    number r modulo the servers. `timeout_s`: of a call."""

    def __init__(
        self, *, urls: Sequence[Address] = (), replicas: int = 1, start: Start | None, timeout_s: float
    ) -> None:
        here = dist.place()
        self._count = len(urls) or replicas
        self._timeout_s = timeout_s
        mine = range(here.rank, self._count, here.world_size)
        self._away = bool(urls)
        self._own: dict[int, Replica] = {}
        for number in mine:
            if urls:
                self._own[number] = Elsewhere(urls[number], timeout_s)
            else:
                assert start is not None
                self._own[number] = Server(start, number)
        self._asked: tuple[Address, ...] = ()

    @property
    def owns(self) -> bool:
        """Whether this process looks after a server."""
        return bool(self._own)

    @property
    def software(self) -> str:
        """What the servers of this process run; empty before they are up, and where it has none."""
        return next((each.software for each in self._own.values() if each.software), "")

    @property
    def ready(self) -> bool:
        """Whether every server of this process is up and answers."""
        return all(each.address is not None and _answers(each.address) for each in self._own.values())

    def up(self, model: str, version: str, send: Send | None = None) -> tuple[str, ...]:
        """Have every server of this process answer with these weights; tells those that were gone or deaf, and are new now.
        Where `send` gives the weights, those that start open the model for what no transfer brings, and all are given them.
        Outage (75): one cannot be had."""
        late, gone = [], []
        for each in self._own.values():
            if not self._renewed(each, model, version, reads=send is None):
                gone += [each.address.url] if each.address is not None else []
                each.begin(model, version if send is None else "")
                late.append(each)
        for each in late:
            each.wait()
        if send is not None and self._own:
            send(self.own(), version)
        return tuple(gone)

    def rest(self) -> None:
        """Have the servers of this process give their memory back. Outage (75)."""
        for address in self.own():
            _wire.rest(address, timeout_s=self._timeout_s)

    def _renewed(self, server: Replica, model: str, version: str, *, reads: bool) -> bool:
        """Whether a server that runs has the weights, or took them, where it reads them itself."""
        if server.address is None:
            return False
        try:
            found = _wire.state(server.address)
            if found is None:
                return False
            server.software = found.software
            if reads and found.version != version:
                _wire.load(server.address, model, version, timeout_s=self._timeout_s)
        except (Outage, Refused):
            return False
        return True

    def meet(self) -> None:
        """Tell all ranks where servers are. Collective. RecipeError: those that a rank would ask are on another machine."""
        here = dist.place()
        own = {
            number: _Offer(processes.machine(), each.address)
            for number, each in self._own.items()
            if each.address is not None
        }
        known = {number: offer for part in dist.gather(own) for number, offer in part.items()}
        wanted = tuple(self._own) or (here.rank % self._count,)
        if not self._away and any(known[number].machine != processes.machine() for number in wanted):
            raise RecipeError(
                f"engine vllm: {self._count} replicas leave a rank on another machine without one; replicas="
                f"{here.world_size} gives each rank one"
            )
        self._asked = tuple(known[number].address for number in wanted)

    def aim(self) -> None:
        """Ask the servers of this process where they are by now."""
        self._asked = tuple(each.address for each in self._own.values() if each.address is not None)

    def own(self) -> tuple[Address, ...]:
        """The servers that this process looks after, which are up."""
        return tuple(each.address for each in self._own.values() if each.address is not None)

    def ask(self, requests: Sequence[Request], sampling: Sampling, rules: Rules) -> list[Answer]:
        """All answers, or an Outage (75) or Refused (78): then none counts."""
        parts = _parts(requests, len(self._asked))
        with ThreadPoolExecutor(len(parts) or 1) as pool:
            found = [
                pool.submit(_wire.ask, address, part, sampling, rules, timeout_s=self._timeout_s)
                for address, part in zip(self._asked, parts, strict=False)
            ]
            return [answer for each in found for answer in each.result()]

    def doubt(self, addresses: Sequence[str]) -> None:
        """End the servers of this process that failed somebody, so that `up` starts them anew."""
        for each in self._own.values():
            if each.address is not None and each.address.url in addresses:
                each.end()

    @property
    def asked(self) -> tuple[str, ...]:
        """Where this process asks."""
        return tuple(each.url for each in self._asked)

    def end(self) -> None:
        for each in self._own.values():
            each.end()


def _answers(address: Address) -> bool:
    try:
        return _wire.state(address) is not None
    except (Outage, Refused):
        return False


def _parts(requests: Sequence[Request], count: int) -> list[Sequence[Request]]:
    """As even as can be, none empty, neighbours together, since copies of a prompt are neighbours."""
    size = max(1, -(-len(requests) // count))
    return [requests[first : first + size] for first in range(0, len(requests), size)]
