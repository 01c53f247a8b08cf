"""One request to an OpenAI-compatible server, sent once: repeating, keeping and paying are decided by who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.exceptions import HTTPError, TimeoutError

from lingshu_train.rollouts import _reply, endpoint
from lingshu_train.rollouts._engine import Unreadable


class Lost(Exception):
    """No whole reply came: the line broke, nobody listened, or the time was over. What became of the request is not known.
    `late`: the time was over."""

    def __init__(self, why: str, *, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server said: `text` is its whole body. `retry_after`: seconds for which it asks to be left alone."""

    status: int
    text: str
    retry_after: float | None = None

    @property
    def passing(self) -> bool:
        """Whether the same request may be answered later."""
        return self.status in endpoint.PASSING

    @property
    def complaint(self) -> str:
        """The status, and what the server says is wrong."""
        return f"{self.status}{_reply.complaint(self.text)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The one completion of a reply, and the tokens that were counted for it. `model`: what the server calls itself."""

    text: str
    finish: str
    tokens_in: int
    tokens_out: int
    model: str


class Talk:
    """A server that is asked by several threads."""

    def __init__(self, params: endpoint.Params) -> None:
        self.params = params
        self._head = {"Content-Type": "application/json", **endpoint.login(params.token_file)}
        self._connections = endpoint.connections(params)

    def post(self, body: bytes) -> Reply:
        """Send it once. Lost: no whole reply came."""
        try:
            response = self._connections.request(
                "POST",
                self.params.url + endpoint.PATH,
                body=body,
                headers=self._head,
                # Text must not follow a redirection to where no card allows it.
                redirect=False,
                retries=False,
                preload_content=False,
            )
            pieces, size = list[bytes](), 0
            for piece in response.stream(1 << 16):
                size += len(piece)
                if size > endpoint.MOST:
                    response.close()
                    raise Lost(f"a reply of more than {endpoint.MOST >> 20} MiB")
                pieces.append(piece)
        except HTTPError as fault:
            raise Lost(type(fault).__name__, late=isinstance(fault, TimeoutError)) from None
        return Reply(
            status=response.status,
            text=b"".join(pieces).decode("utf-8", "replace"),
            retry_after=urllib3.Retry().get_retry_after(response),
        )

    def close(self) -> None:
        self._connections.clear()


class _Usage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Counted(BaseModel):
    model_config = ConfigDict(extra="ignore")
    usage: _Usage | None = None
    model: str = ""


def said(text: str) -> Said:
    """What a reply with status 200 says. Unreadable: it is no chat completion of one choice."""
    (choice,) = _reply.read(text, 1)
    try:
        counted = _Counted.model_validate_json(text)
    except ValidationError:
        raise Unreadable(f"the reply counts no tokens that can be read: {text[:200]!r}") from None
    usage = counted.usage or _Usage()
    return Said(
        text=choice.message.content or "",
        finish=choice.finish_reason or "stop",
        tokens_in=usage.prompt_tokens,
        tokens_out=usage.completion_tokens,
        model=counted.model,
    )


def local(urls: Sequence[str]) -> bool:
    """Whether all of these are on this machine, so that nothing leaves it."""
    return all(urlsplit(url).hostname in endpoint.LOCAL for url in urls)
