"""A vLLM engine behind HTTP. Run by the engine's own Python, as a script, which has nothing of this project but this file.

`python -I _vllm_server.py SETTINGS.json`. Every request names the version of the weights that has to answer it, and the engine
refuses it where it has others: so no completion can come from a policy that is not meant.
"""

from __future__ import annotations

import base64
import ctypes
import hmac
import io
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VARIABLES = {
    # One process: it dies as one, and a call is a function of its requests alone.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
PR_SET_PDEATHSIG = 1
CALLS = {
    "/answer": "_answer",
    "/weights": "_weights",
    "/rest": "_rest",
    **{f"/transfer/{name}": f"_transfer_{name}" for name in ("init", "start", "update", "finish")},
}
"""What may be asked, and which method does it."""
MOST = 4 << 30
"""Bytes of a request."""


class Refused(Exception):
    """The request cannot be answered; `status` says to HTTP why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class Job:
    """What a request asks of the engine, which works in the main thread alone."""

    path: str
    body: dict[str, Any]
    done: threading.Event = field(default_factory=threading.Event)
    reply: dict[str, Any] = field(default_factory=dict)
    status: int = 200


class Engine:
    """vLLM with the version of its weights; empty while they are being changed, and after a change that failed."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from vllm import LLM, SamplingParams
        from vllm.exceptions import VLLMClientError
        from vllm.version import __version__

        self.software = f"vllm {__version__}"
        self._params = SamplingParams
        self._theirs = (VLLMClientError, ValueError, KeyError, TypeError, OSError)
        wanted = dict(settings["engine"])
        if backend := wanted.pop("weight_transfer", ""):
            from vllm.config import WeightTransferConfig

            wanted["weight_transfer_config"] = WeightTransferConfig(backend=backend)
        self._llm = LLM(**wanted)
        self._rests = False
        self.version: str = settings["version"]

    def do(self, job: Job) -> None:
        try:
            job.reply = getattr(self, CALLS[job.path])(job.body)
        except Refused as fault:
            job.status, job.reply = fault.status, {"message": str(fault)}
        except self._theirs as fault:
            # Any other fault ends the process, and whoever started it starts another.
            job.status, job.reply = 400, {"message": f"{type(fault).__name__}: {fault}"}
        job.done.set()

    def _weights(self, body: dict[str, Any]) -> dict[str, Any]:
        """Read the tensors of a folder into the running engine, and forget all that was computed with the old ones."""
        self._begin()
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": body["folder"]})
        return self._has(body["version"])

    def _transfer_init(self, body: dict[str, Any]) -> dict[str, Any]:
        self._llm.init_weight_transfer_engine({"init_info": body["info"]})
        return {"version": self.version}

    def _transfer_start(self, body: dict[str, Any]) -> dict[str, Any]:
        self._begin()
        self._llm.start_weight_update()
        return {"version": self.version}

    def _transfer_update(self, body: dict[str, Any]) -> dict[str, Any]:
        handles = {"ipc_handles": [_opener(one) for one in body["handles"]]} if "handles" in body else {}
        self._llm.update_weights({"update_info": {**body["info"], **handles}})
        return {"version": self.version}

    def _transfer_finish(self, body: dict[str, Any]) -> dict[str, Any]:
        self._llm.finish_weight_update()
        return self._has(body["version"])

    def _rest(self, body: dict[str, Any]) -> dict[str, Any]:
        """Give back the memory of weights and cache: others come before the next question."""
        self.version = ""
        if not self._rests:
            self._llm.sleep(level=2)
            self._rests = True
        return {"version": self.version}

    def _begin(self) -> None:
        """What it has is going to be no version, in memory that it has again."""
        self.version = ""
        if self._rests:
            self._llm.wake_up(tags=["weights"])

    def _has(self, version: str) -> dict[str, Any]:
        """All weights are new: nothing of what was computed with the old ones stays."""
        if self._rests:
            self._llm.wake_up(tags=["kv_cache"])
            self._rests = False
        self._llm.reset_prefix_cache()
        self._llm.reset_mm_cache()
        self._llm.llm_engine.reset_encoder_cache()
        self.version = version
        return {"version": self.version}

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["version"] != self.version:
            raise Refused(409, f"asked for weights {body['version']!r}, and has {self.version!r}")
        pictures = [_opened(text) for text in body["pictures"]]
        prompts: list[dict[str, Any]] = []
        for one in body["requests"]:
            shown = [pictures[place] for place in one["pictures"]]
            more = {"multi_modal_data": {"image": shown}} if shown else {}
            prompts.append({"prompt_token_ids": one["ids"], **more})
        wanted = [self._sampling(body["sampling"], one["seed"]) for one in body["requests"]]
        found = self._llm.generate(prompts, wanted, use_tqdm=False)
        return {"version": self.version, "answers": [_told(one) for one in found]}

    def _sampling(self, sampling: dict[str, Any], seed: int) -> Any:
        return self._params(
            n=1,
            seed=seed,
            max_tokens=sampling["max_tokens"],
            temperature=sampling["temperature"],
            top_p=sampling["top_p"],
            top_k=-1,
            min_p=0.0,
            repetition_penalty=1.0,
            stop=sampling["stop"] or None,
            stop_token_ids=sampling["ends"],
            # The most that the engine takes: a chance of e^-100 beside the others.
            logit_bias=dict.fromkeys(sampling["never"], -100.0) or None,
            logprobs=0,
            detokenize=bool(sampling["stop"]),
        )


def _told(found: Any) -> dict[str, Any]:
    written = found.outputs[0]
    ids = list(written.token_ids)
    chances = [one[token].logprob for one, token in zip(written.logprobs, ids, strict=True)]
    return {
        "prompt_ids": list(found.prompt_token_ids),
        "ids": ids,
        # JSON has no number that is not finite.
        "log_probs": [one if abs(one) < 1e30 else None for one in chances],
        "finish": written.finish_reason,
    }


def _opened(text: str) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def _opener(handle: dict[str, Any]) -> dict[str, Any]:
    """By the GPU, what torch needs to open a tensor of another process there; the types are fixed here, so that nothing is
    unpickled."""
    import torch

    memory, counter, event = (base64.b64decode(handle[name]) for name in ("memory", "counter", "event"))
    given = (
        *(torch.Tensor, torch.Size(handle["size"]), tuple(handle["stride"]), handle["offset"]),
        *(torch.UntypedStorage, getattr(torch, handle["dtype"]), 0),
        *(memory, handle["bytes"], handle["start"], False, counter, handle["place"], event, handle["sync"]),
    )
    return {handle["gpu"]: given}


class Handler(BaseHTTPRequestHandler):
    """Reads requests and writes replies; the work is the engine's."""

    server: Server

    def do_GET(self) -> None:
        engine = self.server.engine
        if not self._known():
            self._send(401, {"message": "the key is not this server's"})
        elif engine is None:
            self._send(503, {"message": "loading"})
        else:
            self._send(200, {"version": engine.version, "software": engine.software})

    def do_POST(self) -> None:
        if not self._known():
            self._send(401, {"message": "the key is not this server's"})
            return
        length = int(self.headers.get("Content-Length", "0"))
        if self.path not in CALLS or not 0 < length < MOST:
            self._send(404, {"message": f"{self.path}: nothing of that name, or no content"})
            return
        try:
            job = Job(self.path, json.loads(self.rfile.read(length)))
        except ValueError as fault:
            self._send(400, {"message": f"no JSON: {fault}"})
            return
        self.server.jobs.put(job)
        job.done.wait()
        self._send(job.status, job.reply)

    def _known(self) -> bool:
        return hmac.compare_digest(self.headers.get("Authorization", ""), f"Bearer {self.server.key}")

    def _send(self, status: int, reply: dict[str, Any]) -> None:
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Requests hold patients' questions, and a log is nobody's secret."""


class Server(ThreadingHTTPServer):
    """Listens before the engine is there, so that whoever waits can be told."""

    daemon_threads = True

    def __init__(self, host: str, port: int, key: str) -> None:
        super().__init__((host, port), Handler)
        self.key = key
        self.engine: Engine | None = None
        self.jobs: queue.Queue[Job] = queue.Queue()


def _follow(parent: int) -> None:
    """End when whoever started this process ends, or becomes another program, which closes the pipe to it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main(place: str) -> None:
    """Serve until the end of the process. `settings`: host, port, key, version, variables, engine, and of a server that a
    trainer starts its process and the file for the port that was free."""
    settings: dict[str, Any] = json.loads(Path(place).read_text(encoding="utf-8"))
    if settings.get("parent"):
        _follow(settings["parent"])
        # Ctrl-C goes to all of a terminal; whoever started this decides when it ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update({**VARIABLES, **settings.get("variables", {})})
    server = Server(settings["host"], settings["port"], settings["key"])
    if told := settings.get("told"):
        half = Path(f"{told}.half")
        half.write_text(str(server.server_address[1]), encoding="ascii")
        half.rename(told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.engine = Engine(settings)
    while True:
        server.engine.do(server.jobs.get())


if __name__ == "__main__":
    main(sys.argv[1])
