"""Batches of requests at an OpenAI-compatible server: a file goes up, a batch is made of it, its results are fetched when they
are there. Each call is sent once; repeating, keeping and paying are decided by who asks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import urllib3
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from urllib3.exceptions import HTTPError

from lingshu_train.rollouts import endpoint
from lingshu_train.rollouts._engine import Unreadable
from lingshu_train.rollouts._talk import Lost, Reply

OVER = ("completed", "failed", "expired", "cancelled")
"""States that a batch does not leave."""
TOKEN = "lingshu_token"
"""The key of a batch's metadata that says which requests it holds, so that one whose number was lost is found again."""
_LISTED = 100
"""Batches of a page of the server's list."""


class _Part(BaseModel):
    """Servers add keys of their own."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Failing(_Part):
    message: str | None = None


class _Errors(_Part):
    data: tuple[Failing, ...] | None = None


class Batch(_Part):
    """A batch as its server tells of it. Results are in two files, each of which may be missing."""

    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: dict[str, str] | None = None
    errors: _Errors | None = None

    @property
    def token(self) -> str:
        return (self.metadata or {}).get(TOKEN, "")

    @property
    def files(self) -> tuple[str, ...]:
        """The numbers of its files of results."""
        return tuple(filter(None, (self.output_file_id, self.error_file_id)))

    @property
    def complaint(self) -> str:
        found = self.errors.data if self.errors and self.errors.data else ()
        return "; ".join(one.message or "" for one in found[:3])


PartT = TypeVar("PartT", bound=_Part)


class _File(_Part):
    id: str


class _Listed(_Part):
    data: tuple[Batch, ...]
    has_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one request: the status and the body that it would have had over the line; status 0: none came."""

    name: str
    status: int
    text: str


class _Response(_Part):
    status_code: int
    body: JsonValue = None


class _Line(_Part):
    custom_id: str
    response: _Response | None = None
    error: JsonValue = None


class Fault(Exception):
    """The server answers a call with something else than was asked for. `reply` says what."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.complaint)
        self.reply = reply


class Batches:
    """A server that takes batches. Lost: no whole reply came. Fault: another status than 200. Unreadable: another text."""

    def __init__(self, params: endpoint.Params) -> None:
        self.params = params
        self._login = endpoint.login(params.token_file)
        self._connections = endpoint.connections(params)

    def upload(self, lines: bytes) -> str:
        """The number of the file."""
        border = uuid.uuid4().hex
        parts = (
            f'--{border}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
            f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="requests.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n",
        )
        body = "".join(parts).encode() + lines + f"\r\n--{border}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        return _read(_File, self._whole("POST", "/files", body=body, head=kind)).id

    def make(self, file: str, *, token: str, window: str) -> Batch:
        """A batch of an uploaded file."""
        wanted = {
            "input_file_id": file,
            "endpoint": f"/v1{endpoint.PATH}",
            "completion_window": window,
            "metadata": {TOKEN: token},
        }
        head = {"Content-Type": "application/json"}
        return _read(Batch, self._whole("POST", "/batches", body=json.dumps(wanted).encode(), head=head))

    def look(self, number: str) -> Batch:
        return _read(Batch, self._whole("GET", f"/batches/{number}"))

    def find(self, token: str) -> Batch | None:
        """The newest batch of this token that can still give results, on whichever page of the list."""
        after = ""
        while True:
            page = _read(_Listed, self._whole("GET", f"/batches?limit={_LISTED}{after}"))
            for one in page.data:
                if one.token == token and one.status not in ("failed", "cancelled"):
                    return one
            if not page.has_more or not page.data:
                return None
            after = f"&after={page.data[-1].id}"

    def results(self, file: str) -> Iterator[Result]:
        """Of one file, line by line; a line that is none is passed over, as if nothing had come of its request."""
        for text in self._lines(f"/files/{file}/content"):
            try:
                line = _Line.model_validate_json(text)
            except ValidationError:
                continue
            told = line.response
            body = line.error if told is None else told.body
            yield Result(name=line.custom_id, status=told.status_code if told else 0, text=json.dumps(body))

    def close(self) -> None:
        self._connections.clear()

    def _open(
        self, method: str, path: str, body: bytes | None, head: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        return self._connections.request(
            method,
            self.params.url + path,
            body=body,
            headers={**head, **self._login},
            # Text must not follow a redirection to where no card allows it.
            redirect=False,
            retries=False,
            preload_content=False,
        )

    def _whole(
        self, method: str, path: str, *, body: bytes | None = None, head: Mapping[str, str] | None = None
    ) -> str:
        try:
            response = self._open(method, path, body, head or {})
            data = response.read()
        except HTTPError as fault:
            raise Lost(type(fault).__name__) from None
        return _checked(response, data)

    def _lines(self, path: str) -> Iterator[str]:
        try:
            response = self._open("GET", path, None, {})
            if response.status != 200:
                _checked(response, response.read())
            rest = b""
            for piece in response.stream(1 << 16):
                *whole, rest = (rest + piece).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in whole if line.strip())
            if rest.strip():
                yield rest.decode("utf-8", "replace")
        except HTTPError as fault:
            raise Lost(type(fault).__name__) from None


def _checked(response: urllib3.BaseHTTPResponse, data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if response.status != 200:
        raise Fault(
            Reply(
                status=response.status,
                text=text,
                retry_after=urllib3.Retry().get_retry_after(response),
            )
        )
    return text


def _read(part: type[PartT], text: str) -> PartT:
    try:
        return part.model_validate_json(text)
    except ValidationError:
        raise Unreadable(f"the reply is no {part.__name__.strip('_').lower()}: {text[:200]!r}") from None
