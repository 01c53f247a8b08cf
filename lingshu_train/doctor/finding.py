"""One line of an examination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at and how it is. `advice` says what to do, where there is something."""

    name: str
    state: State
    told: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8} {self.name:<23} {self.told}" + (f"; {self.advice}" if self.advice else "")
