"""A scripted teacher that takes batches as well: files go up, a batch is done after some looks at it, two files of results come."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback import serving
from teaching import Asked, Fault, Rule

Meddling = Callable[[str, int], str]


@dataclass
class Made:
    """A batch: its lines, and what came of them."""

    id: str
    lines: list[dict[str, Any]]
    metadata: dict[str, str]
    looks: int = 0
    status: str = "in_progress"
    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


class BatchTeacher:
    """`meddle` is told each call (method and path) and its number and says what becomes of it: "" as it should, "lost" (done,
    and the reply is cut off), "429". `ending`: the status that a batch comes to. `slow`: looks until it is done."""

    def __init__(self, rule: Rule, *, slow: int = 1, ending: Callable[[int], str] | None = None) -> None:
        self.rule, self.slow = rule, slow
        self.ending = ending or (lambda number: "completed")
        self.meddle: Meddling = lambda call, number: ""
        self.url, self.calls = "", list[str]()
        self.files: dict[str, str] = {}
        self.batches: list[Made] = []
        self.answered: Counter[str] = Counter()
        self.asked = 0
        self._times: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def paid_twice(self) -> int:
        return sum(count - 1 for count in self.answered.values())

    def told(self, one: Made) -> dict[str, Any]:
        done = one.status in ("completed", "expired")
        found = {
            "id": one.id,
            "object": "batch",
            "status": one.status,
            "metadata": one.metadata,
            "output_file_id": f"{one.id}-good" if done and one.good else None,
            "error_file_id": f"{one.id}-bad" if done and one.bad else None,
        }
        if one.status == "failed":
            found["errors"] = {"data": [{"message": "the file is no batch"}]}
        return found

    def make(self, wanted: dict[str, Any]) -> Made:
        lines = [json.loads(line) for line in self.files[wanted["input_file_id"]].splitlines()]
        one = Made(f"batch-{len(self.batches)}", lines, wanted.get("metadata") or {})
        self.batches.append(one)
        return one

    def look(self, number: str) -> Made:
        one = next(each for each in self.batches if each.id == number)
        one.looks += 1
        if one.looks > self.slow and one.status == "in_progress":
            one.status = self.ending(self.batches.index(one))
            if one.status in ("completed", "expired"):
                self._work(one)
        return one

    def _work(self, one: Made) -> None:
        lines = one.lines if one.status == "completed" else one.lines[: len(one.lines) // 2]
        for line in lines:
            name = json.dumps(line["body"], sort_keys=True)
            self._times[name] += 1
            self.asked += 1
            reply = self.rule(Asked(line["body"], self.asked, self._times[name]))
            if isinstance(reply, Fault):
                body = json.loads(reply.text)
                told = {
                    "custom_id": line["custom_id"],
                    "response": {"status_code": reply.status, "body": body},
                }
                one.bad.append(json.dumps(told))
                continue
            self.answered[name] += 1
            text = reply[0] if isinstance(reply, tuple) else reply
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            body = {
                "model": "scripted-1",
                "choices": [choice],
                "usage": {"prompt_tokens": 100, "completion_tokens": 20},
            }
            told = {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}}
            one.good.append(json.dumps(told))


@contextmanager
def batching(teacher: BatchTeacher) -> Iterator[BatchTeacher]:
    """The teacher, as long as it is needed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer("POST", data)

        def do_GET(self) -> None:
            self.answer("GET", b"")

        def answer(self, method: str, data: bytes) -> None:
            path = self.path.removeprefix("/v1").partition("?")[0]
            with teacher.lock:
                teacher.calls.append(f"{method} {path}")
                meant = teacher.meddle(f"{method} {path}", len(teacher.calls))
                status, text = (
                    (int(meant), '{"error": {"message": "busy"}}')
                    if meant.isdigit()
                    else self.done(method, path, data)
                )
            if meant == "lost":
                self.close_connection = True
                return
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def done(self, method: str, path: str, data: bytes) -> tuple[int, str]:
            match method, path.strip("/").split("/"):
                case "POST", ["files"]:
                    number = f"file-{len(teacher.files)}"
                    teacher.files[number] = (
                        data.decode().split("\r\n\r\n")[2].rpartition("\r\n--")[0].rstrip("\r\n-")
                    )
                    return 200, json.dumps({"id": number})
                case "POST", ["batches"]:
                    return 200, json.dumps(teacher.told(teacher.make(json.loads(data))))
                case "GET", ["batches"]:
                    every = [teacher.told(one) for one in reversed(teacher.batches)]
                    return 200, json.dumps({"data": every, "has_more": False})
                case "GET", ["batches", number]:
                    return 200, json.dumps(teacher.told(teacher.look(number)))
                case "GET", ["files", number, "content"]:
                    of, _, which = number.rpartition("-")
                    one = next(each for each in teacher.batches if each.id == of)
                    return 200, "\n".join(one.good if which == "good" else one.bad)
                case _:
                    return 404, json.dumps({"error": {"message": "no such path"}})

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        teacher.url = f"{url}/v1"
        yield teacher
