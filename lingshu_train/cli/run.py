"""Verbs that carry out a recipe or say what that would be: run, plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingshu_train import environment
from lingshu_train.cli._help import CardFolders, Overrides, Recipe, examples, named_cards
from lingshu_train.cli._say import complain, say
from lingshu_train.errors import LingshuError, MissingInput, RunAgain, UsageError

if TYPE_CHECKING:
    from lingshu_train.planning.recipe import Recipe as Chosen

app = typer.Typer()
Multirun = Annotated[
    bool,
    typer.Option(
        "--multirun",
        "-m",
        help="Several runs, one for each combination of values such as seed=0,1,2.",
        show_default=False,
    ),
]


@app.command(
    "run",
    epilog=examples(
        "lingshu run quickstart",
        "lingshu run quickstart seed=1 output=runs/seed1",
        "lingshu run mine.yaml stages.rl.steps=3",
        "lingshu run quickstart -m seed=0,1,2",
        "lingshu run quickstart +stages.shallow.epochs=1 '~stages.shallow.steps'",
    ),
)
def run_recipe(
    recipe: Recipe,
    overrides: Overrides = None,
    multirun: Multirun = False,
    card_folders: CardFolders = None,
) -> int:
    """Run a recipe, or go on with it: finished stages are skipped."""
    from lingshu_train.planning import recipe as recipes

    if multirun:
        return _sweep(recipe, overrides or ())
    _run(recipe, lambda: recipes.load(recipe, overrides or ()))
    return 0


def _run(recipe: str, load: Callable[[], Chosen], *, others: Sequence[Path] = ()) -> None:
    """One run, with its report. What one of the run folders `others` has finished already is taken from there."""
    from lingshu_train.hub import base, describing
    from lingshu_train.planning import disk, outline, outputs, plan
    from lingshu_train.report import page
    from lingshu_train.running import attend, launch, launchers, reporting
    from lingshu_train.runs import manifest, sharing
    from lingshu_train.runs import run as runs

    for name, value in launchers.joined(environment.inherited()).items():
        environment.give(name, value)
    with ExitStack() as stack:

        def planned(world_size: int | None = None) -> plan.Plan:
            chosen = load()
            made = plan.build(chosen, world_size=world_size)
            outputs.refuse_inputs(made)
            missing = outline.missing_data(made)
            if missing:
                more = (
                    f"; `lingshu plan {recipe}{named_cards()}` lists {len(missing) - 1} more"
                    if len(missing) > 1
                    else ""
                )
                raise MissingInput(f"data is missing: {missing[0]}{more}")
            output = Path(made.output)
            runs.refuse_foreign(output, made.recipe)
            # A finished stage that is damaged is told before the first stage, not after hours.
            if not all([manifest.finished(stage) for stage in made.stages]):
                base.need(chosen.model, say=say)
            disk.check(chosen, made)
            made.try_out()
            stack.enter_context(runs.hold(output))
            runs.write(output, recipe=made.recipe, stages=made.stages, plan=made.digest)
            for stage in made.stages:
                if taken := sharing.take(stage, others, describing.taken):
                    say(f"{stage.name}: finished by {taken.parent.name}, taken from there ({taken.name})")
            stack.enter_context(reporting.beside(output, say))
            return made

        if launch.several():
            made = attend.attend(lambda: planned(launch.world_size()), say)
            if made is None:
                return
        else:
            made = planned()
            launch.run(made, say)
    output = Path(made.output)
    print(page.summary_table(output))
    print(f"report: {environment.near(page.write(output))}")


@app.command(
    "plan",
    epilog=examples(
        "lingshu plan quickstart",
        "lingshu plan lingshu_7b cluster.processes=8 '~stages.rl.watch'",
        'lingshu plan adapt_lora --simulate --gpu "RTX 4090"',
        "lingshu plan lingshu_7b --simulate --gpu H100 --gpus 16",
    ),
)
def show_plan(  # noqa: PLR0913 (each is an option of the command line)
    recipe: Recipe,
    overrides: Overrides = None,
    multirun: Multirun = False,
    card_folders: CardFolders = None,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Go through one step of each training stage at its true sizes, without a GPU: memory, speed, whether it fits.",
            show_default=False,
        ),
    ] = False,
    gpu: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --simulate: the card, such as H100 or 'RTX 4090'."),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="With --simulate: how many cards; else the recipe's processes."
        ),
    ] = None,
    row_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=128,
            help="With --simulate: tokens of your longest row, where the recipe allows longer.",
        ),
    ] = None,
    mean_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="With --simulate: tokens of a usual row, for the speed."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="With --simulate: all numbers as JSON, in bytes and seconds.", show_default=False
        ),
    ] = False,
) -> None:
    """Show what a recipe would do, and take."""
    from lingshu_train.planning import outline, outputs, plan, sweep
    from lingshu_train.planning import recipe as recipes

    asked = {"gpu": gpu, "gpus": gpus, "row_tokens": row_tokens, "mean_tokens": mean_tokens}
    given = {name: value for name, value in asked.items() if value is not None}
    if not simulate and (given or as_json):
        name = next(iter(given), "json").replace("_", "-")
        raise UsageError(f"--{name}: only with --simulate")
    if simulate:
        if multirun:
            raise UsageError("--simulate: of one recipe at a time; leave -m out")
        from lingshu_train.simulation import report

        found = report.simulate(recipe, overrides or (), report.Asked.model_validate(given))
        print(found.model_dump_json(indent=2) if as_json else report.text(found))
        return
    if multirun:
        print(
            outline.several(
                [(job.chosen, plan.build(job.recipe)) for job in sweep.jobs(recipe, overrides or ())]
            )
        )
        return

    chosen = recipes.load(recipe, overrides or ())
    made = plan.build(chosen)
    outputs.refuse_inputs(made)
    print(outline.text(chosen, made))


def _sweep(recipe: str, overrides: Sequence[str]) -> int:
    """Every run of a sweep, one after another. A run that fails does not stop the others; its code is the answer."""
    from lingshu_train.comparison import side_by_side, text
    from lingshu_train.planning import sweep
    from lingshu_train.running import launchers

    launchers.refuse_several(environment.inherited(), "-m starts its runs one after another")
    wanted = sweep.jobs(recipe, overrides)
    folders = [Path(job.recipe.output) for job in wanted]
    code = 0
    for number, (job, folder) in enumerate(zip(wanted, folders, strict=True), 1):
        say(f"run {number} of {len(wanted)}: {' '.join(job.chosen) or recipe} -> {folder}")
        try:
            _run(recipe, job.load, others=[other for other in folders if other != folder])
        except LingshuError as fault:
            if fault.exit_code == RunAgain.exit_code:
                raise
            complain(fault, about=f"{folder}: ")
            code = code or fault.exit_code
    if len(folders) > 1:
        try:
            print(text.text(side_by_side.compare(folders)))
        except LingshuError as fault:
            say(f"nothing to compare: {fault}")
    return code
