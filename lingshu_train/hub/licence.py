"""What the licences of its data allow a model to be: public, private, or not published at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lingshu_train.data.cards.card import Card
from lingshu_train.errors import NotPermitted

UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The strictest input decides. `private` holds one reason per card that keeps the model private."""

    private: tuple[str, ...]
    noncommercial: tuple[str, ...]


def terms(cards: Sequence[Card]) -> Terms:
    """What may be published. NotPermitted where a card forbids derived weights, or no card is known."""
    if not cards:
        raise NotPermitted(
            "no data card is known for this run, so nothing says that its weights may be published"
        )
    forbidding = [card.name for card in cards if card.lingshu.licence.derive_weights is False]
    if forbidding:
        raise NotPermitted(
            f"data card {forbidding[0]}: its licence ({_licence(forbidding[0], cards)}) forbids "
            f"publishing weights trained on it; train without {', '.join(forbidding)}"
        )
    reasons = [f"{card.name}: {reason}" for card in cards if (reason := _reason(card))]
    limited = [card.name for card in cards if card.lingshu.licence.commercial is not True]
    return Terms(private=tuple(reasons), noncommercial=tuple(limited))


def _reason(card: Card) -> str:
    """Why this card keeps a model private; empty where it does not."""
    about = card.lingshu
    if about.access != "open":
        return f"its data is {about.access}"
    if about.licence.derive_weights is None:
        return f"whether {about.licence.id} allows publishing derived weights is {UNKNOWN}"
    return ""


def _licence(name: str, cards: Sequence[Card]) -> str:
    return next(card.lingshu.licence.id for card in cards if card.name == name)
