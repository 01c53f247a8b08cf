"""Verbs about what crosses between machines: push, adopt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import CardFolders, PasswordEnv, RunFolder, examples
from lingshu_train.cli._say import say
from lingshu_train.errors import UsageError

app = typer.Typer()
NOT_SENT = "dry run: nothing was sent; add --yes to send it"


@app.command(
    "push",
    epilog=examples(
        "lingshu push runs/quickstart export me/tiny",
        "lingshu push runs/quickstart export me/tiny --private --yes",
        "lingshu push runs/quickstart export me/tiny --sign-key key.pem --yes",
        "lingshu push runs/quickstart data me/tiny-rows",
    ),
)
def push_model(  # noqa: PLR0913 (each is an option of the verb)
    folder: RunFolder,
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="Name of an export stage, or of one that leaves a corpus.")
    ],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="Repository on the Hugging Face Hub.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Really upload.", show_default=False)] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Let nobody else see it.", show_default=False)
    ] = False,
    sign_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sign it first, with this private key (PEM).",
            show_default="a signature that is there goes along",
            readable=False,
        ),
    ] = None,
    password_env: PasswordEnv = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Send only what verifies with this public key (PEM).",
            show_default="any key, or none",
            readable=False,
        ),
    ] = None,
    card_folders: CardFolders = None,
) -> None:
    """Show what would go to the Hugging Face Hub; with --yes, send it.

    Of a stage that leaves a corpus its rows go, as a data set: where each data card behind them lets them be passed on.
    """
    from lingshu_train.hub import push, push_data, signature, vouching
    from lingshu_train.hub.patience import Patience

    if push_data.is_corpus(folder, stage):
        if sign_key or key:
            raise UsageError("a data set is not signed: leave out --sign-key and --key")
        rows = push_data.plan_push(folder, stage, repository, private=private)
        print(rows.text)
        print(push_data.push(rows, patience=Patience(say=say)) if yes else NOT_SENT)
        return
    plan = push.plan_push(folder, stage, repository, private=private)
    if sign_key and yes:
        plan = push.sign(plan, sign_key, password=vouching.secret(password_env))
    if key:
        print(signature.verify(plan.folder, key))
    print(plan.text)
    if yes:
        print(push.push(plan, patience=Patience(say=say)))
        return
    if sign_key:
        print(f"with --yes it is signed with {sign_key} before it is sent")
    print(NOT_SENT)


@app.command("adopt", epilog=examples("lingshu adopt runs/quickstart"))
def adopt_run(folder: RunFolder) -> int:
    """Trust the checkpoints of a run that another installation wrote.

    They are signed with your key, after their hashes have been checked. A checkpoint of DeepSpeed can run code when it is
    opened: adopt only what someone wrote whom you trust.
    """
    from lingshu_train.runs import checkpoint
    from lingshu_train.runs import run as runs

    found = runs.read(folder)
    with runs.hold(found.path):
        lines = [line for stage in found.stages for line in checkpoint.adopt(found.folder(stage))]
    for line in lines:
        print(line)
    if not lines:
        print("nothing to adopt: every checkpoint here is signed with your key, or there is none")
    return 0
