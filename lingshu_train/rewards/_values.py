"""What a reward may give: one finite number of moderate size. Everything else is unscored, under a status that says why.

Standard library only: the process of a user's reward reads it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lingshu_train.record import Score

LARGEST = 1e6
"""The largest size a reward may have, of either sign. In float32, in which advantages are computed, squares of differences
of such numbers are far from overflowing, and differences of 0.1 are still seen."""
OUT_OF_RANGE = "out_of_range"
"""Status of a number that is infinite or larger than LARGEST."""
INVALID = "invalid"
"""Status of what is no number: text, a truth value, NaN, an array, an object."""
UNSCORED = "unscored"
"""Status where a reward gave None and no status of its own."""
_SCORED = "scored"
_LONGEST = 64


def checked(score: Score) -> Score:
    """The score, its value a float within the bound or None, its status one short line of text."""
    value, refused = number(score.value)
    if refused:
        return Score(value=None, status=refused, detail={"why": f"gave {shown(score.value)}"})
    status = score.status
    if not isinstance(status, str) or not status.isprintable() or not 0 < len(status) <= _LONGEST:
        why = f"its status must be a text of at most {_LONGEST} characters, got {shown(status)}"
        return Score(value=None, status=INVALID, detail={"why": why})
    if not isinstance(score.detail, Mapping):
        why = f"its detail must be a mapping, got {shown(score.detail)}"
        return Score(value=None, status=INVALID, detail={"why": why})
    return Score(value=value, status=status, detail=score.detail)


def score_of(found: object) -> Score:
    """What a user's function returned, as a score: a number, None, a Score, or a mapping with `value` and, where wanted,
    `status` and `detail`."""
    if isinstance(found, Score):
        return checked(found)
    if isinstance(found, Mapping):
        if "value" not in found:
            why = f"a mapping needs the key value, got {shown(found)}"
            return Score(value=None, status=INVALID, detail={"why": why})
        fields = dict(found)
    else:
        fields = {"value": found}
    status = fields.get("status", UNSCORED if fields["value"] is None else _SCORED)
    return checked(Score(value=fields["value"], status=status, detail=fields.get("detail", {})))


def number(value: object) -> tuple[float | None, str]:
    """The value as a float, or None and the status that says why it is none; None itself is no fault.

    A scalar of numpy, or a tensor or an array of one element, counts as the Python number in it (`item()`).
    """
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, Mapping):
        try:
            value = item()
        except Exception:  # noqa: BLE001 - whatever a stranger's object raises, it has given no number
            return None, INVALID
    if value is None:
        return None, ""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None, INVALID
    # An int may be too large for a float: compared first.
    return (float(value), "") if -LARGEST <= value <= LARGEST else (None, OUT_OF_RANGE)


def total(value: float | None) -> float | None:
    """A weighted sum of terms, or None where it is beyond what a single term may be."""
    return value if value is not None and math.isfinite(value) and abs(value) <= LARGEST else None


def shown(value: object) -> str:
    """A few characters of anything, on one line."""
    try:
        text = repr(value)
    except Exception as fault:  # noqa: BLE001 - a stranger's object, or an int of too many digits
        text = f"something whose repr raises {type(fault).__name__}"
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return f"{type(value).__name__} {line if len(line) <= 80 else line[:79] + '…'}"
