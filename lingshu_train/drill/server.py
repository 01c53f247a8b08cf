"""A server of files on 127.0.0.1 that fails as it is told, in a process of its own: a drill forks, and threads do not survive
that.

`python -m lingshu_train.drill.server FOLDER FAULTS`: FAULTS is JSON, a list of `{"status": 503, "after": 3600}` or
`{"cut": BYTES}`, one for each of the first answers; one goes on for ever where it says `"always": true`. The address is its
first line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lingshu_train import environment

Faulty = dict[str, Any]


@contextmanager
def serving(
    folder: Path, faults: Sequence[Faulty], *, module: str = "lingshu_train.drill.server"
) -> Iterator[str]:
    """Yields the address while it serves the files of `folder`. `module`: another server that takes the same words."""
    words = [sys.executable, "-m", module, str(folder), json.dumps(list(faults))]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment.inherited()
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        return int(server.server_address[1])


class _Handler(SimpleHTTPRequestHandler):
    faults: list[Faulty]

    def do_GET(self) -> None:
        fault = self._next()
        if "status" in fault:
            self.send_response(fault["status"])
            if "after" in fault:
                self.send_header("Retry-After", str(fault["after"]))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: fault.get("cut", len(data))])
        self.wfile.flush()
        # What was promised and does not come shows when the line is cut.
        self.close_connection = True

    def _next(self) -> Faulty:
        if not self.faults:
            return {}
        return self.faults[0] if self.faults[0].get("always") else self.faults.pop(0)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what the client makes of it is what counts."""


def main(folder: str, faults: str) -> None:
    told: list[Faulty] = json.loads(faults)

    def handler(*given: Any) -> _Handler:
        return _Handler(*given, directory=folder)

    _Handler.faults = told
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
