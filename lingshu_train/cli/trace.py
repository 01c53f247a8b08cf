"""The verb that follows a sample through a run: trace."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lingshu_train.cli._help import RunFolder, examples
from lingshu_train.cli._rows import CardOf, ImageFile, PatientId, SampleId, one_of
from lingshu_train.errors import MissingInput

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu trace runs/mine --sample slake/train/12",
        "lingshu trace runs/mine --patient p10046166 --json",
        "lingshu trace runs/mine --image scan.png",
    )
)
def trace(  # noqa: PLR0913 (each is an option of the command line)
    folder: RunFolder,
    sample: SampleId = "",
    image: ImageFile = "",
    patient: PatientId = "",
    card: CardOf = "",
    every: Annotated[
        bool,
        typer.Option("--every", help="Compare every step with the ledger, not some.", show_default=False),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with all steps.", show_default=False)
    ] = False,
) -> int:
    """Say in which steps a sample was trained on, and what carries it."""
    from lingshu_train.tracing import text
    from lingshu_train.tracing.trace import trace as follow

    what, named = one_of("trace", sample=sample, image=image, patient=patient, card=card)
    found = follow(folder, what, named, every=every)
    print(json.dumps(text.data(found), ensure_ascii=False, indent=2) if as_json else text.text(found))
    return MissingInput.exit_code if found.untold else 0
