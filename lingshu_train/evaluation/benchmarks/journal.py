"""Answers as they come, a line each, so that nothing is asked twice: after a kill the next run goes on behind the last line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from lingshu_train.documents import decoded
from lingshu_train.errors import DataError
from lingshu_train.naming import canonical
from lingshu_train.record import Completion

_KEPT = ("text", "token_ids", "finish", "max_tokens", "seed", "prompt")


class Journal:
    """The answers of one model to one benchmark, by the key of what was asked. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found = _read(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __contains__(self, key: object) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Completion:
        return self._found[key]

    def append(self, key: str, completion: Completion) -> None:
        """Keep an answer; on disk before the next one is waited for."""
        self._found[key] = completion
        fields = {name: value for name, value in asdict(completion).items() if name in _KEPT}
        self._stream.write(canonical({"key": key, **fields}) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _read(path: Path) -> dict[str, Completion]:
    """The whole lines. One that a kill left half written is cut off, so that the next begins at a line's start."""
    if not path.is_file():
        return {}
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    found = {}
    for number, line in enumerate(whole.decode("utf-8").split("\n")[:-1], start=1):
        data = decoded(line, where=f"{path}:{number}")
        if not isinstance(data, dict) or "key" not in data or "text" not in data:
            raise DataError(
                f"{path}:{number}: not an answer of an evaluation; move the file away to ask anew"
            )
        found[str(data["key"])] = _completion(data)
    return found


def _completion(data: dict[str, object]) -> Completion:
    kept = json.loads(json.dumps({name: data[name] for name in _KEPT if name in data}))
    kept["token_ids"] = tuple(kept.get("token_ids", ()))
    return Completion(cached=True, **kept)
