"""The verb that withdraws rows from a run: forget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import RunFolder, examples
from lingshu_train.cli._rows import CardOf, ImageFile, PatientId, SampleId, one_of
from lingshu_train.cli._say import say

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu forget runs/mine --patient p10046166 --dry-run",
        "lingshu forget runs/mine --patient p10046166 --output runs/mine-2",
        "lingshu forget runs/mine --sample slake/train/12 --erase --erase-old",
    )
)
def forget(  # noqa: PLR0913 (each is an option of the command line)
    folder: RunFolder,
    sample: SampleId = "",
    image: ImageFile = "",
    patient: PatientId = "",
    card: CardOf = "",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where the new run goes.", show_default="RUN-without", readable=False
        ),
    ] = None,
    with_copies: Annotated[
        bool,
        typer.Option("--with-copies", help="Withdraw rows that hold the same, too.", show_default=False),
    ] = False,
    near: Annotated[
        bool,
        typer.Option(
            "--near", help="Look for pictures that look alike: opens every one.", show_default=False
        ),
    ] = False,
    erase: Annotated[
        bool,
        typer.Option("--erase", help="Overwrite the rows in the new run's corpora.", show_default=False),
    ] = False,
    erase_old: Annotated[
        bool,
        typer.Option("--erase-old", help="With --erase: in the old run's corpora too.", show_default=False),
    ] = False,
    name: Annotated[
        bool,
        typer.Option("--name", help="Let the certificate say whom it is about.", show_default=False),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and end.", show_default=False)
    ] = False,
) -> None:
    """Withdraw rows from a run, as if they had never counted."""
    from lingshu_train import environment
    from lingshu_train.forgetting import deciding, doing, text
    from lingshu_train.report import page
    from lingshu_train.running import launchers
    from lingshu_train.runs.files import write_text

    launchers.refuse_several(environment.inherited(), "forget starts the processes of its stages itself")
    what, named = one_of("forget", sample=sample, image=image, patient=patient, card=card)
    wish = deciding.Wish(what=what, named=named, with_copies=with_copies, near=near, clear=name)
    made = deciding.plan(folder, wish, output=output)
    print(text.plan(made), flush=True)
    if dry_run:
        return
    done, path = doing.run(made, say=say, erase=erase, erase_old=erase_old)
    told = text.certificate(done, path)
    write_text(path.with_suffix(".txt"), told + "\n")
    print(page.summary_table(made.output))
    print(f"report: {environment.near(page.write(made.output))}")
    print(f"\n{told}")
