"""Completions from an OpenAI-compatible server: several requests at a time, repeated after passing faults, kept on disk."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from pydantic import Field, field_validator
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, MaxRetryError

from lingshu_train.errors import MissingInput, NotPermitted
from lingshu_train.naming import canonical, digest
from lingshu_train.record import Completion, Prompt, Sampling
from lingshu_train.rollouts import _reply, _request
from lingshu_train.rollouts._engine import Outage, Refused, Unreadable, Weights, seed_of
from lingshu_train.runs.files import failure, write_text
from lingshu_train.schema import Strict

LOCAL = ("localhost", "127.0.0.1", "::1")
PATH = "/chat/completions"
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which a request is repeated."""
_CONNECT_S = 10.0
_LONGEST_WAIT_S = 60.0
"""Between two tries, whatever the server asks for: a stage that waits for hours looks like one that hangs."""
MOST = 64 << 20
"""Bytes of a reply: eight completions of 8,192 tokens with their log-probabilities are 10 MB."""


class Params(Strict):
    """The server that is asked."""

    url: str
    """The server's address up to its version. For example `http://127.0.0.1:8000/v1`."""
    model: str
    """The model's name on the server."""
    cards: tuple[str, ...] = ()
    """Data cards whose text and pictures may go there; a server on this machine needs none."""
    token_file: str = ""
    """File that holds the key; empty where none is needed."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds that a request may take between two pieces of its reply."""
    retries: int = Field(default=2, ge=0)
    """How often a request is repeated after a passing fault."""
    parallel: int = Field(default=16, gt=0)
    """Requests under way at a time."""
    cache: str = ""
    """Folder of replies by the hash of the request, so that nothing is asked twice; empty keeps none."""
    token_ids: bool = False
    """Ask for the tokens too, which vLLM understands and others refuse."""

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and parts.scheme not in ("http", "https"):
            raise ValueError("must start with http:// or https://")
        if parts.username or parts.query:
            raise ValueError("must hold no login and no query; name a token_file")
        if parts.path.rstrip("/").endswith(PATH):
            raise ValueError(f"give the address without {PATH}")
        return url.rstrip("/")

    def may_see(self, card: str) -> bool:
        """Whether text and pictures of a data card may go to this server."""
        return urlsplit(self.url).hostname in LOCAL or card in self.cards


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request under way, or answered from the disk."""

    prompt: Prompt
    reply: Future[str] | str


def start(params: Params, weights: Weights | None = None) -> Endpoint:
    """The server runs already: `weights` are what it was started with, if anything."""
    return Endpoint(params)


class Endpoint:
    """A server, asked over HTTP. Text of a card that is not listed never leaves the machine."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._head = {"Content-Type": "application/json", **login(params.token_file)}
        self._connections = connections(params)

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        # Requests are made in this thread, a few ahead: not all pictures are held, and none is read by another thread.
        ahead = 2 * self._params.parallel
        waiting: deque[_Asked] = deque()
        with ThreadPoolExecutor(self._params.parallel) as pool:
            try:
                for prompt in prompts:
                    if len(waiting) == ahead:
                        yield from self._taken(waiting.popleft(), sampling)
                    waiting.append(self._ask(prompt, sampling, pool))
                while waiting:
                    yield from self._taken(waiting.popleft(), sampling)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        self._connections.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _ask(self, prompt: Prompt, sampling: Sampling, pool: ThreadPoolExecutor) -> _Asked:
        if not self._params.may_see(prompt.card):
            raise NotPermitted(
                f"prompt {prompt.id}: {self._params.url} is not on this machine, and card {prompt.card!r} is not listed in "
                "its cards; list it if its licence allows that, or use a server on this machine"
            )
        request = _request.body(prompt, sampling, model=self._params.model, token_ids=self._params.token_ids)
        kept = Path(self._params.cache) / f"{digest(request)}.json" if self._params.cache else None
        if kept and (text := _kept(kept, sampling.n)):
            return _Asked(prompt, text)
        return _Asked(prompt, pool.submit(self._reply, canonical(request).encode(), sampling.n, kept))

    def _taken(self, asked: _Asked, sampling: Sampling) -> list[Completion]:
        cached = isinstance(asked.reply, str)
        text = asked.reply if isinstance(asked.reply, str) else asked.reply.result()
        seed = seed_of(asked.prompt, sampling)
        return [
            Completion(
                text=choice.message.content or "",
                token_ids=choice.token_ids or (),
                log_probs=choice.log_probs,
                finish=choice.finish_reason or "stop",
                max_tokens=sampling.max_tokens,
                seed=seed + copy,
                cached=cached,
            )
            for copy, choice in enumerate(_reply.read(text, sampling.n))
        ]

    def _reply(self, data: bytes, n: int, kept: Path | None) -> str:
        """The reply, on disk as soon as it is there: what has been answered is not asked again after a fault."""
        text = self._patiently(data, n)
        if kept:
            _keep(kept, text)
        return text

    def _patiently(self, data: bytes, n: int) -> str:
        """Send, and send again after a passing fault."""
        tries = urllib3.Retry(total=self._params.retries, backoff_factor=0.5, allowed_methods=None)
        while True:
            response, fault = None, None
            try:
                response, text = self._once(data)
                if response.status == 200:
                    _reply.read(text, n)
                    return text
                if response.status not in PASSING:
                    raise self._refusal(response.status, text)
            except (HTTPError, Unreadable) as broken:
                fault = broken
            try:
                tries = tries.increment("POST", self._params.url, response=response, error=fault)
            except MaxRetryError:
                raise self._outage(response, fault) from None
            asked_for = tries.get_retry_after(response) if response is not None else None
            time.sleep(min(asked_for or tries.get_backoff_time(), _LONGEST_WAIT_S))

    def _once(self, data: bytes) -> tuple[BaseHTTPResponse, str]:
        response = self._connections.request(
            "POST",
            self._params.url + PATH,
            body=data,
            headers=self._head,
            # Text must not follow a redirection to where no card allows it.
            redirect=False,
            retries=False,
            preload_content=False,
        )
        pieces, size = [], 0
        for piece in response.stream(1 << 16):
            size += len(piece)
            if size > MOST:
                response.close()
                raise Unreadable(f"{self._params.url}: a reply of more than {MOST >> 20} MiB")
            pieces.append(piece)
        return response, b"".join(pieces).decode("utf-8", "replace")

    def _outage(self, response: BaseHTTPResponse | None, fault: Exception | None) -> Outage:
        """What the last try came to."""
        if isinstance(fault, Unreadable):
            return fault
        what = type(fault).__name__ if fault or response is None else f"the server answers {response.status}"
        return Outage(f"{self._params.url}: no answer after {self._params.retries + 1} tries ({what})")

    def _refusal(self, status: int, text: str) -> NotPermitted | Refused:
        why = f"{self._params.url}: the server answers {status}{_reply.complaint(text)}"
        if status in (401, 403):
            return NotPermitted(f"{why}; its key is read from token_file")
        return Refused(why)


def _kept(path: Path, n: int) -> str:
    """An earlier reply; empty where there is none that can be read."""
    try:
        text = path.read_text(encoding="utf-8")
        _reply.read(text, n)
    except (FileNotFoundError, UnicodeDecodeError, Unreadable):
        return ""
    return text


def _keep(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise failure(path, fault) from None
    write_text(path, text)


def login(token_file: str) -> dict[str, str]:
    if not token_file:
        return {}
    try:
        return {"Authorization": "Bearer " + Path(token_file).read_text(encoding="utf-8").strip()}
    except OSError as fault:
        raise MissingInput(f"token_file {token_file}: {fault.strerror}") from None


def connections(params: Params) -> urllib3.PoolManager:
    """Through the proxy that the environment names, but never for a server on this machine."""
    timeout = urllib3.Timeout(connect=min(params.timeout_s, _CONNECT_S), read=params.timeout_s)
    parts = urlsplit(params.url)
    host = parts.hostname or ""
    proxy = "" if host in LOCAL or proxy_bypass(host) else getproxies().get(parts.scheme, "")
    if proxy:
        return urllib3.ProxyManager(proxy, maxsize=params.parallel, timeout=timeout)
    return urllib3.PoolManager(maxsize=params.parallel, timeout=timeout)
