"""Who does the jobs of a verb, read from its options as a recipe's `cluster` block says it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lingshu_train.errors import UsageError

if TYPE_CHECKING:
    from lingshu_train.runs.cluster import Cluster

ExecutorName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who does the work: local (this machine's --workers), or the --tasks of processes, slurm or ray.",
    ),
]
Tasks = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Tasks of another executor than local.", show_default="as recipes have it"
    ),
]
Asked = Annotated[
    list[str] | None,
    typer.Option(
        "--submit",
        metavar="KEY=VALUE",
        help="What tasks are asked for, as cluster.submit of a recipe has it; may be given again.",
    ),
]


def cluster(executor: str, *, workers: int, tasks: int | None, submit: Sequence[str]) -> Cluster:
    """The options as a cluster. UsageError (64): no such executor or key, or one that says nothing to `local`."""
    from lingshu_train.runs.cluster import EXECUTORS, Cluster, Submit
    from lingshu_train.schema import parse

    if executor not in EXECUTORS:
        raise UsageError(f"--executor {executor}: unknown; it is one of {', '.join(EXECUTORS)}")
    if executor == "local" and (tasks or submit):
        option = "--tasks" if tasks else "--submit"
        raise UsageError(f"{option}: --executor local has no tasks; name processes, slurm or ray")
    numbers = {key for key, field in Submit.model_fields.items() if field.annotation is int}
    parse(Submit, _asked(submit, numbers), where="--submit:", error=UsageError)
    told: dict[str, object] = {"tasks": tasks} if tasks else {}
    told |= {"name": "here", "workers": workers, "executor": executor, "submit": _asked(submit, numbers)}
    return parse(Cluster, told, where="--executor:", error=UsageError)


def _asked(submit: Sequence[str], numbers: Collection[str]) -> dict[str, object]:
    """`partition=cpu`, and `options.account=radiology` for further options of sbatch."""
    found: dict[str, object] = {}
    options: dict[str, str] = {}
    for one in submit:
        key, given, value = one.partition("=")
        if not given:
            raise UsageError(
                f"--submit {one}: is KEY=VALUE, such as partition=cpu or options.account=radiology"
            )
        if key.startswith("options."):
            options[key.removeprefix("options.")] = value
        else:
            found[key] = int(value) if key in numbers and value.isdecimal() else value
    return {**found, **({"options": options} if options else {})}
