"""Where a run may write: never into what it reads. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus.summary import SUMMARY
from lingshu_train.errors import UsageError
from lingshu_train.planning.plan import Plan


def refuse_inputs(plan: Plan) -> None:
    """UsageError (64) where the output folder is, holds or lies in something that the run reads."""
    output = _real(plan.output)
    for root in {stage.data_root for stage in plan.stages}:
        if _real(root).is_relative_to(output):
            raise UsageError(
                f"output={plan.output}: is or holds the data_root {root}; a run has a folder of its own: output=FOLDER"
            )
    for what, folder in _read(plan):
        if output.is_relative_to(_real(folder)):
            raise UsageError(
                f"output={plan.output}: lies in {what}, which the run reads; a run has a folder of its own: output=FOLDER"
            )


def _read(plan: Plan) -> Iterator[tuple[str, Path]]:
    """What a run reads beside its own stages, with the words for it."""
    for planned in plan.planned:
        base = str(planned.stage.model.get("base") or "")
        if base and Path(base).is_dir():
            yield f"the model {base}", Path(base)
        for file in map(Path, planned.config.files):
            if file.name == SUMMARY:
                yield f"the corpus {file.parent}", file.parent
        data_root = Path(planned.stage.data_root)
        for name in planned.config.card_names:
            root = cards.root(cards.load(name), data_root)
            # A card may say that its data lies in the data folder itself, which may be the folder of a whole project.
            if root is not None and _real(root) != _real(data_root):
                yield f"the data of {name}", root


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
