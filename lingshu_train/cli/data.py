"""The data verbs: list, show, fetch, unpack, export; add is in add.py, check and prepare are in prepare.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lingshu_train.cli import add as adding
from lingshu_train.cli import prepare as preparing
from lingshu_train.cli._help import (
    DATA,
    CardFolders,
    CardName,
    CardNames,
    CardOrRecipeNames,
    DataRoot,
    examples,
)
from lingshu_train.cli._say import complain, say
from lingshu_train.errors import LingshuError, OutputFailed, UsageError

if TYPE_CHECKING:
    from lingshu_train.data.cards.card import Card

app = typer.Typer(name="data", help="Add your own data; fetch, check and prepare that of cards.")
app.add_typer(adding.app)
app.add_typer(preparing.app)


@app.command(
    "list",
    epilog=examples(
        "lingshu data list --modality mri --task vqa",
        "lingshu data list --no-present",
        "lingshu data list --evidence --rests-on none",
    ),
)
def list_cards(  # noqa: PLR0913 (each is an option of the command line)
    modality: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only cards with this kind of picture.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="WORD", help="Only cards of this task.")] = None,
    access: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Only cards that are open, gated, credentialed or local."),
    ] = None,
    present: Annotated[
        bool | None, typer.Option(help="Only cards whose data is here, or is not.", show_default=False)
    ] = None,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence", help="Show what each card's account of the files rests on.", show_default=False
        ),
    ] = False,
    rests_on: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Only cards that rest on real_bytes, publisher_code, others_code, description or none.",
        ),
    ] = None,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """One line per card."""
    from lingshu_train.data.cards import catalogue, source

    if access is not None and access not in get_args(source.Access):
        raise UsageError(f"--access {access}: unknown; it is one of {', '.join(get_args(source.Access))}")
    if rests_on is not None and rests_on not in catalogue.CLASSES:
        raise UsageError(f"--rests-on {rests_on}: unknown; it is one of {', '.join(catalogue.CLASSES)}")
    found = catalogue.rows(
        modality=modality,
        task=task,
        access=access,
        present=present,
        rests_on=rests_on,
        data_root=data_root,
    )
    print(catalogue.evidence(found) if evidence or rests_on else catalogue.table(found))


@app.command()
def show(card: CardName, card_folders: CardFolders = None) -> None:
    """One card whole."""
    from lingshu_train.data.cards import card as cards
    from lingshu_train.data.cards import catalogue

    print(catalogue.show(cards.load(card)))


@app.command(
    epilog=examples(
        "lingshu data fetch slake",
        "lingshu data fetch lingshu_7b --json",
        "lingshu data fetch slake vqa_rad --yes --data-root /data",
    )
)
def fetch(
    names: CardOrRecipeNames,
    yes: Annotated[bool, typer.Option("--yes", help="Really download.", show_default=False)] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="What would come, for machines.", show_default=False)
    ] = False,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> int:
    """Show what a download would bring; with --yes, download it."""
    from lingshu_train.cli import _named

    if yes and as_json:
        raise UsageError("--json: says what would come; leave it or --yes out")
    found = _named.cards_of(names, data_root)
    return _bring(found) if yes else _offer(found, as_json=as_json)


def _offer(found: Sequence[tuple[Card, Path]], *, as_json: bool) -> int:
    """What would come of each card, and a last line that counts. The answer is the first card's code that is wrong."""
    from lingshu_train.hub import offering

    code, offers = 0, []
    for card, root in found:
        try:
            offers.append(offering.of(card, root))
        except LingshuError as fault:
            complain(fault)
            code = code or fault.exit_code
            continue
        if not as_json:
            print(offering.text(offers[-1]))
    totals = offering.totals(offers)
    if as_json:
        sources = [offering.plain(one) for card in offers for one in card]
        print(json.dumps({"sources": sources, "totals": offering.plain(totals)}, indent=2))
        return code
    if len(found) > 1:
        for line in offering.names(offers):
            print(line)
        print(totals)
    print("nothing was downloaded; add --yes to download it")
    return code


def _bring(found: Sequence[tuple[Card, Path]]) -> int:
    """Fetch all that can be fetched, and tell at the end what is left. What is a person's turn for one card does not keep the
    others from coming. The answer is the code of the first that is left."""
    from lingshu_train.hub import fetch as fetching

    left: list[LingshuError] = []
    for card, root in found:
        try:
            outcome = fetching.fetch(card, root, say=say)
        except OutputFailed:
            raise  # The disk is full, for the other cards too.
        except LingshuError as fault:
            left.append(fault)
            continue
        for line in outcome.lines:
            print(line, flush=True)
        left += outcome.left
    for one in left:
        complain(one)
    return left[0].exit_code if left else 0


@app.command(epilog=examples("lingshu data unpack allava"))
def unpack(
    cards: CardNames,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """Unpack the archives that you put into a card's folder."""
    from lingshu_train.data.cards import card
    from lingshu_train.hub import by_hand

    for one in [card.load(name) for name in cards]:
        for line in by_hand.unpacked(one, data_root, say=say):
            print(line, flush=True)


@app.command()
def export(
    card: CardName,
    croissant: Annotated[
        bool, typer.Option("--croissant", help="The format; the only one there is.", show_default=False)
    ],
    card_folders: CardFolders = None,
) -> None:
    """The card for machines, as Croissant JSON-LD."""
    from lingshu_train.data.cards import card as cards
    from lingshu_train.data.cards.croissant import croissant as written

    print(json.dumps(written(cards.load(card)), indent=2, ensure_ascii=False))
