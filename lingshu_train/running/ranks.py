"""The processes of one stage on this machine: started together, watched, told to stop together, and judged by how they ended.

`python -m lingshu_train.running.ranks -m lingshu_train.running.worker STAGE.json` starts as many as the stage names.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lingshu_train import dist, environment, pulse, stopping
from lingshu_train.errors import LingshuError, RunAgain
from lingshu_train.running import faults, nursery
from lingshu_train.running.watch import Watch
from lingshu_train.runs.stage import Stage, read

LOOK_S = 0.05
"""How often the processes are looked at; the most that the end of a stage is late."""
TOGETHER_S = 10.0
"""So long the others may take to end by themselves after one has failed; then they wait for nothing that comes."""
STACKS = "stacks.txt"
"""Where the stacks of a stage that stood still are written, below its folder."""
Elsewhere = Callable[[], LingshuError | None]
AGAIN = "run the same command again to go on"
OURS = range(64, 79)
"""Exit codes with which a rank has said why (errors.py)."""


def _nothing() -> None:
    """What one machine alone hears from elsewhere."""


@dataclass(frozen=True, slots=True)
class Start:
    """One process to start."""

    argv: Sequence[str]
    environment: Mapping[str, str]


@dataclass(slots=True)
class _Rank:
    number: int
    process: nursery.Started
    watch: Watch
    killed: bool = False

    @property
    def code(self) -> int | None:
        return self.process.poll()

    def end(self) -> None:
        if self.code is None:
            self.killed = True
            self.process.kill()


def carry_out(
    stage: Stage, starts: Sequence[Start], *, first: int = 0, elsewhere: Elsewhere = _nothing
) -> None:
    """Run these processes, whose ranks begin at `first`, to their end. A fault is raised as a LingshuError with one line.

    Whoever calls has to listen (stopping.py). `elsewhere` says what other machines have met, None while all is well.
    """
    with tempfile.TemporaryFile() as stacks:
        ranks: list[_Rank] = []
        try:
            for number, start in enumerate(starts, first):
                ranks.append(_start(number, start, stage, stacks))
            cause = _until_ended(ranks, stage, stacks, elsewhere)
        finally:
            for rank in ranks:
                rank.end()
                rank.process.wait()
                rank.watch.close()
    cause = cause or elsewhere() or _verdict(stage, ranks)
    if cause is not None:
        raise cause


def layout(world_size: int) -> list[dict[str, str]]:
    """The variables of each of so many processes on this machine, as torchrun sets them."""
    return [
        {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world_size),
            "LOCAL_WORLD_SIZE": str(world_size),
            # Libraries ask whether these are there. The processes meet in a file (dist.MEETING).
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "29500",
        }
        for rank in range(world_size)
    ]


def together(stage: Stage, argv: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run a stage on as many processes of this machine as it names."""
    alone = stage.world_size == 1
    (stage.path / faults.NAME).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="lingshu-") as folder:
        meeting = {
            dist.MEETING: str(Path(folder) / "meeting"),
            # One name for this start and no other, under which libraries know that somebody looks after the ranks.
            "TORCHELASTIC_RUN_ID": folder,
            "OMP_NUM_THREADS": variables.get("OMP_NUM_THREADS", "1"),
        }
        several = [{**variables, **meeting, **own} for own in layout(stage.world_size)]
        carry_out(stage, [Start(argv, own) for own in ([variables] if alone else several)])


def _start(number: int, start: Start, stage: Stage, stacks: IO[bytes]) -> _Rank:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        given = (writing, stacks.fileno())
        told = {**start.environment, pulse.VARIABLE: f"{writing},{stacks.fileno()}"}
        process = nursery.start(start.argv, told, given)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return _Rank(number, process, Watch(process.pid, reading, stage.cluster))


