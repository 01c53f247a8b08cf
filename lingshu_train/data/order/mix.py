"""What a recipe says of one ingredient of a training mixture. No torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from lingshu_train.data.order.mixture import Ingredient, Wish, draws_for
from lingshu_train.errors import RecipeError
from lingshu_train.schema import Modality, Strict

_DECIMALS = 6


class Mix(Strict):
    """One ingredient of a training mixture: rows of a prepared corpus that fit every filter."""

    corpus: str
    """The prepare or curate stage that the rows come from."""
    split: str = "train"
    """The split to take rows of."""
    tasks: tuple[str, ...] = ()
    """Only rows of these tasks, such as `vqa`, `caption`, `report`; empty takes all."""
    cards: tuple[str, ...] = ()
    """Only rows of these data cards; empty takes all."""
    question_types: tuple[str, ...] = ()
    """Only rows whose answers are of these types, such as `mcq`, `yes_no`, `free`; empty takes all."""
    modalities: tuple[Modality, ...] = ()
    """Only rows with these kinds of picture, in any known spelling; empty takes all."""
    repeat: float | None = None
    """How often an epoch takes the rows: 1 where nothing is said, 2 takes each twice, 0.5 every other one. What an
    epoch leaves out, the next takes first."""
    share: float | None = None
    """The part of an epoch that this ingredient makes up, instead of `repeat`."""
    limit: int | None = None
    """Most rows that an epoch takes."""

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        """Columns of a corpus, and which values of each are taken: arguments of `corpus.load`."""
        return {
            "task": self.tasks,
            "card": self.cards,
            "question_type": self.question_types,
            "modality": self.modalities,
        }

    def __str__(self) -> str:
        """What is taken of the corpus, and how often."""
        cards = self.cards
        chosen = [
            *([f"{len(cards)} card{'s' if len(cards) > 1 else ''} ({cards[0]} ...)"] if cards else []),
            *(", ".join(words) for words in (self.tasks, self.question_types, self.modalities) if words),
            *(
                f"{name} {value:g}"
                for name, value in (("share", self.share), ("repeat", self.repeat), ("limit", self.limit))
                if value is not None
            ),
        ]
        return f"{self.corpus}: {', '.join(chosen) or 'all'}"


def without(mixture: Sequence[Mix], names: Collection[str], *, where: str) -> tuple[Mix, ...]:
    """The mixture where nothing is read of these data cards.

    An ingredient keeps its share while one of the cards that it names is left, and goes with the last of them. What goes
    leaves its share to all that stay, in proportion: theirs are divided by one less what went, to six decimals, and the
    largest takes what rounding leaves. RecipeError where nothing stays.
    """
    cut = [
        mix.model_copy(update={"cards": tuple(one for one in mix.cards if one not in names)})
        for mix in mixture
    ]
    kept = [new for old, new in zip(mixture, cut, strict=True) if new.cards or not old.cards]
    if not kept:
        raise RecipeError(
            f"{where}: `without` leaves no card of any ingredient; take the stage out of `pipeline`"
        )
    before, after = _shares(mixture), _shares(kept)
    if before == after:
        return tuple(kept)
    rest = 1 - (before - after)
    shares = {
        place: round(Fraction(str(mix.share)) / rest, _DECIMALS)
        for place, mix in enumerate(kept)
        if mix.share is not None
    }
    if before == 1:
        largest = max(shares, key=lambda place: shares[place])
        shares[largest] += 1 - sum(shares.values())
    return tuple(
        mix.model_copy(update={"share": float(shares[place])}) if place in shares else mix
        for place, mix in enumerate(kept)
    )


def _shares(mixture: Sequence[Mix]) -> Fraction:
    """Together, in exact arithmetic on the numbers as they are written."""
    return sum((Fraction(str(mix.share)) for mix in mixture if mix.share is not None), Fraction(0))


def ingredients(mixture: Sequence[Mix], rows: Sequence[int], *, where: str) -> tuple[Ingredient, ...]:
    """The ingredients of a mixture, of which each has so many rows. RecipeError names the key that cannot be meant so."""
    wishes = [
        Wish(name=f"{where}.{index}", rows=count, repeat=mix.repeat, share=mix.share, limit=mix.limit)
        for index, (mix, count) in enumerate(zip(mixture, rows, strict=True))
    ]
    draws = draws_for(wishes)
    return tuple(Ingredient(rows=wish.rows, draws=count) for wish, count in zip(wishes, draws, strict=True))
