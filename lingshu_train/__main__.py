"""`python -m lingshu_train RECIPE [key=value ...]`, the form for torchrun; any verb works too. `lingshu` comes in here too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from lingshu_train import stopping

AGAIN, TYPERS = 75, 130
"""Our exit code for a command that was interrupted, and what typer makes of it where it is the first to hear."""


def lingshu() -> int:
    """The command that an installation brings."""
    return _carry_out(sys.argv[1:])


def bare(words: Sequence[str]) -> list[str]:
    """A recipe without a verb is run."""
    from lingshu_train import cli

    known = (*cli.names(), *cli.PLAIN)
    return (
        ["run", *words] if words and words[0] not in known and not words[0].startswith("-") else list(words)
    )


def _carry_out(words: Sequence[str], *, recipe_alone: bool = False) -> int:
    """A request to stop counts from here on, while the verbs are still being imported too."""
    stopping.listen(stopping.interrupt)
    try:
        from lingshu_train import cli

        code = cli.main(bare(words) if recipe_alone else words)
    except BaseException:
        if stopping.asked() is None:
            raise
        code = TYPERS
    untold = code == TYPERS and stopping.asked() is not None
    if untold:
        sys.stderr.write("lingshu: interrupted; run the same command again to go on\n")
    # The interpreter remembers an interrupt that it met inside exec(), and would end as if killed by SIGINT.
    interrupted = untold or (code == AGAIN and stopping.interrupted())
    if interrupted or _held():
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(AGAIN if interrupted else code)
    # All is done or said: the interpreter's own end is not to be interrupted.
    stopping.listen()
    return code


def _held() -> bool:
    """Whether a thread is inside a store that does not answer, where the interpreter's end would abort."""
    peers = sys.modules.get("lingshu_train.running.peers")
    return peers is not None and peers.still_talking()


if __name__ == "__main__":
    sys.exit(_carry_out(sys.argv[1:], recipe_alone=True))
