"""Give a tracker what a run left, after the fact: the same processes as beside a stage, over ledgers that grow no more."""

from __future__ import annotations

from pathlib import Path

from lingshu_train import environment
from lingshu_train.errors import OutputFailed
from lingshu_train.running import followers
from lingshu_train.running.followers import Say
from lingshu_train.runs import manifest, results, tracked
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.trackers import _choice as choice
from lingshu_train.trackers._choice import Chosen

PATIENCE_S = 3600.0
"""A stage's end waits for less. Here a person waits, and may press Ctrl-C."""


def send(run_folder: Path, chosen: Chosen, *, recorded: bool = False, say: Say) -> list[str]:
    """Send every stage that trained or measured, begun or finished; returns one line for each.

    `recorded`: with the params and samples that the stage ran with, where it ran with this tracker. Raises CannotCreate (73)
    while the run goes on, OutputFailed (74) where the tracker does not have all of it afterwards.
    """
    choice.check([chosen])
    found = runs.read(run_folder)
    with runs.hold(found.path):
        folders = {one.name: found.folder(one) for one in found.stages if found.state(one) != "to do"}
        records = {name: stages.read(folder / "stage.json") for name, folder in folders.items()}
        for folder in folders.values():
            manifest.done(folder)  # A damaged manifest, or results, is told here and not by the tracker.
            results.read(folder)
        for name, folder in folders.items():
            with followers.beside(
                # Where it lies now: a run may have been moved or copied.
                records[name].model_copy(update={"folder": str(folder)}),
                [_as_recorded(folder, chosen) if recorded else chosen],
                cards=runs.trained_on(records, name),
                environment=environment.inherited(),
                say=say,
            ):
                pass
    sent = {name: tracked.read(folder, chosen.name) for name, folder in folders.items()}
    failed = [name for name, one in sent.items() if one and one.fault]
    if failed:
        raise OutputFailed(f"{run_folder}: tracker {chosen.name} does not have all of {', '.join(failed)}")
    return [f"{name}: {one.run}, step {one.step}" for name, one in sent.items() if one]


def _as_recorded(stage_folder: Path, chosen: Chosen) -> Chosen:
    before = {one.name: one for one in choice.read(stage_folder)}
    one = before.get(chosen.name, chosen)
    return one.model_copy(update={"wait_s": chosen.wait_s})
