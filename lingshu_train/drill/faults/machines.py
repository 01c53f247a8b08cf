"""Two machines of one run, as two agents that meet on 127.0.0.1, each with a host name of its own: one that does not come,
vanishes, freezes, is told to stop, or was started for another run."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.drill import command, server, tree
from lingshu_train.drill.command import Ended, Process
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene, Skip
from lingshu_train.running import peers, warm

_NEWNS, _NEWUTS = 0x00020000, 0x04000000
"""unshare(2): mounts, and a host name, of a process's own."""
COME_S, GONE_S = 20.0, 15.0
"""So long a machine may take to come, and be without a word: in the drill, where nobody waits for minutes."""


@contextmanager
def _hasty(scene: Scene) -> Iterator[None]:
    """What is forked meanwhile gives a machine up after seconds."""
    if scene.ground.cold:
        raise Skip("machines are given up after minutes; without --cold the drill shortens that")
    if subprocess.run(["unshare", "--uts", "--mount", "true"], capture_output=True, check=False).returncode:
        raise Skip("a second host name on one machine needs the right to unshare(2)")
    before = peers.JOIN_S, peers.GONE_S
    peers.JOIN_S, peers.GONE_S = COME_S, GONE_S
    try:
        yield
    finally:
        peers.JOIN_S, peers.GONE_S = before


@dataclass(slots=True)
class _Pair:
    """Both machines' agents. One that is not started is None."""

    scene: Scene
    agents: list[Process | None]

    def end(self, *survivors: int, code: int, why: str) -> Ended:
        """What the machines come to that are still there: all of them end with this code, and say why."""
        found = [self.scene.finish(agent) for number in survivors if (agent := self.agents[number])]
        for number, ended in zip(survivors, found, strict=True):
            if ended.code != code or why not in ended.line or not ended.told:
                self.scene.harm = f"machine {number}: {ended.code}: {ended.line}"
        return found[0]

    def signal(self, number: int, what: signal.Signals) -> None:
        """To all processes of a machine."""
        agent = self.agents[number]
        assert agent is not None
        for pid in [agent.pid, *tree.below(agent.pid)]:
            os.kill(pid, what)


def _words(scene: Scene, *more: str, run: Path | None = None) -> list[str]:
    """The recipe and its settings, without the verb and its options."""
    words = scene.words(*more, run=run)[1:]
    place = words.index("--cards")
    return [*words[:place], *words[place + 2 :]]


def _agent(scene: Scene, number: int, port: int, words: list[str], *, apart: str = "") -> Process:
    layout = [f"--machines={scene.ranks}", f"--machine={number}", "--ranks=1", f"--meet=127.0.0.1:{port}"]
    scene.begun_after += 1
    return command.start(
        [*layout, "--id=drill", *words],
        log=scene.run.parent / f"machine-{number}.log",
        variables={
            **scene.ground.environment(),
            "LINGSHU_CARDS": str(scene.ground.folder / "cards"),
            "GLOO_SOCKET_IFNAME": "lo",
        },
        spoil=_host(f"drill-{number}", apart),
        module=warm.AGENT,
    )


def _host(name: str, apart: str) -> warm.Spoil:
    """A machine of this name, on which there is another folder at `apart`."""

    def become() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEWUTS | (_NEWNS if apart else 0)) or libc.sethostname(name.encode(), len(name)):
            raise OSError(ctypes.get_errno(), "unshare")
        # Asked before, it is remembered.
        platform._uname_cache = None  # type: ignore[attr-defined]
        if apart:
            # Not subprocess, which is another one here.
            os.system(f"mount --make-rprivate / && mount -t tmpfs none '{apart}'")

    return become


def _both(
    scene: Scene, *, only: int | None = None, second: list[str] | None = None, apart: str = ""
) -> _Pair:
    """Start them. `second`: what the second one is started with instead; `apart`: a folder that it has for itself."""
    scene.again = lambda: _again(scene)
    port = server.free_port()
    words = [_words(scene), second or _words(scene)]
    with _hasty(scene):
        agents = [
            _agent(scene, number, port, words[number], apart=apart if number else "")
            if only in (None, number)
            else None
            for number in range(scene.ranks)
        ]
    return _Pair(scene, agents)


