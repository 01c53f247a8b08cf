"""One model on benchmarks: each question asked once, kept as it comes, then scored; or scored again from what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

from lingshu_train.documents import decoded
from lingshu_train.errors import MissingInput
from lingshu_train.evaluation.asking import Asking
from lingshu_train.evaluation.benchmarks import counts, scores, tiers
from lingshu_train.evaluation.benchmarks.answering import ask, key, unanswered
from lingshu_train.evaluation.benchmarks.asked import Seen, Way, drawn
from lingshu_train.evaluation.benchmarks.journal import Journal
from lingshu_train.evaluation.benchmarks.scores import Scored
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.naming import canonical
from lingshu_train.record import Sample
from lingshu_train.rollouts import Engine
from lingshu_train.runs.files import replacing
from lingshu_train.runs.lines import Line

RESULTS, SCORED = "results.json", "scored"
"""Of a model's folder: its lines, and the folder of every answer with its verdicts."""
Opens = Callable[[], Engine]
"""Starts the engine. Only called where there is something left to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """A benchmark with its questions and what opens their pictures."""

    benchmark: Benchmark
    samples: Sequence[Sample]
    gallery: Callable[[str], Image.Image]


def measure(
    asked: Sequence[Questions],
    folder: Path,
    opens: Opens | None,
    *,
    way: Way,
    asking: Asking,
    trained: Path | None = None,
) -> Iterator[Line]:
    """A line a benchmark, as each is done. Answers are kept in `folder`/NAME.jsonl, and what is there is not asked again.

    `opens` None: nothing is asked, what was kept is scored. `trained`: the stage that left the model.
    MissingInput (66): with `opens` None, an answer is missing.
    """
    with ExitStack() as stack:
        engine = _Started(opens, stack)
        for one in asked:
            samples = drawn(one.samples, way)
            behind = tiers.of(trained, samples, one.gallery) if trained else tiers.UNKNOWN
            tally = scores.Tally(one.benchmark, behind)
            seen = Seen(samples, way, one.benchmark)
            with Journal(folder / f"{one.benchmark.name}.jsonl") as journal:
                each = [_of_draw(asking, number) for number in range(way.draws)]
                for how in each:
                    _ask(one, seen, journal, engine, replace(how, title=_title(how, one)))
                scored = named(folder, SCORED, way.variant) / f"{one.benchmark.name}.jsonl"
                first = (journal[key(sample, asking)] for sample in seen)
                keep(scored, (tally.add(*pair) for pair in zip(samples, first, strict=True)))
                line = tally.line(f"{way.prompts}:{way.fingerprint}")
                if way.draws > 1:
                    several = ([journal[key(sample, how)] for how in each] for sample in seen)
                    told = scores.drawn(zip(samples, several, strict=True), way.draws)
                    line = line.model_copy(update=told)
            yield line


def keep(path: Path, rows: Iterable[Scored]) -> None:
    """Write a line an answer, with every verdict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as stream:
        stream.writelines(canonical(asdict(one)) + "\n" for one in rows)


def _of_draw(asking: Asking, number: int) -> Asking:
    return replace(asking, sampling=replace(asking.sampling, seed=asking.sampling.seed + number))


def _title(asking: Asking, one: Questions) -> str:
    return f"{asking.title} {one.benchmark.title}" if asking.title else ""


@dataclass(slots=True)
class _Started:
    """The engine, started when a question is first asked; closed with the stack."""

    opens: Opens | None
    stack: ExitStack
    engine: Engine | None = None

    def __call__(self, missing: str) -> Engine:
        if self.opens is None:
            raise MissingInput(missing)
        self.engine = self.engine or self.stack.enter_context(self.opens())
        return self.engine


def _ask(one: Questions, seen: Seen, journal: Journal, engine: _Started, asking: Asking) -> None:
    """Have an answer to every question in the journal."""
    left = unanswered(seen, journal, asking)
    if left:
        missing = f"{journal.path}: {len(left)} of {len(seen)} questions have no answer there; leave --rescore out to ask them"
        ask(seen, left, journal, engine(missing), asking, gallery=one.gallery)


def named(folder: Path, name: str, variant: str) -> Path:
    """Where a result lies: without pictures or with options in other orders, beside the benchmark's own."""
    stem, dot, ending = name.partition(".")
    return folder / (f"{stem}-{variant}{dot}{ending}" if variant else name)


def right(folder: Path, benchmarks: Sequence[Benchmark], variant: str = "") -> dict[str, dict[str, bool]]:
    """Of each of the benchmarks as scored in `folder`, by the id of a question, whether lenient accepts its answer."""
    found: dict[str, dict[str, bool]] = {}
    for path in (named(folder, SCORED, variant) / f"{one.name}.jsonl" for one in benchmarks):
        found[path.stem] = {
            str(row["id"]): bool(row["lenient"]) for row in _rows(path) if row["status"] != "free"
        }
    return found


def groups(folder: Path, benchmarks: Sequence[Benchmark], variant: str = "") -> dict[str, dict[str, str]]:
    """By the id of a question, the patient or pictures that it is about; of what was scored before that was kept, itself."""
    found: dict[str, dict[str, str]] = {}
    for path in (named(folder, SCORED, variant) / f"{one.name}.jsonl" for one in benchmarks):
        found[path.stem] = {
            str(row["id"]): str(row.get("group") or counts.question(str(row["id"]))) for row in _rows(path)
        }
    return found


def _rows(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            row = decoded(line, where=str(path))
            if isinstance(row, dict):
                yield row
