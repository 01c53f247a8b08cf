"""Data cards to a corpus: labelled pictures are asked questions, rows are read as they stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, JsonValue

from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus.specification import QuestionCount, Specification
from lingshu_train.data.corpus.tolerance import MOST_REFUSED
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.kind import Need, PlanLine, Role, StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.schema import Strict


class Counts(Strict):
    """How many samples of a task to make for each split."""

    train: int = Field(default=0, ge=0)
    """Samples of the training split."""
    held_out: int = Field(default=0, ge=0)
    """Samples of the held-out split."""


class Config(StageConfig):
    """Data cards to a corpus. Cards of labelled pictures are asked questions; cards of rows are read whole."""

    role: ClassVar[Role] = "corpus"
    method: ClassVar[str] = "preparing data"
    outputs: ClassVar[tuple[str, ...]] = ("corpus",)
    told: ClassVar[tuple[str, ...]] = ("kind", "cards", "questions", "left_out", "made")
    unnamed: ClassVar[tuple[str, ...]] = ("left_out",)
    added: ClassVar[Mapping[str, JsonValue]] = {"made": {}}

    judges: ClassVar[bool] = True

    kind: Literal["prepare"]
    cards: tuple[str, ...] = Field(min_length=1)
    """The data cards to read. For example `[slake, vqa_rad]`."""
    image_size: int = Field(default=56, gt=0)
    """Side in pixels at which cards of labelled pictures are asked, such that the model takes them as they are."""
    questions: dict[str, Counts] = Field(default_factory=dict)
    """Of cards of labelled pictures: how many samples of each task to make. For example `{modality: {train: 600,
    held_out: 40}}`."""
    splits: tuple[str, ...] = ("train",)
    """Splits to read of cards of rows."""
    card_splits: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Where a card's splits have other names: what to read, and what it is called here. For example `{iu_xray: {all:
    train}}`."""
    least_side: int = Field(default=1, gt=0)
    """A row with a picture of a side under this many pixels is refused."""
    most_refused: float = Field(default=MOST_REFUSED, ge=0, le=1)
    """Share of a card's rows that may be refused; more stops the stage."""
    part: tuple[str, ...] = ()
    """Cards of which only a part of the data lies here, on purpose: their rows are not missed, and those whose pictures
    are not here are left out and counted. For example `[pubmedvision]`."""
    made: dict[str, str] = Field(default_factory=dict)
    """Cards whose rows a stage of this run makes, and which: one of kind synthesize with `write_files`. Their files are read in
    place of those of the data root. For example `{synth_cot: cot}`."""
    left_out: tuple[str, ...] = ()
    """Cards of the recipe's list that are not read, as its `without` says; kept for the run's readers."""
    prepared: str = ""
    """A folder that `lingshu data prepare` wrote of these cards, to be taken as it is; empty prepares them."""

    @property
    def card_names(self) -> tuple[str, ...]:
        return self.cards

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(
            Need(f"made.{card}", stage, "corpus", output="files") for card, stage in self.made.items()
        )

    @property
    def made_here(self) -> frozenset[str]:
        return frozenset(self.made)

    @property
    def holds(self) -> Mapping[str, frozenset[str] | None] | None:
        """Known where questions are asked of labelled pictures; of rows, the data alone can tell."""
        from lingshu_train.data.rows import layouts

        if self.prepared:
            return None
        found: dict[str, frozenset[str] | None] = {}
        loaded = [cards.load(name) for name in self.cards]
        asked = self.questions if layouts.tasks(loaded) else {}
        for task, counts in asked.items():
            for split, count in (("train", counts.train), ("held_out", counts.held_out)):
                if count:
                    found[split] = (found.get(split) or frozenset()) | {task}
        rows = [card for card in loaded if card.files]
        return found | {split: None for card in rows for split in self.splits_of(card.name).values()}

    @property
    def files(self) -> tuple[str, ...]:
        return (str(Path(self.prepared) / "corpus.json"),) if self.prepared else ()

    @property
    def folders(self) -> Mapping[str, str]:
        return {"prepared": self.prepared}

    @property
    def counts_tokens(self) -> bool:
        return True

    def describe(self) -> tuple[PlanLine, ...]:
        asked = (f"{task} {counts.train} + {counts.held_out}" for task, counts in self.questions.items())
        return (
            *([PlanLine("without", ", ".join(self.left_out))] if self.left_out else []),
            *(
                [PlanLine("made", ", ".join(f"{card} by {one}" for card, one in self.made.items()))]
                if self.made
                else []
            ),
            *([PlanLine("asks", f"{', '.join(asked)} (train + held out)")] if self.questions else []),
        )

    def leaving_out(self, names: Collection[str], where: str) -> Self:
        gone = tuple(name for name in self.cards if name in names)
        if not gone:
            return self
        made = next((name for name in gone if name in self.made), None)
        if made:
            raise RecipeError(
                f"{where}.made: stage {self.made[made]!r} makes {made}, which `without` leaves out; take it out of `without`, "
                "or out of `made` and the stage out of `before`"
            )
        kept = tuple(name for name in self.cards if name not in gone)
        if not kept:
            raise RecipeError(
                f"{where}.cards: `without` leaves none of {', '.join(gone)}; take the stage out of `pipeline`"
            )
        cut = {
            "cards": kept,
            "left_out": (*self.left_out, *gone),
            "part": tuple(name for name in self.part if name not in gone),
            "card_splits": {name: one for name, one in self.card_splits.items() if name not in gone},
        }
        return self.model_copy(update={key: one for key, one in cut.items() if one != getattr(self, key)})

    def check(self, where: str) -> None:
        if self.prepared and not Path(self.files[0]).is_file():
            raise MissingInput(
                f"{where}.prepared: {self.prepared}: no finished corpus; `lingshu data prepare` makes one"
            )
        both = next((name for name in self.left_out if name in self.cards), None)
        if both:
            raise RecipeError(
                f"{where}.left_out: {both} is among cards too; name it in the recipe's `without`"
            )
        for key, named in (("cards", self.cards), ("splits", self.splits)):
            twice = next((name for name in named if named.count(name) > 1), None)
            if twice:
                raise RecipeError(f"{where}.{key}: {twice} stands twice")
        for key, names in (
            ("card_splits", tuple(self.card_splits)),
            ("part", self.part),
            ("made", tuple(self.made)),
        ):
            for name in set(names) - set(self.cards):
                raise RecipeError(f"{where}.{key}: {name!r} is not among cards: {', '.join(self.cards)}")
        for name in self.cards:
            self._check_splits(name, where)
        self._check_questions(where)

    def check_pictures(self, where: str, *, grid: int, least: int, most: int) -> None:
        if self.questions and self.image_size % grid:
            raise RecipeError(
                f"{where}.image_size: Input should be a multiple of {grid}, got {self.image_size}"
            )
        if self.questions and not least <= self.image_size**2 <= most:
            raise RecipeError(
                f"{where}.image_size: {self.image_size} x {self.image_size} pixels are outside of model.min_pixels to "
                f"model.max_pixels, {least:,} to {most:,}; the model would resize every view"
            )

    def splits_of(self, card: str) -> dict[str, str]:
        """The card's splits that are read, and what each is called in the corpus."""
        return self.card_splits.get(card, {split: split for split in self.splits})

    def specification(
        self, model: Settings, *, data_root: str, seed: int, made: Mapping[str, Path] | None = None
    ) -> Specification:
        """The corpus that the stage writes for this model. `made`: of each stage that makes cards its folder."""
        return Specification(
            data_root=data_root,
            splits=tuple((name, tuple(self.splits_of(name).items())) for name in self.cards),
            asked=tuple(
                QuestionCount(task=task, train=counts.train, held_out=counts.held_out)
                for task, counts in self.questions.items()
            ),
            image_size=self.image_size,
            least_side=self.least_side,
            budget=model.budget,
            seed=seed,
            context=model.shape.context,
            control=model.shape.control,
            part=self.part,
            made=tuple((card, str((made or {})[one] / "files")) for card, one in self.made.items()),
        )

    def _check_questions(self, where: str) -> None:
        """Cards of rows are asked none, so that a recipe may replace the cards and leave the questions."""
        from lingshu_train.data.rows import layouts

        known = layouts.tasks(cards.load(name) for name in self.cards) if self.questions else ()
        for task in self.questions if known else ():
            if task not in known:
                raise RecipeError(f"{where}.questions: unknown task {task!r}; there are: {', '.join(known)}")

    def _check_splits(self, name: str, where: str) -> None:
        """A card of rows has every split that is asked of it."""
        there = cards.load(name, where=f"{where}.cards").files
        for split in self.splits_of(name) if there else ():
            if split not in there:
                raise RecipeError(
                    f"{where}.splits: {name} has no split {split!r}, it has: {', '.join(there)}; say which to read as what: "
                    f"{where}.card_splits.{name}={{{next(iter(there))}: {split}}}"
                )
