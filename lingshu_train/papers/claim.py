"""The CLAIM 2024 checklist of studies of AI in medical imaging, as far as a run can answer it."""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.papers import _about_data as data
from lingshu_train.papers import _about_results as results
from lingshu_train.papers import _about_training as training
from lingshu_train.papers._form import Answer, absent, partly, told
from lingshu_train.papers._known import Known, Source

REPORT = "report.html"
SUMMARY = "training_data, section 2"


def answers(known: Known) -> Mapping[str, Answer]:
    """By the template's keys: the checklist's numbers."""
    return {
        **_design(known),
        **_data(known),
        **_reference(known),
        **_model(known),
        **_evaluation(known),
        **_end(known),
    }


def _design(known: Known) -> dict[str, Answer]:
    stages = ", ".join(f"{made.stage.name} ({made.stage.about.method})" for made in known.lineage)
    return {
        "c01": partly(training.technology(known)),
        "c02": partly(results.headline(known)),
        "c03": partly(
            "The framework that trained the model states research use alone; the run knows of no other use."
        ),
        "c05": partly("The run reads data that was there before it."),
        "c06": partly(f"The run creates a model and measures it: {stages}." if stages else ""),
    }


def _data(known: Known) -> dict[str, Answer]:
    people = (*known.training, *known.evaluation)
    silent = data.silent(known.training, data.PEOPLE)
    return {
        "c07": partly(
            *data.counted(known),
            table=data.sources(known, known.training),
            where=(SUMMARY, f"{REPORT}#data"),
            gaps=("why these sets", *data.gone(people)),
        ),
        "c08": partly(
            "What the run itself took and refused stands under item 9; who is in a set, its publisher decided."
        ),
        "c09": partly(*data.prepared(known), where=(f"{REPORT}#data", f"{REPORT}#settings")),
        "c10": partly(*data.written_by_rule(known), table=data.splits(known), where=(f"{REPORT}#settings",)),
        "c11": partly(
            *data.quoted(known.training, data.PEOPLE),
            gaps=(
                "how the data was de-identified, by whom, to which standard"
                + (f"; the cards say nothing of it for: {silent}" if silent else ""),
            ),
        ),
        "c12": partly(*data.left_out(known)),
        "c13": partly(*data.composition(known)),
        "c19": partly(
            "Splits are the publishers' own, or drawn by group, by the run's seed.",
            table=data.splits(known),
            where=(f"{REPORT}#settings",),
        ),
        "c20": partly(
            "Where the run divides data itself, no group (patient, volume or picture, as the rows name it) is in two splits.",
            *results.leaks(known),
            where=(f"{REPORT}#results",),
        ),
        "c35": partly(*data.counted(known), *data.left_out(known), where=(f"{REPORT}#data",)),
        "c36": partly(*data.composition(known), table=data.splits(known)),
    }


def _reference(known: Known) -> dict[str, Answer]:
    return {
        "c14": partly(
            *data.written_by_rule(known),
            data.answers_of_publishers(known),
            *data.quoted(known.evaluation, data.LABELS),
        ),
        "c16": partly(*data.quoted(known.training, data.LABELS)),
        "c17": partly("No test data was annotated in the run."),
    }


def _model(known: Known) -> dict[str, Answer]:
    spread = (
        "Every stage keeps its last weights: no checkpoint is chosen by a result." if known.lineage else ""
    )
    return {
        "c21": partly(results.headline(known)),
        "c22": told(
            training.architecture(known),
            "Input: pictures and a question. Output: text." if known.lineage else "",
            where=(f"{REPORT}#settings",),
        ),
        "c23": told(*training.software(known), where=("sbom.cdx.json", f"{REPORT}#environment")),
        "c24": told(training.origin(known)),
        "c25": told(
            *training.rewards(known),
            *training.hardware(known),
            table=training.stages(known),
            where=(f"{REPORT}#settings", f"{REPORT}#curves"),
        ),
        "c26": partly(spread, gaps=("how many runs and settings were tried, and how this one was chosen",)),
        "c27": absent("one model answers; nothing is combined") if known.lineage else partly(),
    }


def _evaluation(known: Known) -> dict[str, Answer]:
    measured = bool(known.view.results.models)
    return {
        "c28": partly(*results.how_measured(known), gaps=("why these metrics",)) if measured else partly(),
        "c29": told(results.INTERVAL) if measured else partly(),
        "c30": partly("None in this run." if measured else ""),
        "c31": partly(
            "None is applied. Where the model writes its reasoning before the answer, that is text which training taught, "
            "not an explanation of how the answer came about."
            if known.lineage
            else ""
        ),
        "c32": told(*results.leaks(known), table=results.by_set(known), where=(f"{REPORT}#results",)),
        "c33": partly("The run does not tell which of the sets above count as external." if measured else ""),
        "c37": told(
            *results.changes(known),
            *results.other_metrics(known),
            table=results.accuracy(known),
            where=(f"{REPORT}#results",),
        ),
        "c38": partly("Accuracy on questions is no diagnostic performance." if measured else ""),
        "c39": partly(table=results.failures(known), where=(f"{REPORT}#answers",) if measured else ()),
    }


def _end(known: Known) -> dict[str, Answer]:
    return {
        "c40": partly(*data.problems((*known.training, *_only_asked(known))), *results.leaks(known)),
        "c42": told(training.repeat(known), where=("run.json", "manifest.json of every stage")),
        "c43": partly(
            *training.code(known),
            *(f"Weights: {push.url}, commit {push.commit}." for push in known.pushes),
            table=data.licence_terms(known),
            gaps=("where software, model and data can be had",),
        ),
    }


def _only_asked(known: Known) -> list[Source]:
    names = {one.name for one in known.training}
    return [one for one in known.evaluation if one.name not in names]
