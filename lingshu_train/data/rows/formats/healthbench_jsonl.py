"""HealthBench: a conversation that waits for its last answer, and rubrics by which a model judges it.

The answer of such a row is the list of its rubrics as JSON, each with `criterion` and `points`: no rule can read it, and no
text is right by it. Points below zero are for what should not be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.naming import canonical
from lingshu_train.record import Sample

TASK = "rubric"


class Fields(rowlib.TableFiles):
    """Names of columns."""

    conversation: str = "prompt"
    """Column of the turns, each with `role` (user, assistant, or system before all others) and `content`."""
    rubrics: str = "rubrics"
    """Column of the rubrics, each with `criterion` and `points`."""
    id: str = "prompt_id"
    """Column of the publisher's own id."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.conversation: "nested", self.rubrics: "nested"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    system, turns, question = _turns(line, fields.conversation)
    yield Row(
        sample=Sample(
            id=line.optional(fields.id),
            card=origin.card,
            split=origin.split,
            task=TASK,
            question=question,
            question_type="free",
            answer=canonical(_rubrics(line, fields.rubrics)),
            turns=turns,
            system=system,
        )
    )


def _turns(line: Line, field: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """The system's words, the earlier questions with their answers, and the last question."""
    found = [
        (line.written(field, one.get("role")), line.written(field, one.get("content")))
        for one in _records(line, field)
    ]
    system = found.pop(0)[1] if found and found[0][0] == "system" else ""
    roles = [role for role, _ in found]
    if len(found) % 2 == 0 or roles != ["user", "assistant"] * (len(found) // 2) + ["user"]:
        raise line.error(
            field, f"must be turns of user and assistant that end with the user, got {', '.join(roles)}"
        )
    texts = [text for _, text in found]
    return system, tuple(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1]


def _rubrics(line: Line, field: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for one in _records(line, field):
        points = one.get("points")
        if isinstance(points, bool) or not isinstance(points, int | float) or not points:
            raise line.error(field, f"points must be a number that is not 0, got {points!r}")
        found.append({"criterion": line.written(field, one.get("criterion")), "points": points})
    if not any(isinstance(one["points"], int | float) and one["points"] > 0 for one in found):
        raise line.error(field, "needs a rubric with points above 0")
    return found


def _records(line: Line, field: str) -> list[Mapping[str, object]]:
    value = line.nested(field)
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise line.error(field, "must be a list of records")
    return value
