"""What every kind of stage says of itself: to the planner before it runs, to every reader of the run after it. No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import JsonValue

from lingshu_train.schema import Strict

Role = Literal["corpus", "model", "results", "export"]
"""What a stage leaves for others: a prepared corpus, a model to go on from, measured results, files to publish."""


Facts = Mapping[str, object]
"""What a finished stage tells for its manifest, by name: numbers, texts, lists and mappings that JSON can hold.

`warnings`, a list of sentences, is shown in the report.
"""


class Need(NamedTuple):
    """`stage` is read and has to leave `role`; `key` is the configuration key that names it.

    Of a corpus, `split`, `tasks` and `cards` (none: all) are what is read of it. `output` is a folder beside the role's that is
    read as well, which not every stage of that role leaves.
    """

    key: str
    stage: str
    role: Role
    split: str = ""
    tasks: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    output: str = ""


class PlanLine(NamedTuple):
    """One line of a plan: a word of at most eight letters, and what is told."""

    label: str
    text: str


class Chart(Strict):
    """A chart of ledger columns over the optimizer steps. A column that ends in `/` stands for all that begin so.

    `y` names the axis with its unit. `aside` charts are folded away. `absent` stands in for a step without the column.
    `zero`: the axis has zero, so that heights can be compared; without it the curve fills the chart.
    """

    title: str
    columns: tuple[str, ...]
    y: str
    aside: bool = False
    absent: float | None = None
    zero: bool = True


class About(Strict):
    """What a reader of the run has to know of a stage, so that nobody has to know its kind. Part of stage.json.

    `cards` are the data cards it reads directly, `trains` the parts of the model that it changes, `starts_from` the stage
    whose model it begins with (empty: the recipe's, or none), `method` what it does, in lower case.
    """

    role: Role
    method: str
    cards: tuple[str, ...] = ()
    trains: tuple[str, ...] = ()
    starts_from: str = ""
    charts: tuple[Chart, ...] = ()


class StageConfig(Strict):
    """Base of the kinds' Config classes (`stages/<kind>/config.py`)."""

    role: ClassVar[Role]
    method: ClassVar[str]
    """What the stage does, in lower case: a heading of the report."""

    outputs: ClassVar[tuple[str, ...]]
    """Files and folders below the stage's that its manifest covers."""

    @property
    def leaves(self) -> tuple[str, ...]:
        """The `outputs` of a stage of this configuration."""
        return self.outputs

    distributed: ClassVar[bool] = False
    """Whether the stage runs on every process, so that the cluster's layout is part of what determines its bits."""

    brief: ClassVar[bool] = False
    """Whether the stage ends within minutes and keeps nothing on the way, so that a request to stop waits for its end."""

    judges: ClassVar[bool] = False
    """Whether the verifier decides over the result, so that its rules are part of what determines it."""

    charts: ClassVar[tuple[Chart, ...]] = ()
    """What of its ledger is drawn."""

    told: ClassVar[tuple[str, ...]] = ("kind",)
    """Keys that a plan does not list as settings, because `describe` or `judged_by` tells them."""

    unnamed: ClassVar[tuple[str, ...]] = ()
    """Keys that are no part of the stage's name: what they decide either changes no result or is recorded beside it. Every
    other key is; `tests/planning/test_what_names_a_stage.py` says of each key of each kind which it is."""

    added: ClassVar[Mapping[str, JsonValue]] = {}
    """Keys that came later, with the value that says what was done before them: where they have it, they are no part of the
    name, so that finished stages keep theirs."""

    moved: ClassVar[dict[str, str]] = {}
    """Keys that there were once, and what stands for each now: the end of a line about one."""

    @classmethod
    def today(cls, block: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """A block as it would be written now, from one that may have been written for an older version."""
        return block

    @property
    def naming(self) -> dict[str, JsonValue]:
        """What of the configuration is part of the stage's name."""
        found: dict[str, JsonValue] = self.model_dump(mode="json", exclude=set(self.unnamed))
        return {
            key: value for key, value in found.items() if key not in self.added or value != self.added[key]
        }

    kind: str
    """What the stage does: a folder of `stages/`, ours or a plugin's."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """The stages this one reads."""
        return ()

    @property
    def holds(self) -> Mapping[str, frozenset[str] | None] | None:
        """Of a corpus, the tasks of each split; None for a split of which the data alone can tell, or for all of it."""
        return None

    @property
    def parents(self) -> tuple[str, ...]:
        """The stages whose folders this one reads, each once."""
        return tuple(dict.fromkeys(need.stage for need in self.needs))

    @property
    def card_names(self) -> tuple[str, ...]:
        """Data cards this stage reads directly."""
        return ()

    @property
    def made_here(self) -> frozenset[str]:
        """Those of them whose rows a stage of the run makes, so that nobody has to have them."""
        return frozenset()

    @property
    def starts_from(self) -> str:
        """The stage whose model this one begins with; empty where it begins with the recipe's or with none."""
        return ""

    @property
    def trains(self) -> tuple[str, ...]:
        """Parts of the model whose weights change."""
        return ()

    @property
    def teaches(self) -> tuple[Need, ...]:
        """What is read of corpora for its answers to be taught; nothing where the model writes its own."""
        return ()

    @property
    def opens_base(self) -> bool:
        """Whether the stage opens the model that the recipe starts from (`model.base`)."""
        return bool(self.trains) and not self.starts_from

    @property
    def counts_tokens(self) -> bool:
        """Whether the stage reads the tokenizer of that model, where the recipe names one."""
        return False

    @property
    def folders(self) -> Mapping[str, str]:
        """Folders outside of the run that the stage reads, by the key that names each; an empty name is none."""
        return {}

    @property
    def rates(self) -> Mapping[str, float]:
        """Learning rate of each part that trains."""
        return {}

    @property
    def divided(self) -> str:
        """What DeepSpeed divides, where the stage says it for itself; else empty."""
        return ""

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the user's that determine the result beside the configuration."""
        return ()

    def describe(self) -> tuple[PlanLine, ...]:
        """What a plan tells of the stage before its settings."""
        return ()

    def forecast(self, parents: Mapping[str, Path], run: Path) -> tuple[PlanLine, ...]:
        """What a plan tells of the cost of a stage that is to be done, from the `parents` that are finished, by name, and the
        run's folder. Takes a second at most."""
        return ()

    def judged_by(self) -> tuple[PlanLine, ...]:
        """What decides how well the model does in this stage."""
        return ()

    def about(self) -> About:
        return About(
            role=self.role,
            method=self.method,
            cards=self.card_names,
            trains=self.trains,
            starts_from=self.starts_from,
            charts=self.charts,
        )

    def leaving_out(self, names: Collection[str], where: str) -> Self:
        """The same stage where nothing is read of these data cards (the recipe's `without`). Raises RecipeError naming the
        key where nothing is left of it."""
        return self

    def check(self, where: str) -> None:
        """Cross-field rules. Raises RecipeError naming the key."""

    def check_pictures(self, where: str, *, grid: int, least: int, most: int) -> None:
        """Rules that depend on the model: it takes pictures as they are whose sides are multiples of `grid` pixels and that
        have `least` to `most` pixels in all. Raises RecipeError naming the key."""

    def check_layers(self, where: str, layers: Mapping[str, Collection[str]]) -> None:
        """Rules that depend on the model: the names of the linear layers of its parts, of those parts whose family can tell
        them unloaded. Raises RecipeError naming the key."""

    def check_quantized(self, where: str) -> None:
        """Rules for a language model in 4 bits. Raises RecipeError naming the key."""

    def check_divided(self, where: str, how: str) -> None:
        """Rules for a stage whose state DeepSpeed keeps, `how` being its level. Raises RecipeError naming the key."""

    def check_device(self, where: str, device: str) -> None:
        """Rules for where a stage computes, `cpu` or `cuda`, where that is known. Raises RecipeError naming the key."""

    def check_world(self, where: str, world_size: int) -> None:
        """Rules that depend on the number of processes. Raises RecipeError naming the key."""

    def check_moved(self, where: str, begun_on: int, world_size: int) -> None:
        """Rules for a stage named after `begun_on` processes that goes on with others. Raises RecipeError naming the key."""

    def try_out(self, where: str) -> None:
        """What shows only by running it, told before the first stage of a run: code of the user's that cannot be loaded.
        Takes seconds at most. Raises RecipeError, or MissingInput for a package, naming the key."""
