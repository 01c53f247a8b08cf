"""The lines of one or more models as a table for the terminal and as JSON in the form that lm-eval writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from lingshu_train.evaluation.benchmarks import suite
from lingshu_train.runs.lines import Line
from lingshu_train.verify import version

_HEAD: tuple[str, ...] = (
    *("benchmark", "model", "n", "strict", "lenient", "medevalkit"),
    *("95 % by picture", "constant", "unread", "cut"),
)
_MEANS = {"medical_vqa": "mean of 7, medical VQA", "text": "mean of 7, text"}


def mean(lines: Sequence[Line], group: str) -> float | None:
    """The plain mean of a group's benchmarks, as the paper prints it; None unless all of them were measured."""
    found = {one.name: one.lenient for one in lines if one.n}
    wanted = suite.groups()[group]
    return sum(found[name] for name in wanted) / len(wanted) if found.keys() >= set(wanted) else None


def table(measured: Mapping[str, Sequence[Line]]) -> str:
    """One line a benchmark and model: n, strict and lenient accuracy in percent, the interval by picture, the floor."""
    rows = [_HEAD]
    for model, lines in measured.items():
        rows += [_row(model, one) for one in lines]
        for group, title in _MEANS.items():
            value = mean(lines, group)
            if value is not None:
                rows.append((title, model, "", "", f"{100 * value:.1f}", "", "", "", "", ""))
    reports = [_reported(model, one) for model, lines in measured.items() for one in lines if one.reports]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    reports += [
        f"{one.title}, {model}: {draws_of(one)}"
        for model, lines in measured.items()
        for one in lines
        if one.pass_at
    ]
    behind = [told for model, lines in measured.items() for told in trained_on(model, lines)]
    return "\n".join([*(_aligned(row, widths) for row in rows), *reports, *behind])


def trained_on(model: str, lines: Sequence[Line]) -> list[str]:
    """What the model was trained on of each benchmark, and its score by tier; one line where nothing is known of any."""
    asked = [one for one in lines if one.n]
    if asked and not any(one.tiers for one in asked):
        return [f"{model}: contamination not known: {asked[0].untold}"]
    return [f"{one.title}, {model}: {tiers_of(one)}" for one in asked]


def draws_of(one: Line) -> str:
    """pass@k and maj@k in percent, with their intervals."""
    told = [
        f"{name}@{k} {100 * each.value:.1f} ({100 * each.low:.1f} to {100 * each.high:.1f})"
        for name, found in (("pass", one.pass_at), ("maj", one.maj_at))
        for k, each in found.items()
    ]
    return f"{one.draws} draws: {', '.join(told)}"


def tiers_of(one: Line) -> str:
    """Shares by tier in percent with their intervals, the cards behind, and what is not known."""
    parts = [
        f"{tier} {100 * each.lenient:.1f} ({100 * each.low:.1f} to {100 * each.high:.1f}, n = {each.n:,})"
        for tier, each in one.tiers.items()
    ]
    cards = ", ".join(f"{card} {n:,}" for card, n in one.trained_cards.items())
    told = ["; ".join(parts), f"met in {cards}" if cards else "", one.untold]
    return "; ".join(part for part in told if part)


def _reported(model: str, one: Line) -> str:
    """Free text: overlap with the reference in percent, and its findings a report. Each number says whose it is."""
    found = one.reports
    shares = {
        "BLEU-4": "bleu4",
        "ROUGE-L (rouge)": "rouge_l",
        "ROUGE-L (rouge-score)": "rouge_score_l",
        "clinical F1": "clinical_f1",
    }
    told = [f"{title} {100 * found[name]:.1f}" for title, name in shares.items()]
    told += [f"{name} {100 * value:.1f}" for name, value in found.items() if name.startswith("METEOR")]
    told.append(f"CIDEr (IDF of these references) {found['cider_corpus_idf']:.2f}")
    told += [f"{found[f'clinical_{name}']:.2f} {name}" for name in ("missed", "false", "contradicted")]
    line = f"{one.title}, {model}: {one.unscored} texts: {', '.join(told)} a text"
    whys = "; ".join(f"{name}: {why}" for name, why in one.not_measured.items())
    return f"{line}\n  not measured: {whys}" if whys else line


def _row(model: str, one: Line) -> tuple[str, ...]:
    if not one.n:
        return (
            one.title,
            model,
            "0",
            "-",
            "-",
            "-",
            "-",
            "-",
            f"{one.unscored} free text",
            str(one.truncated),
        )
    unread = one.n - one.statuses.get("right", 0) - one.statuses.get("wrong", 0)
    shares = (one.strict, one.lenient, one.medevalkit, one.constant)
    strict, lenient, theirs, constant = (f"{100 * share:.1f}" for share in shares)
    interval = f"{100 * one.cluster_low:.1f} to {100 * one.cluster_high:.1f}"
    named = (one.title, model, f"{one.n:,}", strict, lenient, theirs)
    return (*named, interval, constant, str(unread), str(one.truncated))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Names on the left, numbers on the right."""
    cells = [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


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
    means = {group: value for group in _MEANS if (value := mean(lines, group)) is not None}
    return {
        "model_name": model,
        "results": results,
        "groups": {group: {"acc,lenient": value} for group, value in means.items()},
        "n-samples": {one.name: {"original": one.n + one.unscored, "effective": one.n} for one in lines},
        "versions": {one.name: one.asked for one in lines},
        "verifier": version(),
        "config": dict(config),
        "lines": [one.model_dump(mode="json") for one in lines],
    }
