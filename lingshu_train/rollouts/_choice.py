"""Which engine a stage asks: the block of a recipe, and what is wrong with it. No torch."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, JsonValue

from lingshu_train.errors import RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.naming import component
from lingshu_train.rollouts._engine import PACKAGE, EngineFile
from lingshu_train.schema import Strict, parse

OURS = "transformers"


class Choice(Strict):
    """Who draws completions of the model that a stage trains or measures."""

    engine: str = OURS
    """A file of `rollouts/` that opens a model: `transformers` in the stage's own processes, `vllm` in servers beside them. It
    is part of the stage's name, since each has chance numbers of its own."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """The engine's own keys. They change no completion, up to rounding, and no name."""

    @property
    def naming(self) -> Mapping[str, JsonValue]:
        """What of it is part of a stage's name; nothing where it is as before there was a choice."""
        return {} if self.engine == OURS else {"rollouts": self.engine}

    @property
    def unchanging(self) -> dict[str, JsonValue]:
        """The engine's keys for weights that do not change: without those that say how new ones reach it."""
        file = component(PACKAGE, self.engine, where="rollouts.engine", error=RecipeError)
        idle = getattr(file, "TRAINING", ())
        return {key: value for key, value in self.params.items() if key not in idle}

    def check(self, where: str, *, trains: bool = False) -> None:
        """RecipeError: no such engine or key, or one that asks a model which lies elsewhere, or one for weights that change
        where none does (`trains`)."""
        file: EngineFile = component(PACKAGE, self.engine, where=f"{where}.engine", error=RecipeError)
        if not getattr(file, "OPENS", False):
            raise RecipeError(
                f"{where}.engine: {self.engine} asks a model that lies elsewhere; the model of a stage is opened by "
                "transformers or vllm"
            )
        parse(file.Params, self.params, where=f"{where}.params", error=RecipeError)
        idle = [key for key in getattr(file, "TRAINING", ()) if key in self.params and not trains]
        if idle:
            raise RecipeError(
                f"{where}.params.{idle[0]}: says how weights that change reach servers, and here none does; leave it out"
            )

    def check_family(self, settings: Settings, where: str) -> None:
        """RecipeError: it would answer for a model of that family otherwise than the model does."""
        if self.engine != OURS and (why := settings.shape.unserved):
            raise RecipeError(
                f"{where}.engine: {self.engine} cannot answer for {settings.family}: {why}; take {OURS}"
            )

    def check_device(self, where: str, device: str) -> None:
        """RecipeError: keys that the device (`cpu` or `cuda`) cannot do."""
        file = component(PACKAGE, self.engine, where=f"{where}.engine", error=RecipeError)
        if device == "cpu" and hasattr(file, "check_device"):
            params = parse(file.Params, self.params, where=f"{where}.params", error=RecipeError)
            file.check_device(params, f"{where}.params")
