"""Opening a file, or the bytes that a row carries, so that every fault in it becomes one line that names it."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from lingshu_train.errors import DataError, MissingInput

FAULTS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What decoders raise on damaged input: they were written for whole files, and trust what the header says."""


class NoFile(MissingInput):
    """A file that a row names is not there."""


@contextmanager
def opened(
    path: Path, data: bytes, *, kind: str, faults: tuple[type[Exception], ...] = ()
) -> Iterator[BinaryIO]:
    """The file, or `data` where there are any; `path` then only names them. `faults` as for `named`."""
    with named(path, kind=kind, faults=faults), io.BytesIO(data) if data else path.open("rb") as file:
        yield file


@contextmanager
def named(path: Path, *, kind: str, faults: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """What goes wrong inside becomes one line about `path`. `faults` are the decoder's own exceptions."""
    try:
        yield
    except FileNotFoundError:
        raise NoFile(f"{path}: no such file") from None
    except FAULTS + faults as fault:
        raise DataError(f"{path}: cannot be read as {kind}: {_line(fault)}") from None


def package(name: str, purpose: Path | str) -> ModuleType:
    """An optional package, for reading a file or another purpose. MissingInput says how to get it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise MissingInput(
            f"{purpose}{': reading it' if isinstance(purpose, Path) else ''} needs the package {name.partition('.')[0]}; "
            "pip install 'lingshu-train[imaging]'"
        ) from None


def _line(fault: BaseException) -> str:
    """The message in one line without the addresses of objects, so that it is the same in every process."""
    if type(fault).__name__ == "UnidentifiedImageError":
        return "no PNG, JPEG, TIFF, BMP, GIF or WebP begins here"
    return " ".join(str(fault).split())[:300] or type(fault).__name__
