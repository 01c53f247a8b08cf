"""What a recipe says of one ingredient of a training mixture. No torch."""

from __future__ import annotations

from lingshu_train.schema import Modality, Strict


class Mix(Strict):
    """One ingredient of a training mixture: rows of a prepared corpus that fit every filter (an empty one fits all).

    An epoch takes them `repeat` times (1 where nothing is said, a half takes every other row), at most `limit` of them;
    or as many as make up the `share` of the epoch. What an epoch leaves out, the next takes first.
    """

    corpus: str
    split: str = "train"
    tasks: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    question_types: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] = ()
    repeat: float | None = None
    share: float | None = None
    limit: int | None = None

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
