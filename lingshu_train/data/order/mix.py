"""What a recipe says of one ingredient of a training mixture. No torch."""

from __future__ import annotations

from lingshu_train.schema import Modality, Strict


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
