"""What a model's answers to a benchmark are worth: both doors of the verifier, MedEvalKit's rules, free text, several draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.evaluation import medevalkit
from lingshu_train.evaluation.benchmarks.counts import Counts, bootstrap, cluster
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.evaluation.benchmarks.tiers import UNKNOWN, Behind
from lingshu_train.evaluation.benchmarks.written import written
from lingshu_train.metrics._draws import Draw, maj_at, pass_at, sizes
from lingshu_train.record import Completion, Sample
from lingshu_train.runs.lines import Estimate, Line
from lingshu_train.verify import Policy, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One answer with every verdict on it. `group`: the patient or pictures that it is about.
    `medevalkit` None: it cannot be scored there. Free text has no verdict."""

    id: str
    card: str
    task: str
    modality: str
    question_type: str
    question: str
    options: Mapping[str, str]
    gold: str
    images: tuple[str, ...]
    group: str
    text: str
    finish: str
    strict: bool
    lenient: bool
    medevalkit: bool | None
    status: str
    rule: str
    extracted: str
    tier: str


class Tally:
    """Counts the answers to a benchmark one by one. What it holds grows with the pictures, and with the text of reports, not
    with the questions."""

    def __init__(self, benchmark: Benchmark, behind: Behind = UNKNOWN) -> None:
        self._benchmark, self._behind = benchmark, behind
        self._counts = Counts()
        self._pictures = 0
        self._free: list[tuple[Sample, Completion]] = []

    def add(self, sample: Sample, one: Completion) -> Scored:
        """Judge an answer, count it, and tell what was made of it."""
        free, tier = sample.question_type == "free", self._behind.tier.get(sample.id, "")
        strict = verify(one.text, sample, Policy.strict).correct
        lenient = verify(one.text, sample, Policy.lenient)
        ruling = None if free else medevalkit.judge(sample, one.text, self._benchmark.options)
        self._counts.truncated += one.truncated
        self._pictures += bool(sample.images)
        if ruling is None:
            self._free.append((sample, one))
        else:
            self._counts.add(sample, lenient, strict=strict, ruling=ruling, tier=tier)
            self._counts.cards.update(self._behind.cards.get(sample.id, ()))
        return Scored(
            id=sample.id,
            card=sample.card,
            task=sample.task,
            modality=sample.modality,
            question_type=sample.question_type,
            question=sample.question,
            options=dict(sample.options),
            gold=sample.answer,
            images=sample.images,
            group=cluster(sample),
            text=one.text,
            finish=one.finish,
            strict=strict,
            lenient=lenient.correct,
            medevalkit=None if ruling is None else ruling.correct,
            status="free" if free else lenient.status,
            rule=lenient.rule,
            extracted=lenient.extracted,
            tier=tier,
        )

    def line(self, asked: str) -> Line:
        """The line of the benchmark. `asked` names how its questions were put."""
        # Rubrics are no text to resemble: a judge reads them (rubrics.py).
        free = written([] if self._benchmark.style == "rubric" else self._free)
        found = Line(
            name=self._benchmark.name,
            title=self._benchmark.title,
            n=self._counts.n,
            asked=asked,
            cards=self._benchmark.cards,
            pictures=self._pictures,
            truncated=self._counts.truncated,
            unscored=len(self._free),
            reports=free.means,
            not_measured=free.missing,
        )
        if not self._counts.n:
            return found
        counted = self._counts.columns(self._benchmark.name)
        return found.model_copy(update={**counted, "untold": self._behind.fault})


def line(
    benchmark: Benchmark,
    asked: str,
    answered: Iterable[tuple[Sample, Completion]],
    behind: Behind = UNKNOWN,
) -> Line:
    """The line of a benchmark whose questions were answered so."""
    tally = Tally(benchmark, behind)
    for sample, one in answered:
        tally.add(sample, one)
    return tally.line(asked)


def drawn(given: Iterable[tuple[Sample, Sequence[Completion]]], draws: int) -> dict[str, object]:
    """pass@k and maj@k of the questions that a rule can judge. `given`: each question with an answer a draw."""
    read: list[list[Draw]] = []
    groups: list[str] = []
    for sample, several in given:
        if sample.question_type == "free":
            continue
        verdicts = [verify(one.text, sample, Policy.lenient) for one in several]
        read.append([Draw(one.normalized, one.correct) for one in verdicts])
        groups.append(cluster(sample))
    found: dict[str, object] = {"draws": draws}
    for name, measure in (("pass_at", pass_at), ("maj_at", maj_at)) if read else ():
        told = {}
        for k in sizes(draws):
            values = [measure(each, k) for each in read]
            low, high = bootstrap(values, groups, seed=f"{name} {k}")
            told[k] = Estimate(value=sum(values) / len(values), low=low, high=high)
        found[name] = told
    return found
