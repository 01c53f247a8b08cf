"""A judge of what no rule could read: asked of that alone, kept, replayed without a server, its silence counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lingshu_train.evaluation.benchmarks import opinions
from lingshu_train.rewards.judge import Params

REPLIES = {
    "a fluid": '{"verdict": "correct"}',
    "a stone": '{"verdict": "incorrect"}',
    "effusion": '{"verdict": "correct"}',
}


class _Judge(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        candidate = json.loads(asked["messages"][-1]["content"])["candidate"]
        self.server.asked.append(candidate)  # type: ignore[attr-defined]
        message = {"role": "assistant", "content": REPLIES.get(candidate, "I think so.")}
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Judge)
    made.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def row(id: str, text: str, status: str, *, lenient: bool = False, kind: str = "short") -> str:
    told = {"id": id, "card": "mine", "question": "What is seen?", "question_type": kind, "gold": "effusion"}
    return json.dumps({**told, "text": text, "status": status, "lenient": lenient, "strict": lenient})


def test_a_judge_is_asked_of_what_no_rule_read_and_its_silence_is_no_answer(
    tmp_path: Path, server: ThreadingHTTPServer
) -> None:
    rows = [
        row("1", "a fluid", "unreadable"),
        row("2", "a stone", "unreadable"),
        row("3", "perhaps", "unreadable"),
        row("4", "", "unreadable"),
        row("5", "effusion", "right", lenient=True),
        row("6", "a fluid", "wrong"),
        row("7", "B and C", "unreadable", kind="mcq"),
        row("8", "A long report.", "free", kind="free"),
    ]
    scored = tmp_path / "exam.jsonl"
    scored.write_text("\n".join(rows) + "\n", encoding="utf-8")
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    params = Params(url=url, model="j", cache=str(tmp_path / "judge"), retries=0, timeout_s=5)
    found = opinions.opinions(scored, params)
    assert (found.unread, found.right, found.wrong, found.unscored) == (4, 1, 1, 2)
    assert (found.compared, found.agreed) == (2, 1)
    assert found.accuracy == pytest.approx((1 + 1) / (7 - 2))
    asked = list(server.asked)  # type: ignore[attr-defined]
    assert set(asked) == {"a fluid", "a stone", "perhaps", "effusion"}
    told = opinions.text("model", "j", [found])
    assert (
        "of 4 unread answers 1 right, 1 wrong, 2 unscored; 40.0 with them; agrees with the rules on 1 of 2"
        in told
    )
    server.shutdown()
    server.server_close()
    assert opinions.opinions(scored, params) == found, "replies are kept"
    opinions.written(tmp_path, [found], "j")
    kept = json.loads((tmp_path / opinions.NAME).read_text(encoding="utf-8"))
    assert kept["judge"] == "j" and kept["opinions"][0]["unscored"] == 2
