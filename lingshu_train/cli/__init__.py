"""The verbs: one file for each group of them. They parse, call and print; they decide nothing.

Here is what they share: one line and an exit code for every mistake. What a verb does lives in the other rooms.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command

import lingshu_train
from lingshu_train import shipped
from lingshu_train.cli import (
    _complete,
    audit,
    compare,
    data,
    diff,
    doctor,
    drill,
    evaluate,
    explain,
    forget,
    look,
    papers,
    project,
    publish,
    replay,
    run,
    trace,
    track,
    vouch,
)
from lingshu_train.cli._help import examples
from lingshu_train.cli._say import complain
from lingshu_train.errors import LingshuError, MissingInput, OutputFailed, RunAgain, UsageError

NAME = "lingshu"
MENDABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the operating system refuses and a person can change."""
PLAIN = {"help": "--help", "version": "--version", "-V": "--version"}
"""What others call these two, as the first word."""


class _Verbs(TyperGroup):
    """The command. What stops a verb becomes an exit code here, before typer would end the process with one of its own."""

    def invoke(self, ctx: typer.Context) -> int:  # type: ignore[override]
        try:
            return super().invoke(ctx) or 0
        except LingshuError as fault:
            return _refuse(fault)
        except BrokenPipeError:
            # The reader has seen enough, as in `lingshu plan X | head`.
            _close_output()
            return 0
        except KeyboardInterrupt:
            return _refuse(RunAgain("interrupted; run the same command again to go on"))


app = typer.Typer(
    cls=_Verbs,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=examples(
        "lingshu run quickstart", "lingshu plan lingshu_7b stages.rl.steps=100", "lingshu data list --present"
    ),
)
for verbs in (
    *(project, run, evaluate, look, compare, diff, replay, trace, forget, audit),
    *(data, vouch, publish, papers, track, explain, doctor, drill),
):
    app.add_typer(verbs.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; a user's mistake is one line on stderr and an exit code, never a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    words[:1] = [PLAIN.get(word, word) for word in words[:1]]
    try:
        code = int(command().main(words, prog_name=NAME, standalone_mode=False) or 0)
        # What cannot be written any more is told here, not by the interpreter at its end.
        sys.stdout.flush()
        return code
    except typer.TyperException as mistake:
        return _refuse(_usage(mistake, words))
    except BrokenPipeError:
        _close_output()
        return 0
    except OSError as fault:
        told = _refused_by_the_system(fault)
        if told is None:
            raise
        return _refuse(told)


@cache
def command() -> TyperGroup:
    """All verbs. typer reads the parameters of each of their functions, a tenth of a second: once in a process."""
    made = get_command(app)
    assert isinstance(made, TyperGroup)
    return made


def names() -> list[str]:
    """What the first word of a command line may be."""
    return list(command().commands)


def _version(asked: bool) -> None:
    if asked:
        print(f"{NAME} {lingshu_train.__version__}")
        raise typer.Exit


def _where(name: str | None) -> None:
    if name is not None:
        print(shipped.folder(name))
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True, show_default=False
        ),
    ] = False,
    where: Annotated[
        Literal["recipes", "data_cards", "launch"] | None,
        typer.Option(
            "--where", help="Print the folder of what comes with lingshu.", callback=_where, is_eager=True
        ),
    ] = None,
) -> None:
    """Train medical vision-language models so that others can repeat it."""


def _usage(mistake: typer.TyperException, words: Sequence[str]) -> UsageError:
    """What typer found wrong with the command line, as one line that points to the help of the verb it belongs to."""
    said = " ".join(mistake.format_message().replace("Value error, ", "").split()).rstrip(".")
    cause = mistake.__cause__
    if isinstance(cause, ValidationError) and cause.errors()[0]["type"] != "value_error":
        said += f", got {cause.errors()[0]['input']!r}"
    if "'RECIPE'" in said:
        said += f"; there are {', '.join(_complete.recipes(''))}, and YAML files of your own"
    return UsageError(f"{said[:1].lower()}{said[1:]}; see `{_verb(words)} --help`")


def _verb(words: Sequence[str]) -> str:
    """The verb that a command line begins with, as far as there is one."""
    here: object = command()
    found = [NAME]
    for word in words:
        if not isinstance(here, TyperGroup) or word not in here.commands:
            break
        here = here.commands[word]
        found.append(word)
    return " ".join(found)


def _refused_by_the_system(fault: OSError) -> LingshuError | None:
    """A refusal that the person can mend, with the file it is about, or the output. None for any other: that is a fault of
    ours."""
    from lingshu_train.runs.files import failure

    if fault.errno not in MENDABLE:
        return None
    if isinstance(fault.filename, str):
        path = Path(fault.filename)
        unreadable = os.path.exists(path) and not os.access(path, os.R_OK)
        return MissingInput(f"{path}: {fault.strerror}") if unreadable else failure(path, fault)
    _close_output()
    return OutputFailed(f"the output cannot be written: {fault.strerror}")


def _close_output() -> None:
    """Let the interpreter's end write what is left to nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(fault: LingshuError) -> int:
    if not fault.told:
        complain(fault)
    return fault.exit_code
