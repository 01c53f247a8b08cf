"""A process beside a run that imports once what ranks import, and forks each of them: a stage starts in milliseconds.

It is started as a rank is, with the same variables, so that what is forked has the allocator, the hash seed and the thread
pools that a start of its own would have given it. Whoever asks becomes the parent of what is forked, as if it had started it:
waiting, signals and exit codes are the system's own. On Linux, and where ranks compute on the CPU: what has looked for a GPU
cannot be forked. Everywhere else, and with LINGSHU_COLD=1, processes start as always.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn, Protocol

from lingshu_train import environment, stopping
from lingshu_train.running import warm
from lingshu_train.runs import processes

_PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans below this process become its children."""
READ_AT_START = (
    *("HOME", "LD_", "MALLOC_", "PYTHON", "XDG_"),
    *("GLOO_", "MKL_", "NCCL_", "OMP_", "OPENBLAS"),
    *("CUBLAS_", "CUDA_", "PYTORCH", "TORCH_"),
    *("DS_", "HF_", "HUGGINGFACE", "TOKENIZERS_", "TRANSFORMERS", "TRL_"),
    *("LINGSHU_CARDS", "LINGSHU_PLUGINS"),
)
"""How the variables begin that an interpreter or a library reads when it starts: they have to be the same."""
SET_BY_LIBRARIES = ("PYTORCH_NVML_BASED_CUDA_CHECK",)
"""What begins so and is set by a library when it is imported, for itself."""
_ROOM = "-" * 1500
"""The last word of the nursery's command line, over which those of what it forks are written."""
_READY = b"r"
_LENGTH = struct.Struct("<I")
_ANSWER = struct.Struct("<i")
_FILES = 250


class Started(Protocol):
    """What is asked of a process that was started: the part of Popen that its launcher uses."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Files(NamedTuple):
    """The open files of a process: what it will call them, and what its parent calls them."""

    its: Sequence[int]
    ours: Sequence[int]


class Nursery:
    """The process, and how it is asked. `variables`: what it is started with."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._given = _read_at_start(variables)
        self._python = sys.executable
        self._door, its = socket.socketpair()
        self._is_ready = False
        with its:
            number = its.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(number), _ROOM],
                env=dict(variables),
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    @property
    def ready(self) -> bool:
        """Whether it has imported what there is to import."""
        if not self._is_ready and select.select([self._door], [], [], 0)[0]:
            with suppress(OSError):
                self._is_ready = self._door.recv(1) == _READY
        return self._is_ready and self._process.poll() is None

    def can(self, argv: Sequence[str], variables: Mapping[str, str]) -> bool:
        """Whether what it forks would be what this command line starts."""
        return (
            list(argv[:2]) == [self._python, "-m"]
            and argv[2] in warm.FORKED
            and _read_at_start(variables) == self._given
        )

    def fork(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        files: Files,
        *,
        cwd: str = "",
        session: bool = False,
    ) -> int:
        """The id of a new child of this process, which does what the command line says; 0 where none could be had."""
        ignored = [int(each) for each in warm.STARTED_WITH if signal.getsignal(each) is signal.SIG_IGN]
        asked = {
            "argv": list(argv),
            "variables": dict(variables),
            "files": list(files.its),
            "ignored": ignored,
        }
        data = json.dumps({**asked, "cwd": cwd or os.getcwd(), "session": session}).encode()
        if not _reap_orphans(True):
            return 0
        try:
            socket.send_fds(self._door, [_LENGTH.pack(len(data))], list(files.ours))
            self._door.sendall(data)
            return int(_ANSWER.unpack(_exactly(self._door, _ANSWER.size))[0])
        except (OSError, EOFError):
            return 0
        finally:
            _reap_orphans(False)

    def close(self) -> None:
        """End it. What it has forked goes on."""
        self._door.close()
        self._process.kill()
        self._process.wait()


class Child:
    """A forked process of ours, as subprocess.Popen would show it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self._collect(os.WNOHANG)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, however long it takes; nobody here asks for a limit."""
        if timeout is not None:
            raise ValueError("a forked rank is waited for to its end")
        while self.returncode is None:
            self._collect(0)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        # As long as nobody has waited for it, its number is no one else's.
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _collect(self, options: int) -> None:
        pid, status = os.waitpid(self.pid, options)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)


