"""ledger.jsonl: one line per optimizer step, and nothing beyond the step the weights are at.

A ledger is bytes, and a line ends at a line feed alone: the line separators of Unicode are text, which JSON leaves as it is.
Each checkpoint carries a copy of the stage's ledgers, whose hash and length stand in its own list of files. On resume a ledger
is that copy again, whatever became of the file meanwhile.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lingshu_train.documents import read_bytes, there
from lingshu_train.errors import DataError, OutputFailed
from lingshu_train.runs import checkpoint, manifest
from lingshu_train.runs.files import failure, replacing

NAME = "ledger.jsonl"
COMPLETIONS = "completions.jsonl"
TIMEOUTS = "timeouts.jsonl"
AUDITS = "audits.jsonl"
PASSES = "passes.jsonl"
KEPT = (NAME, COMPLETIONS, TIMEOUTS, AUDITS, PASSES)
"""Every ledger that a stage may keep."""
CARRIED = "ledgers"
"""The folder of a checkpoint that holds their copies."""
CHANGED = "the file was changed by something else"
AGAIN = "run the same command again: it goes on from the last checkpoint, which carries a copy"
Column = float | int | str | None
"""A value of a ledger line."""
METERS = (
    "samples_per_second",
    "text_tokens_per_second",
    "image_tokens_per_second",
    "padding",
    "data_wait",
    "save_seconds",
    "tflops",
    "mfu",
)
"""What a step costs (training/metering.py), beside `memory_gib/PHASE`."""
MEMORY = "memory_gib/"
TIMING = ("seconds", "tokens_per_second", "saved", *METERS)
"""Keys that depend on the machine and the moment; every other key replays exactly."""
BY_PERSON = "audit_by_person/"
"""Begins keys that depend on the hour at which a person judged."""


class Ledger:
    """Appends lines that carry a step, each flushed to disk, so that a killed run keeps what it did."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.path = folder / name
        self._least = 0

    def append(self, step: int, values: Mapping[str, Column | Mapping[str, object]]) -> None:
        """OutputFailed (74): the disk is full, or what was written before is no longer there."""
        line = json.dumps({"step": step, **values}, sort_keys=True, ensure_ascii=False) + "\n"
        try:
            with self.path.open("ab") as stream:
                if stream.tell() < self._least:
                    raise OutputFailed(f"{self.path}: lost lines while it was being written; {AGAIN}")
                stream.write(line.encode())
                stream.flush()
                os.fsync(stream.fileno())
                self._least = stream.tell()
        except OSError as fault:
            raise failure(self.path, fault) from None

    def rewind(self, step: int) -> None:
        """Drop every line after `step`, half-written ones too. DataError where a line before that is none of ours."""
        kept = _until(self.path, _bytes(self.path) or b"", step)
        _put(self.path, kept)
        self._least = len(kept)


def carry(stage_folder: Path, written: Path, *, step: int) -> None:
    """Copy the stage's ledgers into the folder of a checkpoint of `step` that is about to be committed.

    OutputFailed (74): a ledger is not what the run has written, so no checkpoint may vouch for it.
    """
    check(stage_folder, steps=step)
    (written / CARRIED).mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        data = _bytes(stage_folder / name)
        if data is not None:
            (written / CARRIED / name).write_bytes(data)


def check(stage_folder: Path, *, steps: int) -> None:
    """That the ledger has the steps 1 to `steps`, each once and in order, and that every ledger begins as the newest
    checkpoint says. OutputFailed (74) says what is not so."""
    found = checkpoint.existing(stage_folder)
    for name in KEPT:
        data = _bytes(stage_folder / name)
        kept = _bytes(found[-1] / CARRIED / name) if found else None
        fault = _unlike(data, kept)
        if fault is None and name == NAME:
            fault = _gap_since(stage_folder / name, data or b"", kept, steps=steps)
        if fault:
            raise OutputFailed(f"{stage_folder / name}: {fault} while the stage was running; {AGAIN}")


def restore(stage_folder: Path, resume: Path | None) -> list[str]:
    """Make every ledger what it was when the checkpoint `resume` was committed; without one, empty: those steps are done again.

    Returns a sentence for each that had lost what the checkpoint vouches for, and was put back. Time-outs of later steps stay,
    since what timed out once is marked again. DataError (65): a checkpoint without copies, beside a ledger that is not whole.
    """
    told: list[str] = []
    for name in KEPT:
        path = stage_folder / name
        data = _bytes(path)
        kept = _carried(resume, path, data)
        fault = _unlike(data, kept)
        if fault:
            told.append(f"{path}: {fault}; put back as the checkpoint {resume and resume.name} has it")
        elif resume is None and name == NAME and data:
            told.append(
                f"{path}: tells of {_count(data)} steps and no checkpoint is here; they are done again"
            )
        wanted = kept or b""
        if name == TIMEOUTS and not fault:
            wanted, lost = _readable(data or b"")
            if lost:
                told.append(
                    f"{path}: {lost:,} bytes after line {_count(wanted)} are no time-outs and left out"
                )
        if wanted != (data or b""):
            _put(path, wanted)
    return told


def steps(folder: Path, *, name: str = NAME, tolerate_torn_end: bool = False) -> list[dict[str, Any]]:
    """The lines of a stage's ledger (or its completions), in step order; empty where the stage keeps none.

    The last line may be half written where that is tolerated and the stage has not finished. DataError names the line that
    is not one of ours.
    """
    path = folder / name
    unfinished = not there(folder / manifest.NAME)
    if not there(path) and not unfinished and name in manifest.read(folder).files:
        raise DataError(f"{path}: is missing, and the stage that has finished wrote one")
    return _with_steps(path, lines(path, tolerate_torn_end=tolerate_torn_end and unfinished))