def _again(scene: Scene) -> Ended:
    """The same command again on both machines."""
    pair = _both(scene)
    found = [scene.finish(agent) for agent in pair.agents if agent]
    return next((ended for ended in found if ended.code != 0), found[0])


def _alone(number: int, why: str) -> Callable[[Scene], Ended]:
    """Only this machine comes."""

    def do(scene: Scene) -> Ended:
        return _both(scene, only=number).end(number, code=75, why=why)

    return do


def _struck(number: int, what: signal.Signals, *, why: str, code: int = 75) -> Callable[[Scene], Ended]:
    """A signal to everything on one machine in a step. One that is frozen is switched off in the end."""

    def do(scene: Scene) -> Ended:
        pair = _both(scene)
        first = pair.agents[0]
        assert first is not None
        scene.when_step(first, 4)
        scene.struck()
        pair.signal(number, what)
        try:
            return pair.end(1 - number, code=code, why=why)
        finally:
            pair.signal(number, signal.SIGKILL)
            agent = pair.agents[number]
            assert agent is not None
            agent.popen.wait()

    return do


def _agent_struck(what: signal.Signals, why: str, *survivors: int) -> Callable[[Scene], Ended]:
    """A signal to the second machine's agent alone."""

    def do(scene: Scene) -> Ended:
        pair = _both(scene)
        first, second = pair.agents
        assert first is not None and second is not None
        scene.when_step(first, 4)
        scene.struck()
        os.kill(second.pid, what)
        if what is signal.SIGKILL:
            second.popen.wait()
        return pair.end(*survivors, code=75, why=why)

    return do


def _unlike(*more: str, run: str = "") -> Callable[[Scene], Ended]:
    """The second machine is started with something else."""

    def do(scene: Scene) -> Ended:
        other = _words(scene, *more, run=scene.run.parent / run if run else None)
        why = "all machines of a run need the same command line"
        return _both(scene, second=other).end(0, 1, code=64, why=why)

    return do


def _not_shared(scene: Scene) -> Ended:
    """The run's folder is another one on the second machine."""
    pair = _both(scene, apart=str(scene.run))
    return pair.end(0, 1, code=73, why="does not see there what rank 0 wrote")


def _fault(
    name: str, says: str, do: Callable[[Scene], Ended], code: int = 75, *, traceback: bool = False
) -> Fault:
    return Fault(
        name=f"machine_{name}", number="", says=says, do=do, codes=(code,), ranks=2, traceback=traceback
    )


_GONE = "run the same command again on all machines"
FAULTS = (
    _fault("never_comes", "the second machine never comes", _alone(0, "rank 1 did not come within")),
    _fault("first_never_comes", "the first machine never comes", _alone(1, "nobody answered within")),
    _fault(
        "vanishes",
        "SIGKILL to all of the second machine",
        _struck(1, signal.SIGKILL, why="run the same command again"),
        traceback=True,
    ),
    _fault(
        "first_vanishes",
        "SIGKILL to all of the first machine",
        _struck(0, signal.SIGKILL, why="run the same command again"),
        traceback=True,
    ),
    _fault(
        "frozen",
        "SIGSTOP to all of the second machine: no word, and lines that stay open",
        _struck(1, signal.SIGSTOP, why=_GONE),
    ),
    _fault("first_frozen", "SIGSTOP to all of the first machine", _struck(0, signal.SIGSTOP, why=_GONE)),
    _fault(
        "told",
        "SIGTERM to the second machine's agent alone",
        _agent_struck(signal.SIGTERM, "checkpoint written", 0, 1),
    ),
    _fault(
        "agent_killed",
        "SIGKILL to the second machine's agent alone",
        _agent_struck(signal.SIGKILL, "run the same command again", 0),
        traceback=True,
    ),
    _fault("two_outputs", "another output on the second machine", _unlike(run="other"), 64),
    _fault(
        "other_setting",
        "another learning rate on the second machine",
        _unlike("stages.sft.learning_rate.merger=0.001"),
        64,
    ),
    _fault("not_shared", "the run's folder is not shared", _not_shared, 73),
)
