"""What training watches in its rewards: metrics of a batch of totals, and the alarm of a hacked reward."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from lingshu_train.rewards._compose import Total
from lingshu_train.rewards._values import OUT_OF_RANGE

_FEWEST = 4
_UNUSUAL = ("alias", "gloss", "list", "text_letter")


def metrics(totals: Sequence[Total]) -> dict[str, float]:
    """Flat metrics of one batch: means per term, rates per status and rule, unscored and timed-out counts."""
    if not totals:
        return {}
    found: dict[str, float] = {"reward/unscored": float(sum(total.value is None for total in totals))}
    values = [total.value for total in totals if total.value is not None]
    if beyond := sum(_out_of_range(total) for total in totals):
        found["reward/out_of_range"] = float(beyond)
    if values:
        found["reward/mean"] = sum(values) / len(values)
    for name in totals[0].scores:
        found |= _term(name, totals)
    found |= {f"answers/top_share/{kind}": share for kind, share in top_shares(totals).items()}
    return found


def faults(totals: Sequence[Total]) -> list[tuple[str, str, str]]:
    """Term, status and reason (empty where none is known) of every score that is missing, in order."""
    return [
        (name, score.status, str(score.detail.get("why") or ""))
        for total in totals
        for name, score in total.scores.items()
        if score.value is None
    ]


def top_shares(totals: Sequence[Total]) -> dict[str, float]:
    """Share of the commonest answer per question type: near 1 means the policy stopped reading the
    question.
    """
    answers: dict[str, Counter[str]] = {}
    for total in totals:
        answers.setdefault(total.question_type, Counter())[total.answer] += 1
    return {kind: counted.most_common(1)[0][1] / counted.total() for kind, counted in sorted(answers.items())}


def contradiction_rate(totals: Sequence[Total]) -> float:
    """Share of answers that contradict their own reasoning, among those the consistency reward could read."""
    statuses = [total.scores["consistency"].status for total in totals if "consistency" in total.scores]
    read = [status for status in statuses if status in ("consistent", "contradiction")]
    return read.count("contradiction") / len(read) if read else 0.0


def unusual(total: Total) -> bool:
    """Whether a right answer was accepted by a rule that deserves a reader's eye: it belongs into the audit
    file.
    """
    score = total.scores.get("accuracy")
    rule = str(score.detail.get("rule", "")) if score else ""
    return score is not None and score.status == "right" and any(mark in rule for mark in _UNUSUAL)


def span(rewards: Sequence[float]) -> int:
    """How many means an alarm averages: 50, or half of what there is."""
    return min(50, len(rewards) // 2)


def alarm(
    rewards: Sequence[float], held_out: Sequence[float], *, window: int = 50, sigmas: float = 2.0
) -> str | None:
    """A warning when the reward rises while held-out accuracy does not.

    `rewards` are the means of generation windows, `held_out` the accuracies measured over the same span.
    Rising: the mean of the last `window` lies `sigmas` standard errors above that of the `window` before.
    Fewer than 4 means a side say nothing.
    """
    if window < _FEWEST or len(rewards) < 2 * window or len(held_out) < 2:
        return None
    before, after = rewards[-2 * window : -window], rewards[-window:]
    rise = sum(after) / window - sum(before) / window
    error = math.sqrt((_variance(before) + _variance(after)) / window)
    half = len(held_out) // 2
    gain = sum(held_out[half:]) / len(held_out[half:]) - sum(held_out[:half]) / half
    if rise <= 0 or rise <= sigmas * error or gain > 0:
        return None
    return (
        f"reward rose by {rise:.3f} over the last {window} generation windows while held-out accuracy changed "
        f"by {gain:+.3f}: read the audit file for answers that please the reward only"
    )


def _out_of_range(total: Total) -> bool:
    """Whether a term, or only their sum, was too large to be trained on."""
    scores = total.scores.values()
    beyond = any(score.status == OUT_OF_RANGE for score in scores)
    return beyond or (total.value is None and all(score.value is not None for score in scores))


def _variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)


def _term(name: str, totals: Sequence[Total]) -> dict[str, float]:
    scores = [total.scores[name] for total in totals if name in total.scores]
    values = [score.value for score in scores if score.value is not None]
    found = {f"rewards/{name}/mean": sum(values) / len(values)} if values else {}
    found[f"rewards/{name}/unscored"] = float(len(scores) - len(values))
    found[f"rewards/{name}/timeouts"] = float(sum(score.status == "timeout" for score in scores))
    found |= _rates(f"rewards/{name}/status", [score.status for score in scores])
    found |= _rates(
        f"rewards/{name}/rule", [str(score.detail["rule"]) for score in scores if "rule" in score.detail]
    )
    if name == "consistency":
        found[f"rewards/{name}/contradictions"] = contradiction_rate(totals)
    return found


def _rates(prefix: str, labels: list[str]) -> dict[str, float]:
    return {f"{prefix}/{label}": count / len(labels) for label, count in sorted(Counter(labels).items())}
