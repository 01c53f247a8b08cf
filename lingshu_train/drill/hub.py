"""The smallest Hugging Face hub that the real client pushes to, on 127.0.0.1, in a process of its own. It fails as it is told.

`python -m lingshu_train.drill.hub FOLDER FAULTS`: everything it holds lies in FOLDER, so that the next one with the same
folder goes on with it. FAULTS is JSON, a list of `{"at": "PUT /lfs/", ...}`, each done at the first request that has this in
it, after `"skip": N` others, and `"times": N` of them: `"status": 503` with `"after": SECONDS`, `"cut": true` (the line is cut
in the middle of what is sent), `"stall": true` (half of it is taken, and no more), `"lost": true` (done, and the answer does
not come), `"spoil": true` (other bytes are kept). The address is its first line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

OWNER, REPOSITORY = "drill", "drill/tiny"
TREE, SENT, STALLED, FAILED = "tree.json", "sent.txt", "stalled", "failed"
"""In its folder: the files of the newest commit; a line for each large file that arrived; made when a request is held up, and
when one is made to fail."""
LARGE = (".safetensors", "tokenizer.json")
_API = f"/api/models/{REPOSITORY}"


def tree(folder: Path) -> dict[str, str]:
    """The sha256 of every file that can be seen there."""
    path = folder / TREE
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: str(entry["sha256"]) for name, entry in found.items()}


def sent(folder: Path) -> list[str]:
    """The sha256 of each large file that has arrived, as often as it did."""
    path = folder / SENT
    return path.read_text(encoding="ascii").split() if path.exists() else []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    faults: list[dict[str, Any]]
    lock = threading.Lock()

    def do_GET(self) -> None:
        fault = self._fault()
        if fault.get("cut") or fault.get("stall"):
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
        if fault.get("stall"):
            (self.folder / STALLED).touch()
            time.sleep(3600)
        if fault.get("cut"):
            self.close_connection = True
            return
        body = self._body()
        if "status" in fault:
            rest = {"Retry-After": str(fault["after"])} if "after" in fault else {}
            self._send({"error": "made to fail"}, fault["status"], rest)
            return
        with self.lock:
            answer = self._answer(body, spoil=bool(fault.get("spoil")))
        if fault.get("lost"):
            self.close_connection = True
            return
        self._send(*answer)

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what the client makes of it is what counts."""

    def _fault(self) -> dict[str, Any]:
        asked = f"{self.command} {self.path}"
        with self.lock:
            for fault in self.faults:
                if fault["at"] in asked and fault.get("times", 1):
                    if fault.get("skip", 0):
                        fault["skip"] -= 1
                        continue
                    fault["times"] = fault.get("times", 1) - 1
                    (self.folder / FAILED).touch()
                    return fault
        return {}

    def _answer(self, body: bytes, *, spoil: bool) -> tuple[object, int]:
        path = urlsplit(self.path).path
        files = self._files()
        if path == "/api/whoami-v2":
            return {"type": "user", "name": OWNER, "auth": {"accessToken": {"role": "write"}}}, 200
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}, 200
        if path == "/api/repos/create":
            return {"url": f"{self._here}/{REPOSITORY}", "name": REPOSITORY, "id": "0" * 24}, 200
        if path.startswith(f"{_API}/tree/"):
            return [self._entry(name, entry) for name, entry in sorted(files.items())], 200
        if path.startswith(f"{_API}/preupload/"):
            return {"files": [_mode(one, files) for one in json.loads(body)["files"]]}, 200
        if path.startswith(f"{_API}/commit/"):
            return self._commit(body, files, spoil=spoil), 200
        if path in (_API, f"{_API}/revision/main"):
            return {
                "id": REPOSITORY,
                "sha": self._revision(files),
                "private": True,
                "siblings": [],
                "tags": [],
            }, 200
        if path.endswith("/info/lfs/objects/batch"):
            return {
                "transfer": "basic",
                "objects": [self._offer(one) for one in json.loads(body)["objects"]],
            }, 200
        if match := re.fullmatch(r"/lfs/([0-9a-f]{64})", path):
            return self._keep(match[1], body)
        return ({}, 200) if path == "/lfs/verify" else ({"error": "nothing here"}, 404)

    def _keep(self, sha256: str, body: bytes) -> tuple[object, int]:
        if hashlib.sha256(body).hexdigest() != sha256:
            return {"error": "the bytes do not have this sha256"}, 400
        (self.folder / sha256).write_bytes(body)
        with (self.folder / SENT).open("a", encoding="ascii") as stream:
            stream.write(f"{sha256}\n")
        return {}, 200

    def _offer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if (self.folder / asked["oid"]).exists():
            return {"oid": asked["oid"], "size": asked["size"]}
        actions = {
            "upload": {"href": f"{self._here}/lfs/{asked['oid']}?signature=kept-out-of-logs"},
            "verify": {"href": f"{self._here}/lfs/verify"},
        }
        return {"oid": asked["oid"], "size": asked["size"], "actions": actions}

    def _commit(self, body: bytes, files: dict[str, Any], *, spoil: bool) -> object:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                data = base64.b64decode(value["content"])
                files[value["path"]] = _entry(data[:-1] + b"X" if spoil else data, large=False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = _entry((self.folder / value["oid"]).read_bytes(), large=True)
        (self.folder / TREE).write_text(json.dumps(files), encoding="utf-8")
        oid = self._revision(files)
        return {"success": True, "commitUrl": f"{self._here}/{REPOSITORY}/commit/{oid}", "commitOid": oid}

    def _entry(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        plain = {"type": "file", "path": name, "size": entry["size"], "oid": entry["oid"]}
        large = {"oid": entry["sha256"], "size": entry["size"], "pointerSize": 130}
        return {**plain, "lfs": large} if entry["large"] else plain

    def _files(self) -> dict[str, Any]:
        path = self.folder / TREE
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return found

    @staticmethod
    def _revision(files: dict[str, Any]) -> str:
        return hashlib.sha1(json.dumps(files, sort_keys=True).encode()).hexdigest()

    @property
    def _here(self) -> str:
        return f"http://{self.headers['Host']}"

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _mode(asked: dict[str, Any], files: dict[str, Any]) -> dict[str, Any]:
    mode = "lfs" if asked["path"].endswith(LARGE) else "regular"
    known = files.get(asked["path"])
    oid = (known["sha256"] if known["large"] else known["oid"]) if known else None
    return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}


def _entry(data: bytes, *, large: bool) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
    stored = pointer if large else data
    oid = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()
    return {"size": len(data), "sha256": sha256, "oid": oid, "large": large}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, address: object) -> None:
        """Whoever hung up has his reasons here."""


def main(folder: str, faults: str) -> None:
    _Handler.folder, _Handler.faults = Path(folder), json.loads(faults)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
