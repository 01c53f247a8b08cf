"""The lines of one or more models as a table for the terminal and as JSON in the form that lm-eval writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from lingshu_train.evaluation.benchmarks import suite
from lingshu_train.report import lines as told
from lingshu_train.runs.lines import Line
from lingshu_train.verify import version

MEANS = {"medical_vqa": "mean of 7, medical VQA", "text": "mean of 7, text"}


def mean(lines: Sequence[Line], group: str) -> float | None:
    """The plain mean of a group's benchmarks, as the paper prints it; None unless all of them were measured."""
    found = {one.name: one.lenient for one in lines if one.n}
    wanted = suite.groups()[group]
    return sum(found[name] for name in wanted) / len(wanted) if found.keys() >= set(wanted) else None


def means(lines: Sequence[Line]) -> dict[str, float]:
    """The means that the paper prints, by their titles, where all of their benchmarks were measured."""
    found = {title: mean(lines, group) for group, title in MEANS.items()}
    return {title: value for title, value in found.items() if value is not None}


def table(measured: Mapping[str, Sequence[Line]]) -> str:
    """What the terminal shows of models by their labels."""
    return told.table(measured, {model: means(lines) for model, lines in measured.items()})


def document(model: str, lines: Sequence[Line], config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Results as lm-eval writes them, so that its readers read ours: `results`, `n-samples`, `versions`, `config`."""
    results: dict[str, JsonValue] = {}
    for one in lines:
        values: dict[str, JsonValue] = {"alias": one.title}
        if one.n:
            values |= {
                "acc,lenient": one.lenient,
                "acc,strict": one.strict,
                "acc,medevalkit": one.medevalkit,
                "acc_low,lenient": one.cluster_low,
                "acc_high,lenient": one.cluster_high,
                "acc,constant": one.constant,
            }
        values |= {f"pass@{k},lenient": each.value for k, each in one.pass_at.items()}
        values |= {f"maj@{k},lenient": each.value for k, each in one.maj_at.items()}
        values |= {f"{name},none": value for name, value in one.reports.items()}
        results[one.name] = values | {"unscored": one.unscored, "truncated": one.truncated}
    groups = {group: value for group in MEANS if (value := mean(lines, group)) is not None}
    return {
        "model_name": model,
        "results": results,
        "groups": {group: {"acc,lenient": value} for group, value in groups.items()},
        "n-samples": {one.name: {"original": one.n + one.unscored, "effective": one.n} for one in lines},
        "versions": {one.name: one.asked for one in lines},
        "verifier": version(),
        "config": dict(config),
        "lines": [one.model_dump(mode="json") for one in lines],
    }
