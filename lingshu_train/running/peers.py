"""What the launchers of a run's ranks know of each other, through the launcher's store: who is there, what to do, what broke.

Only a thread talks to the store: a machine that is gone without a word leaves such a call hanging, and the run has to end in a
stated time all the same.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lingshu_train import dist, environment
from lingshu_train.errors import LingshuError, RunAgain, UsageError
from lingshu_train.running.faults import StageFailed

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

JOIN_S = 300.0
"""So long the ranks wait for each other at the start."""
BEAT_S = 5.0
"""How often each launcher says that it is there."""
GONE_S = 180.0
"""After so long without a word a machine is taken to be gone."""
LOOK_S = 0.25
"""How often the store is asked for what is new."""
TELL_S = 5.0
"""So long a rank that ends tries to tell the others why."""
TRY_S = 10.0
"""So long one try to reach the store may take."""
TALKER = "peers"
"""The thread's name."""
BYE_S = 30.0
"""So long the first rank keeps the store for the others to read the end."""
AGAIN = "run the same command again on all machines to go on"


@dataclass(frozen=True, slots=True)
class Hello:
    """What a rank says of itself: its command line, its machine, and what that machine's name means there, where that is
    no address for others."""

    words: list[str]
    host: str
    home: str
    loopback: str

    @classmethod
    def here(cls, words: list[str]) -> Hello:
        host = platform.node()
        home = ""
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            home = f"{boot} {os.readlink('/proc/self/ns/net')}"
        try:
            address = socket.gethostbyname(host)
        except OSError:
            address = ""
        told = environment.inherited().get("GLOO_SOCKET_IFNAME")
        return cls(words, host, home or host, address if address.startswith("127.") and not told else "")


