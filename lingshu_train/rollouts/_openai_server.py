"""vLLM's own OpenAI-compatible server on this machine: started in its environment, waited for, ended with us. No torch."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
from pydantic import Field
from urllib3.exceptions import HTTPError

from lingshu_train import environment, stopping
from lingshu_train.errors import RunAgain
from lingshu_train.rollouts import _servers
from lingshu_train.rollouts._engine import Outage
from lingshu_train.schema import Strict

_LOOK_S = 0.25
_MODULE = "vllm.entrypoints.openai.api_server"
_BEGIN = f"""
import ctypes, os, runpy, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv.pop(1)):
    sys.exit(1)
sys.argv[0] = "{_MODULE}"
runpy.run_module("{_MODULE}", run_name="__main__")
"""
"""Run in the server's Python: it ends with the process that started it, also where that is killed."""


class Serving(Strict):
    """How the server is started."""

    weights: str
    """A model's folder, or its name on the hub where it was downloaded before."""
    gpus: str = ""
    """What CUDA_VISIBLE_DEVICES is for it; empty: what it is for us."""
    gpu_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU's memory that it takes."""
    cpu_cache_gb: int = Field(default=4, gt=0)
    """GB of memory for keys and values on a CPU."""
    context: int | None = Field(default=None, gt=0)
    """Most tokens of a prompt and its reply; none takes the model's own."""
    pictures: int = Field(default=8, ge=0)
    """Most pictures of a prompt; 0 for a model that takes none."""
    flags: tuple[str, ...] = ()
    """Further arguments of vLLM's server, such as `[--tensor-parallel-size, "8"]`."""
    start_timeout_s: float = Field(default=1800.0, gt=0)
    """Seconds that it may take to load the model."""


class OpenAIServer:
    """The server, as long as the block runs. `name`: what the model is called in requests. `folder`: for its log."""

    def __init__(self, wanted: Serving, *, name: str, folder: Path) -> None:
        self._wanted, self._name, self._folder = wanted, name, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url, self.key_file = "", ""

    def __enter__(self) -> Self:
        """Start it and wait. MissingInput (66): no environment of the engine. Outage (75): it ended, or was too slow."""
        python = _servers.python()
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("key-*"):
            # Of a start that was killed.
            old.unlink(missing_ok=True)
        port, key = _free_port(), secrets.token_hex(16)
        descriptor, self.key_file = tempfile.mkstemp(prefix="key-", dir=self._folder)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(key)
        try:
            self._start(python, port, key)
            self._wait(port)
        except BaseException:
            self._end()
            raise
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def log(self) -> Path:
        return self._folder / "server.txt"

    def _arguments(self, port: int) -> list[str]:
        own = self._wanted
        found = ["--model", own.weights, "--served-model-name", self._name, "--host", "127.0.0.1"]
        found += ["--port", str(port), "--seed", "0", "--generation-config", "vllm"]
        found += ["--gpu-memory-utilization", str(own.gpu_share)]
        found += ["--max-model-len", str(own.context)] if own.context else []
        found += ["--limit-mm-per-prompt", f'{{"image": {own.pictures}, "video": 0}}'] if own.pictures else []
        return [*found, *own.flags]

    def _variables(self) -> dict[str, str]:
        found = {"VLLM_CPU_KVCACHE_SPACE": str(self._wanted.cpu_cache_gb)}
        # Compiling the sampler takes 40 s on a CPU, where nothing else is compiled either.
        found |= {"TORCHDYNAMO_DISABLE": "1"} if "--enforce-eager" in self._wanted.flags else {}
        return found | ({"CUDA_VISIBLE_DEVICES": self._wanted.gpus} if self._wanted.gpus else {})

    def _start(self, python: Path, port: int, key: str) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [python, "-I", "-c", _BEGIN, str(os.getpid()), *self._arguments(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The key is in no command line, which every user of the machine may read.
                env={**environment.for_an_engine(), **self._variables(), "VLLM_API_KEY": key},
                cwd=self._folder,
                start_new_session=True,
            )

    def _wait(self, port: int) -> None:
        until = time.monotonic() + self._wanted.start_timeout_s
        with urllib3.PoolManager(timeout=5.0, retries=False) as line:
            while time.monotonic() < until:
                assert self._process is not None
                if self._process.poll() is not None:
                    raise self._outage("ended while it started")
                if stopping.asked():
                    raise RunAgain("told to stop while a teacher was starting; run the same command again")
                with suppress(HTTPError):
                    if line.request("GET", f"http://127.0.0.1:{port}/health").status == 200:
                        return
                time.sleep(_LOOK_S)
        raise self._outage(f"was not ready after {self._wanted.start_timeout_s:g} s")

    def _end(self) -> None:
        """Kill it with all that it started: it keeps nothing."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self.key_file:
            Path(self.key_file).unlink(missing_ok=True)

    def _outage(self, what: str) -> Outage:
        lines = [line for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        last = f": {lines[-1].strip()[:300]}" if lines else ""
        return Outage(f"teacher: vLLM's server {what}; {self.log}{last}")


def _free_port() -> int:
    """A port that nobody has now. Another process may take it meanwhile: then the server ends, and says so."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
