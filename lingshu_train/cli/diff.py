"""The verb that finds where two runs part: diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import examples

app = typer.Typer()

DIFFERENT = 1
"""Exit code, as diff(1) has it: no fault, and not the same."""


@app.command(epilog=examples("lingshu diff runs/mine runs/theirs", "lingshu diff runs/a runs/b --json"))
def diff(
    one: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", readable=False)],
    other: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of another.", readable=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
) -> int:
    """Say what two runs differ in, and the step at which they part."""
    from lingshu_train.comparison import parting

    found = parting.parting(one, other)
    if as_json:
        print(json.dumps(parting.data(found), ensure_ascii=False, indent=2))
    else:
        print("\n".join(parting.lines(found)))
    return 0 if found.same else DIFFERENT
