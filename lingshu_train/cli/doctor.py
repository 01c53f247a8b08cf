"""The verb that looks at the machine: doctor."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lingshu_train.cli import _complete
from lingshu_train.cli._help import CardFolders, Overrides, examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu doctor",
        "lingshu doctor quickstart",
        "lingshu doctor lingshu_7b cluster.processes=4",
        "lingshu doctor mine.yaml --json",
    )
)
def doctor(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="[RECIPE]",
            help="A recipe to look at alone; the exit code is 0 where it can run, else 66.",
            autocompletion=_complete.recipes,
            show_default="all that are known",
        ),
    ] = "",
    overrides: Overrides = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The same for programs.", show_default=False)
    ] = False,
    card_folders: CardFolders = None,
) -> int:
    """Say whether this machine is ready, and what recipes lack."""
    from lingshu_train.doctor import examination

    found = examination.examine(recipe, overrides or ())
    print(json.dumps(found.data, indent=1, ensure_ascii=False) if as_json else found.text)
    return found.exit_code