class Peers:
    """One rank's side. `meet` first, then `ask`, `tell` and `trouble` return within seconds."""

    def __init__(self, store: Store, here: dist.Place) -> None:
        self._store, self._here = store, here
        self._wanted: set[str] = {"trouble"}
        self._said: dict[str, str] = {}
        self._found: dict[str, str] = {}
        self._fault = ""
        self._heard = time.monotonic()
        self._signs: dict[int, tuple[bytes, float]] = {}
        self._lost = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True, name=TALKER)

    def meet(self, words: list[str]) -> None:
        """Wait for all ranks. A LingshuError, the same on every rank, where they cannot work together."""
        self._thread.start()
        self.say(f"hello/{self._here.rank}", json.dumps(asdict(Hello.here(words))))
        if self._here.first:
            names = [f"hello/{rank}" for rank in range(self._here.world_size)]
            if not self._within(JOIN_S, names):
                missing = [rank for rank, name in enumerate(names) if name not in self._found]
                raise self.trouble() or RunAgain(
                    f"{_ranks(missing)} did not come within {JOIN_S:.0f} s; {AGAIN}"
                )
            _fit([Hello(**json.loads(self._found[name])) for name in names])
            self.say("welcome", "")
        elif not self._within(JOIN_S + BEAT_S, ["welcome"]):
            raise self.trouble() or RunAgain(f"rank 0 did not answer within {JOIN_S:.0f} s; {AGAIN}")
        for rank in self._others():
            self._signs.setdefault(rank, (b"", time.monotonic()))

    def say(self, key: str, value: str) -> None:
        self._said[key] = value

    def ask(self, key: str) -> str | None:
        """What another rank said under this name, if it has."""
        self._wanted.add(key)
        return self._found.get(key)

    def tell(self, fault: LingshuError) -> None:
        """Let all know what ended this rank. The first to tell is heard. Waits, a little, until it has been said; the first
        rank, which may keep the store, until those who came have heard it."""
        self._fault = json.dumps(
            {"message": f"rank {self._here.rank}: {fault}", "exit_code": fault.exit_code}
        )
        self._until(lambda: not self._fault, TELL_S)
        if self._here.first:
            heard = [f"heard/{rank}" for rank in self._others() if f"hello/{rank}" in self._found]
            self._wanted.update(heard)
            self._until(lambda: all(name in self._found for name in heard), TELL_S)

    def trouble(self) -> LingshuError | None:
        """What keeps another rank from going on."""
        found = self._found.get("trouble")
        if found:
            read = json.loads(found)
            return StageFailed(str(read["message"]), int(read["exit_code"]))
        silent = time.monotonic() - self._heard
        if self._lost or silent > GONE_S:
            why = self._lost or f"no word for {silent:.0f} s"
            return RunAgain(f"the machine of rank 0 is gone ({why}); {AGAIN}")
        gone = [rank for rank, (_, since) in dict(self._signs).items() if time.monotonic() - since > GONE_S]
        return RunAgain(f"{_ranks(gone)}: no word for {GONE_S:.0f} s; {AGAIN}") if gone else None

    def part(self) -> None:
        """At the end: the first rank may keep the store, and stays until the others have read from it what they need."""
        if self._here.first:
            self._within(BYE_S, [f"bye/{rank}" for rank in range(1, self._here.world_size)])
            return
        self.say(f"bye/{self._here.rank}", "")
        self._until(lambda: not self._said, TELL_S)

    def close(self) -> None:
        """Talk no more. A thread that the interpreter's end meets inside the store's C++ would abort the process; one whose
        store hangs stays, and `still_talking` says so."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(TRY_S)

    def _others(self) -> range:
        """Whom this rank watches."""
        return range(1, self._here.world_size) if self._here.first else range(1)

    def _within(self, seconds: float, names: list[str]) -> bool:
        """Whether all these names are there before the time is up, or before trouble is."""
        self._wanted.update(names)
        self._until(lambda: "trouble" in self._found or all(name in self._found for name in names), seconds)
        return all(name in self._found for name in names)

    def _until(self, happened: Callable[[], bool], seconds: float) -> None:
        """Wait for it, for the time to be up, or for the store to be lost."""
        until = time.monotonic() + seconds
        while not happened() and not self._lost and time.monotonic() < until:
            time.sleep(LOOK_S / 2)

    def _talk(self) -> None:
        beaten = 0
        try:
            while not self._over.is_set():
                for key, value in list(self._said.items()):
                    self._store.set(key, value)
                    del self._said[key]
                if told := self._fault:
                    self._store.compare_set("trouble", "", told)
                    self._look("trouble")
                    self._fault = ""
                for key in list(self._wanted):
                    self._look(key)
                if time.monotonic() - self._heard > BEAT_S or not beaten:
                    beaten += 1
                    self._beat(beaten)
                self._over.wait(LOOK_S)
        except RuntimeError as fault:
            self._lost = first_line(fault)

    def _look(self, key: str) -> None:
        if key not in self._found and self._store.check([key]):
            found = self._store.get(key).decode()
            if key == "trouble":
                self._store.set(f"heard/{self._here.rank}", "")
            self._found[key] = found

    def _beat(self, number: int) -> None:
        """Say that this rank is there; the first rank looks at all the others, once they have come."""
        self._store.set(f"alive/{self._here.rank}", str(number))
        now = time.monotonic()
        self._heard = now
        for rank in self._others():
            key = f"alive/{rank}"
            sign = self._store.get(key) if self._store.check([key]) else b""
            if sign and (rank not in self._signs or self._signs[rank][0] != sign):
                self._signs[rank] = (sign, now)


def open_store(here: dist.Place, variables: Mapping[str, str]) -> Store:
    """The launcher's own, or one that the first rank keeps. RunAgain where nobody answers."""
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    host, port = variables["MASTER_ADDR"], int(variables["MASTER_PORT"])
    keeps = here.first and variables.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    until = time.monotonic() + JOIN_S
    while True:
        try:
            # Short tries: nobody hears a request to stop within one.
            patience = timedelta(seconds=min(TRY_S, JOIN_S))
            store = TCPStore(host, port, is_master=keeps, wait_for_workers=False, timeout=patience)
        except RuntimeError as fault:
            if keeps:
                raise RunAgain(
                    f"port {port} of this machine, where the ranks of this run are to meet: {first_line(fault)}; {AGAIN}"
                ) from None
            if time.monotonic() > until:
                raise RunAgain(
                    f"{host}:{port}, where the ranks of this run meet: nobody answered within {JOIN_S:.0f} s "
                    f"({first_line(fault)}); {AGAIN}"
                ) from None
            continue
        return PrefixStore(f"lingshu/{variables.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def still_talking() -> bool:
    """Whether a thread of this process is held by a store that does not answer."""
    return any(thread.name == TALKER for thread in threading.enumerate())


def first_line(fault: Exception) -> str:
    """torch's messages go on for a page, with a stack in C++."""
    return str(fault).strip().partition("\n")[0][:200] or type(fault).__name__


def _fit(hellos: list[Hello]) -> None:
    """What would go wrong later, and less clearly. Raises UsageError (64)."""
    first = hellos[0]
    for rank, other in enumerate(hellos):
        if other.words != first.words:
            ours = sorted(set(other.words) - set(first.words)) or ["less"]
            theirs = sorted(set(first.words) - set(other.words)) or ["less"]
            raise UsageError(
                f"rank {rank} ({other.host}) was started with {' '.join(ours)} where rank 0 has {' '.join(theirs)}; all "
                "machines of a run need the same command line"
            )
        if other.loopback and len({one.home for one in hellos}) > 1:
            raise UsageError(
                f"rank {rank}: the name of its machine, {other.host}, means {other.loopback} there, where no other machine "
                "reaches it; set GLOO_SOCKET_IFNAME to its network interface (`ip -brief address` lists them), or correct "
                "/etc/hosts"
            )


def _ranks(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (" ..." if len(numbers) > 8 else "")
    return f"rank{'s' if len(numbers) > 1 else ''} {shown}"
