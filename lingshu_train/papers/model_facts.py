"""The Model Facts label for clinical end users (Sendak 2020), as far as a run can fill it."""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.papers import _about_data as data
from lingshu_train.papers import _about_results as results
from lingshu_train.papers import _about_training as training
from lingshu_train.papers._form import Answer, partly, told
from lingshu_train.papers._known import Known

NO_USE = "Research only. Not a medical device: not for diagnosis, treatment, triage or any other clinical decision."


def answers(known: Known) -> Mapping[str, Answer]:
    """By the template's keys."""
    return {
        **_head(known),
        **_mechanism(known),
        **_performance(known),
        **_uses(known),
        **_warnings(known),
        **_other(known),
    }


def _head(known: Known) -> dict[str, Answer]:
    return {
        "model_name": partly(training.name(known)),
        "approval_date": partly("The run knows of no approval."),
        "updated": partly(
            f"The run's last stage finished on {known.finished[:10]}." if known.finished else ""
        ),
        "version": told(f"Content {known.model.content}." if known.model else ""),
        "summary": partly(
            f"A vision-language model that reads medical pictures and a question, and writes an answer. {NO_USE}"
            if known.lineage
            else "",
            results.headline(known),
        ),
    }


def _mechanism(known: Known) -> dict[str, Answer]:
    tasks = ", ".join(task.name.replace("_", " ") for task in results.tasks(known) if not task.overall)
    return {
        "outcome": partly(f"No clinical outcome: answers to questions on {tasks}." if tasks else ""),
        "output": told("Text, without a probability." if known.lineage else ""),
        "input_source": partly(*([f"In training: {data.names(known.training)}."] if known.training else [])),
        "input_type": told(*data.composition(known)),
        "training_place": partly(*data.counted(known), table=data.sources(known, known.training)),
        "model_type": told(training.architecture(known), training.origin(known)),
    }


def _performance(known: Known) -> dict[str, Answer]:
    if known.export:
        return {}
    measured = bool(known.view.results.models)
    held_out = "Held-out questions of the sets below; whether one of them is of the place of use, the run does not know."
    return {
        "internal": partly(held_out if measured else "", table=results.by_set(known)),
        "reading": told(results.INTERVAL, *results.how_measured(known), *results.leaks(known))
        if measured
        else partly("The model was not evaluated." if known.lineage and not known.missing else ""),
        **dict.fromkeys(
            ("temporal", "prospective", "external", "target"), partly("Not measured in the run.")
        ),
    }


def _uses(known: Known) -> dict[str, Answer]:
    if known.export:
        return {"general_use": partly(NO_USE)}
    return {
        "use_case": partly("None: no clinical use was evaluated."),
        "general_use": partly(NO_USE),
        "decision_support": partly("None: no clinical use was evaluated."),
        "before_use": partly("It was not tested on patients of any place of use."),
        "safety": partly("None in the run."),
    }


def _warnings(known: Known) -> dict[str, Answer]:
    return {
        "risks": partly(
            "It invents findings, repeats the biases of its data, and is confident when it is wrong."
        ),
        "settings": partly(
            "Any clinical setting. Scanners, hospitals, languages and populations other than those of the training data are "
            "outside of what was measured."
        ),
        "rationale": told(
            "It gives no reasons that can be relied on: what it writes before an answer is text which training taught, not "
            "how the answer came about."
        ),
        "inappropriate": told(NO_USE),
        "generalizability": partly(*results.leaks(known), *data.problems(known.training)),
    }


def _other(known: Known) -> dict[str, Answer]:
    return {
        "definition": partly(*results.how_measured(known)),
        "related": told(training.origin(known)) if known.origin else partly(training.origin(known)),
        "development": partly(training.repeat(known), *training.code(known)),
        "trial": partly("The run knows of none."),
        "impact": partly("The run knows of none."),
    }
