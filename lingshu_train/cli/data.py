"""The data verbs: add (in add.py), list, show, fetch, check, prepare, export."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, get_args

import typer

from lingshu_train.cli import add as adding
from lingshu_train.cli._help import DATA, CardFolders, CardName, CardNames, DataRoot, examples
from lingshu_train.cli._say import complain, say
from lingshu_train.errors import DataError, MissingInput, NotPermitted, UsageError

app = typer.Typer(name="data", help="Add your own data; fetch, check and prepare that of cards.")
app.add_typer(adding.app)


@app.command(
    "list",
    epilog=examples("lingshu data list --modality mri --task vqa", "lingshu data list --no-present"),
)
def list_cards(
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
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """One line per card."""
    from lingshu_train.data.cards import card, catalogue

    if access is not None and access not in get_args(card.Access):
        raise UsageError(f"--access {access}: unknown; it is one of {', '.join(get_args(card.Access))}")
    found = catalogue.rows(modality=modality, task=task, access=access, present=present, data_root=data_root)
    print(catalogue.table(found))


@app.command()
def show(card: CardName, card_folders: CardFolders = None) -> None:
    """One card whole."""
    from lingshu_train.data.cards import card as cards
    from lingshu_train.data.cards import catalogue

    print(catalogue.show(cards.load(card)))


@app.command(
    epilog=examples("lingshu data fetch slake", "lingshu data fetch slake vqa_rad --yes --data-root /data")
)
def fetch(
    cards: CardNames,
    yes: Annotated[bool, typer.Option("--yes", help="Really download.", show_default=False)] = False,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> int:
    """Show what a download would bring; with --yes, download it."""
    from lingshu_train.data.cards import card
    from lingshu_train.hub import fetch as fetching

    # What is a person's turn for one card does not keep the others from coming. The first such code is the answer.
    code = 0
    for one in [card.load(name) for name in cards]:
        try:
            if yes:
                print(fetching.fetch(one, data_root, say=say), flush=True)
            else:
                print(fetching.offer(one, data_root))
        except (NotPermitted, MissingInput, DataError) as fault:
            complain(fault)
            code = code or fault.exit_code
    if not yes:
        print("nothing was downloaded; add --yes to download it")
    return code


@app.command()
def check(
    card: CardName,
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Decode only N pictures of each split; all else is still read."
        ),
    ] = None,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> int:
    """Is the card right, and its data here and whole?"""
    from lingshu_train.data.cards import card as cards
    from lingshu_train.data.checks import check as checking

    report = checking.check(cards.load(card), data_root, sample=sample)
    for line in report.problems:
        print(line)
    for line in report.known:
        print(f"known: {line}")
    for line in report.unknown:
        print(f"unknown: {line}")
    for line in report.answers:
        print(f"answers: {line}")
    print(f"{card}: {report.summary}")
    return report.exit_code


@app.command(
    epilog=examples(
        "lingshu data prepare pmc_vqa --workers 8",
        "lingshu data prepare slake vqa_rad --split train --split validation --out mine",
    )
)
def prepare(  # noqa: PLR0913 (each is an option of the command line)
    cards: CardNames,
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A split to take; may be given again.", show_default="train"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the corpus goes.",
            show_default="DATA_ROOT/prepared/NAME-HASH",
            readable=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes.", show_default="all cores")
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Family of the model.", show_default="the default of recipes"),
    ] = None,
    min_pixels: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Fewest pixels the model takes.", show_default="the family's"),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Most pixels the model takes.", show_default="the family's"),
    ] = None,
    least_side: Annotated[
        int, typer.Option(metavar="N", min=1, help="Refuse pictures with a smaller side.")
    ] = 1,
    most_refused: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0, max=1, help="Stop where more of a card's rows are refused."),
    ] = 0.01,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """Turn cards into a corpus that recipes can take as it is."""
    from lingshu_train.data.corpus import claiming, preparing, specification
    from lingshu_train.model import shape
    from lingshu_train.model.settings import FAMILY

    model = shape.of(family or FAMILY)
    wanted = specification.of_rows(
        cards,
        split or ["train"],
        data_root=data_root,
        least_side=least_side,
        model=model,
        budget=model.published_budget(min_pixels=min_pixels, max_pixels=max_pixels),
    )
    folder = claiming.claim(out, wanted) if out else data_root / "prepared" / preparing.name(wanted)
    summary = preparing.prepare(
        folder, wanted, workers=workers or os.cpu_count() or 1, most_refused=most_refused
    )
    print(preparing.text(summary, folder))


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
