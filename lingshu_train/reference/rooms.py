"""Everything that has a name in a recipe or a card: the components of each room, plugins' too, and the keys around them."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass

from lingshu_train import errors, naming
from lingshu_train.data.cards.card import Lingshu
from lingshu_train.planning.recipe import Document
from lingshu_train.reference import keys
from lingshu_train.reference.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where components of one sort lie. `record` is what their keys are read as, in the module `module` of a folder; empty:
    they have none. `use` says how one is written, with NAME for its name and KEY for one of its keys."""

    word: str
    title: str
    package: str
    use: str
    record: str = ""
    module: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that has a name: `reward trace`, `format slake_json`. `about` is what its file says of itself."""

    word: str
    name: str
    about: str
    use: str
    keys: tuple[Key, ...]

    @property
    def summary(self) -> str:
        """The first paragraph of `about`, in one line."""
        return " ".join(self.about.split("\n\n", 1)[0].split())


STAGE = Room(
    word="stage",
    title="Stages",
    package="lingshu_train.stages",
    use="a block of `stages` with `kind: NAME`",
    record="Config",
    module="config",
)
REWARD = Room(
    word="reward",
    title="Rewards",
    package="lingshu_train.rewards",
    use="`rewards: {terms: [{name: NAME, params: {KEY: ...}}]}` of a grpo stage",
    record="Params",
)
AUDITOR = Room(
    word="auditor",
    title="Auditors of rewards",
    package="lingshu_train.auditing.auditors",
    use="`audit: {by: NAME, params: {KEY: ...}}` of a grpo stage",
    record="Params",
)
CHECK = Room(
    word="check",
    title="Checks of accepted answers",
    package="lingshu_train.auditing.checks",
    use="`audit: {by: rules, params: {checks: [NAME]}}` of a grpo stage",
)
STEP = Room(
    word="step",
    title="Steps of curation",
    package="lingshu_train.curate",
    use="`steps: [{name: NAME, params: {KEY: ...}}]` of a curate stage",
    record="Params",
)
PIPELINE = Room(
    word="pipeline",
    title="Pipelines of synthesis",
    package="lingshu_train.synthesize",
    use="`pipeline: {name: NAME, params: {KEY: ...}}` of a synthesize stage",
    record="Params",
)
TRACKER = Room(
    word="tracker",
    title="Trackers",
    package="lingshu_train.trackers",
    use="`trackers: [{name: NAME, params: {KEY: ...}}]`",
    record="Params",
)
ENGINE = Room(
    word="engine",
    title="Engines",
    package="lingshu_train.rollouts",
    use="what answers prompts; called from Python, and by the reward `judge`",
    record="Params",
)
FORMAT = Room(
    word="format",
    title="Formats of rows",
    package="lingshu_train.data.rows.formats",
    use="`format: NAME` and `fields: {KEY: ...}` of a card",
    record="Fields",
)
FAMILY = Room(
    word="family",
    title="Model families",
    package="lingshu_train.model.families",
    use="`model: {family: NAME, shape: {...}}`",
    record="Shape",
    module="shape",
    prefix="model.shape",
)
METRIC = Room(
    word="metric",
    title="Metrics",
    package="lingshu_train.metrics",
    use="measured by every evaluate stage, where it applies",
)
ANSWER = Room(
    word="type",
    title="Types of answer",
    package="lingshu_train.verify.types",
    use="`question_type: NAME` of a row",
)
PAPER = Room(
    word="paper",
    title="Papers",
    package="lingshu_train.papers",
    use="`lingshu papers RUN --only NAME`",
)
ROOMS = (
    STAGE,
    REWARD,
    AUDITOR,
    CHECK,
    STEP,
    PIPELINE,
    TRACKER,
    ENGINE,
    FORMAT,
    FAMILY,
    METRIC,
    ANSWER,
    PAPER,
)


def entries(room: Room) -> tuple[Entry, ...]:
    """Every component of a room, by name."""
    return tuple(_entry(room, name) for name in naming.components(room.package))


def recipe() -> Entry:
    """A recipe: every key that does not belong to a stage's kind or to the model's family."""
    return Entry(
        word="recipe",
        name="",
        about="A YAML file that says what to train.",
        use="`recipes/NAME.yaml`, or a file of your own",
        keys=keys.of(Document),
    )


def card() -> Entry:
    """The machine-readable half of a data card."""
    about = str(inspect.getdoc(Lingshu))
    return Entry(
        word="card", name="", about=about, use="under `lingshu:` in the head of a card", keys=keys.of(Lingshu)
    )


def exits() -> tuple[Entry, ...]:
    """The exit codes of every verb, as the errors behind them say."""
    found: dict[int, list[str]] = {0: ["All went well."]}
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, errors.LingshuError) and one is not errors.LingshuError:
            found.setdefault(one.exit_code, []).append(" ".join(str(inspect.getdoc(one)).split()))
    return tuple(
        Entry(word="exit code", name=str(code), about=" ".join(texts), use="", keys=())
        for code, texts in sorted(found.items())
    )


def everything() -> tuple[Entry, ...]:
    """All that can be explained."""
    return (recipe(), card(), *(entry for room in ROOMS for entry in entries(room)), *exits())


def _entry(room: Room, name: str) -> Entry:
    path = f"{room.package}.{name}"
    file = importlib.import_module(f"{path}.{room.module}" if room.module else path)
    record = getattr(file, room.record) if room.record else None
    told = [file.__doc__, record.__dict__.get("__doc__") if record else None]
    return Entry(
        word=room.word,
        name=name,
        about="\n\n".join(inspect.cleandoc(one) for one in told if one),
        use=room.use,
        keys=keys.of(record, under=room.prefix) if record else (),
    )
