"""A scripted teacher on this machine: right, wrong, slow, failing, rate-limited or malformed, by turns or by a rule of the test."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import curating
import tiny
from loopback import serving
from PIL import Image

from lingshu_train.runs.stage import Stage

Body = dict[str, Any]
GOOD = (
    "The picture shows one soft round spot in the upper half, brighter than all around it, with a smooth border and "
    "without a second one beside it."
)


@dataclass
class Fault:
    """What a server does instead of answering. `status` 0: it closes the line."""

    status: int = 500
    text: str = '{"error": {"message": "busy"}}'
    head: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0


Reply = str | Fault | tuple[str, dict[str, Any]]
Rule = Callable[["Asked"], Reply]


@dataclass
class Asked:
    """A request as the script sees it. `number` counts all requests, `time` those with this very text."""

    body: Body
    number: int
    time: int

    @property
    def text(self) -> str:
        content = self.body["messages"][1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]

    @property
    def pictures(self) -> list[str]:
        content = self.body["messages"][1]["content"]
        return [] if isinstance(content, str) else [part["image_url"]["url"] for part in content[:-1]]

    @property
    def seed(self) -> int:
        return int(self.body["seed"])

    @property
    def handed_back(self) -> bool:
        return len(self.body["messages"]) > 2


class Teacher:
    """What it was asked, and what it says: `rule`."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.asked, self.url = rule, list[Asked](), ""
        self.answered: Counter[str] = Counter()
        self.most, self._now, self._lock = 0, 0, threading.Lock()
        self._times: Counter[str] = Counter()

    def take(self, body: Body) -> Reply:
        name = json.dumps(body, sort_keys=True)
        with self._lock:
            self._times[name] += 1
            asked = Asked(body, len(self.asked), self._times[name])
            self.asked.append(asked)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            reply = self.rule(asked)
            if isinstance(reply, str | tuple):
                with self._lock:
                    self.answered[name] += 1
            return reply
        finally:
            with self._lock:
                self._now -= 1

    @property
    def paid_twice(self) -> int:
        """Requests that were answered more than once."""
        return sum(count - 1 for count in self.answered.values())


@contextmanager
def teaching(rule: Rule) -> Iterator[Teacher]:
    """The teacher, as long as it is needed."""
    teacher = Teacher(rule)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if len(data) < int(self.headers["Content-Length"]):
                return  # Who asks was killed.
            body = json.loads(data)
            reply = teacher.take(body)
            if isinstance(reply, Fault):
                time.sleep(reply.wait)
                if not reply.status:
                    self.close_connection = True
                    return
                return self.send(reply.status, reply.text.encode(), reply.head)
            text, changes = reply if isinstance(reply, tuple) else (reply, {})
            sent = json.dumps(body["messages"])
            found = {
                "id": "x",
                "object": "chat.completion",
                "model": "scripted-1",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": len(sent) // 4, "completion_tokens": len(text) // 4},
            }
            found["choices"][0] |= changes  # type: ignore[index]
            self.send(200, json.dumps(found).encode(), {})

        def send(self, status: int, data: bytes, head: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
                **head,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        teacher.url = f"{url}/v1"
        yield teacher


def asked_for(asked: Asked, answers: dict[str, str]) -> str:
    """The right answer to a question that stands in a request."""
    return next(answer for question, answer in answers.items() if question in asked.text)


def is_blank(asked: Asked) -> bool:
    """Whether all pictures of a request are of one grey."""
    import base64
    import io

    shown = [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in asked.pictures]
    return bool(shown) and all(len(one.convert("L").getcolors() or ()) == 1 for one in shown)


def trace(answer: str, reasoning: str = GOOD) -> str:
    return json.dumps({"reasoning": reasoning, "answer": answer})


def reasoner(answers: dict[str, str]) -> Rule:
    """Right where it sees the picture or reads a reasoning, wrong where the picture is grey."""

    def rule(asked: Asked) -> Reply:
        if re.search(r"^Reasoning:", asked.text, re.MULTILINE):
            return json.dumps({"answer": asked_for(asked, answers)})
        return trace("nothing of that sort" if is_blank(asked) else asked_for(asked, answers))

    return rule


def questions(count: int) -> tuple[list[curating.Row], dict[str, str]]:
    """Rows with a question each, and their answers."""
    words = ("CT", "MRI", "ultrasound", "yes", "no")
    rows, answers = [], {}
    for number in range(count):
        question = f"What is case {number} of the list?"
        answers[question] = words[number % len(words)]
        kind = "yes_no" if answers[question] in ("yes", "no") else "short"
        rows.append(
            curating.row(
                f"row-{number}",
                curating.scene(number, side=56),
                question=question,
                answer=answers[question],
                question_type=kind,
                group=f"patient-{number // 2}",
                card="slake",
            )
        )
    return rows, answers


def finished(folder: Path) -> Path:
    """The corpus in `folder` as a stage that is done, for stages that run in processes of their own."""
    config = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    tiny.finish(tiny.make_stage(folder.parent, folder.name, config, parents={}), outputs=["corpus"])
    return folder


def stage(root: Path, parent: Path, teacher: Teacher, pipeline: str = "vqa_reasoning", **keys: Any) -> Stage:
    """A synthesize stage over the corpus stage `parent`."""
    asked = {
        "urls": [teacher.url],
        "model": "scripted",
        "parallel": 8,
        "timeout_s": 5.0,
        **keys.pop("asking", {}),
    }
    config = {
        "kind": "synthesize",
        "corpus": "raw",
        "pipeline": {"name": pipeline, "params": keys.pop("params", {})},
        "card": "synth_cot",
        "teacher": asked,
        **keys,
    }
    return tiny.make_stage(root, "made", config, parents={"raw": parent})
