"""The verb for a person who judges what a reward accepted: audit."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingshu_train.cli._help import RunFolder, examples
from lingshu_train.cli._say import say

if TYPE_CHECKING:
    from lingshu_train.auditing.queue import Sum
    from lingshu_train.auditing.records import Audited
    from lingshu_train.runs.stage import Stage

app = typer.Typer()
ANSWERS = {"y": False, "yes": False, "n": True, "no": True}
"""Whether the answer that was accepted is false, by what a person says of it being right."""


@app.command(
    epilog=examples(
        "lingshu audit runs/mine", "lingshu audit runs/mine --list", "lingshu audit runs/mine --json"
    )
)
def audit(
    folder: RunFolder,
    only_list: Annotated[
        bool, typer.Option("--list", help="Show what waits, and ask nothing.", show_default=False)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON of what waits, and ask nothing.", show_default=False)
    ] = False,
) -> None:
    """Judge answers that a reward accepted.

    y: right, n: false, s: later, q: end.
    """
    from lingshu_train.auditing import queue

    stages = queue.audited(folder)
    if as_json:
        waits = [asdict(one) | {"stage": stage.name} for stage in stages for one in queue.waiting(stage)]
        sums = [asdict(one) for stage in stages for one in queue.sums(stage)]
        print(json.dumps({"waiting": waits, "audits": sums}, ensure_ascii=False, indent=2))
        return
    for stage in stages:
        if not _asked(stage, asking=not only_list):
            break
    for stage in stages:
        for one in queue.sums(stage):
            print(_line(one))


def _asked(stage: Stage, *, asking: bool) -> bool:
    """Go through what waits in a stage. Each verdict is on disk before the next question; False: the person has had enough."""
    from lingshu_train.auditing import queue, records

    waits = queue.waiting(stage)
    with tempfile.TemporaryDirectory(prefix="lingshu-audit-") as pictures:
        for number, one in enumerate(waits, 1):
            print(f"\n{stage.name}, step {one.step}: {number} of {len(waits)}")
            print(_shown(one, _picture(stage, one, Path(pictures)) if asking else ""))
            if not asking:
                continue
            said = _said()
            if said in ANSWERS:
                records.say(stage.path, one, false=ANSWERS[said])
            elif said == "q":
                return False
    return True


def _picture(stage: Stage, one: Audited, folder: Path) -> str:
    """A copy to look at, which goes when the verb ends: what shows a patient is left nowhere."""
    from lingshu_train.auditing import queue

    found = queue.picture(stage, one)
    if isinstance(found, str):
        return found
    path = folder / f"{one.image[:16]}.png"
    found.save(path)
    return str(path)


def _shown(one: Audited, picture: str) -> str:
    lines = {
        "question": one.question,
        **{f"option {letter}": text for letter, text in one.options.items()},
        **({"picture": picture} if picture else {}),
        "gold": one.answer,
        "completion": one.completion,
    }
    return "\n".join(f"  {name}: {text}" for name, text in lines.items())


def _said() -> str:
    """y, n, s or q; a closed terminal says q."""
    while True:
        say("Is the completion a right answer? [y/n/s/q]")
        line = sys.stdin.readline()
        said = line.strip().casefold()
        if not line:
            return "q"
        if said in ANSWERS or said in ("s", "q"):
            return said


def _line(one: Sum) -> str:
    return (
        f"{one.stage}, {one.under}: {one.false} of {one.judged:,} audited answers were false, {one.waiting:,} wait; the rate "
        f"is above {one.lower:.3f} in some window and at most {one.upper:.3f} in all (confidence {one.confidence:g} each, "
        f"limit {one.limit:g})"
    )
