"""TensorBoard event files, `trackers/tensorboard/STAGE` below the run's folder. Nothing leaves the machine."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from lingshu_train.schema import Strict
from lingshu_train.trackers._tracker import LedgerLine, Shown, Told, Tracker, Variables

if TYPE_CHECKING:
    from pathlib import Path

    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

PACKAGE = "tensorboard"
_FILES = "events.out.tfevents.*"


class Params(Strict):
    """There is nothing to choose."""


def environment(params: Params, folder: Path) -> Variables:
    """Where TensorFlow is installed, TensorBoard loads it: quietly, and without the GPU that trains."""
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def start(params: Params, told: Told) -> Tracker:
    """A new event file from the first step. Older ones of the stage go, so that no reader sees a step twice."""
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder = told.folder / "tensorboard" / told.name
    for path in folder.glob(_FILES):
        path.unlink()
    return Events(EventFileWriter(str(folder)), began=told.began)


class Events:
    """One event a step: all its numbers, then what was kept at it."""

    after = 0

    def __init__(self, writer: EventFileWriter, *, began: float) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._writer, self._began = writer, began
        # A TensorBoard that is open meanwhile forgets what it read of the files that are gone.
        event = self._event(LedgerLine(step=0, seconds=0.0, values={}))
        event.session_log.status = SessionLog.START
        writer.add_event(event)

    def log(self, line: LedgerLine) -> None:
        event = self._event(line)
        for name, value in line.values.items():
            event.summary.value.add(tag=name, simple_value=value)
        for place, shown in enumerate(line.shown):
            _show(event, f"samples/{place}", shown)
        self._writer.add_event(event)
        self._writer.flush()

    def close(self, *, done: bool) -> None:
        self._writer.close()

    def _event(self, line: LedgerLine) -> Event:
        """Stamped with the time of training, so that waiting between an end and a resume is no gap in a curve."""
        from tensorboard.compat.proto.event_pb2 import Event

        return Event(step=line.step, wall_time=self._began + line.seconds)


def _show(event: Event, tag: str, shown: Shown) -> None:
    from tensorboard.plugins.text.summary_v2 import text_pb

    # Indented by four, Markdown shows text as it stands.
    text = "    " + shown.text.replace("\n", "\n    ")
    event.summary.value.extend(text_pb(f"{tag}/text", text).value)
    if shown.image:
        with Image.open(BytesIO(shown.image)) as image:
            value = event.summary.value.add(tag=f"{tag}/image").image
            value.width, value.height = image.size
        value.encoded_image_string = shown.image
