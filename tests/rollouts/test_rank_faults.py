"""What one rank alone meets with servers ends all ranks alike: nobody waits in a collective for one that has raised.

Two ranks are two threads here, and a collective is where both meet within seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lingshu_train import dist, stopping
from lingshu_train.errors import DataError, LingshuError, RecipeError, RunAgain
from lingshu_train.record import Sampling
from lingshu_train.rollouts import Outage, Refused
from lingshu_train.rollouts._wire import Answer
from lingshu_train.stages.grpo.ahead import Ahead, Drawn
from lingshu_train.stages.grpo.served import Disagrees, Rollouts
from lingshu_train.stages.grpo.windows import Windowed

PATIENCE_S = 20
ANSWER = Answer(prompt_ids=(1, 2), ids=(3,), log_probs=(-0.5,), finish="length")
SAMPLING = Sampling(max_tokens=1)


class Ranks:
    """`dist` of two threads."""

    def __init__(self) -> None:
        self._meet = threading.Barrier(2, timeout=PATIENCE_S)
        self._told: list[Any] = [None, None]
        self._own = threading.local()

    @property
    def rank(self) -> int:
        return int(self._own.rank)

    def gather(self, value: Any) -> list[Any]:
        self._told[self.rank] = value
        self._meet.wait()
        found = list(self._told)
        self._meet.wait()
        return found

    def place(self) -> dist.Place:
        return dist.Place(rank=self.rank, local_rank=self.rank, world_size=2)

    def run(self, work: Callable[[int], object]) -> list[object]:
        """What became of each rank: what it returned, or raised."""
        found: list[object] = [None, None]

        def one(rank: int) -> None:
            self._own.rank = rank
            try:
                found[rank] = work(rank)
            except BaseException as fault:  # noqa: BLE001 - the test looks at whatever it is
                found[rank] = fault

        threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(2 * PATIENCE_S)
        return found


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranks]:
    made = Ranks()
    monkeypatch.setattr(dist, "gather", made.gather)
    monkeypatch.setattr(dist, "place", made.place)
    yield made


class Fleet:
    """A rank's servers, which are well but for what a test says."""

    def __init__(self, **faults: Callable[[], object]) -> None:
        self.faults, self.asked, self.ended = faults, ("u",), 0

    def _do(self, name: str) -> None:
        self.faults.get(name, lambda: None)()

    def up(self, *given: object) -> tuple[str, ...]:
        self._do("up")
        return ()

    def meet(self) -> None:
        self._do("meet")

    def rest(self) -> None:
        self._do("rest")

    def ask(self, *given: object) -> list[Answer]:
        self._do("ask")
        return [ANSWER]

    def own(self) -> tuple[SimpleNamespace, ...]:
        return (SimpleNamespace(url="u"),)

    def doubt(self, urls: object) -> None:
        self.ended += 1


def raising(fault: LingshuError) -> Callable[[], object]:
    def act() -> object:
        raise fault

    return act


def rollouts(fleet: Fleet, *, retries: int = 1, prove: Callable[[], object] = lambda: None) -> Rollouts:
    made = object.__new__(Rollouts)
    publication = SimpleNamespace(folder="f")
    made.served = SimpleNamespace(publication=publication, version="v", rules=None)  # type: ignore[assignment]
    made._fleet, made._title, made._retries = fleet, "rl", retries  # type: ignore[assignment]
    made._rests, made._proven = True, False
    made._prove = prove  # type: ignore[method-assign,assignment]
    made._renewed = lambda trainer: made._up()  # type: ignore[method-assign]
    return made


def alike(found: list[object], kind: type[LingshuError], said: str) -> None:
    assert [type(one) for one in found] == [kind, kind], found
    assert all(said in str(one) for one in found)


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (Disagrees("apart"), "prove"),
        (Refused("too long"), "ask"),
        (RecipeError("on another machine"), "meet"),
        (RunAgain("told to stop while an engine was starting"), "up"),
    ],
)
def test_what_no_other_try_mends_is_raised_by_all_ranks(
    ranks: Ranks, fault: LingshuError, where: str
) -> None:
    def work(rank: int) -> object:
        bad = {where: raising(fault)} if rank == 1 else {}
        made = rollouts(Fleet(**bad), prove=bad.get("prove", lambda: None))
        return made.draw(None, [(1, 2)], [None], SAMPLING)  # type: ignore[arg-type,list-item]

    alike(ranks.run(work), type(fault), str(fault))


def test_tokens_that_one_rank_has_otherwise_are_told_by_all(ranks: Ranks) -> None:
    def work(rank: int) -> object:
        made = rollouts(Fleet())
        return made.draw(None, [(1, 2 + rank)], [None], SAMPLING)  # type: ignore[arg-type,list-item]

    alike(ranks.run(work), Disagrees, "prompt 0 has 2 tokens for the trainer and 2 for the engine, or others")


def test_a_server_that_refuses_weights_is_started_anew(ranks: Ranks) -> None:
    fleets = [Fleet(), Fleet()]
    left = [Refused("the engine answers 404")]

    def up() -> None:
        if left:
            raise left.pop()

    fleets[1].faults["up"] = up

    def work(rank: int) -> object:
        made = rollouts(fleets[rank])
        return made.draw(None, [(1, 2)], [None], SAMPLING)  # type: ignore[arg-type,list-item]

    assert ranks.run(work) == [[ANSWER], [ANSWER]]
    assert [one.ended for one in fleets] == [1, 1]
    fleets[1].faults["up"] = raising(Refused("the engine answers 404"))
    alike(ranks.run(work), Outage, "the engine answers 404, after 2 tries")


def test_a_server_that_refuses_to_rest_is_ended() -> None:
    fleet = Fleet(rest=raising(Refused("the engine answers 404")))
    rollouts(fleet).rest()
    assert fleet.ended == 1


def test_a_request_to_stop_that_one_rank_has_seen_stops_all(
    ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "asked", lambda: 15 if ranks.rank == 1 else None)

    def work(rank: int) -> object:
        made = rollouts(Fleet(ask=raising(Outage("gone"))))
        return made.draw(None, [(1, 2)], [None], SAMPLING)  # type: ignore[arg-type,list-item]

    alike(ranks.run(work), RunAgain, "told to stop while an engine was asked")


def test_a_flight_that_one_rank_is_refused_ends_all(ranks: Ranks) -> None:
    def work(rank: int) -> object:
        made = rollouts(Fleet())
        wait = raising(Refused("too long")) if rank == 0 else lambda: ""
        made._flight = SimpleNamespace(wait=wait, answers=[ANSWER])  # type: ignore[assignment]
        return made.land([(1, 2)])

    alike(ranks.run(work), Refused, "too long")


def test_a_window_that_one_rank_finds_drawn_for_other_prompts_ends_all(
    ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Windowed, "_served", lambda self, *given: ([[3]], [[0.0]]))

    def work(rank: int) -> object:
        made = object.__new__(Ahead)
        made.ahead, made.asking = 1, 0
        made.state = SimpleNamespace(global_step=0)
        made._rows = [0]
        made._seeds = lambda rows, sampling: [7]  # type: ignore[method-assign,assignment]
        made._sampling = lambda step: SAMPLING  # type: ignore[method-assign]
        made._begin_next = lambda *given: None  # type: ignore[method-assign]
        made._next = Drawn(window=0, step=0, completions=()) if rank == 1 else None
        return made._served(None, [[1, 2]], None)  # type: ignore[arg-type]

    alike(ranks.run(work), DataError, "1 of 1 completions of the next window were drawn for other prompts")
