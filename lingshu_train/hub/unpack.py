"""Archives from strangers: every member is checked before anything appears under its name.

Stricter than tarfile's data filter, which allows links and cuts absolute names, and which Python has from 3.11.4 on only.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from lingshu_train.errors import DataError, OutputFailed
from lingshu_train.runs.files import failure

CHUNK = 1 << 20
"""Bytes written at once: enough that Python costs nothing, few enough that a bomb is stopped long before a disk is full."""
MOST_FILES = 5_000_000
"""Three times the pictures of the largest set that has a card; beyond, an archive is after the file system's inodes."""
RATIO = 200
FLOOR = 2**30
"""An archive may grow to RATIO times its size (text shrinks some 10 times, label masks some 100; a bomb comes near the
1,032 times of deflate), and a small one to FLOOR bytes."""

_TORN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A regular file of an archive; `open` gives its bytes, to be read before the next member is asked for."""

    name: str
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path) -> int:
    """Unpack a zip, a tar or a single gzipped file beside it; returns how many files came out.

    A member outside the folder, a link, a device, a password, a bomb or a torn archive: DataError, and nothing of the archive
    appears. Hidden files (also what macOS adds) are left out.
    """
    beside = archive.with_name(f".unpacking-{archive.name}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        _extract(archive, beside)
        return _move(beside, archive.parent)
    except OSError as fault:
        if isinstance(fault, gzip.BadGzipFile):
            raise _torn(archive, fault) from None
        raise failure(archive, fault) from None
    except _TORN as fault:
        raise _torn(archive, fault) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _torn(archive: Path, fault: Exception) -> DataError:
    return DataError(
        f"{archive}: cannot be unpacked: {' '.join(str(fault).split()) or type(fault).__name__}; "
        "move it away and get it again"
    )


def _extract(archive: Path, folder: Path) -> None:
    limit, came, files = max(FLOOR, RATIO * archive.stat().st_size), 0, 0
    free = shutil.disk_usage(folder).free
    with _members(archive) as members:
        for member in members:
            place = _place(archive, member.name)
            if place is None:
                continue
            files += 1
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            if source is None:
                raise _refused(archive, member.name, "is not a regular file")
            with source, target.open("wb") as out:
                while piece := source.read(CHUNK):
                    came += len(piece)
                    if came > limit or files > MOST_FILES:
                        raise _refused(
                            archive, member.name, "makes the archive grow beyond what is plausible"
                        )
                    if came > free:
                        raise OutputFailed(f"{archive}: disk full while unpacking; free space and run again")
                    out.write(piece)


def _move(source: Path, target: Path) -> int:
    """Give every file its final name. Each move is a rename on the same disk."""
    count = 0
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            count += 1
    return count


def _place(archive: Path, name: str) -> PurePosixPath | None:
    """Where a member goes; None for hidden files."""
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or "\0" in name or ":" in (place.parts or ("",))[0]:
        raise _refused(archive, name, "leads out of the folder")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return None if hidden or not place.parts else place


def _gunzipped(archive: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(archive, "rb"))


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    if archive.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        with tarfile.open(archive) as opened:
            yield _tar(archive, opened)
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            yield _zip(archive, packed)
    elif archive.suffix == ".gz":
        yield iter([Member(name=archive.stem, open=lambda: _gunzipped(archive))])
    else:
        raise DataError(f"{archive}: not an archive that can be unpacked (zip, tar, gz); correct `unpack`")


def _zip(archive: Path, packed: zipfile.ZipFile) -> Iterator[Member]:
    """All names are checked before the first member is handed out."""
    chosen = []
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(archive, info.filename, "is a link or a device")
        if info.flag_bits & 1:
            raise _refused(archive, info.filename, "needs a password")
        _place(archive, info.filename)
        if not info.is_dir():
            chosen.append(info)
    for info in chosen:
        yield Member(name=info.filename, open=partial(packed.open, info))


def _tar(archive: Path, opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        if info.isdir():
            _place(archive, info.name)
        elif not info.isreg():
            raise _refused(archive, info.name, "is a link or a device")
        else:
            yield Member(name=info.name, open=partial(opened.extractfile, info))


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(f"{archive}: member {name!r} {why}; nothing was unpacked")
