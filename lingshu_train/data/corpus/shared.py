"""Chunks done by tasks of an executor, on any machine that sees the same folders, and taken from their files in order.

A job is some chunks that follow one another. Every task walks the publisher's files and does the jobs that are its own; a file
of which all chunks are written goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lingshu_train.data.corpus import chunks, outcomes
from lingshu_train.data.corpus.chunks import Chunk
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Outcome, Writer
from lingshu_train.documents import read_text
from lingshu_train.executors import jobs
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import write_text

CHUNKS = 32
"""Chunks of a job: 2,048 rows, so that a job is a second even of text, and a file some hundred megabytes of pictures."""
FOLDER = ".chunks-"
"""What the names of folders of jobs' files begin with, in the corpus's own."""
_TOTAL = "total"
"""Beside the jobs' files: how many chunks there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """The jobs from `first` on of the `total`, of `size` chunks each; their files lie in `folder`."""

    folder: Path
    wanted: Specification
    against: tuple[str, ...]
    first: int
    total: int
    size: int

    @property
    def title(self) -> str:
        return "chunks"

    def left(self) -> list[int]:
        there = {path.name for path in self.folder.iterdir()}
        return [number for number in range(self.first, self.total) if _name(number) not in there]

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        # A family of the user's own is on no path of a process that is not forked.
        components(FAMILIES)
        wanted, every = set(numbers), _jobs(chunks.chunks(self.wanted, self.against), self.size)
        for number, job in enumerate(islice(every, max(numbers, default=-1) + 1)):
            if number in wanted:
                made = [chunk.outcomes(self.wanted) for chunk in job]
                outcomes.write(self.folder / _name(number), made)
                yield number


def results(
    folder: Path, wanted: Specification, against: Collection[str], writer: Writer, *, cluster: Cluster
) -> Iterator[list[Outcome]]:
    """What comes of each chunk that is not written, in order, once all are done. A job's file goes when the writer
    has committed all of it; the folder stays until `remove`."""
    folder = folder.with_name(f"{folder.name}-{CHUNKS}")
    folder.mkdir(parents=True, exist_ok=True)
    total = -(-_count(folder, wanted, against) // CHUNKS)
    first = writer.done // CHUNKS
    mine = Numbered(
        folder=folder, wanted=wanted, against=tuple(sorted(against)), first=first, total=total, size=CHUNKS
    )
    jobs.run(mine, cluster, folder.parent)
    kept = first
    for number in range(first, total):
        skipped = writer.done - number * CHUNKS if number == first else 0
        yield from islice(outcomes.read(folder / _name(number)), skipped, None)
        while (kept + 1) * CHUNKS <= writer.committed:
            (folder / _name(kept)).unlink()
            kept += 1


def remove(folder: Path) -> None:
    """What jobs have left in the folder of a corpus, once it is finished: before, the writer may still need the last of it."""
    for path in folder.glob(f"{FOLDER}*"):
        shutil.rmtree(path, ignore_errors=True)


def _count(folder: Path, wanted: Specification, against: Collection[str]) -> int:
    """How many chunks there are: counted once."""
    kept = folder / _TOTAL
    if not kept.is_file():
        write_text(kept, str(sum(1 for _ in chunks.chunks(wanted, against))))
    return int(read_text(kept))


def _jobs(every: Iterator[Chunk], size: int) -> Iterator[list[Chunk]]:
    while job := list(islice(every, size)):
        yield job


def _name(number: int) -> str:
    return f"{number:07d}.arrow"
