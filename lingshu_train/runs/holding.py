"""Who writes into a stage's folder now. Held by those who write, not by who started them: a launcher can die alone.

Each process of a stage keeps a file in `.held/` of the stage's folder, locked (flock) as long as it lives and touched every few
seconds. The lock is the kernel's and ends with the process; where a shared file system knows no locks between machines, the
touching tells. Times are compared as the file server writes them, so that clocks may differ. A process whose launcher is gone
ends by itself.
"""

from __future__ import annotations

import fcntl
import os
import platform
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lingshu_train import environment
from lingshu_train.documents import read_json
from lingshu_train.errors import CannotCreate, LingshuError, RunAgain
from lingshu_train.naming import digest
from lingshu_train.runs import processes
from lingshu_train.runs.files import ELSEWHERE, failure
from lingshu_train.schema import Strict, parse

FOLDER = ".held"
BEAT_S = 5.0
"""Between two touches of a holder's file."""
STALE_S = 60.0
"""A holder on another machine that has not touched its file for so long is taken for dead, and its stage taken over. It
finds its file gone when it comes back, and ends before it writes."""
GRACE_S = 20.0
"""How long a second run waits for those before it to go: what is orphaned ends within a second."""
_UNKNOWN = {"host": "not known", "pid": 0, "born": "-", "here": "", "group": ""}
"""Of a holder whose file is damaged: it may live all the same."""
_LOOK_S = 0.5
"""Between two looks, at who holds a folder and at whether the launcher lives."""


class Holder(Strict):
    """One file of `.held/`. `machine`, `pid` and `born` name the process; `folder` is the inode of `.held/`, which a copy of
    the run does not share; `here` and `group` are the same for the ranks of one stage, on this machine and on all."""

    host: str
    pid: int
    born: str
    machine: str
    since: str
    folder: int
    here: str
    group: str

    def __str__(self) -> str:
        return f"host {self.host}, process {self.pid}, since {self.since}"


