"""The lines of benchmarks as text: the table of `lingshu eval`, and of a run that measured benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lingshu_train.runs.lines import Line, Share

_HEAD: tuple[str, ...] = (
    *("benchmark", "model", "n", "strict", "lenient", "medevalkit"),
    *("95 % by picture", "constant", "unread", "cut"),
)

_PAGE_ALONE = ("card", "task", "question_type", "modality")
"""Breakdowns that the terminal leaves to the page."""
_MOST_PARTS = 12


def table(measured: Mapping[str, Sequence[Line]], means: Mapping[str, Mapping[str, float]]) -> str:
    """One line a benchmark and model: n, strict and lenient accuracy in percent, the interval by picture, the floor. `means`:
    of each model by their titles."""
    rows = [_HEAD]
    for model, lines in measured.items():
        rows += [_row(model, one) for one in lines]
        rows += [
            (title, model, "", "", f"{100 * value:.1f}", "", "", "", "", "")
            for title, value in means.get(model, {}).items()
        ]
    reports = [_reported(model, one) for model, lines in measured.items() for one in lines if one.reports]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    reports += [
        f"{one.title}, {model}: {draws_of(one)}"
        for model, lines in measured.items()
        for one in lines
        if one.pass_at
    ]
    positions = [
        f"{one.title}, {model}: {positions_of(one)}"
        for model, lines in measured.items()
        for one in lines
        if one.positions
    ]
    parts = [told for model, lines in measured.items() for one in lines for told in by_tags(model, one)]
    behind = [told for model, lines in measured.items() for told in trained_on(model, lines)]
    return "\n".join([*(_aligned(row, widths) for row in rows), *reports, *positions, *parts, *behind])


def positions_of(one: Line) -> str:
    """How often each place among the options was chosen, and by what options say, in percent of what was read."""
    total = sum(place.chosen for place in one.positions.values())
    told = ", ".join(
        f"{letter} {100 * place.chosen / total:.1f} ({100 * place.expected / total:.1f} by content, p = {place.p:.4f}"
        f"{' *' if place.holds else ''})"
        for letter, place in one.positions.items()
    )
    return f"places chosen: {told} (* holds over the places, Holm, 5 %)"


def by_tags(model: str, one: Line) -> list[str]:
    """Accuracy in percent by language and by what the publisher says of questions, such as subject and difficulty."""
    return [
        f"{one.title}, {model}, by {name.replace('_', ' ')}: {_parts(found)}"
        for name, found in one.breakdown.items()
        if name not in _PAGE_ALONE
    ]


def _parts(found: Mapping[str, Share]) -> str:
    shown = sorted(found.items(), key=lambda entry: -entry[1].n)[:_MOST_PARTS]
    told = ", ".join(f"{value or 'not stated'} {100 * one.lenient:.1f} ({one.n:,})" for value, one in shown)
    left = len(found) - len(shown)
    return f"{told}; {left} more on the page" if left else told


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
    told += [
        f"{name} {value:.3f}" if name.startswith("RadCliQ") else f"{name} {100 * value:.1f}"
        for name, value in found.items()
        if "(" in name
    ]
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
