"""What a stranger's file or folder is: a table with its columns and first rows, or folders of pictures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lingshu_train.data.adding import names, writing
from lingshu_train.data.adding.writing import Writing
from lingshu_train.data.rows import published
from lingshu_train.errors import DataError, MissingInput, UsageError

ROWS = 2_000
"""Rows of a table from which its columns are understood."""
TEXT = (".csv", ".tsv")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm", ".dicom")
"""What names of pictures end in. DICOM files often end in nothing, and are known by their bytes."""
VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
_BESIDE = frozenset(("dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json"))
"""What `datasets` writes beside its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Files of rows by split ("" where there is one file, or the files do not say). `rows` are the first, as they stand."""

    files: Mapping[str, tuple[Path, ...]]
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, object], ...]
    writing: Writing | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for paths in self.files.values() for path in paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """A folder whose pictures lie in a folder per class: class -> its pictures, by split ("" where there is none)."""

    root: Path
    splits: Mapping[str, Mapping[str, tuple[Path, ...]]]


Row = Mapping[str, object]
Found = Table | Classes


def look(path: Path, *, encoding: str = "", delimiter: str = "") -> Found:
    """What `path` is. MissingInput: nothing is there. DataError: it is none of what can be added, and why."""
    if not path.exists():
        raise MissingInput(f"{path}: no such file or folder")
    if path.is_file():
        return _table({"": (path,)}, encoding=encoding, delimiter=delimiter)
    tables = _tables(path)
    if tables:
        return _table(_by_split(path, tables), encoding=encoding, delimiter=delimiter)
    if encoding or delimiter:
        raise UsageError(
            f"{path}: --encoding and --delimiter are for text tables, and this folder holds none"
        )
    return _classes(path)


def picture_files(folder: Path) -> list[Path]:
    """The pictures in a folder and below, by name. A file whose name ends in nothing is one where it begins as DICOM does."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return [
        path for path in found if path.suffix.lower() in PICTURES or (not path.suffix and _is_dicom(path))
    ]


def _tables(folder: Path) -> list[Path]:
    """Tables in the folder, or else one folder deeper, where hub and `datasets` keep them; never among the pictures."""
    for pattern in ("*", "*/*"):
        found = [
            path
            for path in sorted(folder.glob(pattern))
            if path.is_file() and path.suffix.lower() in published.SUFFIXES and path.name not in _BESIDE
        ]
        if found:
            return found
    return []


def _by_split(folder: Path, tables: Sequence[Path]) -> Mapping[str, tuple[Path, ...]]:
    """Each table under the split that its name or its folder names. DataError: several tables, and nothing tells them apart."""
    if len(tables) == 1:
        return {"": tuple(tables)}
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in tables:
        found[_split_of(path, folder)].append(path)
    shards = len({path.suffix for path in tables}) == 1 and tables[0].suffix in (".parquet", ".arrow")
    if ("" in found and not (shards and len(found) == 1)) or any(
        len(paths) > 1 and paths[0].suffix not in (".parquet", ".arrow") for paths in found.values()
    ):
        shown = ", ".join(path.relative_to(folder).as_posix() for path in tables[:5])
        raise DataError(f"{folder}: holds {len(tables)} tables ({shown}); name the one to add")
    return {split: tuple(paths) for split, paths in found.items()}


def _split_of(path: Path, folder: Path) -> str:
    """What a path calls its split: `train-00000-of-00002.parquet`, `my_train.csv`, `validation/data-00000-of-00001.arrow`."""
    for part in reversed(path.relative_to(folder).with_suffix("").parts):
        for word in names.spelt(part).split():
            if word in names.SPLITS:
                return names.SPLITS[word]
    return ""


