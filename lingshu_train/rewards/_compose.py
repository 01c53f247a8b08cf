"""A recipe's reward: named terms with weights, summed as in the paper or gated by correctness."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import Field, JsonValue

from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._isolated import Isolated, Limits
from lingshu_train.rewards._reward import OfPairs, reward
from lingshu_train.rewards._values import checked, total
from lingshu_train.schema import Name, Strict, parse

_SHAPING = (-0.3, 0.1)
_FORM = -0.1

Scorer = Callable[[Sample, Completion], Score]
T = TypeVar("T")


class Gather(Protocol):
    """What every rank has, rank by rank, and which of the parts is this one's."""

    def __call__(self, mine: list[T]) -> tuple[list[list[T]], int]: ...


def alone(mine: list[T]) -> tuple[list[list[T]], int]:
    """A lone process."""
    return [mine], 0


class Term(Strict):
    """One reward of a composition."""

    name: Name
    """A file of `rewards/`; beside `file`, a name of your own."""
    weight: float = 1.0
    """What its value is multiplied with."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Its own settings: see the reward."""
    file: str = ""
    """Your own Python file with a function `score(sample, completion, params)`; empty takes the reward of that name."""
    limits: Limits = Limits()
    """Bounds of a reward of your own; rewards of this package have none."""


class Composition(Strict):
    """How rewards become one number."""

    mode: Literal["sum", "gated"] = "sum"
    """`sum` adds the weighted terms (the paper: 0.5 format + 1.0 accuracy). `gated` is c * (1 + s) + f: c is 1 where
    the `gate` term is right and else 0, s the weighted sum of the other terms clipped to [-0.3, 0.1], and f is
    -0.1 where the term named `format` finds a fault. So every wrong answer is at most 0 and every right one at
    least 0.6."""
    terms: list[Term]
    """The rewards to compose. For example `[{name: accuracy}, {name: format, weight: 0.5}]`."""
    gate: str = "accuracy"
    """The term that decides in mode `gated`."""


@dataclass(frozen=True, slots=True)
class Total:
    """A sample's reward and each term's own score, with what composed them. None: unscored, never zero; so is a sum beyond
    the size that a single reward may have."""

    value: float | None
    scores: dict[str, Score]
    question_type: str
    answer: str = ""


class Composed:
    """A reward ready to be called on a batch: `composed(samples, completions) -> list[Total]`, in order.

    A term that looks at pairs is given the scores of all ranks, which `gather` brings.
    """

    def __init__(
        self, composition: Composition, scorers: dict[str, Scorer], workers: dict[str, Isolated]
    ) -> None:
        self.composition = composition
        self._scorers = scorers
        self._workers = workers
        self._pairs = {term.name: found for term in composition.terms if (found := _of_pairs(term))}

    def __call__(
        self, samples: Sequence[Sample], completions: Sequence[Completion], *, gather: Gather = alone
    ) -> list[Total]:
        scores = [
            {name: checked(scorer(sample, completion)) for name, scorer in self._scorers.items()}
            for sample, completion in zip(samples, completions, strict=True)
        ]
        for name in self._pairs:
            own = [(sample, one[name]) for sample, one in zip(samples, scores, strict=True)]
            for one, score in zip(scores, _together(self._pairs[name], own, gather), strict=True):
                one[name] = checked(score)
        return [self._total(sample, one) for sample, one in zip(samples, scores, strict=True)]

    def start(self) -> None:
        """Load the files of user rewards now. Raises RecipeError (78) with what their own code raised."""
        for key, worker in self._workers.items():
            worker.start(where=key)

    def close(self) -> None:
        """End the processes of user rewards. They start again by themselves when called."""
        for worker in self._workers.values():
            worker.close()

    def _total(self, sample: Sample, scores: dict[str, Score]) -> Total:
        combine = _gated if self.composition.mode == "gated" else _summed
        read = scores.get("accuracy")
        answer = str(read.detail.get("normalized", "")) if read else ""
        return Total(total(combine(self.composition, scores)), scores, sample.question_type, answer)


