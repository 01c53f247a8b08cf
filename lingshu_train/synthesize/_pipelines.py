"""What a pipeline is: a file of this folder that makes rows of rows, asking teachers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field, JsonValue

from lingshu_train import naming
from lingshu_train.errors import RecipeError
from lingshu_train.record import Sample
from lingshu_train.schema import Strict, parse
from lingshu_train.synthesize._desk import Desk
from lingshu_train.synthesize._prompts import Prompts
from lingshu_train.synthesize._row import Made, Row

PACKAGE = "lingshu_train.synthesize"
Unit = Literal["row", "picture"]


class PipelineChoice(Strict):
    """A pipeline of synthesis."""

    name: str
    """A file of `synthesize/`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Its own settings: see the pipeline."""

    def __str__(self) -> str:
        values = " ".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.name} ({values})" if values else self.name


class Pipeline(Protocol):
    """A file of synthesize/. What it makes is a function of the row, the parameters and the replies alone.

    `TASK`: of the rows that it makes. `UNIT`: whether it is given single rows, or all rows of a picture together. `PROMPTS`:
    its own; their hash names a stage.
    """

    TASK: str
    UNIT: Unit
    PROMPTS: Prompts
    Params: type[Strict]

    def takes(self, sample: Sample, params: Strict, /) -> bool:
        """Whether it can make anything of a row; other rows are passed over."""
        ...

    def make(self, row: Row, desk: Desk, params: Strict, /) -> Iterator[Made]:
        """The rows made of one, none or several. Raises `Dropped` through the desk's checks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A pipeline of a recipe with its parameters read."""

    name: str
    file: Pipeline
    params: Strict

    def takes(self, sample: Sample) -> bool:
        return self.file.takes(sample, self.params)

    def make(self, row: Row, desk: Desk) -> list[Made]:
        return list(self.file.make(row, desk, self.params))


def load(wanted: PipelineChoice, *, where: str) -> Loaded:
    """RecipeError (78) for one that does not exist or has wrong parameters."""
    file: Pipeline = naming.component(PACKAGE, wanted.name, where=f"{where}.name", error=RecipeError)
    params = parse(file.Params, wanted.params, where=f"{where}.params", error=RecipeError)
    return Loaded(name=wanted.name, file=file, params=params)
