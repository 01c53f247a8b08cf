"""What the page knows of one model: its lines, and those of questions without pictures or with options in other orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lingshu_train.documents import read_json
from lingshu_train.errors import DataError
from lingshu_train.evaluation.benchmarks import measuring
from lingshu_train.evaluation.benchmarks.asked import Way
from lingshu_train.evaluation.benchmarks.opinions import Opinions
from lingshu_train.runs.lines import Line
from lingshu_train.schema import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """`text_only` and `shuffled` by the name of a benchmark, where they were measured on as many questions; `opinions` of a
    judge of short answers that no rule read."""

    label: str
    folder: Path
    lines: tuple[Line, ...]
    text_only: Mapping[str, Line] = field(default_factory=dict)
    shuffled: Mapping[str, Line] = field(default_factory=dict)
    opinions: Sequence[Opinions] = ()

    def line(self, name: str) -> Line | None:
        """Of that benchmark; None where it was not measured."""
        return next((one for one in self.lines if one.name == name), None)


def of(label: str, folder: Path, lines: Sequence[Line], opinions: Sequence[Opinions] = ()) -> Model:
    """The model whose results lie in `folder`."""
    sizes = {one.name: one.n for one in lines}
    blind = {
        name: one
        for name, one in _kept(folder, Way(images=False).variant).items()
        if one.n == sizes.get(name)
    }
    return Model(
        label=label,
        folder=folder,
        lines=tuple(lines),
        text_only=blind,
        opinions=[one for one in opinions if one.unread or one.compared],
        shuffled={name: one for name, one in _kept(folder, Way(shuffles=1).variant).items() if name in sizes},
    )


def _kept(folder: Path, variant: str) -> dict[str, Line]:
    path = measuring.named(folder, measuring.RESULTS, variant)
    if not path.is_file():
        return {}
    found = read_json(path)
    lines = found.get("lines") if isinstance(found, dict) else None
    if not isinstance(lines, list):
        raise DataError(f"{path}: has no lines of an evaluation; move it away, and measure again")
    read = [parse(Line, one, where=str(path), error=DataError) for one in lines]
    return {one.name: one for one in read}
