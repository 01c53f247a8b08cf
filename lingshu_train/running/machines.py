"""One machine of several: starts its ranks' launchers, and ends with what ended them. launch/slurm.sh and launch/k8s/ start it.

`python -m lingshu_train.running.machines --machines=2 --machine=0 --ranks=8 --meet=HOST:PORT --id=JOB RECIPE [key=value ...]`

The recipe is read first, so that a mistake in it is told before machines wait for each other, and so that `cluster.grace` is
what the ranks have to save. The launchers look after each other, across machines too (attend.py); nothing here talks to a
network, and so nothing here can wait for a machine that is gone. Without the options it takes what the operator of a PyTorchJob
or a TrainJob says in PET_NNODES, PET_NODE_RANK, PET_NPROC_PER_NODE, PET_MASTER_ADDR and PET_MASTER_PORT.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from lingshu_train import environment, stopping
from lingshu_train.errors import LingshuError, RunAgain, UsageError
from lingshu_train.planning import recipe as recipes
from lingshu_train.runs import processes

LOOK_S = 0.1
"""How often the launchers are looked at."""
TOGETHER_S = 30.0
"""So long the launchers may take to end after one of them has failed; they hear of it from each other. Then they are told."""
MARGIN_S = 30.0
"""What a launcher needs on top of `cluster.grace` to end what is left of its rank and to say why."""
SIGNALLED = 128
"""An exit code above it is a shell's for a process that a signal ended."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which machine of how many this is, and where they meet. `meet` is HOST:PORT of machine 0."""

    machines: int
    machine: int
    ranks: int
    meet: str
    id: str

    def variables(self) -> list[dict[str, str]]:
        """What each launcher of this machine is told, in torch's words."""
        host, _, port = self.meet.rpartition(":")
        if not (host and port.isdecimal()):
            raise UsageError(f"--meet={self.meet}: has to be HOST:PORT of machine 0")
        if not (0 <= self.machine < self.machines and self.ranks > 0):
            raise UsageError(
                f"--machine={self.machine} of --machines={self.machines} with --ranks={self.ranks}: machines count from 0, "
                "and each has a rank"
            )
        return [
            {
                "RANK": str(self.machine * self.ranks + number),
                "LOCAL_RANK": str(number),
                "WORLD_SIZE": str(self.machines * self.ranks),
                "LOCAL_WORLD_SIZE": str(self.ranks),
                "MASTER_ADDR": host.strip("[]"),
                "MASTER_PORT": port,
                # One name for this start on all machines; libraries know by it that somebody looks after the ranks.
                "TORCHELASTIC_RUN_ID": self.id,
                environment.AGENT: processes.me(),
            }
            for number in range(self.ranks)
        ]


def main(words: Sequence[str]) -> int:
    """Run the ranks of this machine to their end; the exit code is theirs."""
    stopping.listen(stopping.interrupt)
    variables = environment.inherited()
    try:
        options = _options(variables).parse_args(words)
        grace = recipes.load(options.recipe[0], options.recipe[1:]).cluster.grace
        stopping.listen()
        return _run(_layout(options), options.recipe, variables, patience=grace + MARGIN_S)
    except LingshuError as fault:
        sys.stderr.write(f"lingshu: {fault}\n")
        return fault.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("lingshu: interrupted; run the same command again to go on\n")
        return RunAgain.exit_code


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def _options(variables: Mapping[str, str]) -> argparse.ArgumentParser:
    options = _Options(prog="python -m lingshu_train.running.machines", allow_abbrev=False)
    meet = f"{variables.get('PET_MASTER_ADDR', '')}:{variables.get('PET_MASTER_PORT', '')}"
    told = {
        "machines": _number(variables, "PET_NNODES"),
        "machine": _number(variables, "PET_NODE_RANK"),
        "ranks": _number(variables, "PET_NPROC_PER_NODE"),
        "meet": meet if len(meet) > 1 else None,
        "id": variables.get("PET_RDZV_ID", "lingshu"),
    }
    for name, kind, what in (
        ("machines", int, "How many there are."),
        ("machine", int, "Which of them this is, from 0."),
        ("ranks", int, "Processes on each, one for each GPU."),
        ("meet", str, "HOST:PORT of machine 0, free there."),
        ("id", str, "The same on all machines of this job, and on no other."),
    ):
        options.add_argument(
            f"--{name}", type=kind, default=told[name], required=told[name] is None, help=what
        )
    options.add_argument("recipe", nargs="+", metavar="RECIPE", help="RECIPE [key=value ...]")
    return options


def _number(variables: Mapping[str, str], name: str) -> int | None:
    """Not a range of machines, and not `auto` or `gpu`."""
    told = variables.get(name, "")
    return int(told) if told.isdecimal() else None


def _layout(options: argparse.Namespace) -> Layout:
    return Layout(
        machines=options.machines,
        machine=options.machine,
        ranks=options.ranks,
        meet=options.meet,
        id=options.id,
    )


def _run(layout: Layout, recipe: Sequence[str], variables: Mapping[str, str], *, patience: float) -> int:
    """Start the launchers, wait for all of them, and pass a request to stop on to them. They have `patience` seconds for it."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for own in layout.variables():
            started.append(
                subprocess.Popen([sys.executable, "-m", "lingshu_train", *recipe], env={**variables, **own})
            )
        _until_ended(started, patience)
    finally:
        for one in started:
            with suppress(ProcessLookupError):
                one.kill()
        codes = [one.wait() for one in started]
    if any(code < 0 for code in codes):
        number, code = next((number, code) for number, code in enumerate(codes) if code < 0)
        rank = layout.machine * layout.ranks + number
        sys.stderr.write(
            f"lingshu: the launcher of rank {rank} was killed by signal {-code}; run the same command again on all machines\n"
        )
    return _code(codes)


def _until_ended(started: Sequence[subprocess.Popen[bytes]], patience: float) -> None:
    told: float | None = None
    failed: float | None = None
    while any(one.poll() is None for one in started):
        time.sleep(LOOK_S)
        now = time.monotonic()
        codes = [one.returncode for one in started]
        if failed is None and any(codes):
            failed = now
        # A launcher that was killed has told nobody.
        overdue = failed is not None and (
            now - failed > TOGETHER_S or any(code is not None and code < 0 for code in codes)
        )
        if told is None and (stopping.asked() or overdue):
            told = now
            for one in started:
                with suppress(ProcessLookupError):
                    one.send_signal(signal.SIGTERM)
        if told is not None and now - told > patience:
            return


def _code(codes: Sequence[int]) -> int:
    """What the launchers' exit codes come to: a person's turn before "run again", unless something was killed."""
    if any(code < 0 or code > SIGNALLED for code in codes):
        return RunAgain.exit_code
    failed = [code for code in codes if code]
    return next((code for code in failed if code != RunAgain.exit_code), failed[0] if failed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
