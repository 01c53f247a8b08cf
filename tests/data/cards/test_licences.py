"""What follows from a licence is one table, that of docs/data.md: every cell of it, for push, judge, tracker, report and card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from lingshu_train.data.cards import licences
from lingshu_train.data.cards.card import Access, Card, Licence, Lingshu, Source
from lingshu_train.data.cards.licences import PERMISSIONS, Permission
from lingshu_train.errors import NotPermitted

DOCS = Path(__file__).parents[3] / "docs" / "data.md"
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "yes": [{"answer": True}],
    "not known": [
        {"answer": None},
        {"answer": True, "unverified": True},
        {"answer": None, "unverified": True},
    ],
    "no": [{"answer": False}, {"answer": False, "unverified": True}],
}


def card(
    permission: Permission,
    answer: bool | None,
    *,
    access: str = "open",
    unverified: bool = False,
    name: str = "scans",
) -> Card:
    """A card that allows everything but what is asked about."""
    allowed: dict[str, bool | None] = {**dict.fromkeys(PERMISSIONS, True), permission: answer}
    licence = Licence(id="MIT", unverified=unverified, **allowed)  # type: ignore[arg-type]
    block = Lingshu(
        source=Source(kind="hub", name="a/b"),
        access=access,  # type: ignore[arg-type]
        licence=licence,
        format="x",
    )
    return Card(name=name, lingshu=block, hub={}, body="")


def weights(one: Card) -> str:
    terms = licences.terms([one])
    try:
        terms.check()
    except NotPermitted:
        return "refused"
    return "private" if terms.private else "public"


FOUND = {
    "derive_weights": weights,
    "third_party_api": lambda one: "kept here" if licences.unsendable([one]) else "sent",
    "redistribute": lambda one: "only as the data" if licences.unshareable(one) else "for anybody",
    "commercial": lambda one: "not allowed" if licences.terms([one]).limited else "allowed",
}
"""Permission -> what follows for a card, in the words of the table."""


def cells() -> list[tuple[Permission, str, str, dict[str, Any], str]]:
    """Permission, access, column, what the card says, what follows by the table; of every row, column and access."""
    rows = [
        line.strip("| \n").split(" | ")
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if line[:1] == "|"
    ]
    head = next(n for n, row in enumerate(rows) if row[:2] == ["What", "Permission"])
    found = []
    for row in rows[head + 2 : head + 2 + len(PERMISSIONS)]:
        permission = next(name for name in PERMISSIONS if f"`{name}`" == row[1])
        for column, follows in zip(rows[head][2:], row[2:], strict=True):
            answer, _, data = column.partition(", data ")
            for access in data.split(" or ") if data else get_args(Access):
                found += [(permission, access, column, said, follows) for said in ANSWERS[answer]]
    return found


def test_the_table_has_every_permission_access_and_answer() -> None:
    assert {(permission, access) for permission, access, *_ in cells()} == {
        (permission, access) for permission in PERMISSIONS for access in get_args(Access)
    }
    assert len(cells()) == len(PERMISSIONS) * len(get_args(Access)) * sum(map(len, ANSWERS.values()))


@pytest.mark.parametrize(("permission", "access", "column", "said", "follows"), cells())
def test_what_follows_is_what_the_table_says(
    permission: Permission, access: str, column: str, said: dict[str, Any], follows: str
) -> None:
    found = FOUND[permission](card(permission, access=access, **said))
    assert found == follows, column


def test_the_strictest_of_several_cards_decides_and_is_named() -> None:
    free = card("commercial", True)
    forbidding = card("derive_weights", False, name="locked")
    unclear = card("derive_weights", None, name="vague")
    hearsay = card("derive_weights", True, unverified=True, name="heard")
    closed = card("commercial", False, access="gated", name="gate")
    assert licences.terms([free]).free and not licences.terms([free, closed]).free
    terms = licences.terms([free, unclear, hearsay, closed])
    terms.check()
    assert terms.private == (
        "vague: whether MIT allows publishing derived weights is not known",
        "heard: that MIT allows publishing derived weights was not read at the source",
        "gate: its data is gated",
    )
    with pytest.raises(
        NotPermitted, match=r"data card locked: its licence \(MIT\) forbids .* without locked$"
    ):
        licences.terms([free, forbidding, closed]).check()
    assert licences.unsendable([free, card("third_party_api", None, name="vague"), hearsay]) == (
        "vague (MIT: not known)",
        "heard (MIT: yes, not read at the source)",
    )


def test_without_a_card_nothing_is_allowed_to_be_published() -> None:
    terms = licences.terms([])
    assert not terms.free
    with pytest.raises(NotPermitted, match="no data card is known"):
        terms.check()


@pytest.mark.parametrize(
    ("answer", "unverified", "said"),
    [
        (True, False, "yes"),
        (True, True, "yes, not read at the source"),
        (False, True, "no"),
        (None, True, "not known"),
    ],
)
def test_a_reader_is_told_what_the_owner_said_and_whether_it_was_read(
    answer: bool | None, unverified: bool, said: str
) -> None:
    assert licences.said(card("commercial", answer, unverified=unverified), "commercial") == said
