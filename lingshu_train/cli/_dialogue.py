"""What `lingshu data add` asks a person at the terminal: what is unclear, what is better known, and whether to write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lingshu_train.cli._say import say

if TYPE_CHECKING:
    from lingshu_train.data.adding.decide import Decision
    from lingshu_train.data.adding.told import Told, Unclear


def agreed(question: str) -> bool:
    """A terminal that is closed says no."""
    try:
        return typer.confirm(question, default=True, err=True)
    except typer.Abort:
        return False


def decided(path: Path, told: Told, *, asking: bool) -> Decision:
    """The proposal with what the data decides; with a person at the terminal, what is unclear is asked."""
    from lingshu_train.data.adding import decide
    from lingshu_train.data.adding.proposing import propose
    from lingshu_train.data.adding.told import Unclear

    while True:
        try:
            proposal = propose(path, told)
            break
        except Unclear as open:
            if not asking:
                raise
            told = _answered(told, open)
    if asking:
        told = _more(told, grouped=proposal.grouped)
        proposal = propose(path, told)
    return decide.decide(proposal, told)


def _answered(told: Told, open: Unclear) -> Told:
    say(open.why)
    for number, choice in enumerate(open.choices, start=1):
        say(f"  {number}. {choice}")
    given = typer.prompt(open.flag, err=True).strip()
    if given.isdecimal() and 0 < int(given) <= len(open.choices):
        given = open.choices[int(given) - 1]
    return replace(told, **{open.flag: given})


def _more(told: Told, *, grouped: bool) -> Told:
    """What need not be known, and is better known."""
    from lingshu_train.data.adding.told import NONE

    if not grouped and not told.patient:
        told = replace(told, patient=_prompt("Column of the patient", NONE))
    if not told.modality:
        told = replace(
            told, modality=_prompt("Kind of picture, such as x-ray or ct", "unknown", drop="unknown")
        )
    if not told.licence:
        told = replace(told, licence=_prompt("Licence; internal: nothing leaves this machine", "internal"))
    return told


def _prompt(text: str, default: str, *, drop: str = "") -> str:
    given = str(typer.prompt(text, default=default, err=True)).strip()
    return "" if given == drop else given
