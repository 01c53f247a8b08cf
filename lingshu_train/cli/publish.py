"""Verbs that send something away: push."""

from __future__ import annotations

from typing import Annotated

import typer

from lingshu_train.cli._help import CardFolders, RunFolder, examples
from lingshu_train.cli._say import say

app = typer.Typer()


@app.command(
    "push",
    epilog=examples(
        "lingshu push runs/quickstart export me/tiny",
        "lingshu push runs/quickstart export me/tiny --private --yes",
    ),
)
def push_model(
    folder: RunFolder,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="Name of an export stage.")],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="Repository on the Hugging Face Hub.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Really upload.", show_default=False)] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Let nobody else see it.", show_default=False)
    ] = False,
    card_folders: CardFolders = None,
) -> None:
    """Show what would go to the Hugging Face Hub; with --yes, send it."""
    from lingshu_train.hub import push
    from lingshu_train.hub.patience import Patience

    plan = push.plan_push(folder, stage, repository, private=private)
    print(plan.text)
    if yes:
        print(push.push(plan, patience=Patience(say=say)))
    else:
        print("dry run: nothing was sent; add --yes to send it")