def lines(path: Path, *, tolerate_torn_end: bool = False) -> list[dict[str, Any]]:
    """The objects of a file of lines; none where it is not there. DataError (65) names the line that is none.

    What follows the last line feed was being written when the process or the machine stopped.
    """
    return _objects(path, _bytes(path) or b"", tolerate_torn_end=tolerate_torn_end)


def replayable(line: dict[str, Any]) -> dict[str, Any]:
    """A ledger line without its timings: what two runs of the same stage must agree on bit for bit."""
    return {
        key: value
        for key, value in line.items()
        if key not in TIMING and not key.startswith((MEMORY, BY_PERSON))
    }


def _objects(path: Path, data: bytes, *, tolerate_torn_end: bool, before: int = 0) -> list[dict[str, Any]]:
    """`before`: how many lines of the file come before `data`."""
    *whole, rest = data.split(b"\n")
    last = before + len(whole)
    if rest and not tolerate_torn_end:
        raise DataError(f"{path}:{last + 1}: the line has no end; {CHANGED}")
    found: list[dict[str, Any]] = []
    for number, line in enumerate(whole, before + 1):
        try:
            values = json.loads(line.decode())
        except UnicodeDecodeError as fault:
            raise DataError(f"{path}:{number}: not UTF-8 at byte {fault.start}; {CHANGED}") from None
        except (ValueError, RecursionError):
            if number == last and not rest and tolerate_torn_end and not line.strip(b"\0"):
                break  # A file system that lost power may leave zeros for what was not on disk yet.
            raise DataError(f"{path}:{number}: not JSON; {CHANGED}") from None
        if not isinstance(values, dict):
            raise DataError(f"{path}:{number}: no JSON object; {CHANGED}")
        found.append(values)
    return found


def _with_steps(path: Path, found: list[dict[str, Any]], *, before: int = 0) -> list[dict[str, Any]]:
    for number, line in enumerate(found, before + 1):
        if type(line.get("step")) is not int:
            raise DataError(f"{path}:{number}: has no step; {CHANGED}")
    return found


def _bytes(path: Path) -> bytes | None:
    return read_bytes(path) if there(path) else None


def _gap_since(path: Path, data: bytes, kept: bytes | None, *, steps: int) -> str:
    """What is wrong with the steps of a ledger of `steps` that begins with `kept`, a checkpoint's copy. That was looked at when
    it was made, and is not read line by line again. OutputFailed (74) where a line since is none of ours."""
    known = kept.count(b"\n") if kept else 0
    if known > steps:
        return f"has {_count(data)} lines for {steps} steps"
    try:
        lines = _objects(path, data[len(kept or b"") :], tolerate_torn_end=False, before=known)
        added = [line["step"] for line in _with_steps(path, lines, before=known)]
    except DataError as fault:
        raise OutputFailed(f"{fault}; {AGAIN}") from None
    return _gap([*range(1, known + 1), *added], steps)


def _carried(resume: Path | None, path: Path, data: bytes | None) -> bytes | None:
    """The copy of a ledger in a checkpoint. One that carries none was written before there were copies, and is believed as far
    as the ledger is whole."""
    if resume is None or (resume / CARRIED).is_dir():
        return _bytes(resume / CARRIED / path.name) if resume else None
    if path.name == TIMEOUTS:
        return None
    step = checkpoint.step_of(resume)
    kept = _until(path, data or b"", step)
    found = [line["step"] for line in _objects(path, kept, tolerate_torn_end=False)]
    fault = _gap(found, step) if path.name == NAME else ""
    if fault:
        raise DataError(
            f"{path}: {fault}, and the checkpoint {resume.name} carries no copy; restore it from a backup, or move the "
            "stage's folder away to start it again"
        )
    return kept


def _until(path: Path, data: bytes, step: int) -> bytes:
    """The lines up to `step`, as they stand."""
    found = _with_steps(path, _objects(path, data, tolerate_torn_end=True))
    ends = data.split(b"\n")
    return b"".join(ends[n] + b"\n" for n, line in enumerate(found) if line["step"] <= step)


def _readable(data: bytes) -> tuple[bytes, int]:
    """The lines before the first that is none, and how many bytes of whole lines follow them."""
    whole = data[: data.rfind(b"\n") + 1]
    good = b""
    for line in whole.split(b"\n")[:-1]:
        try:
            json.loads(line)["key"]
        except (ValueError, RecursionError, KeyError, TypeError):
            break
        good += line + b"\n"
    return good, len(whole) - len(good)


def _put(path: Path, data: bytes) -> None:
    with replacing(path) as beside:
        beside.write_bytes(data)


def _unlike(data: bytes | None, kept: bytes | None) -> str | None:
    """What became of the ledger `data` that once began with `kept`; None where it still does."""
    if kept is None or (data or b"").startswith(kept):
        return None
    if data is None:
        return "was lost"
    if kept.startswith(data):
        return f"lost its end ({len(data):,} of {len(kept):,} bytes are left)"
    if data and kept.endswith(data):
        return f"lost its beginning ({len(data):,} of {len(kept):,} bytes are left)"
    both = zip(data.split(b"\n"), kept.split(b"\n"), strict=False)
    line = next(number for number, (here, there) in enumerate(both, 1) if here != there)
    return f"was changed in line {line}"


def _count(data: bytes) -> int:
    return data.count(b"\n")


def _gap(found: Sequence[int], steps: int) -> str:
    """What is wrong with the steps of a ledger that should be 1 to `steps`; empty where nothing is."""
    if list(found) == list(range(1, steps + 1)):
        return ""
    missing = sorted(set(range(1, steps + 1)) - set(found))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"has no line for step {missing[0]}{more} of {steps}"
    return f"has {len(found)} lines for {steps} steps"
