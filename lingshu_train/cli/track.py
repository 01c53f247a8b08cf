"""The verb that gives a tracker what a run left. Parses, calls, prints; decides nothing."""

from __future__ import annotations

from typing import Annotated

import typer
import yaml
from pydantic import JsonValue, TypeAdapter

from lingshu_train.cli._help import CardFolders, RunFolder, examples
from lingshu_train.cli._say import say
from lingshu_train.documents import yaml_value
from lingshu_train.errors import UsageError

app = typer.Typer()


@app.command(
    "track",
    epilog=examples(
        "lingshu track runs/quickstart --tracker tensorboard",
        "lingshu track runs/quickstart --tracker wandb --param project=mine --param mode=offline",
    ),
)
def track(
    folder: RunFolder,
    tracker: Annotated[
        str, typer.Option("--tracker", metavar="NAME", help="A file of trackers/, such as tensorboard.")
    ],
    params: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="KEY=VALUE",
            help="One of its params; may be given again. Without any, as the recipe chose it.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        bool,
        typer.Option(
            "--samples",
            help="Also pictures, prompts and answers, where every card allows it.",
            show_default=False,
        ),
    ] = False,
    card_folders: CardFolders = None,
) -> int:
    """Give a tracker what a run left, from the first line."""
    from lingshu_train.running import sending
    from lingshu_train.trackers._choice import Chosen

    given = dict(_pair(param) for param in params or ())
    chosen = Chosen(name=tracker, params=given, samples=samples, wait_s=sending.PATIENCE_S)
    recorded = not given and not samples
    for line in sending.send(folder, chosen, recorded=recorded, say=say):
        print(line)
    return 0


def _pair(param: str) -> tuple[str, JsonValue]:
    key, given, value = param.partition("=")
    if not given:
        raise UsageError(f"{param}: a param is key=value")
    try:
        return key, TypeAdapter(JsonValue).validate_python(yaml_value(value))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(
            f"{param}: the value cannot be read as YAML; text with signs goes in quotes"
        ) from None
