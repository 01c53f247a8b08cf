"""What evaluation leaves behind: results.json and predictions, and the completions a GRPO stage kept."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lingshu_train.errors import DataError
from lingshu_train.runs import ledger
from lingshu_train.schema import ModelT, parse

NAME = "results.json"
ALL = "all"
"""The task name of the mean over every held-out question."""


class _Line(BaseModel):
    """Read back leniently: a later version may write more than is read here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Accuracy(_Line):
    """Held-out accuracy of one model on one task, its 95 % interval, and that of the best constant answer."""

    n: int
    right: int
    accuracy: float
    low: float
    high: float
    constant: float


class Results(_Line):
    """Accuracy by model (the name of the stage that made it, in plan order), then by task."""

    models: dict[str, dict[str, Accuracy]] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task, the mean over all of them last."""
        found = dict.fromkeys(task for tasks in self.models.values() for task in tasks)
        return (*(task for task in found if task != ALL), *(task for task in found if task == ALL))


class Prediction(_Line):
    """One model's answer to one held-out question, and the verdict. `image` is a sha256 in the corpus."""

    id: str
    task: str
    question: str
    answer: str
    completion: str
    status: str
    correct: bool
    modality: str = ""
    card: str = ""
    prompt: str = ""
    options: dict[str, str] = {}
    rule: str = ""
    extracted: str | None = ""
    image: str | None = None


class Rollout(_Line):
    """One completion that a GRPO stage kept, with the reward it earned at that step.

    `why`: "random", or the unusual rule that accepted it.
    """

    step: int
    id: str
    question: str
    answer: str
    completion: str
    status: str
    reward: float | None = None
    image: str | None = None
    why: str = "random"


def read(stage_folder: Path) -> Results:
    """results.json of an `evaluate` stage; empty where it has not got that far."""
    path = stage_folder / NAME
    if not path.is_file():
        return Results()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as fault:
        raise DataError(f"{path}: not JSON: {fault}") from None
    return parse(Results, data, where=str(path), error=DataError)


def predictions(stage_folder: Path, model: str) -> tuple[Prediction, ...]:
    """The lines of predictions/<model>.jsonl, in file order; empty where there are none yet."""
    return _lines(stage_folder / "predictions" / f"{model}.jsonl", Prediction)


def rollouts(stage_folder: Path) -> tuple[Rollout, ...]:
    """The completions a GRPO stage kept, in step order; empty where it has not got that far."""
    return _lines(stage_folder / ledger.COMPLETIONS, Rollout)


def _lines(path: Path, record: type[ModelT]) -> tuple[ModelT, ...]:
    """Every whole line. The last may be half written: its stage is running, or was killed."""
    if not path.is_file():
        return ()
    found = ledger.steps(path.parent, name=path.name, tolerate_torn_end=True)
    return tuple(
        parse(record, line, where=f"{path}:{number}", error=DataError) for number, line in enumerate(found, 1)
    )
