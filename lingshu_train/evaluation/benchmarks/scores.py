"""What a model's answers to a benchmark are worth: both doors of the verifier, intervals, floors, what could not be read."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.evaluation import medevalkit
from lingshu_train.evaluation.benchmarks.asked import language_of
from lingshu_train.evaluation.benchmarks.line import Estimate, Line, Share, TierShare
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.evaluation.benchmarks.tiers import TIERS, UNKNOWN, Behind, Tier
from lingshu_train.evaluation.benchmarks.written import written
from lingshu_train.metrics._draws import Draw, maj_at, pass_at, sizes
from lingshu_train.metrics._intervals import wilson
from lingshu_train.record import Completion, Sample
from lingshu_train.verify import Policy, verify

_DRAWS = 1000
"""Of the bootstrap: its 95 % bounds then move by less than a tenth of their width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One answer with every verdict on it. `medevalkit` None: it cannot be scored there. Free text has no verdict."""

    id: str
    card: str
    task: str
    modality: str
    question_type: str
    question: str
    options: Mapping[str, str]
    gold: str
    images: tuple[str, ...]
    text: str
    finish: str
    strict: bool
    lenient: bool
    medevalkit: bool | None
    status: str
    rule: str
    extracted: str
    tier: str


def scored(
    benchmark: Benchmark, answered: Iterable[tuple[Sample, Completion]], behind: Behind = UNKNOWN
) -> Iterator[Scored]:
    """Each question with its answer and what was made of it, for readers of the result."""
    for sample, one in answered:
        free = sample.question_type == "free"
        lenient = verify(one.text, sample, Policy.lenient)
        yield Scored(
            id=sample.id,
            card=sample.card,
            task=sample.task,
            modality=sample.modality,
            question_type=sample.question_type,
            question=sample.question,
            options=dict(sample.options),
            gold=sample.answer,
            images=sample.images,
            text=one.text,
            finish=one.finish,
            strict=verify(one.text, sample, Policy.strict).correct,
            lenient=lenient.correct,
            medevalkit=None if free else medevalkit.judge(sample, one.text, benchmark.options).correct,
            status="free" if free else lenient.status,
            rule=lenient.rule,
            extracted=lenient.extracted,
            tier=behind.tier.get(sample.id, ""),
        )


def line(
    benchmark: Benchmark,
    asked: str,
    answered: Sequence[tuple[Sample, Completion]],
    behind: Behind = UNKNOWN,
) -> Line:
    """The line of a benchmark whose questions were answered so."""
    judged = [(sample, one) for sample, one in answered if sample.question_type != "free"]
    free = written([(sample, one) for sample, one in answered if sample.question_type == "free"])
    blank = Line(
        name=benchmark.name,
        title=benchmark.title,
        n=0,
        asked=asked,
        truncated=sum(one.truncated for _, one in answered),
        unscored=len(answered) - len(judged),
        reports=free.means,
        not_measured=free.missing,
    )
    if not judged:
        return blank
    samples = [sample for sample, _ in judged]
    verdicts = [verify(one.text, sample, Policy.lenient) for sample, one in judged]
    right = [verdict.correct for verdict in verdicts]
    strict = [verify(one.text, sample, Policy.strict).correct for sample, one in judged]
    interval, groups = wilson(sum(right), len(right)), _clusters(samples)
    low, high = bootstrap(right, groups, seed=benchmark.name)
    choices = [
        one.normalized for sample, one in zip(samples, verdicts, strict=True) if sample.question_type == "mcq"
    ]
    return blank.model_copy(
        update={
            "n": len(judged),
            "strict": sum(strict) / len(strict),
            "lenient": interval.value,
            "low": interval.low,
            "high": interval.high,
            "cluster_low": low,
            "cluster_high": high,
            "clusters": len(set(groups)),
            "constant": _constant(samples),
            "statuses": dict(sorted(Counter(verdict.status for verdict in verdicts).items())),
            "letters": _letters(choices),
            "breakdown": _breakdown(samples, right),
            **_theirs(benchmark, judged, right),
            **_tiers(samples, right, behind),
        }
    )


def _tiers(samples: Sequence[Sample], right: Sequence[bool], behind: Behind) -> dict[str, object]:
    """Accuracy by tier, where tiers are known, and the cards behind them."""
    parts: dict[Tier, list[int]] = {tier: [] for tier in TIERS}
    for place, sample in enumerate(samples):
        if sample.id in behind.tier:
            parts[behind.tier[sample.id]].append(place)
    groups = _clusters(samples)
    found = {}
    for tier, places in parts.items():
        if places:
            answers = [right[place] for place in places]
            low, high = bootstrap(answers, [groups[place] for place in places], seed=tier)
            share = sum(answers) / len(answers)
            found[tier] = TierShare(n=len(places), lenient=share, low=low, high=high)
    cards = Counter(card for sample in samples for card in behind.cards.get(sample.id, ()))
    return {"tiers": found, "trained_cards": dict(sorted(cards.items())), "untold": behind.fault}


def _theirs(
    benchmark: Benchmark, judged: Sequence[tuple[Sample, Completion]], right: Sequence[bool]
) -> dict[str, object]:
    """MedEvalKit's score, what it cannot score, and where it says otherwise than ours."""
    rulings = [medevalkit.judge(sample, one.text, benchmark.options) for sample, one in judged]
    scored = [ruling.correct for ruling in rulings if ruling.correct is not None]
    differs = Counter(
        ruling.defect or "other"
        for ruling, ours in zip(rulings, right, strict=True)
        if ruling.correct is not None and ruling.correct != ours
    )
    return {
        "medevalkit": sum(scored) / len(scored) if scored else 0.0,
        "medevalkit_errors": len(rulings) - len(scored),
        "medevalkit_differs": dict(sorted(differs.items())),
    }


