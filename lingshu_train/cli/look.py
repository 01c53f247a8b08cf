"""Verbs that look at what is there and change nothing but a report: status, report, score."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lingshu_train.cli._help import CardFolders, RunFolder, examples
from lingshu_train.cli._say import say
from lingshu_train.errors import DataError

app = typer.Typer()


@app.command()
def status(folder: RunFolder) -> int:
    """Say which stages of a run are done."""
    from lingshu_train.runs import manifest
    from lingshu_train.runs import run as runs

    found = runs.read(folder)
    states = [(stage, found.state(stage)) for stage in found.stages]
    for stage, state in states:
        print(f"{stage.name:<12} {stage.kind:<9} {state}")
    damaged = [stage for stage, state in states if state == "damaged"]
    if damaged:
        manifest.read(found.folder(damaged[0]))
    return 0


@app.command(
    epilog=examples("lingshu report runs/quickstart", "lingshu report runs/quickstart --watch --every 5")
)
def report(
    folder: RunFolder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it again and again until the run has ended.")
    ] = False,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How long --watch waits between two writings.")
    ] = 15,
    card_folders: CardFolders = None,
) -> int:
    """Write the run's report.html."""
    from lingshu_train.report import gather, live, page

    if watch:
        live.watch(folder, every_s=every, say=say)
    view = gather.view(folder)
    print(page.summary_table(folder))
    print(f"report: {page.put(view)}")
    for line in view.damage:
        say(f"lingshu: damaged: {line}")
    return DataError.exit_code if view.damage else 0


@app.command(
    epilog=examples(
        "lingshu score answers.jsonl --policy strict", "lingshu score answers.jsonl --out judged.jsonl"
    )
)
def score(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSONL with question, question_type, answer and response in each row.",
            readable=False,
        ),
    ],
    policy: Annotated[
        Literal["strict", "lenient"], typer.Option(help="What the verifier asks of an answer's form.")
    ] = "lenient",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the judged rows here, not to the output.", readable=False),
    ] = None,
) -> None:
    """Judge the responses of a JSONL file."""
    from lingshu_train.runs.files import refuse_input, refuse_own_output, replacing
    from lingshu_train.verify import Policy
    from lingshu_train.verify.answer_file import judge_file

    if out is None:
        refuse_own_output(file, sys.stdout)
        say(str(judge_file(file, Policy(policy), sys.stdout)))
        return
    refuse_input(out, file)
    with replacing(out) as beside, beside.open("w", encoding="utf-8") as stream:
        tally = judge_file(file, Policy(policy), stream)
    say(str(tally))
