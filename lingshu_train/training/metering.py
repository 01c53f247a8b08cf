"""What a step costs, by its ledger line: tokens and samples a second, padding, waits, operations, memory.

Everything is counted on the host, where batches are made; a device is asked for nothing that it would have to finish its work
for. Ranks exchange their counts once a step, with what the step exchanges anyway. docs/meters.md has the formulas.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch

from lingshu_train import dist
from lingshu_train.model.shape import Counted, Part, Shape
from lingshu_train.runs.ledger import MEMORY, Column
from lingshu_train.training import operations

COUNTS = "counts"
"""Beside the tensors of a batch, from the collator to the trainer, which takes it out: its `Counted` as a list of numbers."""


class Peaks:
    """The most memory that this process held in each phase of a step, in bytes: what torch allocated on its GPU, or, without
    one, the resident memory of the process. A phase ends where the next begins."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._of: dict[str, int] = {}
        self._phase = ""
        self._resets = device.type == "cuda" or _forget_resident()

    def enter(self, phase: str) -> str:
        """Begin a phase; the one before, to be entered again by whoever interrupts it."""
        before = self._phase
        self._close()
        self._phase = phase
        return before

    def take(self) -> dict[str, int]:
        """The peaks since they were last taken."""
        self._close()
        found, self._of = self._of, {}
        return found

    def _close(self) -> None:
        # Where the kernel does not forget a peak, those of a step cannot be told apart.
        name = self._phase if self._resets else "process"
        if self._phase:
            self._of[name] = max(self._of.get(name, 0), self._now())
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._resets:
            _forget_resident()

    def _now(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        return _resident()


@dataclass
class Meter:
    """Counts what this rank does between two ledger lines.

    `shape`, `trains` and `adapters` say how many operations a step has; `peak` is what a process's GPU can do in a second, 0
    where that is not known. Phases of memory: `loading` a step's batches, `passes` forward and backward, `update` (with
    DeepSpeed a part of the passes), `saving` a checkpoint, and whatever a trainer enters beside.
    """

    shape: Shape
    trains: Sequence[Part]
    adapters: Sequence[Part]
    device: torch.device
    peak: float = 0.0
    peaks: Peaks = field(init=False)
    _counted: Counted = field(default_factory=Counted)
    _waited: float = 0.0
    _saved: float = 0.0

    def __post_init__(self) -> None:
        self.peaks = Peaks(self.device)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Around what waits for a step's batches."""
        self.peaks.enter("loading")
        began = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - began
            self.peaks.enter("passes")

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Around what a checkpoint holds a step up for."""
        self.peaks.enter("saving")
        began = time.monotonic()
        try:
            yield
        finally:
            self._saved += time.monotonic() - began

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Around a part of the passes whose memory is told by itself."""
        before = self.peaks.enter(name)
        try:
            yield
        finally:
            self.peaks.enter(before)

    def count(self, batches: Sequence[object], *, left_out: bool = False) -> int:
        """Take the counts out of a step's batches. Tokens that this rank has of the step, none of one that is left out."""
        # GRPO's loader gives rows as they are, and TRL makes the batches.
        taken = [batch.pop(COUNTS, None) for batch in batches if isinstance(batch, dict)]
        found = [Counted(*each) for each in taken if each is not None]
        if left_out:
            return 0
        for each in found:
            self._counted += each
        return sum(each.tokens for each in found)

    def columns(self, seconds: float) -> dict[str, Column]:
        """Of all ranks, since the last line; call on every one. Sums of counts; the longest wait; the most memory."""
        mine = (self._counted, self._waited, self._saved, self.peaks.take())
        ranks = dist.gather(mine)
        self._counted, self._waited, self._saved = Counted(), 0.0, 0.0
        total = sum((counted for counted, *_ in ranks), Counted())
        found: dict[str, Column] = {
            "data_wait": round(max(waited for _, waited, _, _ in ranks), 4),
            "save_seconds": round(max(saved for _, _, saved, _ in ranks), 4),
        }
        for phase in sorted({name for *_, peaks in ranks for name in peaks}):
            found[f"{MEMORY}{phase}"] = round(max(peaks.get(phase, 0) for *_, peaks in ranks) / 2**30, 3)
        return found | (self._speeds(total, seconds, len(ranks)) if total.tokens else {})

    def _speeds(self, total: Counted, seconds: float, ranks: int) -> dict[str, Column]:
        seconds = max(seconds, 1e-9)
        found: dict[str, Column] = {
            "samples_per_second": round(total.samples / seconds, 3),
            "text_tokens_per_second": round((total.tokens - total.image_tokens) / seconds, 1),
            "image_tokens_per_second": round(total.image_tokens / seconds, 1),
            "padding": round(1 - total.tokens / total.places, 4),
        }
        worked = operations.of_step(self.shape.operations(total), self.trains, self.adapters)
        if worked:
            rate = worked / seconds / ranks
            found["tflops"] = float(f"{rate / 1e12:.4g}")
            if self.peak:
                found["mfu"] = float(f"{rate / self.peak:.4g}")
        return found


def of_batch(
    lengths: Sequence[int], taught: Sequence[int], *, image_tokens: int, places: int, patches: Sequence[int]
) -> list[int]:
    """A batch's `COUNTS`: tokens of each sample, how many of them are taught, those of pictures, the places that the batch
    has for tokens (padding included), and the patches of each picture."""
    one = Counted(
        samples=len(lengths),
        tokens=sum(lengths),
        image_tokens=image_tokens,
        places=places,
        taught=sum(taught),
        squares=sum(length * length for length in lengths),
        patches=sum(patches),
        patch_squares=sum(each * each for each in patches),
    )
    return [getattr(one, each.name) for each in fields(Counted)]


def shown(values: Mapping[str, Column]) -> dict[str, str]:
    """What a bar says of a step's speed."""
    found = {"tokens/s": f"{values['tokens_per_second']:.0f}"}
    mfu = values.get("mfu")
    return found | ({"MFU": f"{100 * float(mfu):.0f} %"} if mfu is not None else {})


def _resident() -> int:
    """The most bytes that the process has had in memory since the kernel was last told to forget."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_resident() -> bool:
    """Begin the peak of resident memory anew; whether the kernel lets this process (proc(5), clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True
