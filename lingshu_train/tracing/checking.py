"""Whether an order that was rebuilt is the one that was trained on: its steps against the ledger's digests of sample ids."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from lingshu_train.data.corpus import late, table
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.kind import StageConfig
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.tracing import kinds
from lingshu_train.tracing.order import Ints, Order
from lingshu_train.training.config import TrainingConfig

_ROWS = 4_096
"""Ids looked up to check an order unless all of it is asked for: one costs a quarter of a millisecond."""
_LINES = 64
"""Ledger lines compared, at most."""


LEFT_OUT = "left_out"
"""The column of a step whose batch was left out because nothing finite came of it (training/divergence.py)."""


def written(stage: Stage) -> tuple[dict[int, str], Ints]:
    """The digest of each step that a stage's ledger has, and the steps whose batch was left out."""
    lines = ledger.steps(stage.path, tolerate_torn_end=True)
    digests = {line["step"]: str(line["samples"]) for line in lines if "samples" in line}
    return digests, np.array([line["step"] for line in lines if LEFT_OUT in line], np.int64)


def opened(stage: Stage, config: TrainingConfig, lines: Mapping[int, str]) -> Order | None:
    """The order of a stage that agrees with its ledger, tried with every table of lengths that lies beside its corpora, and
    every list of rows that come late. None: the kind's order is not known here. DataError: none of them gives the order that
    was trained on."""
    last = max(lines, default=0)
    for lengths, behind in product(_tables(stage, config), _late(stage, config)):
        order = kinds.order_of(stage, config, lengths=lengths, late=behind, steps=last)
        if order is None or not lines:
            return order
        if not differing(order, lines, np.array([1, last // 2 + 1, last])):
            return order
    raise DataError(
        f"{stage.path}: the order computed from stage.json, the corpora and their stored lengths is not the one that "
        f"{ledger.NAME} tells; one of them was changed since: `lingshu verify` names it"
    )


def chosen(lines: Mapping[int, str], steps: Ints, *, rows: int) -> Ints:
    """The steps to compare: of those that a trace names, spread evenly, and of all. `rows` are those of a step."""
    most = max(2, min(_LINES, _ROWS // max(rows, 1)))
    every = np.array(sorted(lines))
    return np.unique(np.concatenate([_spread(steps, most // 2), _spread(every, most - most // 2)]))


def differing(order: Order, lines: Mapping[int, str], steps: Ints) -> list[int]:
    """Those of `steps` whose rows are not the ones that the ledger tells."""
    return [
        step for step in map(int, np.unique(steps)) if step in lines and order.samples(step) != lines[step]
    ]


def _tables(stage: Stage, config: StageConfig) -> list[str]:
    """Names of the tables that all corpora of a stage have, newest first; one empty name where no length counts."""
    assert isinstance(config, TrainingConfig)
    if getattr(config, "max_prompt", 0) is None:
        return [""]
    return _beside(
        stage,
        config,
        table.FILES,
        "no table of lengths ({}) beside the corpus, so nobody knows which rows were too long; running the recipe again "
        "measures them",
    )


def _late(stage: Stage, config: TrainingConfig) -> list[str]:
    """The same of the lists of rows that come late; one empty name where none does."""
    if config.consented_late is None:
        return [""]
    return _beside(
        stage,
        config,
        late.FILES,
        "no list of the rows that come late ({}) beside the corpus; running the recipe again looks for them",
    )


def _beside(stage: Stage, config: TrainingConfig, files: str, otherwise: str) -> list[str]:
    folders = {stage.parent(mix.corpus) / "corpus" for mix in config.data}
    names = [{path.name: path.stat().st_mtime for path in folder.glob(files)} for folder in folders]
    common = set.intersection(*(set(one) for one in names))
    if not common:
        raise MissingInput(f"{min(folders)}: {otherwise.format(files)}")
    return sorted(common, key=lambda name: (-names[0][name], name))


def _spread(values: Ints, most: int) -> Ints:
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).astype(np.int64)]
