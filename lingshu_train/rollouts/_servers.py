"""A vLLM server of this machine: started in the engine's environment, waited for, looked after, ended with us. No torch."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from lingshu_train import environment, stopping
from lingshu_train.errors import MissingInput, RunAgain
from lingshu_train.rollouts import _wire
from lingshu_train.rollouts._engine import Outage, Refused
from lingshu_train.rollouts._wire import Address

_SCRIPT = Path(__file__).with_name("_vllm_server.py")
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How servers are started. `engine`: arguments of vLLM's class LLM beside the model. `variables`: of each server's
    environment; `gpus`: what the n-th sees of the GPUs, empty: what `variables` say. `folder`: for logs and settings, which
    only we may read."""

    python: Path
    engine: Mapping[str, JsonValue]
    variables: Mapping[str, str]
    gpus: tuple[str, ...]
    folder: Path
    timeout_s: float


def python() -> Path:
    """The engine's Python. MissingInput (66): there is none."""
    found = environment.vllm_python()
    if not os.access(found, os.X_OK):
        raise MissingInput(
            f"{found}: the engine vllm has no environment; ./launch/vllm.sh makes it, and LINGSHU_VLLM names the Python of "
            "another one"
        )
    return found


class Server:
    """One server process. It ends with the process and the thread that `begin` was called in, however these end."""

    def __init__(self, start: Start, number: int) -> None:
        self._start = start
        self._name = f"server-{number}"
        self._gpus = {"CUDA_VISIBLE_DEVICES": start.gpus[number % len(start.gpus)]} if start.gpus else {}
        self._process: subprocess.Popen[bytes] | None = None
        self.address: Address | None = None
        self.software = ""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def begin(self, model: str, version: str) -> None:
        """Start it with the model of a folder. `wait` then waits for it, so that several load at once."""
        self.end()
        folder = self._start.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key, told, place = secrets.token_hex(16), folder / f"{self._name}.port", folder / f"{self._name}.json"
        told.unlink(missing_ok=True)
        settings = {
            "host": "127.0.0.1",
            "port": 0,
            "key": key,
            "told": str(told),
            "parent": os.getpid(),
            "version": version,
            "variables": {**self._start.variables, **self._gpus},
            "engine": {**self._start.engine, "model": model},
        }
        place.unlink(missing_ok=True)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(settings, stream)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._start.python, "-I", _SCRIPT, place],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment.for_an_engine(),
                cwd=folder,
                start_new_session=True,
            )
        self._key, self._told = key, told

    def wait(self) -> Address:
        """Until it has loaded its model. Outage (75): it ended, or took longer than it may; the last it said is told."""
        until = time.monotonic() + self._start.timeout_s
        while time.monotonic() < until:
            if not self.alive:
                raise self._outage("ended while it started")
            if stopping.asked():
                raise RunAgain("told to stop while an engine was starting; run the same command again")
            if self._told.exists():
                address = Address(f"http://127.0.0.1:{self._told.read_text(encoding='ascii')}", self._key)
                found = _wire.state(address)
                if found is not None:
                    self.address, self.software = address, found.software
                    return address
            time.sleep(_LOOK_S)
        self.end()
        raise self._outage(f"was not ready after {self._start.timeout_s:g} s")

    def holds(self, version: str) -> bool:
        """Whether it lives, answers, and has these weights."""
        if not self.alive or self.address is None:
            return False
        try:
            found = _wire.state(self.address)
        except (Outage, Refused):
            return False
        return found is not None and found.version == version

    def end(self) -> None:
        """Kill it: it keeps nothing."""
        self.address = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            self._process = None

    @property
    def _log(self) -> Path:
        return self._start.folder / f"{self._name}.txt"

    def _outage(self, what: str) -> Outage:
        lines = [line for line in self._log.read_text("utf-8", "replace").splitlines() if line.strip()]
        last = f": {lines[-1].strip()[:300]}" if lines else ""
        return Outage(f"engine vllm: a server {what}; {self._log}{last}")
