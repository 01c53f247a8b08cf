"""One model on benchmarks: each question asked once, kept as it comes, then scored; or scored again from what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

from lingshu_train.bars import over
from lingshu_train.documents import decoded, read_text
from lingshu_train.errors import MissingInput
from lingshu_train.evaluation.asking import Asking, prompts
from lingshu_train.evaluation.benchmarks import scores, tiers
from lingshu_train.evaluation.benchmarks.asked import Way, drawn, put
from lingshu_train.evaluation.benchmarks.journal import Journal
from lingshu_train.evaluation.benchmarks.line import Line
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.naming import canonical, digest
from lingshu_train.record import Completion, Sample
from lingshu_train.rollouts import Engine
from lingshu_train.runs.files import write_text

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
            seen = [put(sample, way, one.benchmark) for sample in samples]
            draws: list[list[Completion]] = []
            with Journal(folder / f"{one.benchmark.name}.jsonl") as journal:
                for number in range(way.draws):
                    sampling = replace(asking.sampling, seed=asking.sampling.seed + number)
                    draws.append(_asked(one, seen, journal, engine, replace(asking, sampling=sampling)))
            answered = list(zip(samples, draws[0], strict=True))
            behind = tiers.of(trained, samples, one.gallery) if trained else tiers.UNKNOWN
            judged = (
                canonical(asdict(each)) + "\n" for each in scores.scored(one.benchmark, answered, behind)
            )
            scored = named(folder, SCORED, way.variant)
            scored.mkdir(exist_ok=True)
            write_text(scored / f"{one.benchmark.name}.jsonl", "".join(judged))
            line = scores.line(one.benchmark, f"{way.prompts}:{way.fingerprint}", answered, behind)
            yield line.model_copy(update=scores.drawn(samples, draws)) if way.draws > 1 else line


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


def _asked(
    one: Questions, seen: Sequence[Sample], journal: Journal, engine: _Started, asking: Asking
) -> list[Completion]:
    """An answer to every question, those that the journal has not asked now."""
    keys = [key(sample, asking) for sample in seen]
    left = [place for place, name in enumerate(keys) if name not in journal]
    if left:
        missing = f"{journal.path}: {len(left)} of {len(keys)} questions have no answer there; leave --rescore out to ask them"
        waiting = [seen[place] for place in left]
        for place, completion in zip(left, _answers(engine(missing), waiting, one, asking), strict=True):
            journal.append(keys[place], completion)
    return [journal[name] for name in keys]


def named(folder: Path, name: str, variant: str) -> Path:
    """Where a result lies: without pictures or with options in other orders, beside the benchmark's own."""
    stem, dot, ending = name.partition(".")
    return folder / (f"{stem}-{variant}{dot}{ending}" if variant else name)


def right(folder: Path, benchmarks: Sequence[Benchmark], variant: str = "") -> dict[str, dict[str, bool]]:
    """Of each of the benchmarks as scored in `folder`, by the id of a question, whether lenient accepts its answer."""
    found: dict[str, dict[str, bool]] = {}
    for path in (named(folder, SCORED, variant) / f"{one.name}.jsonl" for one in benchmarks):
        rows = [decoded(row, where=str(path)) for row in read_text(path).split("\n") if row]
        found[path.stem] = {
            str(row["id"]): bool(row["lenient"])
            for row in rows
            if isinstance(row, dict) and row["status"] != "free"
        }
    return found


def key(sample: Sample, asking: Asking) -> str:
    """Names a question by all that its answer hangs on but the model, whose folder it is kept in."""
    parts = [
        sample.id,
        sample.question,
        sorted(sample.options.items()),
        sample.images,
        sample.turns,
        sample.system,
    ]
    drawn_with = asking.sampling
    return digest(
        [
            parts,
            asking.system,
            drawn_with.max_tokens,
            drawn_with.temperature,
            drawn_with.top_p,
            drawn_with.seed,
        ]
    )


def _answers(
    engine: Engine, samples: Sequence[Sample], one: Questions, asking: Asking
) -> Iterator[Completion]:
    return over(
        engine.answer(prompts(samples, one.gallery, asking), asking.sampling),
        title=f"{asking.title} {one.benchmark.title}",
        unit="answer",
        total=len(samples),
        shown=bool(asking.title),
    )
