"""What a set of cards allows together: the strictest of all inputs decides what a run may publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lingshu_train.data.cards.card import Card

Permission = Literal["redistribute", "derive_weights", "third_party_api", "commercial"]
PERMISSIONS: tuple[Permission, ...] = ("redistribute", "derive_weights", "third_party_api", "commercial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictest:
    """True only where every card says yes and its licence was read at the source.

    `because` names, per permission that is refused, the cards that refuse it and why.
    """

    id: str
    redistribute: bool
    derive_weights: bool
    third_party_api: bool
    commercial: bool
    because: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def why(self, permission: Permission) -> str:
        """One line for the user: which cards refuse the permission; empty where it is given."""
        return "; ".join(self.because.get(permission, ()))


def strictest(cards: Sequence[Card]) -> Strictest:
    """The permissions that all cards give together. Without any card: all of them."""
    because = {
        permission: tuple(reason for card in cards if (reason := _refusal(card, permission)))
        for permission in PERMISSIONS
    }
    return Strictest(
        id=", ".join(sorted({card.lingshu.licence.id for card in cards})),
        redistribute=not because["redistribute"],
        derive_weights=not because["derive_weights"],
        third_party_api=not because["third_party_api"],
        commercial=not because["commercial"],
        because={permission: reasons for permission, reasons in because.items() if reasons},
    )


def _refusal(card: Card, permission: Permission) -> str:
    licence = card.lingshu.licence
    given: bool | None = getattr(licence, permission)
    if given is False:
        return f"{card.name} ({licence.id}: no)"
    if given is None:
        return f"{card.name} ({licence.id}: not known, treated as no)"
    return f"{card.name} ({licence.id}: not read at the source)" if licence.unverified else ""
