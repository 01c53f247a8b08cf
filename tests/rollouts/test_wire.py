"""What comes from an engine is whole or counts for nothing: a made-up server that fails in every way it can."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lingshu_train.errors import RecipeError
from lingshu_train.record import Sampling
from lingshu_train.rollouts import Choice, Outage, Refused, Unreadable, _wire
from lingshu_train.rollouts._fleet import Fleet, _parts
from lingshu_train.rollouts._servers import Server, Start
from lingshu_train.rollouts._wire import Address, Request, Rules, Stale

SAMPLING = Sampling(max_tokens=4)
RULES = Rules(version="7", ends=(9,), never=(5,))
REQUESTS = [Request(ids=(1, 2)), Request(ids=(3,))]

Reply = Callable[[dict[str, Any]], tuple[int, Any]]


def answer(**changes: Any) -> dict[str, Any]:
    return {"prompt_ids": [1], "ids": [2, 9], "log_probs": [-1.0, -2.0], "finish": "stop", **changes}


def whole(*answers: dict[str, Any], version: str = "7") -> tuple[int, Any]:
    return 200, {"version": version, "answers": list(answers)}


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], Address]]:
    """Starts a server whose replies are a function of what it is asked."""
    running = []

    def start(reply: Reply) -> Address:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, said = reply(body)
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) + (said == b"half")))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Address(f"http://127.0.0.1:{server.server_address[1]}")

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


GOOD = answer()
FAULTS: dict[str, tuple[tuple[int, Any], type[Exception]]] = {
    "half a group": (whole(GOOD), Unreadable),
    "more than was asked": (whole(GOOD, GOOD, GOOD), Unreadable),
    "other weights": (whole(GOOD, GOOD, version="6"), Stale),
    "other weights, by its own word": ((409, {"message": "has '6'"}), Stale),
    "no JSON": ((200, b"<html>"), Unreadable),
    "half a reply": ((200, b"half"), Outage),
    "another shape": ((200, {"version": "7", "answers": [{}, {}]}), Unreadable),
    "no token": (whole(GOOD, answer(ids=[], log_probs=[])), Unreadable),
    "an end that is none": (whole(GOOD, answer(ids=[2, 3])), Unreadable),
    "a fault of its own": (whole(GOOD, answer(finish="abort")), Unreadable),
    "more tokens than may be": (whole(GOOD, answer(ids=[2] * 4 + [9], log_probs=[0.0] * 5)), Unreadable),
    "fewer chances than tokens": (whole(GOOD, answer(log_probs=[-1.0])), Unreadable),
    "a picture's token": (whole(GOOD, answer(ids=[5, 9])), Unreadable),
    "a context that is too short": (whole(GOOD, answer(ids=[2, 3], finish="length")), Refused),
    "what it cannot do": ((400, {"message": "too long"}), Refused),
    "a fault of the server": ((500, b""), Outage),
    "still loading": ((503, {"message": "loading"}), Outage),
}


@pytest.mark.parametrize("name", FAULTS)
def test_of_a_reply_that_is_not_whole_nothing_counts(name: str, serve: Callable[[Reply], Address]) -> None:
    reply, error = FAULTS[name]
    with pytest.raises(error) as raised:
        _wire.ask(serve(lambda _: reply), REQUESTS, SAMPLING, RULES, timeout_s=5)
    assert "\n" not in str(raised.value)


def test_a_whole_reply_is_taken_and_a_chance_that_is_no_number_is_told(
    serve: Callable[[Reply], Address],
) -> None:
    other = answer(ids=[2, 3, 4, 6], log_probs=[-1.0, None, -1.0, -1.0], finish="length")
    found = _wire.ask(serve(lambda _: whole(GOOD, other)), REQUESTS, SAMPLING, RULES, timeout_s=5)
    assert found[0].chances == (-1.0, -2.0)
    assert str(found[1].chances[1]) == "nan"


def test_one_that_stands_still_is_an_outage_and_so_is_one_that_is_not_there(
    serve: Callable[[Reply], Address],
) -> None:
    def sleep(_: object) -> tuple[int, Any]:
        time.sleep(1.0)
        return whole(GOOD, GOOD)

    with pytest.raises(Outage, match="ReadTimeout"):
        _wire.ask(serve(sleep), REQUESTS, SAMPLING, RULES, timeout_s=0.2)
    with pytest.raises(Outage, match="no answer"):
        _wire.ask(Address("http://127.0.0.1:9"), REQUESTS, SAMPLING, RULES, timeout_s=0.2)


def test_of_several_servers_each_is_asked_its_share_and_the_answers_keep_their_order(
    serve: Callable[[Reply], Address],
) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        return whole(*[answer(prompt_ids=one["ids"]) for one in body["requests"]])

    fleet = Fleet(urls=[serve(reply), serve(reply)], start=None, timeout_s=5)
    fleet.meet()
    requests = [Request(ids=(number,)) for number in range(5)]
    found = fleet.ask(requests, SAMPLING, RULES)
    assert [one.prompt_ids for one in found] == [(number,) for number in range(5)]
    assert [len(part) for part in _parts(requests, 2)] == [3, 2]
    assert [len(part) for part in _parts(requests[:1], 2)] == [1]


def test_a_server_that_cannot_start_is_an_outage_that_quotes_its_last_word(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho out of memory >&2\nexit 3\n")
    python.chmod(0o755)
    server = Server(
        Start(python=python, engine={}, variables={}, gpus=(), folder=tmp_path / "logs", timeout_s=20), 0
    )
    server.begin("model", "0")
    with pytest.raises(Outage, match=r"ended while it started; .*: out of memory"):
        server.wait()
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    slow = Server(
        Start(python=python, engine={}, variables={}, gpus=(), folder=tmp_path / "logs", timeout_s=0.3), 1
    )
    slow.begin("model", "0")
    with pytest.raises(Outage, match=r"not ready after 0\.3 s"):
        slow.wait()
    assert not slow.alive


def test_a_recipe_names_an_engine_that_opens_a_model_and_knows_its_keys() -> None:
    Choice().check("stages.e.rollouts")
    Choice(engine="vllm", params={"replicas": 2}).check("stages.e.rollouts")
    with pytest.raises(
        RecipeError, match=r"stages\.e\.rollouts\.params\.replica: unknown key; nearest: replicas"
    ):
        Choice(engine="vllm", params={"replica": 2}).check("stages.e.rollouts")
    with pytest.raises(RecipeError, match="endpoint asks a model that lies elsewhere"):
        Choice(engine="endpoint", params={}).check("stages.e.rollouts")
    with pytest.raises(RecipeError, match="rollouts/ has: endpoint, transformers, vllm"):
        Choice(engine="nosuch").check("stages.e.rollouts")
    assert Choice().naming == {}
    assert Choice(engine="vllm", params={"replicas": 2}).naming == Choice(engine="vllm").naming != {}
