"""Weights & Biases: offline, in `trackers/wandb` below the run's folder, or online under the user's own login."""

from __future__ import annotations

import html
import shutil
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from PIL import Image
from pydantic import Field

from lingshu_train.schema import Strict
from lingshu_train.trackers._tracker import LedgerLine, Shown, Told, Tracker, Variables

if TYPE_CHECKING:
    from pathlib import Path

    from wandb import Html, Run
    from wandb import Image as Picture

PACKAGE = "wandb"


class Params(Strict):
    """Where runs go."""

    project: str = Field(default="lingshu-train", min_length=1)
    """Project that the runs belong to."""
    entity: str = ""
    """Team or user; empty: the login's own."""
    mode: Literal["offline", "online"] = "offline"
    """`offline` keeps everything on this machine; `online` sends it. The login is wandb's own (`wandb login`,
    WANDB_API_KEY)."""


def environment(params: Params, folder: Path) -> Variables:
    """No error reports to others, nothing kept outside `folder`; the recipe alone says whether anything is sent."""
    kept = {
        name: str((folder / "wandb" / "own").absolute()) for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR")
    }
    return kept | {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "WANDB_MODE": params.mode}


def start(params: Params, told: Told) -> Tracker:
    """Offline the run's record is begun anew: wandb cannot go on with one, and a second replaces the first when synced.
    Online the run goes on behind its last step, since the server takes no step twice.
    """
    import wandb

    offline = params.mode == "offline"
    if offline:
        for old in (told.folder / "wandb").glob(f"offline-run-*-{told.id}"):
            shutil.rmtree(old)
    told.folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=params.project,
        entity=params.entity or None,
        id=told.id,
        name=told.name,
        group=told.group,
        config=dict(told.config),
        dir=str(told.folder),
        mode=params.mode,
        resume=None if offline else "allow",
        # Only what this file sends: no console, code, host, hardware or list of packages.
        settings=wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            save_code=False,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        ),
    )
    return History(run)


class History:
    """One row of the run's history a step."""

    def __init__(self, run: Run) -> None:
        self._run = run
        # The step the next row would have: one beyond the last there is, 0 for a new run.
        self.after = max(run.step - 1, 0)

    def log(self, line: LedgerLine) -> None:
        row: dict[str, float | Html | list[Picture]] = {**line.values, "training_seconds": line.seconds}
        if line.shown:
            # No table: wandb keeps the pictures of one outside the run's folder.
            row |= {"samples": _page(line.shown), "samples_pictures": _pictures(line.shown)}
        self._run.log(row, step=line.step)

    def close(self, *, done: bool) -> None:
        self._run.finish(exit_code=0 if done else 1)


def _page(shown: Sequence[Shown]) -> Html:
    import wandb

    return wandb.Html("<hr>".join(f"<pre>{html.escape(one.text)}</pre>" for one in shown), inject=False)


def _pictures(shown: Sequence[Shown]) -> list[Picture]:
    import wandb

    found = [(one.text, one.image) for one in shown if one.image]
    return [wandb.Image(Image.open(BytesIO(image)), caption=text) for text, image in found]
