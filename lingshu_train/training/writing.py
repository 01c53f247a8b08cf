"""From what the ranks put down of their state to a checkpoint: each forces to disk and hashes its own part, the first commits.

With `save_beside` they put it into the host's memory, and a thread of each rank writes it to disk while training goes on. The
threads talk in a lane of their own. A kill meanwhile leaves the checkpoint before.
"""

from __future__ import annotations

import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from lingshu_train import dist
from lingshu_train.errors import LingshuError
from lingshu_train.runs import checkpoint, snapshots
from lingshu_train.runs.files import ELSEWHERE, failure
from lingshu_train.runs.stage import Stage

_AT_ONCE, _BESIDE = 8, 2
"""Files that a rank writes together; fewer while it trains, since the processors are the steps'."""

Told = tuple[dict[str, str], LingshuError | None]
"""The digests of what a rank has written, or what kept it from that."""


class Writer:
    """Writes the checkpoints of a stage, one at a time. Every rank has one, and calls the same methods in the same order."""

    def __init__(self, stage: Stage, *, keep: int, beside: bool) -> None:
        self._stage, self._keep, self._beside = stage, keep, beside
        self._gather: Callable[[Told], list[Told]] = dist.Lane().gather if beside else dist.gather
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._step = 0
        self._near: list[int] = []
        self._mine: list[str] = []
        self.place = Path()
        # Of an earlier start that was killed.
        snapshots.drop(stage.path)

    @property
    def busy(self) -> bool:
        """Whether this rank still writes an earlier checkpoint."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether one could not be written; `settle` says why."""
        return self._fault is not None

    def begin(self, step: int, *, needed: int) -> Path:
        """The folder into which every rank puts its state, below `checkpoint-STEP`. `needed`: bytes of all of it at most."""
        self.settle()
        folder, disk = self._stage.path, checkpoint.staging(self._stage.path, step)
        needed = checkpoint.newest_bytes(folder) or needed
        seen = dist.gather((self._beside and snapshots.fits(folder, needed), snapshots.machine()))
        memory = all(fits for fits, _ in seen)
        # On a disk that machines share, what no rank has for its own is forced to it where it was written.
        where = seen[dist.place().rank if memory else 0][1]
        self._near = [rank for rank, (_, machine) in enumerate(seen) if machine == where]
        if dist.place().first:
            checkpoint.room(folder)
            shutil.rmtree(disk, ignore_errors=True)
            disk.mkdir(parents=True)
        if memory:
            snapshots.drop(folder)
        dist.barrier()
        self._step, self.place = step, snapshots.make(folder, step) if memory else disk
        return self.place

    def commit(self, optimizer_steps: int) -> None:
        """Make a checkpoint of what lies there: it is one on return, or will be where that is done beside the steps."""
        # All deal out the same files: none lists them before the last is there, nor after the first was moved.
        dist.barrier()
        self._mine = self._share()
        dist.barrier()
        if not self._beside:
            self._write(optimizer_steps)
            return
        self._thread = threading.Thread(target=self._aside, args=(optimizer_steps,), daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait for what is being written; raises what kept it from being a checkpoint, on every rank."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault

    def close(self) -> None:
        """Wait as `settle` does, and give back the memory that was used; all ranks have written by then."""
        self.settle()
        snapshots.drop(self._stage.path)

    def _aside(self, optimizer_steps: int) -> None:
        try:
            self._write(optimizer_steps)
        except BaseException as fault:  # noqa: BLE001 - whatever it is, the main thread raises it
            self._fault = fault

    def _write(self, optimizer_steps: int) -> None:
        staging = checkpoint.staging(self._stage.path, self._step)
        target = staging / f"checkpoint-{self._step}"
        told = self._agree(lambda: self._sealed(target))
        digests = {name: one for each in told for name, one in each.items()}
        self._agree(lambda: self._committed(target, digests, optimizer_steps))
        if self.place != staging:
            shutil.rmtree(self.place, ignore_errors=True)

    def _agree(self, work: Callable[[], dict[str, str]]) -> list[dict[str, str]]:
        """What each rank's work gave; where one failed, all of them fail, and nothing half written stays."""
        found: dict[str, str] = {}
        fault: LingshuError | None = None
        try:
            found = work()
        except LingshuError as raised:
            fault = raised
        except OSError as raised:
            fault = failure(checkpoint.staging(self._stage.path, self._step), raised, instead=ELSEWHERE)
        except Exception as raised:  # noqa: BLE001 - the others wait for this rank's word
            sys.stderr.write("".join(traceback.format_exception(raised)))
            fault = LingshuError(f"{type(raised).__name__}: {raised}; the lines above say where")
        told = self._gather((found, fault))
        if wrong := next((one for _, one in told if one is not None), None):
            if dist.place().first:
                shutil.rmtree(checkpoint.staging(self._stage.path, self._step), ignore_errors=True)
            raise wrong
        return [each for each, _ in told]

    def _share(self) -> list[str]:
        """The files that this rank forces to disk and hashes."""
        source = self.place / f"checkpoint-{self._step}"
        sizes = {
            path.relative_to(source).as_posix(): path.stat().st_size
            for path in source.rglob("*")
            if path.is_file()
        }
        return checkpoint.shared_out(sizes, dist.place().rank, self._near)

    def _sealed(self, target: Path) -> dict[str, str]:
        """The digests of this rank's part, on disk."""
        source, mine = self.place / f"checkpoint-{self._step}", self._mine
        return checkpoint.sealed(source, target, mine, at_once=_BESIDE if self._beside else _AT_ONCE)

    def _committed(self, target: Path, digests: dict[str, str], optimizer_steps: int) -> dict[str, str]:
        """The first rank makes it a checkpoint, and clears away what is too many."""
        if dist.place().first:
            checkpoint.commit(
                self._stage.path,
                target,
                step=self._step,
                content=self._stage.content,
                world_size=dist.place().world_size,
                divided=self._stage.cluster.division(dist.place().world_size),
                optimizer_steps=optimizer_steps,
                digests=digests,
            )
            checkpoint.prune(self._stage.path, keep=self._keep)
        return {}