_current: Nursery | None = None


@contextmanager
def beside(variables: Mapping[str, str]) -> Iterator[None]:
    """Have one for what is started meanwhile, from the moment on at which it is ready."""
    global _current
    made = Nursery(variables)
    _current = made
    try:
        yield
    finally:
        _current = None
        made.close()


def possible() -> bool:
    """Whether there can be one in this process, and is none yet."""
    born = issubclass(subprocess.Popen, warm.Warm)
    return sys.platform == "linux" and _current is None and not born and not environment.cold()


def start(argv: Sequence[str], variables: Mapping[str, str], pass_fds: Sequence[int]) -> Started:
    """A process with this command line: forked where that is the same, else started."""
    if _current is not None and _current.ready and _current.can(argv, variables):
        files = Files([0, 1, 2, *pass_fds], [0, 1, 2, *pass_fds])
        if pid := _current.fork(argv, variables, files):
            return Child(pid)
    return subprocess.Popen(argv, env=variables, pass_fds=pass_fds)


def _read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    read = {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}
    return {name: value for name, value in read.items() if name not in SET_BY_LIBRARIES}


def _reap_orphans(wanted: bool) -> bool:
    """Whether the kernel does from now on what is wanted: make this process the parent of orphans below it, or no longer."""
    try:
        return int(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted))) == 0
    except (AttributeError, OSError):
        return False


def _exactly(door: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = door.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def main(number: int) -> int:
    """Fork what is asked for, as long as the one who asks lives."""
    for each in stopping.SIGNALS:
        # Ctrl-C in a terminal and the end of a Slurm step are for those who have something to save.
        signal.signal(each, signal.SIG_IGN)
    # One that comes for a child before it has its own dispositions waits there until it has.
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping.SIGNALS)
    processes.end_with_parent()
    warm.load()
    with socket.socket(fileno=number) as door:
        door.sendall(_READY)
        while True:
            head, files, _, _ = socket.recv_fds(door, _LENGTH.size, _FILES)
            if not head:
                return 0
            head += _exactly(door, _LENGTH.size - len(head))
            asked = json.loads(_exactly(door, _LENGTH.unpack(head)[0]))
            door.sendall(_ANSWER.pack(_orphan(asked, files)))
            for file in files:
                os.close(file)


def _orphan(asked: dict[str, Any], files: Sequence[int]) -> int:
    """The id of a grandchild that has lost its parent, and by that become the child of the one who asks."""
    reading, writing = os.pipe()
    try:
        between = os.fork()
        if not between:
            _between(asked, files, writing)
        os.waitpid(between, 0)
        os.set_blocking(reading, False)
        with suppress(BlockingIOError):
            return int(os.read(reading, 20) or 0)
        return 0
    except OSError:
        return 0
    finally:
        os.close(reading)
        os.close(writing)


def _between(asked: dict[str, Any], files: Sequence[int], told: int) -> NoReturn:
    code = 1
    try:
        me = os.getpid()
        waits, session = os.pipe()
        child = os.fork()
        if not child:
            if asked["session"]:
                os.setsid()
            os.close(waits)
            os.close(session)
            _be(asked, files, me)
        # As with Popen, whoever is told of it may ask for its group, or send that a signal.
        os.close(session)
        os.read(waits, 1)
        os.write(told, str(child).encode())
        code = 0
    finally:
        os._exit(code)


def _be(asked: dict[str, Any], files: Sequence[int], before: int) -> None:
    """Be what was asked for, once the one who asked is the parent."""
    try:
        while os.getppid() == before:
            select.select([], [], [], 0.0005)
        wanted = asked["files"]
        low = max(wanted) + 1
        high = [fcntl.fcntl(file, fcntl.F_DUPFD, low) for file in files]
        for file, name in zip(high, wanted, strict=True):
            os.dup2(file, name)
        kept = set(wanted)
        for file in range(low):
            if file not in kept:
                with suppress(OSError):
                    os.close(file)
        os.closerange(low, max(warm.MOST_FILES, max(high) + 1))
        os.chdir(asked["cwd"])
    except OSError:
        os._exit(70)
    warm.become(asked["argv"], asked["variables"], asked["ignored"])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
