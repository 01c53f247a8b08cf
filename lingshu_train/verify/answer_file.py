"""`lingshu score`: judges every row of a JSONL file and writes it back with the verdict, in order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lingshu_train.documents import decoded
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.record import ANSWER_TYPES, Verdict
from lingshu_train.verify.item import Item, Policy
from lingshu_train.verify.release import version
from lingshu_train.verify.verdict import verify

_TEXT = ("question", "question_type", "answer", "response")


@dataclass(frozen=True, slots=True)
class Submission:
    """One row as it stood in the file, and the item and response it describes."""

    data: Mapping[str, object]
    item: Item
    response: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one scored file."""

    rows: int
    correct: int
    types: Mapping[str, tuple[int, int]]
    statuses: Mapping[str, int]
    policy: Policy
    unjudged: str = ""
    """The first row whose own gold cannot be read, and why: no answer to it is right."""

    def __str__(self) -> str:
        """A table: rows, right and share per question type, then the count of every status."""
        lines = [
            f"verifier {version()}, policy {self.policy}",
            f"{'type':<14}{'rows':>8}{'right':>8}{'share':>8}",
        ]
        for name, (rows, right) in [*sorted(self.types.items()), ("all", (self.rows, self.correct))]:
            share = f"{right / rows:.3f}" if rows else "-"
            lines.append(f"{name:<14}{rows:>8}{right:>8}{share:>8}")
        lines.append(
            "status: " + ", ".join(f"{name} {count}" for name, count in sorted(self.statuses.items()))
        )
        if self.unjudged:
            count = self.statuses["invalid_gold"]
            have = "row has" if count == 1 else "rows have"
            lines.append(f"{count} {have} no gold that can be judged by; the first is {self.unjudged}")
        return "\n".join(lines)


def judge_file(path: Path, policy: Policy, out: IO[str]) -> Tally:
    """Write each row of `path` to `out` with correct, status, rule, extracted and normalized added.

    Every row is checked before the first one is written. A gold that its type cannot read gets the status
    invalid_gold and is never right. MissingInput: no such file. DataError: FILE:LINE and why, or a file without a row.
    """
    rows = list(read(path))
    if not rows:
        raise DataError(f"{path}: holds no row")
    types: dict[str, list[int]] = {}
    statuses: Counter[str] = Counter()
    right = 0
    unjudged = ""
    for row in rows:
        verdict = verify(row.response, row.item, policy)
        counted = types.setdefault(row.item.question_type, [0, 0])
        counted[0] += 1
        counted[1] += verdict.correct
        right += verdict.correct
        statuses[verdict.status] += 1
        if verdict.status == "invalid_gold" and not unjudged:
            unjudged = f"{row.where}: {verdict.rule}"
        judged = {**row.data, **_added(verdict)}
        out.write(json.dumps(judged, ensure_ascii=not _encodable(row, verdict), allow_nan=False) + "\n")
    shares = {name: (one, two) for name, (one, two) in types.items()}
    return Tally(len(rows), right, shares, statuses, policy, unjudged)


def read(path: Path) -> Iterator[Submission]:
    """The rows of a JSONL file, checked; blank lines are skipped, and so is the mark that some editors put before a text."""
    try:
        stream = path.open(encoding="utf-8-sig")
    except OSError as fault:
        raise MissingInput(f"{path}: {fault.strerror}") from None
    with stream:
        number = 0
        try:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield submission(line, where=f"{path}:{number}")
        except UnicodeDecodeError as fault:
            raise DataError(f"{path}:{number + 1}: not UTF-8: {fault.reason}") from None


def submission(line: str, *, where: str) -> Submission:
    """One line as a row; DataError says what is wrong with it."""
    data = decoded(line, where=where)
    if not isinstance(data, dict):
        raise DataError(f"{where}: a row is a JSON object, got {type(data).__name__}")
    missing = [name for name in ("id", *_TEXT) if name not in data]
    if missing:
        raise DataError(f"{where}: missing {', '.join(missing)}")
    for name in _TEXT:
        if not isinstance(data[name], str):
            raise DataError(f"{where}: {name} must be a string, got {type(data[name]).__name__}")
    if data["question_type"] not in ANSWER_TYPES:
        known = ", ".join(ANSWER_TYPES)
        raise DataError(f"{where}: unknown question_type {data['question_type']!r}; known: {known}")
    item = Item(
        question=data["question"],
        question_type=data["question_type"],
        answer=data["answer"],
        options=_options(data.get("options"), where=where),
        aliases=_aliases(data.get("aliases"), where=where),
        tol=_tolerance(data.get("tol"), where=where),
    )
    return Submission(data, item, data["response"], where)


def _options(value: object, *, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, list) and len(value) <= 26:
        value = {chr(ord("A") + index): text for index, text in enumerate(value)}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise DataError(
            f"{where}: options must map letters to texts, or be a list of at most 26 texts, or null"
        )
    return value


def _aliases(value: object, *, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise DataError(f"{where}: aliases must be a list of strings")
    return tuple(value)


def _tolerance(value: object, *, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise DataError(f"{where}: tol must be a number of at least 0, got {value!r}")
    return float(value)


def _added(verdict: Verdict) -> dict[str, object]:
    return {
        "correct": verdict.correct,
        "status": verdict.status,
        "rule": verdict.rule,
        "extracted": verdict.extracted,
        "normalized": verdict.normalized,
    }


def _encodable(row: Submission, verdict: Verdict) -> bool:
    # A lone surrogate is legal in JSON as an escape but cannot be written as UTF-8.
    return not any(
        "\ud800" <= char <= "\udfff"
        for char in json.dumps([*row.data.values(), verdict.extracted], ensure_ascii=False)
    )
