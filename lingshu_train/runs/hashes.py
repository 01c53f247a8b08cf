"""sha256 of many files at once, and a memory of those that have not changed since: `.hashes.json` beside the stages of a run.

A hash is remembered with the file's inode, its size and the times of the last change of its content and of its record (mtime
and ctime, in nanoseconds), and counts as long as all four are the same: whoever writes into a file changes them, also where the
time of its content is set back. Not remembered is a file that was touched in the two seconds before it was read, since a second
change might not show in its times. What a disk loses by itself shows in none of them: `lingshu verify` reads every byte, and so
does a stage that resumes, of its checkpoint.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, LingshuError
from lingshu_train.naming import digest, file_digest
from lingshu_train.runs.files import write_json
from lingshu_train.schema import Strict, parse

NAME = ".hashes.json"
_SETTLED_NS = 2_000_000_000
"""File systems count time in steps of up to two seconds."""
_AT_ONCE = 8
"""Files read together: one processor hashes slower than a disk reads."""


class Known(Strict):
    """A file as it was when it was hashed."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    sha256: str


class _Kept(Strict):
    files: dict[str, Known]
    digest: str


def of(paths: Iterable[Path]) -> dict[Path, str | None]:
    """The hash of each file, read now; None where there is none."""
    with ThreadPoolExecutor(_workers()) as pool:
        wanted = list(paths)
        return dict(zip(wanted, pool.map(_hash, wanted), strict=True))


class Memory:
    """The hashes known of the files of a run. `hashed` counts the bytes that had to be read, `found` those that had not."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._known = _load(run_folder / NAME)
        self.learned: dict[str, Known] = {}
        self.hashed = self.found = 0

    def of(self, paths: Iterable[Path], *, again: bool = False) -> dict[Path, str | None]:
        """The hash of each file, None where there is none; with `again`, read whatever is known of it."""
        now = _file_time(self._folder)
        with ThreadPoolExecutor(_workers()) as pool:
            wanted = list(paths)
            found = pool.map(lambda path: self._one(path, now, again=again), wanted)
            return dict(zip(wanted, found, strict=True))

    def keep(self, learned: Mapping[str, Known] | None = None) -> None:
        """Write down what was learned, with what other ranks have learned. That it cannot be written costs time only."""
        fresh = {**self.learned, **(learned or {})}
        if not fresh:
            return
        kept = {
            name: known for name, known in {**self._known, **fresh}.items() if (self._folder / name).is_file()
        }
        table = {name: known.model_dump() for name, known in sorted(kept.items())}
        with suppress(LingshuError, OSError):
            write_json(self._folder / NAME, {"files": table, "digest": digest(table)})

    def _one(self, path: Path, now: int, *, again: bool) -> str | None:
        try:
            before = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        name = os.path.relpath(path, self._folder)
        known = self._known.get(name)
        if known and not again and _same(known, before):
            self.found += before.st_size
            return known.sha256
        value = _hash(path)
        self.hashed += before.st_size
        if value and now - max(before.st_mtime_ns, before.st_ctime_ns) > _SETTLED_NS:
            learned = Known(
                inode=before.st_ino,
                size=before.st_size,
                modified_ns=before.st_mtime_ns,
                changed_ns=before.st_ctime_ns,
                sha256=value,
            )
            if _same(learned, path.stat()):
                self.learned[name] = learned
        return value


def _same(known: Known, found: os.stat_result) -> bool:
    return (known.inode, known.size, known.modified_ns, known.changed_ns) == (
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _hash(path: Path) -> str | None:
    try:
        return file_digest(path) if path.is_file() else None
    except FileNotFoundError:
        return None


def _load(path: Path) -> dict[str, Known]:
    """Nothing where the memory is lost or damaged: the files are read again."""
    try:
        kept = parse(_Kept, read_json(path), where=f"{path}:", error=DataError)
    except LingshuError:
        return {}
    whole = digest({name: known.model_dump() for name, known in kept.files.items()}) == kept.digest
    return kept.files if whole else {}


def _file_time(folder: Path) -> int:
    """Now by the clock of the folder's file system, in nanoseconds; 0, which is before all files, where none can be made."""
    probe = folder / f".time-{secrets.token_hex(6)}"
    try:
        probe.touch()
        now = probe.stat().st_mtime_ns
        probe.unlink()
    except OSError:
        return 0
    return now


def _workers() -> int:
    return min(
        _AT_ONCE, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
