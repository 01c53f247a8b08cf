"""HealthBench: conversations that only a judge can score, by rubrics; refused without one, and its silence is no score."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiny_model
from format_files import put, read

from lingshu_train import cli
from lingshu_train.errors import DataError, NotPermitted
from lingshu_train.evaluation.benchmarks import rubrics
from lingshu_train.record import Sample
from lingshu_train.rewards.judge import Params
from lingshu_train.rollouts import Outage, Refused, Unreadable

NAME = "2025-05-07-06-14-12_oss_eval.jsonl"
RUBRICS = [
    {"criterion": "Says to see a doctor", "points": 5, "tags": ["axis:accuracy"]},
    {"criterion": "Names a cause", "points": 5, "tags": []},
    {"criterion": "Invents a dose", "points": -4, "tags": []},
]
TURNS = [
    {"role": "user", "content": "My head hurts."},
    {"role": "assistant", "content": "Since when?"},
    {"role": "user", "content": "Since an hour. What now?"},
]


class _Judge(BaseHTTPRequestHandler):
    """A criterion is met where the answer holds its last word; of `silence` it says nothing that can be read."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = json.loads(asked["messages"][-1]["content"])
        self.server.asked.append(said)  # type: ignore[attr-defined]
        met = said["criterion"].split()[-1] in said["answer"]
        if status := getattr(self.server, "status", 0):
            self.send_error(status)
            return
        reply = "Perhaps." if "silence" in said["answer"] else json.dumps({"met": met})
        message = {"role": "assistant", "content": reply}
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
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


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


def conversation(id: str) -> Sample:
    told = [{"criterion": one["criterion"], "points": one["points"]} for one in RUBRICS]
    return Sample(id=id, card="healthbench", split="test", task="rubric", question="What now?", question_type="free",
                  answer=json.dumps(told), turns=(("My head hurts.", "Since when?"),))  # fmt: skip


def test_the_score_is_the_mean_share_of_points_and_what_should_not_be_said_costs(
    tmp_path: Path, server: ThreadingHTTPServer
) -> None:
    answers = {
        "both": "A doctor finds the cause.",
        "half": "See a doctor.",
        "harm": "Take a dose.",
        "none": "silence",
    }
    scored = tmp_path / "healthbench.jsonl"
    scored.write_text("".join(json.dumps({"id": id, "text": text}) + "\n" for id, text in answers.items()))
    params = Params(url=url(server), model="j", cache=str(tmp_path / "judge"), retries=0, timeout_s=5)
    found = rubrics.rubrics("healthbench", [conversation(id) for id in answers], scored, params)
    assert (found.n, found.unscored, found.criteria) == (4, 1, 12)
    assert found.score == pytest.approx((1.0 + 0.5 - 0.4) / 3)
    assert 0 <= found.low <= found.score <= found.high <= 1
    asked = server.asked  # type: ignore[attr-defined]
    assert asked[0]["conversation"] == ["My head hurts.", "Since when?", "What now?"]
    server.shutdown()
    server.server_close()
    assert rubrics.rubrics("healthbench", [conversation(id) for id in answers], scored, params) == found, (
        "kept"
    )


@pytest.mark.parametrize(
    ("status", "card", "error"),
    [(503, "c", Outage), (401, "c", NotPermitted), (404, "c", Refused), (0, "closed", NotPermitted)],
)
def test_a_judge_that_cannot_be_asked_is_no_unscored_conversation(
    status: int,
    card: str,
    error: type[Exception],
    tmp_path: Path,
    server: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scored = tmp_path / "healthbench.jsonl"
    scored.write_text(json.dumps({"id": "a", "text": "A doctor."}) + "\n")
    server.status = status  # type: ignore[attr-defined]
    monkeypatch.setattr(Params, "may_see", lambda self, name: name != "closed")
    params = Params(url=url(server), model="j", cache=str(tmp_path / "judge"), retries=0, timeout_s=5)
    with pytest.raises(error) as told:
        rubrics.rubrics("healthbench", [dataclasses.replace(conversation("a"), card=card)], scored, params)
    assert not isinstance(told.value, Unreadable)


def test_a_conversation_is_read_with_its_turns_and_its_rubrics(tmp_path: Path) -> None:
    put(tmp_path / NAME, [{"prompt_id": "1", "prompt": TURNS, "rubrics": RUBRICS}])
    (row,) = read("healthbench_jsonl", tmp_path, {"files": {"test": NAME}}, split="test")
    assert row.sample.turns == (("My head hurts.", "Since when?"),)
    assert row.sample.question == "Since an hour. What now?"
    assert [one["points"] for one in json.loads(row.sample.answer)] == [5, 5, -4]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"prompt": TURNS[:2]}, "must be turns of user and assistant that end with the user"),
        ({"prompt": []}, "must be a list of records"),
        ({"rubrics": [{"criterion": "x", "points": 0}]}, "points must be a number that is not 0"),
        ({"rubrics": [{"criterion": "x", "points": -1}]}, "needs a rubric with points above 0"),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused(
    tmp_path: Path, changed: dict[str, object], fault: str
) -> None:
    put(tmp_path / NAME, [{"prompt_id": "1", "prompt": TURNS, "rubrics": RUBRICS, **changed}])
    with pytest.raises(DataError, match=fault):
        read("healthbench_jsonl", tmp_path, {"files": {"test": NAME}}, split="test")


def test_the_command_refuses_without_a_judge_and_tells_points_with_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: ThreadingHTTPServer,
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt_id": str(n), "prompt": TURNS, "rubrics": RUBRICS} for n in range(2)]
    put(tmp_path / "data" / "healthbench" / NAME, rows)
    tiny_model.build(tmp_path / "model")
    command = ["eval", "model", "--benchmarks", "healthbench", "--max-tokens", "4", "--part"]
    assert cli.main(command) == 64
    assert "healthbench: a judge scores it by rubrics" in capsys.readouterr().err
    assert cli.main([*command, "--judge", url(server), "--judge-model", "j"]) == 0
    told = capsys.readouterr().out
    assert "2 free text" in told and "ROUGE" not in told
    assert "healthbench, model: judge j: 0.0 of the points" in told
    (kept,) = (tmp_path / "evaluations").glob("model-*/rubrics.json")
    assert json.loads(kept.read_text())["rubrics"][0]["criteria"] == 6
