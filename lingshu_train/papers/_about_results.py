"""What a run tells of how well its model does: accuracy with intervals, how answers were read, leaks, failures."""

from __future__ import annotations

from collections import Counter

from lingshu_train.papers._form import Rows
from lingshu_train.papers._known import Known
from lingshu_train.report import gains
from lingshu_train.report.numbers import points, share
from lingshu_train.runs.results import Accuracy

INTERVAL = (
    "Accuracy with two-sided 95 % Wilson score intervals; differences of two models on the same questions with paired 95 % "
    "intervals (Newcombe 1998, method 10). No correction for many comparisons, no P values."
)


def tasks(known: Known) -> list[gains.Task]:
    """Every task that was measured, the mean over all of them last."""
    return gains.tasks(known.view)


def accuracy(known: Known) -> Rows:
    """Every task of every model beside the best constant answer."""
    models = known.view.models
    heads = ("Task", "Questions", "Best constant answer", *models)
    rows = [
        (task.label, f"{task.n:,}", share(task.constant), *(_cell(one) for one in task.measured))
        for task in tasks(known)
    ]
    return (heads, *rows) if rows else ()


def by_set(known: Known) -> Rows:
    """The model of the papers on the questions of each data card, with those of pictures it was not trained on apart."""
    lines = known.view.results.cards.get(_model(known), {})
    titles = {one.name: one.title for one in known.evaluation}
    rows = [
        (
            titles.get(name, name),
            f"{line.n:,}",
            share(line.constant),
            _cell(line),
            "not known" if line.leaked is None else f"{line.leaked:,}",
            _cell(line.unseen) if line.unseen else "–",
        )
        for name, line in lines.items()
    ]
    heads = (
        "Data set",
        "Questions",
        "Best constant answer",
        "Accuracy",
        "Of pictures or groups in training",
        "On the others",
    )
    return (heads, *rows) if rows else ()


def other_metrics(known: Known) -> tuple[str, ...]:
    """What else was measured of the model."""
    measured = known.view.results.models.get(_model(known), {})
    return tuple(
        f"{name}: {metric} {value:.3f}"
        + (
            f" ({line.metrics[f'{metric}_low']:.3f} to {line.metrics[f'{metric}_high']:.3f})"
            if f"{metric}_low" in line.metrics
            else ""
        )
        for name, line in measured.items()
        for metric, value in line.metrics.items()
        if not metric.endswith(("_low", "_high"))
    )


def changes(known: Known) -> tuple[str, ...]:
    """What each evaluated model adds to the one before it."""
    return tuple(
        f"{one.after} − {one.before}: {points(one.interval.value)} points (95 % {points(one.interval.low)} to "
        f"{points(one.interval.high)}, {one.n:,} questions)"
        for one in gains.changes(known.view)
    )


def how_measured(known: Known) -> tuple[str, ...]:
    """How answers were drawn and judged."""
    found = []
    for made in known.evaluations:
        told = {key: made.results.get(key) for key in ("decoding", "policy", "verifier", "samples")}
        if told["decoding"]:
            found.append(
                f"{made.stage.name}: {told['decoding']}; {told['samples']} questions; answers are read from the text and "
                f"judged by fixed rules (verifier {told['verifier']}, policy {told['policy']}), by no person and no model."
            )
    return tuple(found)


def leaks(known: Known) -> tuple[str, ...]:
    """How many questions ask about what the model was trained on, as the evaluation counted it."""
    if not known.view.results.models:
        return ()
    found = known.view.results.leaks
    lines = [line for cards in known.view.results.cards.values() for line in cards.values()]
    if found:
        return (
            *found,
            "Pictures are compared as they are stored: one that was compressed again is not found.",
        )
    if not lines or any(line.leaked is None for line in lines):
        return ("It is not known for every question whether training showed its picture.",)
    return (
        "No question asks about a picture, or a group, that training of this run has shown. Pictures are compared as they are "
        "stored: one that was compressed again is not found. What the base model was trained on is not compared.",
    )


def failures(known: Known) -> Rows:
    """How the answers of every model were judged. Answers themselves are not shown."""
    view = known.view
    counts = {name: Counter(line.status for line in view.predictions.get(name, ())) for name in view.models}
    kinds = sorted({status for each in counts.values() for status in each})
    rows = [(name, *(f"{each[kind]:,}" for kind in kinds)) for name, each in counts.items()]
    return (("Model", *(kind.replace("_", " ") for kind in kinds)), *rows) if kinds else ()


def headline(known: Known) -> str:
    """The model's accuracy over all questions, in a sentence; empty where it was not evaluated."""
    overall = [task for task in tasks(known) if task.overall]
    places = {name: place for place, name in enumerate(known.view.models)}
    measured = overall[0].measured[places[_model(known)]] if overall and _model(known) in places else None
    if measured is None:
        return ""
    return (
        f"{_model(known)} answers {_cell(measured)} of {measured.n:,} held-out questions right; the best constant answer to "
        f"each task {share(measured.constant)}."
    )


def _model(known: Known) -> str:
    return known.model.name if known.model else ""


def _cell(one: Accuracy | None) -> str:
    return f"{share(one.accuracy)} ({share(one.low)} to {share(one.high)})" if one else "–"
