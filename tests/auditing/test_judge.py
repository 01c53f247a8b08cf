"""The auditor that asks a language model: its verdict counts whatever a rule said, and where there is none, none is made up."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import loopback
import pytest
import tiny

from lingshu_train.auditing.auditors import judge
from lingshu_train.errors import RecipeError
from lingshu_train.record import Completion, Sample

RIGHT = Sample(
    id="a",
    card="none",
    split="train",
    task="vqa",
    question="What is seen?",
    question_type="short",
    answer="pleural effusion",
)


class Judges(BaseHTTPRequestHandler):
    """Says of every answer that it is wrong, and counts."""

    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        message = {"role": "assistant", "content": '{"verdict": "incorrect"}'}
        body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def params(url: str, cache: Path) -> judge.Params:
    return judge.Params(url=f"{url}/v1", model="m", cache=str(cache), timeout_s=5, retries=0)


def test_a_judge_may_call_false_what_a_rule_accepts_and_is_asked_once(tmp_path: Path) -> None:
    said = Completion(text="<answer>pleural effusion</answer>")
    with loopback.serving(Judges) as url:
        for _ in range(2):
            found = judge.audit(RIGHT, said, params(url, tmp_path))
            assert found.false is True and found.why == "judged_wrong"
    assert Judges.asked == 1, "a resume reads the reply that was kept"
    assert judge.audit(RIGHT, said, params(url, tmp_path)).false is True, (
        "the server is gone, the reply is not"
    )


def test_an_outage_is_no_verdict(tmp_path: Path) -> None:
    found = judge.audit(
        RIGHT, Completion(text="<answer>pleural effusion</answer>"), params("http://127.0.0.1:9", tmp_path)
    )
    assert found.false is None and found.why == "outage"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"by": "nobody"}, "audit.by: unknown"),
        (
            {"by": "judge", "params": {"url": "http://127.0.0.1:9/v1", "model": "m"}},
            "audit.params.cache: empty",
        ),
        ({"params": {"checks": ["nothing"]}}, "unknown check 'nothing'"),
        ({"term": "length"}, "audit.term: 'length' is not among the terms of rewards"),
        (
            {"by": "person", "fallback": {"terms": [{"name": "accuracy"}]}},
            "audit.fallback: would follow the hour",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(block: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        tiny.make_stage(tmp_path, "rl", tiny.grpo(audit={"limit": 0.1, **block}), parents={})
