"""What was measured and kept, written and read here alone: results.json, predictions, and GRPO's completions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel

from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.naming import canonical
from lingshu_train.record import Asked, Judged, Sample
from lingshu_train.runs import ledger, manifest
from lingshu_train.runs.files import write_json, write_text
from lingshu_train.runs.ledger import Ledger
from lingshu_train.runs.lines import Line
from lingshu_train.runs.stage import AGAIN
from lingshu_train.schema import Name, load, parse

NAME = "results.json"
PREDICTIONS = "predictions"
ALL = "all"
"""The task name of the mean over every held-out question."""


class Accuracy(BaseModel):
    """Held-out accuracy of one model on one task, its 95 % interval, and that of the best constant answer.

    What other metrics measured stands beside it under their names: see `metrics`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    n: int
    right: int
    accuracy: float
    low: float
    high: float
    constant: float

    @property
    def metrics(self) -> dict[str, float]:
        """Value by metric, its interval as `<metric>_low` and `<metric>_high` where it has one."""
        return {
            name: value for name, value in self.__pydantic_extra__.items() if isinstance(value, int | float)
        }


class CardAccuracy(Accuracy):
    """Accuracy of one model on the questions of one data card. `leaked`: how many of them show a picture, or are of a group,
    that the model was trained on in this run; None where that cannot be told. `unseen`: the accuracy on the others, where
    there are both."""

    leaked: int | None = None
    unseen: Accuracy | None = None


class Results(BaseModel):
    """Accuracy by model (the name of the stage that made it, in plan order), then by task; `cards`: then by data card.

    `lines`: of each model a line a benchmark, as `lingshu eval` has it; `means`: of the benchmarks that the paper prints a
    mean of, by its title, where all of them were measured.
    """

    model_config = ConfigDict(frozen=True)

    models: dict[Name, dict[str, Accuracy]] = {}
    cards: dict[Name, dict[str, CardAccuracy]] = {}
    lines: dict[Name, tuple[Line, ...]] = {}
    means: dict[Name, dict[str, float]] = {}

    def joined(self, other: Results) -> Results:
        """With what another stage measured."""
        return Results(
            models={**self.models, **other.models},
            cards={**self.cards, **other.cards},
            lines={**self.lines, **other.lines},
            means={**self.means, **other.means},
        )

    def of(self, models: Sequence[str]) -> Results:
        """Those models alone, in this order."""
        return Results(
            models={name: self.models[name] for name in models},
            cards={name: self.cards[name] for name in models if name in self.cards},
            lines={name: self.lines[name] for name in models if name in self.lines},
            means={name: self.means[name] for name in models if name in self.means},
        )

    @property
    def leaks(self) -> tuple[str, ...]:
        """A sentence for each data card and each number of its questions that show what a model was trained on."""
        found: dict[tuple[str, int, int], list[str]] = {}
        for model, cards in self.cards.items():
            for card, line in cards.items():
                if line.leaked:
                    found.setdefault((card, line.leaked, line.n), []).append(model)
        return tuple(
            f"{card}: {leaked / n:.0%} of its questions ask about a training picture of {', '.join(models)} "
            f"({leaked:,} of {n:,}{self._unseen(card, models)})"
            for (card, leaked, n), models in found.items()
        )

    def _unseen(self, card: str, models: Sequence[str]) -> str:
        """What the last of the models reaches on the other questions."""
        line = self.cards[models[-1]][card]
        if line.unseen is None:
            return ""
        return f"; {models[-1]} {line.accuracy:.1%} right, {line.unseen.accuracy:.1%} on the others"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task, the mean over all of them last."""
        found = dict.fromkeys(task for tasks in self.models.values() for task in tasks)
        return (*(task for task in found if task != ALL), *(task for task in found if task == ALL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Asked):
    """One model's answer to one held-out question, and the verdict. `image` is a sha256 in the corpus."""

    completion: str
    status: str
    correct: bool
    prompt: str = ""
    rule: str = ""
    extracted: str = ""
    image: str = ""
    question_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout(Asked):
    """One completion that a GRPO stage kept, with the reward it earned at that step, and `terms`, the value of each of its
    terms before they are weighted.

    `why`: "random", or the unusual rule that accepted it. `reward` or a term None: unscored.
    """

    step: int
    completion: str
    status: str
    reward: float | None = None
    image: str = ""
    why: str = "random"
    question_type: str = ""
    prompt: str = ""
    terms: Mapping[str, float | None] = field(default_factory=dict)


LineT = TypeVar("LineT", Prediction, Rollout)


def write(stage_folder: Path, results: Results) -> None:
    """Commit results.json."""
    write_json(stage_folder / NAME, results.model_dump(mode="json"))


def read(stage_folder: Path) -> Results:
    """results.json of a stage that evaluates; empty where it has not got that far."""
    path = stage_folder / NAME
    if not there(path):
        return Results()
    return load(Results, path, otherwise=AGAIN)


def write_predictions(stage_folder: Path, model: str, judged: Iterable[Judged]) -> None:
    """Commit predictions/<model>.jsonl, one line an answer, in the order given."""
    lines = (canonical(asdict(_prediction(one))) + "\n" for one in judged)
    path = predictions_file(stage_folder, model)
    path.parent.mkdir(exist_ok=True)
    write_text(path, "".join(lines))


def predictions(stage_folder: Path, model: str) -> tuple[Prediction, ...]:
    """The lines of predictions/<model>.jsonl, in file order; empty where there are none yet."""
    return _lines(stage_folder, predictions_file(stage_folder, model), RootModel[Prediction])


def keep(stage_folder: Path, rollouts: Iterable[Rollout]) -> None:
    """Append completions that a stage keeps, each flushed to disk."""
    kept = Ledger(stage_folder, ledger.COMPLETIONS)
    for one in rollouts:
        line = asdict(one)
        kept.append(line.pop("step"), line)


def rollouts(stage_folder: Path) -> tuple[Rollout, ...]:
    """The completions a GRPO stage kept, in step order; empty where it has not got that far."""
    return _lines(stage_folder, stage_folder / ledger.COMPLETIONS, RootModel[Rollout])


def _prediction(one: Judged) -> Prediction:
    return Prediction(
        **shown(one.sample),
        completion=one.completion.text,
        status=one.verdict.status,
        correct=one.verdict.correct,
        prompt=one.prompt,
        rule=one.verdict.rule,
        extracted=one.verdict.extracted,
    )


def shown(sample: Sample) -> dict[str, Any]:
    """The fields of a sample that stand in every line about it: those of Asked, its first picture and its type."""
    values = {each.name: getattr(sample, each.name) for each in fields(Asked)}
    return values | {
        "options": dict(sample.options),
        "image": sample.images[0] if sample.images else "",
        "question_type": sample.question_type,
    }


def predictions_file(stage_folder: Path, model: str) -> Path:
    """Where the answers of a model lie, one a line."""
    return stage_folder / PREDICTIONS / f"{model}.jsonl"


def _lines(stage_folder: Path, path: Path, record: type[RootModel[LineT]]) -> tuple[LineT, ...]:
    """Every whole line. The last may be half written while its stage is running, or where it was killed."""
    found = ledger.lines(path, tolerate_torn_end=not there(stage_folder / manifest.NAME))
    return tuple(
        parse(record, line, where=f"{path}:{number}:", error=DataError).root
        for number, line in enumerate(found, 1)
    )