@dataclass(slots=True)
class _Signed:
    """Our own file, open and locked. `shown` is its name for the others, `hidden` the one before we hold."""

    holder: Holder
    shown: Path
    hidden: Path
    descriptor: int

    def touch(self) -> float:
        """Touch the file; the file server's time, in seconds."""
        os.utime(self.descriptor)
        return os.fstat(self.descriptor).st_mtime

    @property
    def stands(self) -> bool:
        """Whether our file is still there under its name: nobody has taken the folder over."""
        try:
            return self.shown.stat().st_ino == os.fstat(self.descriptor).st_ino
        except FileNotFoundError:
            return False

    def forget(self) -> None:
        """In a forked child: the lock is its parent's alone."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def leave(self) -> None:
        for path in (self.shown, self.hidden):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self.forget()
        with suppress(OSError):
            self.shown.parent.rmdir()


@contextmanager
def holding(folder: Path, group: tuple[str, str]) -> Iterator[None]:
    """Hold a stage's folder while the block runs, with the other ranks of this start and with nobody else.

    `group`: what these have in common (dist.group). Waits for those of an earlier run to go; CannotCreate (73) names one that
    stays. Ends the process (75) when its launcher is gone or when the folder was taken over.
    """
    launcher = environment.launcher()
    if launcher or environment.under_torchrun():
        processes.end_with_parent()
    if launcher and not processes.lives(launcher):
        raise RunAgain(f"{folder}: the launcher of this stage is gone; run the same command again")
    signed = _enter(folder, group)
    over = threading.Event()
    threading.Thread(target=_watch, args=(signed, launcher, over), daemon=True, name="holding").start()
    try:
        yield
    finally:
        over.set()
        signed.leave()


def confirm(folder: Path) -> None:
    """Before something is committed in a stage's folder: RunAgain (75) where another run has taken it over meanwhile. Nothing
    is said of a folder that nobody holds."""
    if (folder / FOLDER).is_dir() and not (folder / FOLDER / _name()).is_file():
        raise RunAgain(f"{folder}: {_taken(folder)}")


def _enter(folder: Path, group: tuple[str, str]) -> _Signed:
    """Sign, then look: of two that come at once at least one sees the other."""
    started, silent = time.monotonic(), dict[str, tuple[float, float]]()
    signed: _Signed | None = None
    try:
        signed = _sign(folder, group)
        while True:
            now = signed.touch()
            os.rename(signed.hidden, signed.shown)
            others = [one for one in _others(signed) if not _stale(one, now, silent)]
            if not others:
                return signed
            os.rename(signed.shown, signed.hidden)
            late = time.monotonic() - started > GRACE_S
            if late and not all(_may_be_dead(one, silent) for one in others):
                raise CannotCreate(
                    f"{folder}: in use by another run ({others[0][0]}); wait for it, or {ELSEWHERE}"
                )
            # Not in step with another that waits for us.
            time.sleep(_LOOK_S * random.uniform(0.5, 1.5))
    except BaseException as fault:
        if signed:
            signed.leave()
        if isinstance(fault, OSError):
            raise failure(folder, fault, instead=ELSEWHERE) from None
        raise


def _sign(folder: Path, group: tuple[str, str]) -> _Signed:
    place = folder / FOLDER
    shown = place / _name()
    hidden = shown.with_suffix(".waiting")
    try:
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    except FileNotFoundError:  # The last of those before us has just left, and the folder with it.
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    holder = Holder(
        host=platform.node(),
        pid=os.getpid(),
        born=processes.born(os.getpid()) or "",
        machine=processes.machine(),
        since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        folder=place.stat().st_ino,
        here=group[0],
        group=group[1],
    )
    with suppress(OSError):  # A file system without locks: the touching tells.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(descriptor, holder.model_dump_json().encode())
    ours = _Signed(holder, shown, hidden, descriptor)
    os.register_at_fork(after_in_child=ours.forget)
    return ours


def _others(signed: _Signed) -> list[tuple[Holder, Path]]:
    """Living holders that are no ranks of this stage's run, and those of other machines that may live. The file of a process
    that has ended is removed, and one that came with a copy of the folder."""
    found: list[tuple[Holder, Path]] = []
    for path in sorted(signed.shown.parent.glob("*.json")):
        if path == signed.shown:
            continue
        holder = _read(path) or signed.holder.model_copy(update=_UNKNOWN)
        if _fellow(signed.holder, holder):
            continue
        ours = holder.folder == signed.holder.folder
        if ours and (holder.machine != signed.holder.machine or _lives(holder, path)):
            found.append((holder, path))
        else:
            path.unlink(missing_ok=True)
    return found


def _fellow(mine: Holder, other: Holder) -> bool:
    """A rank of the same start of the same stage. Those of an earlier start may have met at the same address.

    One machine may have several host names (containers, a cluster tried on one machine), each with an agent of its own.
    """
    if (mine.machine, mine.host) == (other.machine, other.host):
        return mine.here == other.here
    return mine.group == other.group


def _lives(holder: Holder, path: Path) -> bool:
    """Whether its process is known to live: it holds its lock, or it is one of this machine that runs."""
    if holder.machine == processes.machine() and processes.born(holder.pid) == holder.born:
        return True
    return _locked(path)


def _locked(path: Path) -> bool:
    try:
        with path.open("r+b") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _stale(one: tuple[Holder, Path], now: float, silent: dict[str, tuple[float, float]]) -> bool:
    """Whether a holder of another machine has been silent for STALE_S, by the file server's time or by our own watch; its file
    is then removed."""
    holder, path = one
    if holder.machine == processes.machine() or _locked(path):
        return False
    try:
        touched = path.stat().st_mtime
    except FileNotFoundError:
        return True
    seen, since = silent.get(path.name, (touched, time.monotonic()))
    silent[path.name] = (seen, since)
    if seen != touched:
        # It lives: nothing but its leaving frees the folder.
        silent[path.name] = (-1.0, since)
        return False
    if now - touched > STALE_S or time.monotonic() - since > STALE_S:
        path.unlink(missing_ok=True)
        return True
    return False


def _may_be_dead(one: tuple[Holder, Path], silent: dict[str, tuple[float, float]]) -> bool:
    """Of another machine, and not seen to touch its file since we came."""
    return silent.get(one[1].name, (-1.0, 0.0))[0] >= 0


def _read(path: Path) -> Holder | None:
    """A file of `.held/`; None of one that went meanwhile, or that nobody of ours wrote."""
    try:
        return parse(Holder, read_json(path), where=str(path), error=CannotCreate)
    except LingshuError:
        return None


def _watch(signed: _Signed, launcher: str, over: threading.Event) -> None:
    """Beat, and end this process where it should not write any more."""
    parent, beaten = os.getppid(), time.monotonic()
    followed = bool(launcher) or environment.under_torchrun()
    while not over.wait(_LOOK_S):
        if followed and (os.getppid() != parent or (launcher and not processes.lives(launcher))):
            _end(f"the launcher of {signed.shown.parent.parent.name} is gone, so this process ends too", over)
        if time.monotonic() - beaten < BEAT_S:
            continue
        beaten = time.monotonic()
        try:
            signed.touch()
            stands = signed.stands
        except OSError:
            continue  # The file server does not answer: nobody else can write there either.
        if not stands:
            _end(f"{signed.shown.parent.parent}: {_taken(signed.shown.parent.parent)}", over)


def _end(why: str, over: threading.Event) -> None:
    if over.is_set():
        return
    with suppress(OSError, ValueError):
        sys.stderr.write(f"lingshu: {why}\n")
        sys.stderr.flush()
    # As after a kill, which costs what was done since the last checkpoint: another run may be waiting for us.
    os._exit(RunAgain.exit_code)


def _name() -> str:
    """Unlike that of every other living process, on other machines too."""
    return f"{platform.node()}-{digest(processes.machine())[:8]}-{os.getpid()}.json"


def _taken(folder: Path) -> str:
    return (
        f"was moved away, or taken over by another run after {STALE_S:.0f} s without a sign of this one; "
        "run the same command again"
    )
