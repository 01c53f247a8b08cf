"""The Python API: what the verbs do, as functions that take plain values and give frozen records. docs/api.md shows them.

Every mistake is a LingshuError whose message is one line and whose `exit_code` is the verb's. Each function imports what it
needs when it is called, so that `import lingshu_train` costs nothing and a plan needs no torch.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from lingshu_train.errors import DataError, LingshuError, MissingInput, UsageError
from lingshu_train.record import ANSWER_TYPES, Judged, Sample, Verdict

if TYPE_CHECKING:
    from PIL.Image import Image

    from lingshu_train.data.cards.card import Card
    from lingshu_train.data.cards.catalogue import Entry
    from lingshu_train.planning.plan import Plan
    from lingshu_train.planning.recipe import Recipe
    from lingshu_train.runs.results import Accuracy, Results
    from lingshu_train.runs.run import State
    from lingshu_train.runs.stage import Stage
    from lingshu_train.verify import Policy
    from lingshu_train.verify.answer_file import Tally

__all__ = [
    "LingshuError",
    "Sample",
    "card",
    "cards",
    "evaluate",
    "judge",
    "plan",
    "recipe",
    "recipes",
    "results",
    "run",
    "score",
    "status",
    "verify_run",
    "write_report",
]

Place = str | Path
PolicyName = Literal["strict", "lenient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a recipe would do. Printed, it is what `lingshu plan` shows. `missing`: how to get data that is not here."""

    recipe: Recipe
    plan: Plan
    missing: tuple[str, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the order they run, each with the folder that it will leave."""
        return self.plan.stages

    def __str__(self) -> str:
        from lingshu_train.planning import outline

        return outline.text(self.recipe, self.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """How far one stage of a run is."""

    name: str
    kind: str
    state: State
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFiles:
    """The files of a finished stage against their recorded hashes. `damaged`: changed or missing ones, below `folder`.
    `broken`: a line for each stage that it was made from and that is not the one here."""

    name: str
    folder: Path
    files: int
    damaged: tuple[str, ...]
    broken: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.damaged and not self.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Each answer with its verdict, and the table over them: a line a task, and `all`."""

    judged: tuple[Judged, ...]
    table: Mapping[str, Accuracy]

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.table["all"].accuracy


def recipes() -> tuple[str, ...]:
    """The names of the recipes that come with lingshu."""
    from lingshu_train.planning import recipe as reading

    return tuple(reading.names())


def recipe(name: Place, *overrides: str) -> Recipe:
    """A recipe, read and checked: one of `recipes()`, or the path of a YAML file. `overrides` as on the command line.

    RecipeError (78): unknown, or of a wrong type. MissingInput (66): no such file.
    """
    from lingshu_train.planning import recipe as reading

    return reading.load(str(name), overrides)


def plan(name: Place, *overrides: str) -> Planned:
    """What a recipe would do, in about a second and without torch. Errors as `recipe`; DataError (65): a card is wrong."""
    from lingshu_train.planning import outline, outputs
    from lingshu_train.planning import plan as planning

    chosen = recipe(name, *overrides)
    made = planning.build(chosen)
    outputs.refuse_inputs(made)
    return Planned(recipe=chosen, plan=made, missing=tuple(outline.missing_data(made)))


def run(name: Place, *overrides: str) -> Path:
    """Run a recipe, or go on with it, and say so as it goes; the folder of the run, with its report.

    The verb `run` itself: each stage has processes of its own, finished stages are skipped, and after RunAgain (75) the same
    call goes on. Call it from the main thread.
    """
    from lingshu_train.cli.run import run_recipe

    run_recipe(str(name), list(overrides))
    return Path(plan(name, *overrides).plan.output)


def status(folder: Place) -> tuple[StageState, ...]:
    """How far each stage of a run is. MissingInput (66): the folder is no run."""
    from lingshu_train.runs import run as runs

    found = runs.read(Path(folder))
    return tuple(
        StageState(name=each.name, kind=each.kind, state=found.state(each), folder=found.folder(each))
        for each in found.stages
    )


def verify_run(folder: Place) -> tuple[StageFiles, ...]:
    """Every file of the finished stages of a run, read and compared with its recorded hash; the chain of their manifests."""
    from lingshu_train.runs import chain, manifest
    from lingshu_train.runs import run as runs

    torn = [link for link in chain.of(runs.read(Path(folder))) if link.holds == "broken"]
    return tuple(
        StageFiles(
            name=each.name,
            folder=each.folder,
            files=len(manifest.read(each.folder).files),
            damaged=tuple(manifest.damaged(each.folder)),
            broken=tuple(link.told for link in torn if link.child == each.name),
        )
        for each in status(folder)
        if each.state == "done"
    )


def results(folder: Place) -> Results:
    """What a run has measured so far: `.models[stage][task]`, the task `all` being every question."""
    from lingshu_train.report import gather

    return gather.view(Path(folder)).results


def write_report(folder: Place) -> Path:
    """Write the run's report from whatever is there, and give its path."""
    from lingshu_train.report import page

    return page.write(Path(folder))


def cards(
    *,
    modality: str | None = None,
    task: str | None = None,
    access: str | None = None,
    present: bool | None = None,
    data_root: Place = "data",
) -> tuple[Entry, ...]:
    """The data cards that match every filter given, one's own first. `present`: whose data is here, or is not.

    UsageError (64): `modality` or `access` is no known word.
    """
    from lingshu_train.data.cards import catalogue, source

    if access not in (None, *get_args(source.Access)):
        raise UsageError(f"access: {access!r} is none of: {', '.join(get_args(source.Access))}")
    return tuple(
        catalogue.rows(
            modality=modality, task=task, access=access, present=present, data_root=Path(data_root)
        )
    )


def card(name: str) -> Card:
    """One data card. RecipeError (78): unknown, the nearest names said; DataError (65): the card is wrong."""
    from lingshu_train.data.cards import card as reading

    return reading.load(name)


def judge(  # noqa: PLR0913 (each says something else of the question)
    response: str,
    *,
    answer: str,
    question_type: str,
    question: str = "",
    options: Mapping[str, str] | None = None,
    aliases: Sequence[str] = (),
    tol: float | None = None,
    policy: PolicyName = "lenient",
) -> Verdict:
    """Is this response right? The rule of rewards and of measurements alike; see docs/rewards.md.

    `options` maps letters to texts; `tol` is the allowed difference of a number, or the least overlap of a box. No response
    raises. UsageError (64): an unknown type or policy; DataError (65): the answer that should be right cannot be read.
    """
    from lingshu_train.verify import Item, gold_problem, verify

    if question_type not in ANSWER_TYPES:
        raise UsageError(f"question_type: {question_type!r} is none of: {', '.join(ANSWER_TYPES)}")
    item = Item(
        question=question,
        question_type=question_type,
        answer=answer,
        options=options or {},
        aliases=tuple(aliases),
        tol=tol,
    )
    problem = gold_problem(item)
    if problem:
        raise DataError(f"answer: {problem}")
    return verify(response, item, _policy(policy))


def score(file: Place, *, policy: PolicyName = "lenient") -> Tally:
    """Judge the responses of a JSONL file (question, question_type, answer, response in each row); the file stays as it is.

    DataError (65) names file, line and field.
    """
    from lingshu_train.verify.answer_file import judge_file

    return judge_file(Path(file), _policy(policy), io.StringIO())


def evaluate(  # noqa: PLR0913 (each is a choice of who measures)
    folder: Place,
    stage: str,
    samples: Sequence[Sample],
    pictures: Mapping[str, Image] | None = None,
    *,
    max_tokens: int = 256,
    policy: PolicyName = "lenient",
    batch: int = 16,
    device: str = "",
) -> Evaluation:
    """Ask the model that a stage of a run left, in this process, and judge each answer.

    `samples` name their pictures as `pictures` does; those of type `free` are left out, since no rule judges them. Decoding
    is greedy. `device` as torch names it; empty: the first GPU where there is one. MissingInput (66): no such stage, or it
    has not finished, or a picture is not there. UsageError (64): the stage leaves no model, or no sample can be judged.
    """
    from lingshu_train import evaluation, rollouts
    from lingshu_train.evaluation import Asking, trained
    from lingshu_train.record import Sampling

    rule, here = _policy(policy), dict(pictures or {})
    wanted = sorted({name for sample in samples for name in sample.images} - here.keys())
    if wanted:
        raise MissingInput(f"pictures: {wanted[0]!r} is not there, and {len(wanted) - 1} more")
    if not evaluation.judgeable(samples):
        raise UsageError("samples: none whose answer a rule can judge")
    weights = trained.weights(Path(folder), stage, device=device)
    asking = Asking(
        sampling=Sampling(max_tokens=max_tokens), policy=rule, system=weights.settings.system_prompt
    )
    with (
        trained.quiet(),
        rollouts.start("transformers", {"batch": batch}, where="evaluate", weights=weights) as engine,
    ):
        judged = evaluation.evaluate(engine, samples, here.__getitem__, asking)
    return Evaluation(judged=judged, table=evaluation.table(judged))


def _policy(name: str) -> Policy:
    from lingshu_train.verify import Policy

    if name not in list(Policy):
        raise UsageError(f"policy: {name!r} is none of: {', '.join(Policy)}")
    return Policy(name)
