"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lingshu_train.drill.command import Ended
from lingshu_train.drill.drawn import StageName
from lingshu_train.drill.ground import Start
from lingshu_train.drill.scene import Scene

KILLED = -9
"""How a command ends that the drill itself kills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong. `do` does it in a scene, and returns how the command it was done to ended.

    `codes`: the exit codes that are right for that command; 0 where the fault should cost nothing. After it the same command is
    run again, which has to end with 0 and the undisturbed run's bits; `mend` does before what the message asks a person for.
    """

    name: str
    number: str
    """Of the table of faults, such as F8."""
    says: str
    do: Callable[[Scene], Ended]
    codes: tuple[int, ...]
    stage: StageName = "sft"
    ranks: int = 1
    start: Start = "fresh"
    quick: bool = False
    times: bool = False
    """Whether `--times` repeats it, each time at another moment."""
    traceback: bool = False
    """A defect in a person's or our own code keeps its traceback, above the one line."""
    mend: Callable[[Scene], object] | None = None

    def quickly(self, quick: bool = True) -> Fault:
        """The same, as one of the quick ones."""
        return replace(self, quick=quick)

    def on(self, ranks: int) -> Fault:
        """The same on so many processes."""
        return replace(self, ranks=ranks)
