"""Answers counted one by one, with intervals over groups of questions that hang together: of one picture or one patient."""

from __future__ import annotations

import random
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from lingshu_train.evaluation.benchmarks.asked import ORDER, language_of
from lingshu_train.evaluation.benchmarks.tiers import TIERS
from lingshu_train.evaluation.medevalkit import Ruling
from lingshu_train.metrics._intervals import wilson
from lingshu_train.metrics._positions import places
from lingshu_train.record import Sample, Verdict
from lingshu_train.runs.lines import Position, Share, TierShare

_DRAWS = 1000
"""Of the bootstrap: its 95 % bounds then move by less than a tenth of their width."""


class _Groups:
    """Right answers and questions, in all and by the group of questions that they hang together with."""

    def __init__(self) -> None:
        self.right, self.n = 0, 0
        self.totals: dict[str, list[float]] = {}

    def add(self, group: str, *, right: bool) -> None:
        self.right, self.n = self.right + right, self.n + 1
        total = self.totals.setdefault(group, [0.0, 0.0])
        total[0] += right
        total[1] += 1

    def bounds(self, seed: str) -> tuple[float, float]:
        return resampled(list(self.totals.values()), seed=seed)


@dataclass(slots=True)
class Counts:
    """What is counted of the questions that a rule can judge."""

    n: int = 0
    strict: int = 0
    truncated: int = 0
    theirs: int = 0
    errors: int = 0
    all: _Groups = field(default_factory=_Groups)
    asked: _Groups = field(default_factory=_Groups)
    tiers: dict[str, _Groups] = field(default_factory=lambda: {tier: _Groups() for tier in TIERS})
    cards: Counter[str] = field(default_factory=Counter)
    differs: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    placed: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    parts: dict[str, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, sample: Sample, lenient: Verdict, *, strict: bool, ruling: Ruling, tier: str) -> None:
        right, group = lenient.correct, cluster(sample)
        self.n, self.strict = self.n + 1, self.strict + strict
        self.all.add(group, right=right)
        if ORDER in sample.id:
            self.asked.add(question(sample.id), right=right)
        if tier:
            self.tiers[tier].add(group, right=right)
        if ruling.correct is None:
            self.errors += 1
        else:
            self.theirs += ruling.correct
            if ruling.correct != right:
                self.differs[ruling.defect or "other"] += 1
        self.statuses[lenient.status] += 1
        if sample.question_type == "mcq" and lenient.normalized:
            self.letters[lenient.normalized] += 1
            if ORDER in sample.id and lenient.normalized in sample.options:
                self.placed[len(sample.options)][list(sample.options).index(lenient.normalized)] += 1
        self.answers[sample.question_type][sample.answer.strip().lower()] += 1
        told = {name: value(sample) for name, value in _PARTS.items()} | dict(sample.tags)
        for name, value in told.items():
            part = self.parts[name].setdefault(value, [0, 0])
            part[0] += 1
            part[1] += right

    def columns(self, seed: str) -> dict[str, object]:
        """The fields of a line, by their names."""
        interval = wilson(self.all.right, self.n)
        low, high = self.all.bounds(seed)
        # Orders of one question are no questions of their own.
        alone = self.asked.bounds(seed) if self.asked.totals else (interval.low, interval.high)
        scored = self.n - self.errors
        return {
            "strict": self.strict / self.n,
            "lenient": interval.value,
            "low": alone[0],
            "high": alone[1],
            "cluster_low": low,
            "cluster_high": high,
            "clusters": len(self.all.totals),
            "constant": sum(one.most_common(1)[0][1] for one in self.answers.values()) / self.n,
            "medevalkit": self.theirs / scored if scored else 0.0,
            "medevalkit_errors": self.errors,
            "medevalkit_differs": dict(sorted(self.differs.items())),
            "statuses": dict(sorted(self.statuses.items())),
            "letters": {letter: n / self.letters.total() for letter, n in sorted(self.letters.items())},
            "positions": {
                string.ascii_uppercase[place]: Position(**asdict(one))
                for place, one in places(self.placed).items()
            },
            "breakdown": {
                name: {value: Share(n=n, lenient=right / n) for value, (n, right) in sorted(values.items())}
                for name, values in self.parts.items()
                if len(values) > 1
            },
            "tiers": {tier: _tier(tier, found) for tier, found in self.tiers.items() if found.n},
            "trained_cards": dict(sorted(self.cards.items())),
        }


_PARTS: Mapping[str, Callable[[Sample], str]] = {
    "card": lambda one: one.card,
    "task": lambda one: one.task,
    "question_type": lambda one: one.question_type,
    "language": lambda one: language_of(one.question),
    "modality": lambda one: one.modality,
}
"""What accuracy is told by, where there is more than one value of it; beside these the tags of the samples."""


def _tier(tier: str, found: _Groups) -> TierShare:
    low, high = found.bounds(tier)
    return TierShare(n=found.n, lenient=found.right / found.n, low=low, high=high)


def bootstrap(right: Sequence[float], groups: Sequence[str], *, seed: str) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of a mean of shares, such as accuracy, over resamples of whole groups; (0, 1) for a single
    group. Where all are right, or all wrong, resamples know no other share: then Wilson's interval of as many questions as
    there are groups."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one, group in zip(right, groups, strict=True):
        sums[group][0] += one
        sums[group][1] += 1
    return resampled(list(sums.values()), seed=seed)


def resampled(totals: Sequence[Sequence[float]], *, seed: str) -> tuple[float, float]:
    """The same of groups, each with its sum of shares and its number of questions."""
    if len(totals) < 2:
        return 0.0, 1.0
    right, n = sum(one[0] for one in totals), sum(one[1] for one in totals)
    if right in (0, n):
        bounds = wilson(len(totals) if right else 0, len(totals))
        return bounds.low, bounds.high
    return percentiles(totals, seed=seed)


def percentiles(totals: Sequence[Sequence[float]], *, seed: str) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of a mean over resamples of groups, each with its sum and its number of questions."""
    draw = random.Random(seed)
    found = []
    for _ in range(_DRAWS):
        sample = draw.choices(totals, k=len(totals))
        found.append(sum(one[0] for one in sample) / sum(one[1] for one in sample))
    found.sort()
    return found[round(0.025 * (_DRAWS - 1))], found[round(0.975 * (_DRAWS - 1))]


def cluster(sample: Sample) -> str:
    """The patient or pictures that a question is about; one without either is its own, in all orders of options. One that is
    asked without its pictures has them for its group (asked.py)."""
    return sample.group or ",".join(sample.images) or question(sample.id)


def question(id: str) -> str:
    """The id of the question that is asked so, perhaps with its options in another order."""
    return id.rpartition(ORDER)[0] or id
