"""Numbers as a person reads them: shares, differences, durations, tick labels."""

from __future__ import annotations

import math


def share(value: float) -> str:
    """A proportion in percent with one digit."""
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of proportions in percentage points, always with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def counted(n: float, noun: str) -> str:
    """A number with its noun: 1 step, 1,200 steps."""
    return f"{n:,.0f} {noun}" + ("" if n == 1 else "s")


def duration(seconds: float) -> str:
    """Seconds as a person says them: 48 s, 3 min 20 s, 5 h 12 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def tick(value: float) -> str:
    """As few digits as tell it apart from its neighbours, without noise from binary fractions."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-3):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}"
