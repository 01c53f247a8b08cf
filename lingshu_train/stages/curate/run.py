"""Curate a corpus: decide row by row, keep the decisions, and leave the rows that none of them withdraws."""

from __future__ import annotations

from collections import Counter

from lingshu_train.curate import _steps
from lingshu_train.data.corpus import corpus, curated
from lingshu_train.errors import DataError
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.curate.config import Config


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `corpus/` and `decisions.parquet`."""
    where = f"stages.{stage.name}"
    found = corpus.load(stage.parent(config.corpus) / "corpus")
    decisions = _steps.decide(found, config.steps, where=f"{where}.steps")
    if len(decisions) > config.most_withdrawn * len(found):
        raise DataError(
            f"{where}: {len(decisions):,} of {len(found):,} rows would go, more than most_withdrawn="
            f"{config.most_withdrawn:g}; most for: {_reasons(decisions)}"
        )
    _steps.write(stage.path / "decisions.parquet", decisions)
    summary = curated.without(found, stage.path / "corpus", _steps.rows_of(decisions))
    withdrawn = Counter(f"{one.step}: {one.reason}" for one in decisions)
    return {
        **summary.facts(),
        "rows_before": len(found),
        "dropped": dict(sorted(withdrawn.items())),
    }


def _reasons(decisions: list[_steps.Decision]) -> str:
    counts = Counter(f"{one.step}: {one.reason}" for one in decisions)
    return "; ".join(f"{reason} ({count:,})" for reason, count in counts.most_common(3))
