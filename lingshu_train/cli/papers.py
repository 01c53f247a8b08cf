"""The verb that writes what a regulator or a journal asks for: papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli import _complete
from lingshu_train.cli._help import CardFolders, RunFolder, examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu papers runs/quickstart",
        "lingshu papers runs/quickstart --only training_data --format html",
        "lingshu papers runs/quickstart --only sbom --out handover",
    )
)
def papers(
    folder: RunFolder,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="This paper alone; may be given again.", autocompletion=_complete.papers
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where to write them.", show_default="RUN/papers", readable=False
        ),
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="md|html|json", help="How to write forms.")] = "md",
    card_folders: CardFolders = None,
) -> None:
    """Write papers for regulators and journals, with every gap marked.

    Each is filled from the run's manifests, corpora and data cards. What only a person can know is marked
    [TO BE WRITTEN: ...] and listed at its end. A paper that you have changed is never written over.
    """
    from lingshu_train.papers import _writing

    for written in _writing.write(folder, only=only or (), out=out, form=form):
        print(written)