def of_pairs(composition: Composition) -> list[str]:
    """The terms that are decided over both halves of a pair, which have to be asked in one window."""
    return [term.name for term in composition.terms if _of_pairs(term)]


def check(composition: Composition, *, where: str) -> None:
    """Refuse at plan time what could not run: unknown names, wrong parameters, missing files. Runs no user
    code.
    """
    names = [term.name for term in composition.terms]
    if not names:
        raise RecipeError(f"{where}.terms: empty; name at least one reward, for example accuracy")
    for index, term in enumerate(composition.terms):
        key = f"{where}.terms.{index}"
        if names.count(term.name) > 1:
            raise RecipeError(f"{key}.name: {term.name!r} stands twice; give a file another name")
        if term.file:
            _check_file(Path(term.file), where=f"{key}.file")
        else:
            _params(term, where=key)
    if composition.mode == "gated" and composition.gate not in names:
        raise RecipeError(f"{where}.gate: {composition.gate!r} is not among the terms: {', '.join(names)}")


def compose(
    composition: Composition, *, where: str = "rewards", known_timeouts: Collection[str] = ()
) -> Composed:
    """Make a composition callable.

    `known_timeouts` are the `key`s of time-outs recorded by an earlier run: a replay marks the same samples
    without waiting, so that it does not depend on the speed of the machine.
    """
    check(composition, where=where)
    scorers: dict[str, Scorer] = {}
    workers: dict[str, Isolated] = {}
    for index, term in enumerate(composition.terms):
        if term.file:
            worker = Isolated(Path(term.file), term.params, limits=term.limits, known_timeouts=known_timeouts)
            workers[f"{where}.terms.{index}.file"] = worker
            scorers[term.name] = worker.score
        else:
            scorers[term.name] = _scorer(term, where=f"{where}.terms.{index}")
    return Composed(composition, scorers, workers)


def _of_pairs(term: Term) -> OfPairs | None:
    found = None if term.file else reward(term.name, where=term.name)
    return found if isinstance(found, OfPairs) else None


def _together(term: OfPairs, own: list[tuple[Sample, Score]], gather: Gather) -> list[Score]:
    """The part of this rank of what a window's scores come to."""
    parts, mine = gather(own)
    every = [one for part in parts for one in part]
    found = term.together([sample for sample, _ in every], [score for _, score in every])
    first = sum(map(len, parts[:mine]))
    return found[first : first + len(own)]


def _scorer(term: Term, *, where: str) -> Scorer:
    score, params = reward(term.name, where=f"{where}.name").score, _params(term, where=where)
    return lambda sample, completion: score(sample, completion, params)


def _params(term: Term, *, where: str) -> Strict:
    model = reward(term.name, where=f"{where}.name").Params
    return parse(model, term.params, where=f"{where}.params", error=RecipeError)


def _check_file(path: Path, *, where: str) -> None:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except OSError as fault:
        raise MissingInput(
            f"{where}: {path}: {fault.strerror}; name a Python file with a function score"
        ) from None
    except (SyntaxError, ValueError) as fault:
        raise RecipeError(f"{where}: {path} is not Python: {fault}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == "score" for node in tree.body):
        raise RecipeError(f"{where}: {path} has no function score(sample, completion, params)")


def _summed(composition: Composition, scores: dict[str, Score]) -> float | None:
    total = 0.0
    for term in composition.terms:
        value = scores[term.name].value
        if value is None:
            return None
        total += term.weight * value
    return total


def _gated(composition: Composition, scores: dict[str, Score]) -> float | None:
    if any(score.value is None for score in scores.values()):
        return None
    correct = 1.0 if (scores[composition.gate].value or 0.0) >= 1.0 else 0.0
    form = scores.get("format")
    fault = _FORM if form is not None and form.status != "formatted" else 0.0
    aside = (composition.gate, "format")
    shaping = sum(
        term.weight * (scores[term.name].value or 0.0) for term in composition.terms if term.name not in aside
    )
    return correct * (1.0 + min(_SHAPING[1], max(_SHAPING[0], shaping))) + fault
