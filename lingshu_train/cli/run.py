"""Verbs that carry out a recipe or say what that would be: run, plan."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from lingshu_train.cli._help import Overrides, Recipe, examples
from lingshu_train.cli._say import say
from lingshu_train.errors import MissingInput

app = typer.Typer()


@app.command(
    "run",
    epilog=examples(
        "lingshu run quickstart",
        "lingshu run quickstart seed=1 output=runs/seed1",
        "lingshu run mine.yaml stages.rl.steps=3",
        "lingshu run quickstart +stages.shallow.epochs=1 '~stages.shallow.steps'",
    ),
)
def run_recipe(recipe: Recipe, overrides: Overrides = None) -> None:
    """Run a recipe, or go on with it: finished stages are skipped."""
    from lingshu_train.hub import base
    from lingshu_train.planning import outline, outputs, plan
    from lingshu_train.planning import recipe as recipes
    from lingshu_train.report import page
    from lingshu_train.running import launch
    from lingshu_train.runs import manifest
    from lingshu_train.runs import run as runs

    with ExitStack() as stack:

        def planned(world_size: int | None = None) -> plan.Plan:
            chosen = recipes.load(recipe, overrides or ())
            made = plan.build(chosen, world_size=world_size)
            outputs.refuse_inputs(made)
            missing = outline.missing_data(made)
            if missing:
                more = f"; `lingshu plan {recipe}` lists {len(missing) - 1} more" if len(missing) > 1 else ""
                raise MissingInput(f"data is missing: {missing[0]}{more}")
            output = Path(made.output)
            runs.refuse_foreign(output, made.recipe)
            # A damaged manifest is told before the first stage, not after hours.
            if not all([manifest.done(stage.path) for stage in made.stages]):
                base.need(chosen.model, say=say)
            stack.enter_context(runs.hold(output))
            runs.write(output, recipe=made.recipe, stages=made.stages, plan=made.digest)
            return made

        if launch.under_torchrun():
            made = launch.attend(lambda: planned(launch.world_size()), say)
            if made is None:
                return
        else:
            made = planned()
            launch.run(made, say)
    output = Path(made.output)
    print(page.summary_table(output))
    print(f"report: {_near(page.write(output))}")


@app.command(
    "plan",
    epilog=examples(
        "lingshu plan quickstart", "lingshu plan lingshu_7b cluster.processes=8 '~stages.rl.watch'"
    ),
)
def show_plan(recipe: Recipe, overrides: Overrides = None) -> None:
    """Show what a recipe would do: stages, data, trained parts, state."""
    from lingshu_train.planning import outline, outputs, plan
    from lingshu_train.planning import recipe as recipes

    chosen = recipes.load(recipe, overrides or ())
    made = plan.build(chosen)
    outputs.refuse_inputs(made)
    print(outline.text(chosen, made))


def _near(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
