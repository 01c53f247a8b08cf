"""What may be done with data and with weights trained on it. Every decision about a licence is taken here.

An owner's yes counts where it was read at the source; else nothing is known. What is not known stops nothing that stays here
or can be taken back: training, a private repository. It stops all that cannot: sending rows to others, public weights.
A set of cards is as free as the strictest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lingshu_train.data.cards.card import Card, Licence
from lingshu_train.data.cards.source import Access
from lingshu_train.errors import NotPermitted

Permission = Literal["redistribute", "derive_weights", "third_party_api", "commercial"]
PERMISSIONS: tuple[Permission, ...] = ("redistribute", "derive_weights", "third_party_api", "commercial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What weights trained on some `cards` may become: `forbidding` ones let nobody else have them, `unclear` ones do not say
    whether they do, the data of `closed` ones is not open to all, `limited` ones do not allow commercial use."""

    cards: tuple[Card, ...]
    forbidding: tuple[Card, ...]
    unclear: tuple[Card, ...]
    closed: tuple[Card, ...]
    limited: tuple[Card, ...]

    @property
    def free(self) -> bool:
        """Whether every card allows any use of the weights. Without a card nothing says so."""
        return bool(self.cards) and not (self.forbidding or self.unclear or self.closed or self.limited)

    @property
    def private(self) -> tuple[str, ...]:
        """Why only the owner of a repository may see the weights, a line for each card that has it so."""
        return tuple(reason for card in self.cards if (reason := _private(card)))

    def check(self) -> None:
        """NotPermitted (77) where the weights may be published not even privately, or no card says that they may."""
        if not self.cards:
            raise NotPermitted(
                "no data card is known for this run, so nothing says that its weights may be published"
            )
        if self.forbidding:
            first = self.forbidding[0]
            raise NotPermitted(
                f"data card {first.name}: its licence ({first.lingshu.licence.id}) forbids publishing weights trained on it; "
                f"train without {', '.join(card.name for card in self.forbidding)}"
            )


def terms(cards: Sequence[Card]) -> Terms:
    """What weights trained on these cards may become."""
    return Terms(
        cards=tuple(cards),
        forbidding=tuple(card for card in cards if _answer(card, "derive_weights") is False),
        unclear=tuple(card for card in cards if _answer(card, "derive_weights") is None),
        closed=tuple(card for card in cards if card.lingshu.access != "open"),
        limited=tuple(card for card in cards if not _answer(card, "commercial")),
    )


def strictest(cards: Sequence[Card]) -> Licence:
    """What may be done with what was made of all of them: of each permission the least that any of them gives."""
    answers = {each: [_answer(card, each) for card in cards] for each in PERMISSIONS}
    least = {
        each: False if False in given else None if None in given or not given else True
        for each, given in answers.items()
    }
    names = sorted({card.lingshu.licence.id for card in cards})
    return Licence(
        id=names[0] if len(names) == 1 else "strictest-of-several",
        name="" if len(names) == 1 else f"all of: {', '.join(names)}",
        redistribute=least["redistribute"],
        derive_weights=least["derive_weights"],
        third_party_api=least["third_party_api"],
        commercial=least["commercial"],
    )


def access(cards: Sequence[Card]) -> Access:
    """Who can have what was made of them: an agreement binds it too, and else it is published nowhere."""
    return "credentialed" if any(card.lingshu.access == "credentialed" for card in cards) else "local"


def unsendable(cards: Sequence[Card]) -> tuple[str, ...]:
    """Why questions, answers and pictures may not be sent to a third party, a reason for each card that has it so.

    Credentialed data is bound to the person who signed for it, whatever a card says.
    """
    return tuple(reason for card in cards if (reason := _unsendable(card)))


def passing_on(cards: Sequence[Card]) -> tuple[str, ...]:
    """Why a repository with the rows themselves must be private, a reason for each card that has it so. NotPermitted (77): they
    may not be passed on, or not by whoever has them.
    """
    closed = [card for card in cards if card.lingshu.access != "open"]
    if closed:
        raise NotPermitted(
            f"data card {closed[0].name}: is {closed[0].lingshu.access}, so its rows go nowhere; of rows that you may pass on "
            "write a card of your own that says so"
        )
    for card in cards:
        if _answer(card, "redistribute") is False:
            raise NotPermitted(
                f"data card {card.name}: its licence ({card.lingshu.licence.id}) forbids passing its rows on; leave it out"
            )
    return tuple(
        f"{card.name}: that {card.lingshu.licence.id} allows passing rows on is {said(card, 'redistribute')}"
        for card in cards
        if _answer(card, "redistribute") is None
    )


def unshareable(card: Card) -> str:
    """Why a page with samples may go only where the data may; empty where anybody may see it."""
    if card.lingshu.access != "open":
        return f"is {card.lingshu.access}"
    answer = _answer(card, "redistribute")
    return "" if answer else f"{'forbids' if answer is False else 'is not known to allow'} sharing its rows"


def said(card: Card, permission: Permission) -> str:
    """An owner's answer for a reader."""
    given = _given(card, permission)
    hearsay = ", not read at the source" if given and card.lingshu.licence.unverified else ""
    return {True: "yes", False: "no", None: "not known"}[given] + hearsay


def _given(card: Card, permission: Permission) -> bool | None:
    answer: bool | None = getattr(card.lingshu.licence, permission)
    return answer


def _answer(card: Card, permission: Permission) -> bool | None:
    """The owner's answer as far as it counts."""
    given = _given(card, permission)
    return None if given and card.lingshu.licence.unverified else given


def _private(card: Card) -> str:
    if card.lingshu.access != "open":
        return f"{card.name}: its data is {card.lingshu.access}"
    if _answer(card, "derive_weights") is not None:
        return ""
    publishing = f"{card.lingshu.licence.id} allows publishing derived weights"
    if _given(card, "derive_weights"):
        return f"{card.name}: that {publishing} was not read at the source"
    return f"{card.name}: whether {publishing} is not known"


def _unsendable(card: Card) -> str:
    if card.lingshu.access == "credentialed":
        return f"{card.name} (credentialed)"
    if _answer(card, "third_party_api"):
        return ""
    return f"{card.name} ({card.lingshu.licence.id}: {said(card, 'third_party_api')})"
