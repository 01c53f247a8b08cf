"""Trackio's database on this machine, `trackers/trackio` below the run's folder. `trackio sync` publishes it."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from pydantic import Field

from lingshu_train.errors import OutputFailed
from lingshu_train.schema import Strict
from lingshu_train.trackers._tracker import LedgerLine, Told, Tracker, Variables

if TYPE_CHECKING:
    from trackio import Table
    from trackio.run import Run

PACKAGE = "trackio"
_COLUMNS = ["question", "answer", "completion", "status", "reward", "image"]


class Params(Strict):
    """Where runs go."""

    project: str = Field(default="lingshu-train", min_length=1)
    """Project that the runs belong to."""
    folder: str = ""
    """Folder of the database; empty: the run's own. One folder for several runs shows them beside each other."""


def environment(params: Params, folder: Path) -> Variables:
    """Where the database lies; and nothing that the user's shell says of a server, a space or a message leads it away."""
    place = Path(params.folder).expanduser() if params.folder else folder / "trackio"
    away = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_BUCKET_ID", "TRACKIO_WEBHOOK_URL")
    # One process writes at a time, so that a network folder needs no other way of storing.
    here: dict[str, str | None] = {
        "TRACKIO_DIR": str(place.absolute()),
        "TRACKIO_STORAGE_MODE": "sqlite",
        "HF_HUB_OFFLINE": "1",
    }
    return here | dict.fromkeys(away)


def start(params: Params, told: Told) -> Tracker:
    """The run under its id as its name. Rows and pictures from before go, since the ledger gives them again."""
    import trackio
    from trackio.media import get_project_media_path

    try:
        old = [run for run in trackio.Api().runs(params.project) if run.name == told.id]
    except ValueError:
        old = []  # no such project yet
    for run in old:
        run.delete()
    shutil.rmtree(get_project_media_path(params.project, told.id))
    opened = trackio.init(
        project=params.project,
        name=told.id,
        group=told.group,
        config=dict(told.config),
        embed=False,
        auto_log_cpu=False,
        auto_log_gpu=False,
    )
    return History(opened, project=params.project, run_name=told.id)


class History:
    """One row of the database a step."""

    after = 0

    def __init__(self, run: Run, *, project: str, run_name: str) -> None:
        self._run, self._project, self._name, self._logged = run, project, run_name, 0

    def log(self, line: LedgerLine) -> None:
        row: dict[str, float | Table] = {**line.values, "training_seconds": line.seconds}
        if line.shown:
            row["samples"] = _table(line)
        self._run.log(row, step=line.step)
        self._logged += 1

    def close(self, *, done: bool) -> None:
        """OutputFailed (74) where the database has not all of it: trackio itself goes on without what it could not write."""
        from trackio.sqlite_storage import SQLiteStorage

        self._run.finish()  # type: ignore[no-untyped-call]
        kept = len(SQLiteStorage.get_logs(self._project, self._name))
        if kept < self._logged:
            raise OutputFailed(f"trackio has kept {kept} of {self._logged} steps; is its disk full?")


def _table(line: LedgerLine) -> Table:
    import trackio

    rows = []
    for shown in line.shown:
        image = trackio.Image(Image.open(BytesIO(shown.image))) if shown.image else None
        rows.append([shown.question, shown.answer, shown.completion, shown.status, shown.reward, image])
    return trackio.Table(columns=_COLUMNS, data=rows)
