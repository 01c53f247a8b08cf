"""Verbs that say what can be written: explain, docs. Neither reads a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli import _complete
from lingshu_train.cli._help import examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu explain sft.epochs",
        "lingshu explain stages.rl.kl_coefficient",
        "lingshu explain reward trace",
        "lingshu explain format slake_json",
        "lingshu explain 66",
    )
)
def explain(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY",
            help="A key of a recipe or card, the name of a component, or an exit code.",
            autocompletion=_complete.explained,
        ),
    ],
) -> None:
    """Say what a key means, its type and its default."""
    from lingshu_train.reference import find, text

    print(text.text(find.find(what)))


@app.command(epilog=examples("lingshu docs | less", "lingshu docs --out my_reference"))
def docs(
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a page for each part here, not to the output.", readable=False
        ),
    ] = None,
) -> None:
    """Print what can be written: every key and every component."""
    from lingshu_train.reference import page

    if out is None:
        print(page.whole())
        return
    for written in page.write(out):
        print(written)
