"""Which benchmarks there are: the paper's by name and in groups, and every data card by its own name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from lingshu_train.data.cards import card as cards
from lingshu_train.errors import UsageError
from lingshu_train.schema import Strict, parse

PAPER = "paper"


class Benchmark(Strict):
    """One line of a table: the splits of the cards that it counts together. `options`: what MedEvalKit writes between an
    option's letter and its text; `style`: which of its templates it uses, where that is not the common one (`bare`: options
    without their letters; `rubric`: a conversation as it stands, whose answer a judge reads)."""

    name: str
    title: str
    cards: dict[str, str]
    options: str = ". "
    style: Literal["", "slake", "pubmedqa", "mmmu", "bare", "rubric"] = ""


class Suite(Strict):
    """The benchmarks by name, and groups of them in the order in which the paper prints them."""

    groups: dict[str, tuple[str, ...]]
    benchmarks: dict[str, dict[str, str | dict[str, str]]] = Field(min_length=1)


def names() -> tuple[str, ...]:
    """What may be asked for: groups first."""
    return (PAPER, *_suite().groups, *_suite().benchmarks)


def groups() -> dict[str, tuple[str, ...]]:
    """The groups whose mean the paper prints, in its order."""
    return _suite().groups


def chosen(wanted: Sequence[str]) -> tuple[Benchmark, ...]:
    """The benchmarks of groups, names and cards, each once, in the order asked. UsageError (64): there is no such one."""
    found: dict[str, Benchmark] = {}
    for name in wanted:
        for one in _expanded(name):
            found.setdefault(one.name, one)
    return tuple(found.values())


def of_cards(names: Sequence[str], split: str) -> tuple[Benchmark, ...]:
    """The benchmarks that data cards make up, in the order of the cards; a card of none is one by itself."""
    every = [_benchmark(name) for name in _suite().benchmarks]
    whole = [one for one in every if set(one.cards) <= set(names)]
    found: dict[str, Benchmark] = {}
    for name in names:
        alone = Benchmark(name=name, title=name, cards={name: split})
        one = next((each for each in whole if name in each.cards), alone)
        found.setdefault(one.name, one)
    return tuple(found.values())


def needs_judge(card: str) -> bool:
    """Whether a data card is of a benchmark that only a language model can score."""
    every = map(_benchmark, _suite().benchmarks)
    return any(one.style == "rubric" and card in one.cards for one in every)


def is_benchmark(card: str) -> bool:
    """Whether a data card is made for measuring; of one that is no longer here it is not known."""
    if any(card in _benchmark(name).cards for name in _suite().benchmarks):
        return True
    return card in cards.names() and cards.load(card, where="benchmarks").lingshu.role == "benchmark"


def _expanded(name: str) -> list[Benchmark]:
    suite = _suite()
    if name == PAPER:
        return [_benchmark(one) for group in suite.groups.values() for one in group]
    if name in suite.groups:
        return [_benchmark(one) for one in suite.groups[name]]
    if name in suite.benchmarks:
        return [_benchmark(name)]
    if name in cards.names():
        splits = list(cards.load(name, where="benchmarks").lingshu.splits)
        split = "test" if "test" in splits else splits[0]
        return [Benchmark(name=name, title=name, cards={name: split})]
    raise UsageError(f"benchmarks: there is no {name!r}; there are {', '.join(names())}, and data cards")


def _benchmark(name: str) -> Benchmark:
    return parse(
        Benchmark, {"name": name, **_suite().benchmarks[name]}, where=f"suite.json: {name}", error=UsageError
    )


@cache
def _suite() -> Suite:
    path = Path(__file__).with_name("suite.json")
    return parse(Suite, json.loads(path.read_text(encoding="utf-8")), where=str(path), error=UsageError)
