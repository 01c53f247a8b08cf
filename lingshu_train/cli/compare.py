"""The verb that puts runs side by side: compare."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import examples
from lingshu_train.errors import CannotCreate

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu compare runs/quickstart-seed=0 runs/quickstart-seed=1 runs/quickstart-seed=2",
        "lingshu compare runs/mine runs/other --model instruct --html side_by_side.html",
    )
)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Folders of runs; the others are compared with the first.", readable=False
        ),
    ],
    model: Annotated[
        str, typer.Option(metavar="STAGE", help="Only this model.", show_default="all, the last by task")
    ] = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page.", readable=False)
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a table.", readable=False)
    ] = None,
) -> int:
    """Put runs side by side: results, and what else differs."""
    from lingshu_train.comparison import page, side_by_side, text
    from lingshu_train.runs.files import write_text

    for out in (html, table):
        _outside(out, runs)
    found = side_by_side.compare(runs, model=model)
    print(text.text(found))
    if html:
        write_text(html, page.page(found))
    if table:
        write_text(table, text.table(found))
    return found.exit_code


def _outside(out: Path | None, runs: list[Path]) -> None:
    """A run's folder holds what the run left, and nothing of it is written over."""
    for run in runs:
        if out and Path(os.path.realpath(out)).is_relative_to(os.path.realpath(run)):
            raise CannotCreate(f"{out}: lies in the run {run}, which is compared; write to another folder")