def _table(files: Mapping[str, tuple[Path, ...]], *, encoding: str = "", delimiter: str = "") -> Table:
    paths = [path for each in files.values() for path in each]
    suffixes = {path.suffix.lower() for path in paths}
    if len(suffixes) > 1 or not suffixes <= set(published.SUFFIXES):
        raise DataError(
            f"{paths[0]}: cannot read {' and '.join(sorted(suffixes)) or 'a file without suffix'}; a table's name ends in "
            f"{', '.join(published.SUFFIXES)}, and a folder holds a table or a folder of pictures per class"
        )
    text = suffixes <= set(TEXT)
    if (encoding or delimiter) and not text:
        raise UsageError(f"{paths[0]}: --encoding and --delimiter are for .csv and .tsv")
    written = writing.of(paths[0], encoding=encoding, delimiter=delimiter) if text else None
    if not text and not any(path.stat().st_size for path in paths):
        raise DataError(f"{paths[0]}: the file is empty")
    rows, fault = _rows(paths, written)
    if not rows:
        raise DataError(fault or f"{paths[0]}: has no row")
    columns = tuple(dict.fromkeys(name for row in rows[:50] for name in row))
    return Table(files=files, columns=columns, rows=rows, writing=written)


def _rows(paths: Sequence[Path], written: Writing | None) -> tuple[tuple[Mapping[str, object], ...], str]:
    """The first rows of each file, as the reader of prepare reads them, and what is wrong with the first bad one."""
    dialect = published.Dialect(
        delimiter=written.delimiter if written else "",
        encoding=written.encoding if written else "",
        names=True,
    )
    rows: list[Mapping[str, object]] = []
    fault = ""
    for path in paths:
        for line in islice(published.read(path.parent, _literal(path.name), dialect), ROWS):
            if line.fault:
                fault = fault or f"{line.where}: {line.fault}"
            else:
                rows.append(line.values)
    return tuple(rows), fault


def pattern(paths: Sequence[Path], root: Path) -> str:
    """What a card says of these files and of no others. DataError: nothing does."""
    names = [_literal(path.absolute().relative_to(root).as_posix()) for path in paths]
    if len(names) == 1:
        return names[0]
    if any("," in name for name in names):
        raise DataError(
            f"{paths[0]}: a name with a comma cannot stand beside others in a card; rename the file"
        )
    return "{" + ",".join(names) + "}"


def _literal(name: str) -> str:
    """A file's name as a pattern that matches it alone. DataError: there is no such pattern."""
    if "{" in name or "}" in name:
        raise DataError(f"{name}: a name with braces cannot stand in a card; rename the file")
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _classes(folder: Path) -> Classes:
    """Pictures by the folder they lie in. DataError: there are none, or no folders that could be classes."""
    pictures = picture_files(folder)
    if not pictures:
        _refuse_empty(folder)
    splits: defaultdict[str, defaultdict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in pictures:
        parts = path.relative_to(folder).parts[:-1]
        split = names.SPLITS.get(names.spelt(parts[0]), "") if parts else ""
        inner = parts[1:] if split else parts
        splits[split][inner[0] if inner else ""].append(path)
    loose = [path for found in splits.values() for path in found.get("", [])]
    classes = {label for found in splits.values() for label in found}
    if loose or len(classes) < 2:
        where = (
            f"{loose[0].relative_to(folder)} lies in none"
            if loose
            else f"there is one, {next(iter(classes))!r}"
        )
        raise DataError(
            f"{folder}: {len(pictures):,} pictures and no labels: put a table with a column of their names here, or the "
            f"pictures into a folder per class ({where})"
        )
    _refuse_mixed(folder, splits)
    return Classes(
        root=folder,
        splits={
            split: {label: tuple(paths) for label, paths in found.items()} for split, found in splits.items()
        },
    )


def _refuse_empty(folder: Path) -> None:
    files = [path for path in islice(folder.rglob("*"), 10_000) if path.is_file()]
    kinds = Counter("".join(path.suffixes[-2:]) or "no suffix" for path in files)
    if any(path.name.lower().endswith(VOLUMES) for path in files):
        raise DataError(
            f"{folder}: holds volumes, of which a card must say slices; write it by hand (docs/data.md), or save slices"
        )
    shown = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(3))
    raise DataError(f"{folder}: holds no table and no picture ({shown or 'it is empty'})")


def _refuse_mixed(folder: Path, splits: Mapping[str, object]) -> None:
    if "" in splits and len(splits) > 1:
        named = ", ".join(sorted(split for split in splits if split))
        raise DataError(f"{folder}: some pictures lie in folders of splits ({named}) and others do not")


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"
