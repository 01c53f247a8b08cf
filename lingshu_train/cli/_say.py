"""What a verb tells the person at the terminal, beside its output."""

from __future__ import annotations

import typer


def complain(fault: Exception, *, about: str = "") -> None:
    """What went wrong, as one line on stderr. A name or a value may hold a line break or what steers a terminal: such signs are
    written out."""
    told = f"lingshu: {about}{fault}"
    say("".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in told))


def say(line: str) -> None:
    """One line on stderr, at once."""
    typer.echo(line, err=True)
