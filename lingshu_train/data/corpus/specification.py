"""All that determines a corpus: which splits of which cards, which questions about their pictures, how pictures are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import alike, made, variants
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.errors import UsageError
from lingshu_train.model import shape
from lingshu_train.model.shape import PictureBudget, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionCount:
    """How many samples of a task to make of the pictures of each split."""

    task: str
    train: int
    held_out: int

    @property
    def counts(self) -> dict[str, int]:
        """Split -> samples, in the order in which a corpus has them."""
        return {"train": self.train, "held_out": self.held_out}


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """The `splits` of each card, each as (its own name, its name here), the questions `asked` of labelled pictures, and the
    pictures' `budget`.

    `image_size` is the side of a view of a labelled picture. Pictures over the budget are fitted as the processor would
    fit them, except JPEG, which stays as it is. `least_side`: a picture with a smaller side is refused. `context` and
    `control` are the model's (`model.shape.Shape`): a row that needs more tokens, or holds one of these, is refused. `part`:
    cards of which a part lies here on purpose, whose rows may name pictures that do not. `made`: cards whose rows a stage of
    the run has made, each with the folder of its files.
    """

    splits: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    data_root: str
    asked: tuple[QuestionCount, ...]
    image_size: int
    least_side: int
    budget: PictureBudget
    seed: int
    context: int
    control: tuple[str, ...]
    part: tuple[str, ...] = ()
    made: tuple[tuple[str, str], ...] = ()

    @property
    def cards(self) -> tuple[str, ...]:
        """Names of the cards, in order."""
        return tuple(name for name, _ in self.splits)

    def loaded(self) -> tuple[Card, ...]:
        """The cards themselves. RecipeError: there is no such card."""
        return tuple(map(self.card, self.cards))

    def card(self, name: str) -> Card:
        """A card, with its data where it lies for this corpus. RecipeError: there is none of this name."""
        found, folder = cards.load(name, where="cards"), dict(self.made).get(name)
        return found if folder is None else made.standing_for(found, Path(folder))

    def folder(self, card: Card) -> Path:
        """Where the card's data lies; `preparing.prepare` has checked that it is there."""
        found = cards.root(card, Path(self.data_root))
        assert found is not None, f"the data of {card.name} is not here"
        return found


def of_rows(  # noqa: PLR0913 (each is an option of the command line)
    names: Sequence[str],
    splits: Sequence[str] | None,
    *,
    data_root: Path,
    least_side: int,
    model: type[Shape],
    budget: PictureBudget,
    part: bool = False,
) -> Specification:
    """A corpus of cards that hold rows, every split under its own name, for the models of a family. `splits` None: all that
    each card has; of a `part` of the data those that have a file.

    UsageError (64): a card or a split is named twice, or no picture can keep to the budget.
    """
    for option, named in (("", names), ("--split ", splits or ())):
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice:
            raise UsageError(f"{option}{twice}: named twice")
    if fault := shape.fault(budget):
        raise UsageError(fault)
    taken = {name: splits or _all(name, data_root, part=part) for name in names}
    return Specification(
        splits=tuple((name, tuple((one, one) for one in own)) for name, own in taken.items()),
        data_root=str(data_root),
        asked=(),
        image_size=56,
        least_side=least_side,
        budget=budget,
        seed=0,
        context=model.context,
        control=model.control,
        part=tuple(names) if part else (),
    )


def check_splits(card: Card, splits: Sequence[str]) -> None:
    """UsageError (64): a card of rows has no such split."""
    for split in splits:
        if card.files and split not in card.files:
            raise UsageError(
                f"--split {split}: {card.name} has no such split; it has: {', '.join(card.files)}"
            )


def _all(name: str, data_root: Path, *, part: bool) -> tuple[str, ...]:
    card = cards.load(name, where="cards")
    root = cards.root(card, data_root) if part else None
    return (here(card, root) if root else ()) or tuple(card.files)


def here(card: Card, root: Path) -> tuple[str, ...]:
    """The splits of which a file lies in the card's data folder."""
    found = card.files_of(variants.seen(card, root))
    return tuple(split for split, pattern in found.items() if alike.there(root, pattern))
