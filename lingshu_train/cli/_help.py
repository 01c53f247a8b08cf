"""How verbs describe themselves: arguments that several take, each described once, and examples."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from lingshu_train import environment
from lingshu_train.cli import _complete
from lingshu_train.errors import UsageError

Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Name of a recipe, such as quickstart or lingshu_7b, or path of your own YAML file.",
        autocompletion=_complete.recipes,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Settings instead of the recipe's: key=value changes one, +key=value adds one, ~key takes one away.",
    ),
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run, such as runs/quickstart.", readable=False)
]
CardName = Annotated[
    str, typer.Argument(metavar="CARD", help="Name of a data card.", autocompletion=_complete.cards)
]
CardNames = Annotated[
    list[str],
    typer.Argument(metavar="CARD", help="Names of data cards.", autocompletion=_complete.cards),
]
CardOrRecipeNames = Annotated[
    list[str],
    typer.Argument(
        metavar="CARD",
        help="Names of data cards, or of recipes for all their cards.",
        autocompletion=_complete.cards_and_recipes,
    ),
]
DataRoot = Annotated[
    Path, typer.Option("--data-root", metavar="FOLDER", help="Where the data lies.", readable=False)
]
DATA = Path("data")


def _look_in(folders: list[Path] | None) -> list[Path] | None:
    for folder in folders or ():
        if os.pathsep in str(folder.absolute()):
            raise UsageError(
                f"--cards {folder}: no folder with {os.pathsep!r} in its path can be named, since that sign parts folders; "
                "give it another name, or a link without"
            )
    environment.add_cards(folders or ())
    return folders


def named_cards() -> str:
    """The folders of cards that were named, as a command that is advised must name them again."""
    return "".join(f" --cards {shlex.quote(str(environment.near(folder)))}" for folder in environment.cards())


CardFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--cards",
        metavar="FOLDER",
        help="A folder of data cards of your own; may be given again.",
        show_default="data_cards, where it is here",
        callback=_look_in,
        readable=False,
    ),
]
"""Beside the shipped cards. The search path is set as the command line is read, also for processes that are started."""


def examples(*lines: str) -> str:
    """The end of a verb's help: commands that can be typed as they stand."""
    # \b keeps the lines apart where typer would fill a paragraph.
    return "\n".join(["\b", "For example:", *(f"  {line}" for line in lines)])


PasswordEnv = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The variable that holds the password of the key.", show_default="none"
    ),
]
FamilyName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Family of the model.", show_default="the default of recipes"),
]
MinPixels = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Fewest pixels the model takes.", show_default="the family's"),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Most pixels the model takes.", show_default="the family's"),
]
LeastSide = Annotated[int, typer.Option(metavar="N", min=1, help="Refuse pictures with a smaller side.")]
MostRefused = Annotated[
    float,
    typer.Option(metavar="SHARE", min=0, max=1, help="The share of a card's rows that may be refused."),
]
MOST_REFUSED = 0.01
"""As `tolerance.MOST_REFUSED` says: help shall not wait for that to be loaded."""
