"""Measure pass rates, question by question, and leave the rows whose rate is within the bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from lingshu_train import evaluation, rollouts
from lingshu_train.bars import over
from lingshu_train.data.corpus import corpus, curated, withdrawn
from lingshu_train.errors import DataError
from lingshu_train.evaluation import Asking, asking
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.record import Completion, Sample, Sampling
from lingshu_train.rollouts import Engine
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.difficulty import rates
from lingshu_train.stages.difficulty.config import Config
from lingshu_train.stages.difficulty.rates import Journal, Rate
from lingshu_train.training import arguments
from lingshu_train.verify import Policy, verify, version

TOGETHER = 256
"""Answers asked for in one call of an engine, at least one question's. Calls begin at the same questions whenever the stage is
started, so that a batch has the rows it would have had."""


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `corpus/` and `pass_rates.parquet`, going on with the questions that a kill has left."""
    whole = corpus.load(stage.parent(config.corpus) / "corpus")
    found = corpus.load(whole.folder, split=config.split, tasks=config.tasks)
    asked = withdrawn.left(stage, config.corpus, found)
    judged = {id(one) for one in evaluation.judgeable(asked.samples)}
    questions = [
        (asked.row(number), sample) for number, sample in enumerate(asked.samples) if id(sample) in judged
    ]
    if not questions:
        raise DataError(
            f"stages.{stage.name}: no question of corpus {config.corpus!r}, split {config.split!r}, that a rule can judge; "
            "name other tasks"
        )
    journal = Journal(stage.path)
    _measure(stage, config, settings, questions, journal, asked)
    rows = {row for row, _ in questions}
    known = {row: one for row, one in journal.known.items() if row in rows}
    rates.write(stage.path / rates.NAME, known)
    gone = [row for row, one in sorted(known.items()) if not config.least <= one.rate <= config.most]
    summary = curated.without(whole, stage.path / "corpus", np.array(gone, np.uint32))
    journal.remove()
    return {**summary.facts(), **_told(config, list(known.values()), len(whole))}


def _measure(
    stage: Stage,
    config: Config,
    settings: Settings,
    questions: Sequence[tuple[int, Sample]],
    journal: Journal,
    found: corpus.Corpus,
) -> None:
    each = max(1, TOGETHER // config.samples)
    parts = [questions[first : first + each] for first in range(0, len(questions), each)]
    left = [part for part in parts if any(row not in journal.known for row, _ in part)]
    if not left:
        return
    weights = rollouts.Weights(
        source=str(stage.parent(config.model) / "model") if config.model else settings.base,
        revision=None if config.model else settings.revision or None,
        settings=settings,
        device="cuda:0" if arguments.device(stage) == "cuda" else "cpu",
    )
    put = Asking(
        sampling=Sampling(
            max_tokens=config.max_completion,
            temperature=config.temperature,
            n=config.samples,
            seed=stage.seed,
        ),
        policy=Policy(config.policy),
        system=settings.system_prompt,
    )
    where = f"stages.{stage.name}.rollouts"
    with rollouts.start(config.rollouts.engine, config.engine_params, where=where, weights=weights) as engine:
        for part in over(iter(left), title=stage.name, unit="call", total=len(left), shown=True):
            journal.add(_asked(engine, part, found, put))


def _asked(
    engine: Engine, part: Sequence[tuple[int, Sample]], found: corpus.Corpus, put: Asking
) -> list[Rate]:
    samples = [sample for _, sample in part]
    answers: Iterator[Completion] = engine.answer(asking.prompts(samples, found.image, put), put.sampling)
    rated = []
    for row, sample in part:
        own = list(islice(answers, put.sampling.n))
        assert len(own) == put.sampling.n, "an engine gives as many completions as it was asked for"
        rated.append(
            Rate(
                row=row,
                id=sample.id,
                asked=len(own),
                right=sum(verify(one.text, sample, put.policy).correct for one in own),
                truncated=sum(one.truncated for one in own),
            )
        )
    return rated


def _told(config: Config, measured: Sequence[Rate], rows: int) -> Facts:
    counts = Counter(one.right for one in measured)
    return {
        "rows_before": rows,
        "asked": len(measured),
        "answers": len(measured) * config.samples,
        "right_answers": {str(right): counts[right] for right in range(config.samples + 1)},
        "pass_rate": sum(one.rate for one in measured) / len(measured),
        "truncated": sum(one.truncated for one in measured) / sum(one.asked for one in measured),
        "too_hard": sum(one.rate < config.least for one in measured),
        "too_easy": sum(one.rate > config.most for one in measured),
        "verifier": version(),
    }
