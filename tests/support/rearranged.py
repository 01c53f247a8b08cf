"""A data folder as another archive, mirror or version would have it: the same rows and pictures under other names."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Change = Callable[[Path], bool]
"""Changes a data folder in place; whether there was anything to change."""
SPELT = {
    "question": "Question",
    "answer": "ANSWER",
    "img_name": "image_path",
    "image": "img_path",
    "caption": "Caption",
}


def wrapped(folder: Path) -> bool:
    """In one more folder, as an archive that was made of a folder unpacks."""
    inside = [*folder.iterdir()]
    (wrapper := folder / "SET-main").mkdir()
    for path in inside:
        shutil.move(path, wrapper / path.name)
    return True


def as_lines(folder: Path) -> bool:
    """Arrays of JSON as JSON Lines."""
    found = [path for path in sorted(folder.rglob("*.json")) if path.read_text().lstrip().startswith("[")]
    for path in found:
        rows = json.loads(path.read_text(encoding="utf-8"))
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.with_suffix(".jsonl").write_text(text, encoding="utf-8")
        path.unlink()
    return bool(found)


def as_array(folder: Path) -> bool:
    """JSON Lines as an array."""
    found = sorted(folder.rglob("*.jsonl"))
    for path in found:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        path.with_suffix(".json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        path.unlink()
    return bool(found)


def misnamed(folder: Path) -> bool:
    """Arrays in files that are called .jsonl, and lines in files that are called .json."""
    arrays = [path for path in sorted(folder.rglob("*.json")) if path.read_text().lstrip().startswith("[")]
    lines = sorted(folder.rglob("*.jsonl"))
    for path in arrays:
        path.rename(path.with_suffix(".jsonl"))
    for path in lines:
        path.rename(path.with_suffix(".json"))
    return bool(arrays or lines)


def sharded(folder: Path) -> bool:
    """Parquet in other shards: of each file two."""
    found = [path for path in sorted(folder.rglob("*.parquet")) if "-of-" in path.name]
    for path in found:
        table, name = pq.read_table(path), path.name.rpartition("-of-")[0].rpartition("-")[0]
        half = (len(table) + 1) // 2
        path.unlink()
        for number in range(2):
            pq.write_table(
                table.slice(number * half, half), path.with_name(f"{name}-{number:05}-of-00002.parquet")
            )
    return bool(found)


def in_one_piece(folder: Path) -> bool:
    """Parquet of one shard without its number."""
    found = sorted(folder.rglob("*-00000-of-00001.parquet"))
    for path in found:
        path.rename(path.with_name(path.name.replace("-00000-of-00001", "")))
    return bool(found)


def doubled(folder: Path) -> bool:
    """Each folder in another one of its name, as `unzip images.zip -d images` leaves it."""
    found = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    for path in found:
        moved = path.rename(path.with_name("moving"))
        path.mkdir()
        moved.rename(path / path.name)
    return bool(found)


def respelt(folder: Path) -> bool:
    """Keys in another spelling."""
    changed = False
    for path in sorted(folder.rglob("*")):
        read = _READERS.get(path.suffix)
        if read and path.is_file():
            changed = read(path) or changed
    return changed


def _key(key: str) -> str:
    return SPELT.get(key, key)


def _rows(rows: list[dict[str, object]]) -> tuple[list[dict[str, object]], bool]:
    changed = [{_key(key): value for key, value in row.items()} for row in rows]
    return changed, changed != rows


def _json(path: Path) -> bool:
    rows = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return False
    rows, changed = _rows(rows)
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return changed


def _jsonl(path: Path) -> bool:
    rows, changed = _rows([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return changed


def _csv(path: Path) -> bool:
    head, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (names,) = csv.reader([head])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_key(name) for name in names])
    path.write_text(out.getvalue() + "".join(lines), encoding="utf-8")
    return [_key(name) for name in names] != names


def _parquet(path: Path) -> bool:
    table: pa.Table = pq.read_table(path)
    names = [_key(name) for name in table.column_names]
    pq.write_table(table.rename_columns(names), path)
    return names != table.column_names


_READERS: dict[str, Change] = {".json": _json, ".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
CHANGES: dict[str, Change] = {
    "wrapped": wrapped,
    "as lines": as_lines,
    "as an array": as_array,
    "misnamed": misnamed,
    "sharded": sharded,
    "in one piece": in_one_piece,
    "doubled": doubled,
    "respelt": respelt,
}
