"""What a verb tells the person at the terminal, beside its output."""

from __future__ import annotations

import typer


def say(line: str) -> None:
    """One line on stderr, at once."""
    typer.echo(line, err=True)