def _until_ended(
    ranks: Sequence[_Rank], stage: Stage, stacks: IO[bytes], elsewhere: Elsewhere
) -> LingshuError | None:
    """Wait for all; whatever else makes an end of them is the answer."""
    told: float | None = None
    failed: float | None = None
    while any(rank.code is None for rank in ranks):
        time.sleep(LOOK_S)
        now = time.monotonic()
        if told is None and stopping.asked():
            told = now
            for rank in ranks:
                with suppress(ProcessLookupError):
                    rank.process.send_signal(signal.SIGTERM)
        if told is not None and now - told > stage.cluster.grace:
            return RunAgain(
                f"told to stop, and not done with it after cluster.grace = {stage.cluster.grace:g} s, so it was killed; the "
                f"last checkpoint counts; {AGAIN}"
            )
        if failed is None and (any(rank.code for rank in ranks) or elsewhere()):
            failed = now
        if failed is not None and now - failed > TOGETHER_S:
            return None
        for rank in ranks:
            why = rank.watch.still(now) if rank.code is None and failed is None else ""
            if why:
                place = _stacks(ranks, stage, stacks)
                return RunAgain(
                    f"rank {rank.number} stands still: {why}; stacks of all ranks in {place}; {AGAIN}"
                )
    return None


def _stacks(ranks: Sequence[_Rank], stage: Stage, stacks: IO[bytes]) -> Path:
    """Ask every rank in turn for the stacks of its threads, and keep them in the stage's folder."""
    for rank in ranks:
        os.write(stacks.fileno(), f"--- rank {rank.number}, process {rank.process.pid}\n".encode())
        with suppress(ProcessLookupError):
            rank.process.send_signal(pulse.STACKS)
            # One that is stopped gets the signal when it goes on.
            rank.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
    place = stage.path / STACKS
    stacks.seek(0)
    with suppress(OSError), place.open("ab") as out:
        out.write(f"=== {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n".encode() + stacks.read())
    return place


def _verdict(stage: Stage, ranks: Sequence[_Rank]) -> LingshuError | None:
    """What the exit codes and the fault that a rank left come to. A killed rank makes the others fail too: it goes first."""
    codes = {rank.number: rank.code or 0 for rank in ranks if not rank.killed}
    if not any(codes.values()) and not any(rank.killed for rank in ranks):
        return None
    found = faults.reported(stage)
    asked = stopping.asked()
    for number, code in codes.items():
        if code < 0 or code > 128:
            sent = -code if code < 0 else code - 128
            if asked and sent in (asked, signal.SIGTERM):
                return found if found and found.exit_code == RunAgain.exit_code else _told(stage, asked)
            memory = ", as the system does when memory runs out" if sent == signal.SIGKILL else ""
            which = f"rank {number} was " if stage.world_size > 1 else ""
            return RunAgain(f"{which}killed by signal {sent}{memory}; {AGAIN}")
    again = RunAgain.exit_code
    # Whoever says what ended it ends with a code of ours. What its peers say of one that did not (70), or that raised after
    # they had said that it is gone (75), is only that they lost it.
    said = {again} if found and found.exit_code == again else OURS
    wordless = next(((n, c) for n, c in codes.items() if c and c not in said), None)
    if (
        again in codes.values()
        and (asked or not wordless)
        and (not found or (asked and found.exit_code != again))
    ):
        return _told(stage, asked)
    if found and (asked or not wordless):
        return found
    if asked and not found:
        # Ctrl-C goes to ranks too, and ends one that has not come to its first line without a word.
        return _told(stage, asked)
    number, code = wordless or next(((n, c) for n, c in codes.items() if c), (ranks[0].number, 0))
    return faults.StageFailed(f"rank {number} ended with exit code {code} and without a word", 70)


def _told(stage: Stage, asked: signal.Signals | None) -> RunAgain:
    name = f" ({asked.name})" if asked else ""
    return RunAgain(f"told to stop{name} before its next checkpoint; {AGAIN}")


def main(argv: Sequence[str]) -> int:
    """Run the stage whose stage.json is among `argv`, the arguments of a Python that carries out one rank."""
    stopping.listen()
    stage = read(Path(next(word for word in argv if word.endswith("stage.json"))))
    try:
        together(stage, [sys.executable, *argv], environment.inherited())
    except LingshuError as fault:
        faults.leave(stage, fault)
        sys.stderr.write(f"lingshu: {fault}\n")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
