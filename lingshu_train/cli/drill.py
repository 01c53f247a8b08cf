"""The verb that breaks tiny runs on purpose: drill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import examples
from lingshu_train.errors import LingshuError

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu drill --quick",
        "lingshu drill --all --out /scratch/drill",
        "lingshu drill --only kill --times 200",
        "lingshu drill --only F8,F10",
    )
)
def drill(  # noqa: PLR0913 (each is an option of the command line)
    quick: Annotated[
        bool, typer.Option("--quick/--all", help="A few faults of each family, or all of them.")
    ] = True,
    only: Annotated[
        str, typer.Option(metavar="F1,kill,...", help="These faults, by number or name.", show_default="all")
    ] = "",
    times: Annotated[
        int, typer.Option(metavar="N", min=1, help="How often the faults at a random moment are done.")
    ] = 1,
    seed: Annotated[int, typer.Option(metavar="S", help="What is left to chance follows from it.")] = 0,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where: on the file system to be tried.", readable=False)
    ] = Path("drill"),
    stock: Annotated[
        bool,
        typer.Option(
            "--stock", help="Plain scripts over transformers and TRL beside ours.", show_default=False
        ),
    ] = False,
    at_once: Annotated[
        int, typer.Option(metavar="N", min=1, help="So many faults beside each other.", show_default="2")
    ] = 2,
    cold: Annotated[
        bool, typer.Option("--cold", help="Start every process anew, not forked; slower.", show_default=False)
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
) -> None:
    """Break tiny runs on purpose and see that each is handled."""
    from lingshu_train.drill import board, drilling, page
    from lingshu_train.environment import near

    wanted = drilling.Chosen(
        quick=quick,
        only=tuple(filter(None, (one.strip().casefold() for one in only.split(",")))),
        times=times,
        seed=seed,
        stock=stock,
        at_once=at_once,
    )
    if not as_json:
        print(board.HEAD, flush=True)
    made = drilling.run(
        out, wanted, cold=cold, each=lambda row: None if as_json else print(board.line(row), flush=True)
    )
    print(made.model_dump_json(indent=1) if as_json else board.closing(made, near(out / page.NAME)))
    bad = [row for row in made.rows if row.kind not in ("handled", "skipped")]
    if bad:
        raise LingshuError(
            f"{len(bad)} of {len(made.rows)} faults were not handled; {out / page.NAME} says which"
        )
