"""Processes that start in milliseconds: forked from this one, which has imported already what they would import.

Importing torch and TRL takes seconds each time. What is forked runs the same command line in a process of its own; only the
interpreter's start is left out. A drill breaks inside of it what is to be broken there; `nursery.py` forks the ranks of a run.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import io
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.plugins import Plugins

from lingshu_train import environment, stopping
from lingshu_train.runs import packages

Spoil = Callable[[], None]
"""Done in each rank of a stage, and in each machine's agent, before its first line: patches what is to fail there."""
RANK = "lingshu_train.running.worker"
AGENT = "lingshu_train.running.machines"
STOCK = "lingshu_train.drill.stock.script"
FORKED = ("lingshu_train", RANK, AGENT, "lingshu_train.report.live", STOCK)
"""What imports torch, or starts what does. A reward's process has a limit of memory, in which torch's pages would count."""
_HEAVY = (
    "trl",
    "lingshu_train.cli",
    "lingshu_train.planning.plan",
    "lingshu_train.report.page",
    AGENT,
    "lingshu_train.stages.build.run",
    "lingshu_train.stages.evaluate.run",
    "lingshu_train.stages.export.run",
    "lingshu_train.stages.grpo.run",
    "lingshu_train.stages.prepare.run",
    "lingshu_train.stages.sft.run",
)
_LAZY = {"trl": ("SFTTrainer", "GRPOTrainer")}
_FAMILIES = "lingshu_train.model.families"
_NAMED = (
    "lingshu_train.rewards.accuracy",
    "lingshu_train.rewards.format",
    "lingshu_train.rollouts.transformers",
    # Looked for by every engine of DeepSpeed that divides an optimizer.
    "deepspeed.runtime.zero.muon.muon_optimizer",
)
"""What ranks open by a name in most recipes; of rooms of which they need nearly all, see `_rooms`."""
_TRACKERS = ("tensorboard", "trackio", "wandb")
STARTED_WITH = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_AT_ONCE = "PYTHONUNBUFFERED"
MOST_FILES = 4096
"""Open files of a process that forks: no more than so many are closed in the child."""


def load() -> None:
    """Import what ranks import, and read what they would all read alike, once. No tensor is made: threads of torch would not
    survive a fork."""
    # As in a rank (worker.py): trackers belong to processes of their own.
    absent = [name for name in _TRACKERS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    for name in _HEAVY:
        module = importlib.import_module(name)
        for part in _LAZY.get(name, ()):
            getattr(module, part)
    arguments = importlib.import_module("lingshu_train.training.arguments")
    # Imports DeepSpeed, too, without what it prints.
    arguments.silence()
    for name in (*_rooms(), *_NAMED):
        importlib.import_module(name)
    for name in absent:
        del sys.modules[name]
    importlib.import_module("lingshu_train.cli").command()
    # Hydra looks through all installed packages for its plugins, once in a process.
    Plugins.instance()
    # So does a manifest, which names them.
    packages.installed()
    # transformers makes patterns for the names of weights of all its models, when the first one is opened.
    importlib.import_module("transformers.conversion_mapping").get_checkpoint_conversion_mapping("")
    # Trainers collect garbage before they start: what is here already is none, and its pages stay shared.
    gc.collect()
    gc.freeze()


def _rooms() -> list[str]:
    """Our families and types of answers. Those of plugins are opened by who names them."""
    found = [f"{_FAMILIES}.{name}.{half}" for name in _ours(_FAMILIES) for half in ("shape", "family")]
    for room in ("lingshu_train.verify.types", "lingshu_train.verify.remarks.types"):
        found += [f"{room}.{name}" for name in _ours(room)]
    return found


def _ours(room: str) -> list[str]:
    (folder, *_) = importlib.import_module(room).__path__
    return [each.name for each in pkgutil.iter_modules([folder]) if not each.name.startswith("_")]


Cold = subprocess.Popen
"""What starts a process anew also in one that was itself forked, whose own Popen is `Warm`."""


class Warm(subprocess.Popen[bytes]):
    """A Popen whose `python -m lingshu_train...` is forked. Whoever is forked starts its own processes like that too."""

    spoil: Spoil | None = None
    """What fails in the ranks and agents that this process and its children start."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        **options: object,
    ) -> None:
        variables = dict(env) if env is not None else environment.inherited()
        words = list(args)
        if words[1:2] == ["-u"]:
            # As torchrun starts its ranks.
            del words[1]
            variables[_AT_ONCE] = "1"
        module = words[2] if words[:2] == [sys.executable, "-m"] else ""

        def become() -> None:
            _become(words, variables, pass_fds)

        more = {**options, "preexec_fn": become} if module in FORKED else options
        super().__init__(args, env=env, pass_fds=pass_fds, **more)  # type: ignore[call-overload]


def _become(words: list[str], variables: Mapping[str, str], kept: Sequence[int]) -> None:
    """Turn the child that subprocess has forked into what its command line says, and end it. Never returns."""
    # The pipe over which the parent waits for exec is among what is closed: so it goes on.
    low = 3
    for number in sorted(kept):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, MOST_FILES)
    ignored = [number for number in STARTED_WITH if signal.getsignal(number) is signal.SIG_IGN]
    become(words, variables, ignored)


def become(words: list[str], variables: Mapping[str, str], ignored: Sequence[int]) -> None:
    """Turn a forked child, which has the files it is to have, into what its command line says, and end it. Never returns.

    `ignored`: the signals that whoever starts it ignores, and so what it starts.
    """
    code = 70
    try:
        _as_started(words, variables, ignored)
        if Warm.spoil is not None and words[2] in (RANK, AGENT, STOCK):
            Warm.spoil()
        code = _run(words)
    except BaseException:  # noqa: BLE001 - as an interpreter tells what nobody has caught
        traceback.print_exc()
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 120
        os._exit(code)


def _as_started(words: list[str], variables: Mapping[str, str], ignored: Sequence[int]) -> None:
    """What exec and an interpreter's start would have left."""
    for number in STARTED_WITH:
        plain = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in ignored else plain)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping.SIGNALS)
    stopping.anew()
    environment.replace(variables)
    sys.argv = [words[2], *words[3:]]
    sys.orig_argv = list(words)
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if variables.get(_AT_ONCE):
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    subprocess.Popen = Warm  # type: ignore[misc, assignment]
    with suppress(OSError, ValueError, IndexError):
        _call(words)


def _call(words: Sequence[str]) -> None:
    """Show the command line in `ps`, as far as there is room: where the kernel reads it is this process's own memory."""
    found = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(found[45]), int(found[46])
    line = "".join(f"{word}\0" for word in words).encode()[: end - start - 1]
    ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)


def _run(words: list[str]) -> int:
    try:
        with warnings.catch_warnings():
            # That the module is there already is what all this is for.
            warnings.filterwarnings("ignore", message=".*found in sys.modules", category=RuntimeWarning)
            runpy.run_module(words[2], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
