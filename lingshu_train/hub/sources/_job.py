"""What every kind of source is asked to do, and what it hands back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import requests
from requests.adapters import HTTPAdapter

from lingshu_train import __version__
from lingshu_train.bars import bar
from lingshu_train.data.cards.fetched import FetchedFile
from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import CannotCreate, DataError, OutputFailed
from lingshu_train.hub.download import Client, Wanted
from lingshu_train.naming import file_digest

WORKERS = 8
"""Files at a time: small ones are bound by the way to the server and back; more looks like an attack to some."""
AGENT = f"lingshu-train/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What would be downloaded, as the card alone knows it. `size` in bytes, None where it is not known."""

    what: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One source of a card to fetch into `folder`. `revision`: pinned, or that of what lies there; empty: the newest.

    `kept` are files of earlier downloads that need not come again, by their paths below `folder`. `others` are files of the
    card's other sources, by their paths below the data folder. `note` is told of every file that is whole.
    """

    part: Part
    folder: Path
    revision: str
    kept: Mapping[str, FetchedFile]
    others: frozenset[str] = frozenset()
    note: Callable[[str, FetchedFile], None]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What lies in the folder now: the state of the source, and the files of this card."""

    revision: str
    files: Mapping[str, FetchedFile]


def session(agent: str = AGENT) -> requests.Session:
    """Connections that several threads share. `agent`: what the server is told that we are."""
    made = requests.Session()
    made.headers["User-Agent"] = agent
    for scheme in ("https://", "http://"):
        made.mount(scheme, HTTPAdapter(pool_maxsize=WORKERS))
    return made


def place(job: Job, name: str) -> Path:
    """Where a file of a listing goes. DataError where its name leads out of the folder or to our own records."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or path.parts[0].startswith(".lingshu"):
        raise DataError(
            f"{job.part.label}: the source lists a file {name!r}, which leads out of the data folder"
        )
    return job.folder / path


def here(job: Job, name: str) -> FetchedFile | None:
    """The file of an earlier download, where it still lies there or has been unpacked."""
    file, path = job.kept.get(name), place(job, name)
    if file is None:
        return None
    taken_out = file.unpacked and file.done(job.part.source.rule(name))
    return file if taken_out or (path.is_file() and path.stat().st_size == file.bytes) else None


def placed(job: Job, name: str, *, equal: Callable[[Path], bool]) -> FetchedFile | None:
    """The file that lies there though no download from this source put it there. CannotCreate where it is another one: it is
    not ours to write over."""
    path = place(job, name)
    if not path.exists():
        return None
    if not (path.is_file() and equal(path)):
        if job.part.within(name) in job.others:
            raise DataError(
                f"{path}: comes from another source of the card too, with other bytes; give {job.part.source.name} a "
                "folder of its own with `into`, or say with `include` what is wanted of it"
            )
        raise CannotCreate(
            f"{path}: lies there already and is not known to be the file that would be fetched; move it away, or "
            "fetch into another --data-root"
        )
    return FetchedFile(sha256=file_digest(path), bytes=path.stat().st_size)


def refuse_room(job: Job, needed: int) -> None:
    """OutputFailed where the disk has less room than the files that are still to come."""
    free = shutil.disk_usage(job.folder).free
    if needed > free:
        raise OutputFailed(
            f"{job.folder}: {job.part.label} needs {needed / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free; "
            "free space and run the same command again"
        )


def _placed(job: Job, name: str, wanted: Wanted) -> FetchedFile | None:
    known = wanted.sha256
    return placed(job, name, equal=lambda path: bool(known) and file_digest(path) == known)


def download(job: Job, client: Client, wanted: Sequence[tuple[str, Wanted]]) -> dict[str, FetchedFile]:
    """Every file, several at a time. The first fault ends it; what is whole by then is noted and stays."""
    found = {name: file for name, one in wanted if (file := here(job, name) or _placed(job, name, one))}
    missing = [(name, one) for name, one in wanted if name not in found]
    sizes = [one.size for _, one in missing]
    known = None if None in sizes else sum(size or 0 for size in sizes)
    refuse_room(job, known or 0)
    stop = threading.Event()
    patient = replace(client, patience=replace(client.patience, sleep=stop.wait))
    running: dict[Future[FetchedFile], str] = {}
    try:
        with (
            bar(title=job.part.label, unit="B", total=known, scaled=True) as progress,
            ThreadPoolExecutor(min(WORKERS, len(missing) or 1)) as pool,
        ):

            def advance(count: int) -> None:
                if stop.is_set():
                    raise KeyboardInterrupt
                progress.update(count)

            running |= {pool.submit(patient.get, one, advance): name for name, one in missing}
            try:
                for done in as_completed(running):
                    found[running[done]] = done.result()
                    job.note(running[done], done.result())
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
    finally:
        # Others may have become whole while the first fault was on its way.
        for done, name in running.items():
            if name not in found and not done.cancelled() and done.exception() is None:
                job.note(name, done.result())
    return found
