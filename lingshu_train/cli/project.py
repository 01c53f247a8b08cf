"""The verb that makes a project folder: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import examples

app = typer.Typer()


@app.command(epilog=examples("lingshu init chest", "cd chest && lingshu plan first.yaml"))
def init(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Where; made if it is not there.", show_default=".", readable=False
        ),
    ] = Path(),
) -> None:
    """Make a project folder, of which git sees the recipes alone."""
    from lingshu_train.planning import project

    print(project.make(folder))