def drawn(samples: Sequence[Sample], draws: Sequence[Sequence[Completion]]) -> dict[str, object]:
    """pass@k and maj@k of the questions that a rule can judge. `draws`: an answer to every question, draw by draw."""
    judged = [place for place, sample in enumerate(samples) if sample.question_type != "free"]
    if not judged:
        return {"draws": len(draws)}
    given = []
    for place in judged:
        verdicts = [verify(each[place].text, samples[place], Policy.lenient) for each in draws]
        given.append([Draw(one.normalized, one.correct) for one in verdicts])
    groups = _clusters([samples[place] for place in judged])
    found: dict[str, object] = {"draws": len(draws)}
    for name, measure in (("pass_at", pass_at), ("maj_at", maj_at)):
        told = {}
        for k in sizes(len(draws)):
            values = [measure(each, k) for each in given]
            low, high = bootstrap(values, groups, seed=f"{name} {k}")
            told[k] = Estimate(value=sum(values) / len(values), low=low, high=high)
        found[name] = told
    return found


def bootstrap(right: Sequence[float], groups: Sequence[str], *, seed: str) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of a mean of shares, such as accuracy, over resamples of whole groups; (0, 1) for a single
    group. Where all are right, or all wrong, resamples know no other share: then Wilson's interval of as many questions as
    there are groups."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one, group in zip(right, groups, strict=True):
        sums[group][0] += one
        sums[group][1] += 1
    totals = list(sums.values())
    if len(totals) < 2:
        return 0.0, 1.0
    if len(set(right)) == 1 and right[0] in (0, 1):
        bounds = wilson(len(totals) * int(right[0]), len(totals))
        return bounds.low, bounds.high
    draw = random.Random(seed)
    found = []
    for _ in range(_DRAWS):
        sample = draw.choices(totals, k=len(totals))
        found.append(sum(one[0] for one in sample) / sum(one[1] for one in sample))
    found.sort()
    return found[round(0.025 * (_DRAWS - 1))], found[round(0.975 * (_DRAWS - 1))]


def _clusters(samples: Sequence[Sample]) -> list[str]:
    """Of each question the patient or picture it is about; a question without either is its own, in all orders of options."""
    return [
        (sample.group or ",".join(sample.images)) if sample.images else sample.id.partition("#")[0]
        for sample in samples
    ]


def _constant(samples: Sequence[Sample]) -> float:
    """What the best constant answer of each type of question would reach."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        answers[sample.question_type][sample.answer.strip().lower()] += 1
    return sum(counted.most_common(1)[0][1] for counted in answers.values()) / len(samples)


def _letters(normalized: Iterable[str]) -> dict[str, float]:
    counted = Counter(letter for letter in normalized if letter)
    total = counted.total()
    return {letter: counted[letter] / total for letter in sorted(counted)}


def _breakdown(samples: Sequence[Sample], right: Sequence[bool]) -> dict[str, dict[str, Share]]:
    """Accuracy by card, task, type of question, language and modality, where there is more than one of them."""
    of: Mapping[str, Callable[[Sample], str]] = {
        "card": lambda one: one.card,
        "task": lambda one: one.task,
        "question_type": lambda one: one.question_type,
        "language": lambda one: language_of(one.question),
        "modality": lambda one: one.modality,
    }
    found: dict[str, dict[str, Share]] = {}
    for name, value in of.items():
        parts: dict[str, list[bool]] = defaultdict(list)
        for sample, one in zip(samples, right, strict=True):
            parts[value(sample)].append(one)
        if len(parts) > 1:
            found[name] = {
                key: Share(n=len(part), lenient=sum(part) / len(part)) for key, part in sorted(parts.items())
            }
    return found
