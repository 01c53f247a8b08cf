"""The rows of Parquet and Arrow files, decoded some at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lingshu_train.data.rows.line import Fault
from lingshu_train.errors import DataError

if TYPE_CHECKING:
    from pyarrow import MemoryMappedFile, RecordBatch, Schema
    from pyarrow.parquet import RowGroupMetaData

ROWS_AT_ONCE = 64
"""Rows of Parquet decoded together: a call of Arrow costs as much as decoding some of text, and they may hold pictures."""
BYTES_AT_ONCE = 2**28
"""What rows decoded together may take, were each to hold all of its row group."""


def parquet_rows(path: Path, *, names: bool) -> Iterator[tuple[int, object]]:
    """Number and values of every row, or its Fault. `names`, here and below: class labels as their names."""
    import pyarrow as arrow  # Here, because listing and planning cards must not wait for it.
    import pyarrow.parquet as parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow)
            labels = _labels(path, file.schema_arrow) if names else {}
            for group in range(file.num_row_groups):
                at_once = _at_once(file.metadata.row_group(group))
                for batch in file.iter_batches(batch_size=at_once, row_groups=[group]):
                    for values in _values(batch):
                        number += 1
                        yield number, _named(values, labels)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as fault:
        raise DataError(f"{path}:{number + 1}: not Parquet: {str(fault).splitlines()[0]}") from None


def arrow_rows(path: Path, *, names: bool) -> Iterator[tuple[int, object]]:
    """The same of an Arrow file, as a stream (which `datasets` saves) or with an index."""
    import pyarrow as arrow

    number = 0
    try:
        with arrow.memory_map(str(path)) as source:
            for batch in _batches(source):
                _check_columns(path, batch.schema)
                labels = _labels(path, batch.schema) if names else {}
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    for values in _values(batch.slice(start, ROWS_AT_ONCE)):
                        number += 1
                        yield number, _named(values, labels)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as fault:
        raise DataError(f"{path}:{number + 1}: not Arrow: {str(fault).splitlines()[0]}") from None


def _batches(source: MemoryMappedFile) -> Iterator[RecordBatch]:
    from pyarrow import ArrowInvalid, ipc

    try:
        file = ipc.open_file(source)
    except ArrowInvalid:
        source.seek(0)
        yield from ipc.open_stream(source)
    else:
        yield from (file.get_batch(place) for place in range(file.num_record_batches))


def _check_columns(path: Path, schema: Schema) -> None:
    """DataError: a column is named twice, and a row says two things."""
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: the columns {', '.join(map(repr, twice))} stand more than once")


def _labels(path: Path, schema: Schema) -> dict[str, tuple[str, ...]]:
    """Column -> the names of its class labels, which `datasets` notes in the file."""
    noted = (schema.metadata or {}).get(b"huggingface")
    if not noted:
        return {}
    try:
        features = json.loads(noted)["info"]["features"]
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise DataError(
            f"{path}: its note of features cannot be read: {type(fault).__name__}: {fault}"
        ) from None


def _named(values: object, labels: Mapping[str, tuple[str, ...]]) -> object:
    if not labels or not isinstance(values, dict):
        return values
    for column, names in labels.items():
        number = values.get(column)
        if isinstance(number, int) and not isinstance(number, bool):
            if number == -1:  # The library's sign for a label that is not known.
                values = {**values, column: None}
            elif 0 <= number < len(names):
                values = {**values, column: names[number]}
            else:
                return Fault(f"{column}: {number} is none of its {len(names)} labels")
    return values


def _at_once(group: RowGroupMetaData) -> int:
    """How many rows to decode together: fewer where one value, stored once and named by many rows, may be large.

    No column's metadata is looked at, since Arrow aborts the process where it is damaged.
    """
    return min(ROWS_AT_ONCE, max(1, BYTES_AT_ONCE // max(1, int(group.total_byte_size))))


def _values(batch: RecordBatch) -> list[object]:
    """The rows as plain values; Arrow checks neither text nor dates before they are asked for."""
    try:
        return list(batch.to_pylist())
    except (ArithmeticError, ValueError):
        return [_alone(batch.slice(place, 1)) for place in range(batch.num_rows)]


def _alone(row: RecordBatch) -> object:
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError:
        return Fault("not UTF-8")
    except (ArithmeticError, ValueError) as fault:
        return Fault(f"holds a value that cannot be read: {fault}")
