"""The verb that runs recorded steps again: replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import RunFolder, examples
from lingshu_train.errors import DataError

app = typer.Typer()


@app.command(
    epilog=examples(
        "lingshu replay runs/quickstart instruct --steps 81:90",
        "lingshu replay runs/mine rl --steps 12 --scratch /scratch",
    )
)
def replay(
    folder: RunFolder,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="Name of a stage that trains.")],
    steps: Annotated[str, typer.Option(metavar="A:B", help="First and last optimizer step, from 1.")],
    scratch: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to run them.", show_default="temporary", readable=False),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the scratch folder there.", show_default=False)
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            help="Relative difference that counts as none.",
            show_default="0 on a CPU and with cluster.deterministic, else 0.0001",
        ),
    ] = None,
) -> None:
    """Run steps again from a checkpoint and compare with the ledger."""
    from lingshu_train.bars import bar
    from lingshu_train.replaying import replay as replaying

    made = replaying.plan(folder, stage, steps, tolerance=tolerance)
    print(made, flush=True)
    with bar(title=f"replay {stage}", unit="step", total=made.last, done=made.begins) as progress:

        def tick(done: int) -> None:
            progress.update(max(done - progress.n, 0))

        compared = replaying.replay(made, scratch=scratch, keep=keep, tick=tick)
    print(replaying.table(compared))
    for one in compared:
        if one.differing:
            raise DataError(
                f"{made.stage.path.name}: step {one.step} is not what the ledger tells: {', '.join(one.differing)}"
            )
    print(f"equal: {len(compared):,} steps")
