"""A file server on loopback that speaks ranges, validators, redirects and basic authentication, with faults on demand."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from loopback import serving


@dataclass
class Files:
    """What is served. `login` guards every path below `guarded` as PhysioNet does: 401 without it or with a wrong one,
    403 for clients that it does not know and for accounts that are not `permitted`. `cut` ends that many answers after `cut_at` bytes.

    After `stall_at` bytes an answer waits for a minute. The next `busy` answers are 503 and ask for a second of rest. From
    request `down_after` on the server answers 503. `requests` holds (path, Range header, Authorization header) of everything that was asked.
    """

    address: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    guarded: str = "/files/"
    permitted: bool = True
    clients: tuple[str, ...] = ("Wget/", "lingshu-train/")
    ranges: bool = True
    tags: bool = True
    sizes: bool = True
    cut: int = 0
    cut_at: int = 0
    busy: int = 0
    down_after: int = 0
    stall_at: int = 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Files]:
    """A running server on a free port of 127.0.0.1."""
    files = Files()
    with serving(type("Handler", (_Handler,), {"files": files})) as files.address:
        yield files


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Files

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what was asked is in files.requests."""

    def do_GET(self) -> None:
        path, asked = self.path, self.headers.get("Range", "")
        authorization = self.headers.get("Authorization", "")
        self.files.requests.append((path, asked, authorization))
        if self.files.busy:
            self.files.busy -= 1
            return self._end(503, {"Retry-After": "1"})
        if 0 < self.files.down_after < len(self.files.requests):
            return self._end(503)
        if path in self.files.redirects:
            return self._end(302, {"Location": self.files.redirects[path]})
        if self.files.login and path.startswith(self.files.guarded):
            expected = base64.b64encode(":".join(self.files.login).encode()).decode()
            if not self.headers.get("User-Agent", "").startswith(self.files.clients):
                return self._end(403)
            if authorization != f"Basic {expected}":
                return self._end(401, {"WWW-Authenticate": "Basic"})
            if not self.files.permitted:
                return self._end(403)
        if path not in self.files.content:
            return self._end(404)
        return self._file(self.files.content[path], asked)

    def _file(self, data: bytes, asked: str) -> None:
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": tag} if self.files.tags else {}
        start = int(found[1]) if (found := re.fullmatch(r"bytes=(\d+)-", asked)) else 0
        stale = self.headers.get("If-Range", tag) != tag
        if not start or not self.files.ranges or stale:
            return self._send(200, data, headers)
        if start >= len(data):
            return self._end(416, {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self._send(206, data[start:], headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if self.files.sizes:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.files.cut:
            self.files.cut -= 1
            self.wfile.write(body[: self.files.cut_at])
            self.close_connection = True
            return
        if self.files.stall_at:
            self.wfile.write(body[: self.files.stall_at])
            self.wfile.flush()
            time.sleep(60)
        self.wfile.write(body)

    def _end(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._send(status, b"", headers or {})
