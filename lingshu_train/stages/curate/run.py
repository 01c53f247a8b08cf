"""Curate a corpus: decide row by row, keep the decisions, and leave the rows that none of them withdraws."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence

from lingshu_train.curate import _deciding, _decision, _measured, _measuring, _phases, _rows, _steps, _work
from lingshu_train.curate._decision import Decision
from lingshu_train.data.corpus import curated
from lingshu_train.errors import DataError
from lingshu_train.executors import jobs
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.runs import funnel
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.curate.config import Config


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `corpus/` and `decisions.parquet`, or go on with what a kill has left of it."""
    where = f"stages.{stage.name}"
    _steps.ready(config.steps, where=f"{where}.steps")
    found = _rows.sources(
        stage.parent(config.corpus) / "corpus",
        known=[stage.parent(name) / "corpus" for name in config.known],
        benchmarks=[stage.parent(name) / "corpus" for name in config.benchmarks],
    )
    work = _work.begin(stage.path, found, config.steps, where=f"{where}.steps")
    _measure(work, stage)
    decisions, passed = _decide(work, stage)
    own = _rows.opened(found[-1].folder)
    gone = _decision.rows_of(decisions)
    if len(gone) > config.most_withdrawn * len(own):
        raise DataError(
            f"{where}: {len(gone):,} of {len(own):,} rows would go, more than most_withdrawn="
            f"{config.most_withdrawn:g}; most for: {_reasons(decisions)}"
        )
    _decision.write(stage.path / "decisions.parquet", decisions)
    summary = curated.without(own, stage.path / "corpus", gone)
    _measured.keep(work, stage.path / "corpus", gone)
    for folder in stage.path.glob(_work.FOLDERS):
        shutil.rmtree(folder)
    return {
        **summary.facts(),
        "rows_before": len(own),
        **{name: _deciding.counts(decisions, action) for name, action, _ in funnel.DECIDED},
        funnel.FACT: [each.told() for each in passed],
    }


def _measure(work: _work.Work, stage: Stage) -> None:
    if stage.cluster.executor == "local":
        _measuring.measure(work, workers=stage.cluster.preparing)
        return
    for pictures in (True, False):
        jobs.run(_measuring.Numbered(work=work, pictures=pictures), stage.cluster, stage.path)


def _decide(work: _work.Work, stage: Stage) -> tuple[list[Decision], list[funnel.Passed]]:
    if stage.cluster.executor == "local":
        return _deciding.decide(work, _phases.beside(stage.cluster.preparing))

    def deal(found: _phases.Numbered) -> None:
        # A single job is not worth a task and its wait in a queue.
        if len(found.left()) > 1:
            jobs.run(found, stage.cluster, stage.path)
        _phases.here(found)

    return _deciding.decide(work, deal, ahead=True)


def _reasons(decisions: Sequence[Decision]) -> str:
    counts = Counter(_deciding.counts(decisions, "drop"))
    return "; ".join(f"{reason} ({count:,})" for reason, count in counts.most_common(3))
