"""Archives from strangers: every member is checked before anything appears under its name.

Stricter than tarfile's data filter, which allows links and cuts absolute names, and which Python has from 3.11.4 on only.
"""

from __future__ import annotations

import filecmp
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from lingshu_train.errors import CannotCreate, DataError, OutputFailed
from lingshu_train.hub.joining import joined
from lingshu_train.runs.files import failure

CHUNK = 1 << 20
"""Bytes written at once: enough that Python costs nothing, few enough that a bomb is stopped long before a disk is full."""
MOST_FILES = 5_000_000
"""Three times the pictures of the largest set that has a card; beyond, an archive is after the file system's inodes."""
RATIO = 200
FLOOR = 2**30
"""An archive may grow to RATIO times its size (text shrinks some 10 times, label masks some 100; a bomb comes near the
1,032 times of deflate), and a small one to FLOOR bytes."""

SECOND = ".second"
"""A member under a name that an earlier one has, until the two are compared; no member is called so, since hidden files stay
out."""
_TORN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A regular file of an archive; `open` gives its bytes, to be read before the next member is asked for."""

    name: str
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, into: Path | None = None, *, flat: bool = False, parts: Sequence[Path] = ()) -> int:
    """Unpack a zip, a tar or a single gzipped file; returns how many files came out. `into`: the folder; None: beside it.
    `parts`: the files that hold the archive, where it was cut.

    `flat` leaves the members' own folders out. A member outside the folder, a link, a device, a password, a bomb, two members
    that would share a name with other bytes, or a torn archive: DataError, and nothing of the archive appears. The same where
    another file lies under a member's name: CannotCreate. Hidden files (also what macOS adds) are left out.
    """
    beside = archive.with_name(f".unpacking-{archive.name}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        _extract(archive, beside, flat=flat, parts=parts or (archive,))
        return _move(archive, beside, into or archive.parent)
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


def _extract(archive: Path, folder: Path, *, flat: bool, parts: Sequence[Path]) -> None:
    names: dict[str, str] = {}
    limit, came, files = max(FLOOR, RATIO * sum(one.stat().st_size for one in parts)), 0, 0
    free = shutil.disk_usage(folder).free
    with joined(parts) as stream, _members(archive, stream) as members:
        for member in members:
            place = _place(archive, member.name)
            if place is None:
                continue
            files += 1
            target = folder / (place.name if flat else place)
            again = flat and target.exists()
            if again:
                target = folder / SECOND
            elif flat:
                names[place.name] = member.name
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
            if again and not filecmp.cmp(target, folder / place.name, shallow=False):
                other = names[place.name]
                raise _refused(archive, member.name, f"would have the name of {other!r} and has other bytes")
    (folder / SECOND).unlink(missing_ok=True)


def _move(archive: Path, source: Path, target: Path) -> int:
    """Give every file its final name. Each move is a rename on the same disk. What lies there already is written over by none:
    CannotCreate before the first move."""
    found = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    for name in found:
        place = target / name
        if place.exists() and not (place.is_file() and filecmp.cmp(place, source / name, shallow=False)):
            raise CannotCreate(
                f"{archive}: holds {name}, and another {place} lies there already; nothing was unpacked. Move that file "
                "away, or give the archive a folder of its own with `into` in the card"
            )
    for name in found:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(place)
    return len(found)


def _place(archive: Path, name: str) -> PurePosixPath | None:
    """Where a member goes; None for hidden files."""
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or "\0" in name or ":" in (place.parts or ("",))[0]:
        raise _refused(archive, name, "leads out of the folder")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return None if hidden or not place.parts else place


def _gunzipped(stream: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))


@contextmanager
def _members(archive: Path, stream: IO[bytes]) -> Iterator[Iterator[Member]]:
    if archive.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        with tarfile.open(fileobj=stream) as opened:
            yield _tar(archive, opened)
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(stream) as packed:
            yield _zip(archive, packed)
    elif archive.suffix == ".gz":
        yield iter([Member(name=archive.stem, open=lambda: _gunzipped(stream))])
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
