"""What a tracker has of a stage: `.trackers/NAME.json` in the stage's folder, kept by the process that follows its ledger."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.runs.files import write_json
from lingshu_train.schema import Strict, load

FOLDER = ".trackers"


class Tracked(Strict):
    """The tracker's run that belongs to a stage: the same one however often the stage is resumed.

    `run` is the tracker's id of it, `began` the Unix time at which it was first opened, `step` the last optimizer step it
    was seen to have, `fault` why it is not whole.
    """

    run: str
    began: float
    step: int = 0
    fault: str = ""


def begin(stage_folder: Path, name: str) -> Tracked:
    """The run that stands in the stage's folder, without its fault, or a new one with an id of its own.

    The id is no hash of the stage's content: the same stage in another folder is another run of the tracker.
    """
    found = read(stage_folder, name)
    if found:
        return found.model_copy(update={"fault": ""})
    return Tracked(run=f"{stage_folder.name}-{secrets.token_hex(4)}", began=time.time())


def read(stage_folder: Path, name: str) -> Tracked | None:
    """None where the tracker has not been told of this stage. DataError where the file is damaged."""
    path = stage_folder / FOLDER / f"{name}.json"
    if not there(path):
        return None
    return load(Tracked, path, otherwise="move it away: the tracker then has the stage as a new run")


def write(stage_folder: Path, name: str, tracked: Tracked) -> None:
    (stage_folder / FOLDER).mkdir(exist_ok=True)
    write_json(stage_folder / FOLDER / f"{name}.json", tracked.model_dump(mode="json"))


def faults(stage_folder: Path) -> list[str]:
    """One line for each tracker that does not have the whole stage, or of which that cannot be read."""
    lines = []
    for name in sorted(path.stem for path in (stage_folder / FOLDER).glob("*.json")):
        try:
            found = read(stage_folder, name)
        except DataError as fault:
            lines.append(f"tracker {name}: {str(fault).replace(str(stage_folder), stage_folder.name)}")
            continue
        if found and found.fault:
            lines.append(f"tracker {name}: {found.fault}")
    return lines
