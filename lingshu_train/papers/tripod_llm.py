"""The TRIPOD-LLM checklist of studies that use large language models, as far as a run can answer it."""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.papers import _about_data as data
from lingshu_train.papers import _about_results as results
from lingshu_train.papers import _about_training as training
from lingshu_train.papers._form import Answer, absent, partly, told
from lingshu_train.papers._known import Known

REPORT = "report.html"
SUMMARY = "training_data, section 2"


def answers(known: Known) -> Mapping[str, Answer]:
    """By the template's keys: t and the checklist's number."""
    return {
        **_introduction(known),
        **_data(known),
        **_methods(known),
        **_output(known),
        **_labels(known),
        **_openness(known),
        **_results(known),
        **_discussion(known),
    }


def _introduction(known: Known) -> dict[str, Answer]:
    tasks = ", ".join(task.name.replace("_", " ") for task in results.tasks(known) if not task.overall)
    kind = (
        "by training another further"
        if known.origin
        else "from nothing"
        if known.rooted
        else "from another stage"
    )
    made = f"A vision-language model is developed ({kind}) and evaluated" if known.lineage else ""
    return {
        "t1": partly(f"{made}{f' on: {tasks}' if tasks else ''}." if made else ""),
        "t2": partly(results.headline(known)),
        "t3b": partly(
            "The framework that trained the model states research use alone; the run knows of no other use."
        ),
        "t4": partly(table=training.stages(known)),
    }


def _data(known: Known) -> dict[str, Answer]:
    everybody = (*known.training, *known.evaluation)
    years = data.years(everybody)
    return {
        "t5a": partly(
            *data.counted(known),
            f"Evaluation: {data.names(known.evaluation)}." if known.evaluation else "",
            table=data.sources(known, known.training),
            where=(SUMMARY, f"{REPORT}#data"),
            gaps=("why these data", *data.gone(everybody)),
        ),
        "t5b": partly(*data.composition(known), table=data.splits(known), where=(f"{REPORT}#data",)),
        "t5c": partly(
            f"The sets were published in {years}; the dates of their texts are not recorded." if years else ""
        ),
        "t5d": partly(*data.prepared(known), where=(f"{REPORT}#settings",)),
        "t5e": partly(*data.left_out(known), where=(f"{REPORT}#data",)),
    }


def _methods(known: Known) -> dict[str, Answer]:
    prompt = str(known.model.model.get("system_prompt") or "") if known.model else ""
    fixed = f"System prompt: {prompt!r}." if prompt else "No system prompt."
    return {
        "t6a": partly(
            training.name(known),
            training.origin(known),
            f"The last stage finished on {known.finished[:10]}." if known.finished else "",
        ),
        "t6b": partly(
            training.architecture(known),
            *training.rewards(known),
            table=training.stages(known),
            where=(f"{REPORT}#settings",),
        ),
        "t6c": partly(
            *results.how_measured(known), fixed if known.lineage else "", where=(f"{REPORT}#settings",)
        ),
        "t6d": told(
            "The model writes text. A fixed rule reads the answer from it, by its tags or, under the lenient policy, from "
            "the text itself; what cannot be read counts as not right."
            if known.lineage
            else ""
        ),
        "t6e": absent("no probabilities and no thresholds: an answer is what the model wrote")
        if known.lineage
        else partly(),
        "t9a": partly(*data.written_by_rule(known), fixed if known.lineage else ""),
        "t9b": partly(),
        "t10": absent("no task of the run is a summary")
        if known.lineage and not _summaries(known)
        else partly(),
        "t11": partly(*training.rewards(known), table=training.stages(known)),
        "t12": partly(
            *training.hardware(known),
            table=training.time_spent(known),
            gaps=("energy, cost and emissions: the run measures none of them",),
        ),
    }


def _summaries(known: Known) -> bool:
    return any("summar" in task for task in data.tasks(known))


def _output(known: Known) -> dict[str, Answer]:
    measured = bool(known.view.results.models)
    judges = training.judges(known)
    return {
        "t7a": partly(results.INTERVAL, *results.other_metrics(known)) if measured else partly(),
        "t7c": partly(*results.how_measured(known)),
        "t7d": told("No person judged an answer: fixed rules did.", *judges) if measured else partly(),
        "t7e": partly(
            *results.changes(known),
            table=results.accuracy(known),
            where=(f"{REPORT}#results",) if measured else (),
        ),
    }


def _labels(known: Known) -> dict[str, Answer]:
    return {
        "t8a": partly(
            "Nothing was annotated in the run; labels are the publishers'." if known.training else "",
            *data.written_by_rule(known),
            *data.quoted(known.training, data.LABELS),
        ),
        "t8b": partly(),
        "t8c": partly(),
    }


def _openness(known: Known) -> dict[str, Answer]:
    return {
        "t13": partly(*data.quoted(known.training, data.PEOPLE)),
        "t14c": partly(training.repeat(known)),
        "t14e": partly(
            table=data.licence_terms(known),
            where=(SUMMARY,),
            gaps=(f"how others get: {data.names(own)}",) if (own := data.local(known.training)) else (),
        )
        if data.local(known.training) or not known.training
        else told(table=data.sources(known, known.training), where=(SUMMARY,)),
        "t14f": partly(*training.code(known), training.repeat(known)),
    }


def _results(known: Known) -> dict[str, Answer]:
    measured = bool(known.view.results.models)
    return {
        "t16a": partly(*data.counted(known), *data.left_out(known), table=data.splits(known)),
        "t16b": partly(*data.composition(known)),
        "t16c": partly(
            "Of what the run knows, tasks by split:" if data.splits(known) else "", table=data.splits(known)
        ),
        "t17": partly(
            *results.leaks(known),
            table=results.accuracy(known),
            where=(f"{REPORT}#results",) if measured else (),
        ),
        "t18": partly(
            "The run updates no model that was evaluated before it." if measured and not known.origin else ""
        ),
    }


def _discussion(known: Known) -> dict[str, Answer]:
    return {
        "t19b": partly(*results.leaks(known), *data.problems(known.training)),
        "t19c": partly(*data.problems(known.training)),
        "t19d": partly(
            "Not a medical device: no use in diagnosis, treatment or triage is intended by the framework."
        ),
    }
