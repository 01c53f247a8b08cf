"""The engine over HTTP, against a real server on this machine: requests, repeats, the cache, and what may not leave."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from loopback import serving
from PIL import Image

from lingshu_train import rollouts
from lingshu_train.data import chat
from lingshu_train.errors import MissingInput, NotPermitted, RecipeError
from lingshu_train.record import Prompt, Sampling
from lingshu_train.rollouts import Outage, Refused, Unreadable, _engine
from lingshu_train.rollouts.endpoint import Endpoint, Params

GREEDY = Sampling(max_tokens=8)
Reply = tuple[int, bytes, dict[str, str]]
"""Status, body, headers."""


class Server:
    """What the server was sent, and what it replies: `reply(number of the request, its body)`."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.reply: Callable[[int, dict[str, Any]], Reply] = lambda _, body: said(
            *(f"to {body['messages'][-1]['content']}" for _ in range(body.get("n", 1)))
        )
        self.url = ""
        self.most = 0
        self._now, self._lock = 0, threading.Lock()

    def handle(self, head: dict[str, str], path: str, body: dict[str, Any]) -> Reply:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            number = len(self.bodies)
            self.bodies.append(body)
            self.heads.append(head)
            self.paths.append(path)
        try:
            return self.reply(number, body)
        finally:
            with self._lock:
                self._now -= 1

    def params(self, **changes: Any) -> Params:
        return Params(**{"url": self.url, "model": "policy", "timeout_s": 5.0, "retries": 1, **changes})


def said(*texts: str, **changes: Any) -> Reply:
    choices = [
        {
            "index": place,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            **changes,
        }
        for place, text in enumerate(texts)
    ]
    return 200, json.dumps({"id": "x", "object": "chat.completion", "choices": choices}).encode(), {}


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, data, head = running.handle(dict(self.headers), self.path, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **head}.items():
                self.send_header(name, value)
            self.end_headers()
            # Who waited too long has hung up.
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(data)
            if "Content-Length" in head:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            return

    with serving(Handler) as url:
        running.url = f"{url}/v1"
        yield running


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No waiting between tries; the waits that were asked for."""
    waits: list[float] = []
    monkeypatch.setattr("lingshu_train.rollouts.endpoint.time.sleep", waits.append)
    return waits


def prompt(name: str, **changes: Any) -> Prompt:
    return Prompt(id=name, messages=({"role": "user", "content": name},), **changes)


def ask(params: Params, *prompts: Prompt, sampling: Sampling = GREEDY) -> list[str]:
    with Endpoint(params) as engine:
        return [one.text for one in engine.answer(prompts, sampling)]


def test_a_request_says_all_of_the_sampling_and_nothing_that_is_not_asked_for(server: Server) -> None:
    ask(server.params(), prompt("a", seed=7))
    assert server.paths == ["/v1/chat/completions"]
    assert server.bodies[0] == {
        "model": "policy",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0,
        "max_tokens": 8,
        "seed": 7,
    }
    sampling = Sampling(max_tokens=9, temperature=0.7, top_p=0.9, n=2, stop=("END",), seed=1, log_probs=True)
    ask(server.params(token_ids=True), prompt("a"), sampling=sampling)
    assert server.bodies[1] == {
        "model": "policy",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0.7,
        "max_tokens": 9,
        "seed": _engine.seed_of(prompt("a"), sampling),
        "top_p": 0.9,
        "n": 2,
        "stop": ["END"],
        "logprobs": True,
        "return_token_ids": True,
    }


def test_a_completion_carries_what_the_server_tells_of_it(server: Server) -> None:
    told = {"finish_reason": "length", "token_ids": [5, 6]}
    told |= {"logprobs": {"content": [{"token": "x", "logprob": -0.5}, {"token": "y", "logprob": -1.5}]}}
    server.reply = lambda *_: said("one", "two", **told)
    with Endpoint(server.params()) as engine:
        sampling = replace(GREEDY, temperature=1.0, n=2)
        first, second = engine.answer([prompt("a", seed=3)], sampling)
    assert (first.text, second.text) == ("one", "two")
    assert (second.token_ids, second.log_probs, second.finish) == ((5, 6), (-0.5, -1.5), "length")
    assert (second.truncated, second.max_tokens, second.seed, second.cached) == (True, 8, 4, False)


def test_pictures_stand_at_their_marks_pixel_for_pixel(server: Server) -> None:
    sample = tiny_model.sample(0, images=("0", "1"), turns=(("Earlier?", "yes"),))
    pictures = (tiny_model.picture(0), tiny_model.picture(1).convert("L"))
    server.reply = lambda *_: said("2")
    asked = Prompt(id="x", messages=chat.prompt(sample, images=True), images=lambda: pictures)
    ask(server.params(), asked)
    first, second, third = server.bodies[0]["messages"]
    assert [part["type"] for part in first["content"]] == ["image_url", "image_url", "text"]
    for part, picture in zip(first["content"], pictures, strict=False):
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as arrived:
            assert arrived.mode == picture.mode
            assert arrived.tobytes() == picture.tobytes()
    assert first["content"][2] == {"type": "text", "text": "Earlier?"}
    # The answers of a dialogue have the form of its last, which is judged.
    assert second["content"] == "<answer>yes</answer>"
    assert third["content"] == [{"type": "text", "text": sample.question}]


def test_many_prompts_are_under_way_at_once_and_answers_keep_their_order(server: Server) -> None:
    pause = threading.Event()

    def slowly(number: int, body: dict[str, Any]) -> Reply:
        pause.wait(0.05 if number % 3 else 0.2)
        return said(f"to {body['messages'][-1]['content']}")

    server.reply = slowly
    names = [f"q{number}" for number in range(40)]
    started = time.monotonic()
    assert ask(server.params(parallel=8), *map(prompt, names)) == [f"to {name}" for name in names]
    assert 1 < server.most <= 8
    assert time.monotonic() - started < 40 * 0.1 * 0.7, "one after the other they take four seconds"


def test_pictures_are_opened_only_a_little_ahead(server: Server) -> None:
    opened: list[int] = []
    sample = tiny_model.sample(0)

    def late(number: int) -> Prompt:
        def open_it() -> list[Image.Image]:
            opened.append(number)
            assert threading.current_thread() is threading.main_thread()
            return [tiny_model.picture(number)]

        return Prompt(id=str(number), messages=chat.prompt(sample, images=True), images=open_it)

    server.reply = lambda *_: said("x")
    with Endpoint(server.params(parallel=2)) as engine:
        answers = engine.answer([late(number) for number in range(30)], GREEDY)
        next(answers)
        assert len(opened) <= 5
        assert len(list(answers)) == 29
    assert opened == list(range(30))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_asked_again(server: Server, status: int) -> None:
    server.reply = lambda number, _: said("fine") if number else (status, b"busy", {})
    assert ask(server.params(), prompt("a")) == ["fine"]
    assert server.bodies[0] == server.bodies[1]


def test_the_server_may_ask_for_a_pause_but_not_for_hours(server: Server, hurried: list[float]) -> None:
    waits = {0: "7", 1: "7200"}
    server.reply = lambda number, _: (
        (503, b"", {"Retry-After": waits[number]}) if number in waits else said("fine")
    )
    assert ask(server.params(retries=2), prompt("a")) == ["fine"]
    assert hurried == [7, 60]


def test_half_a_reply_is_asked_again(server: Server) -> None:
    whole = said("fine")[1]
    server.reply = lambda number, _: (
        said("fine") if number else (200, whole[:20], {"Content-Length": str(len(whole))})
    )
    assert ask(server.params(), prompt("a")) == ["fine"]
    assert len(server.bodies) == 2


def test_a_server_that_stays_away_is_an_outage_and_not_an_answer(server: Server) -> None:
    server.reply = lambda *_: (503, b"", {})
    with pytest.raises(Outage, match=r"no answer after 2 tries \(the server answers 503\)") as fault:
        ask(server.params(), prompt("a"))
    assert fault.value.exit_code == 75
    nobody = server.params(url="http://127.0.0.1:9/v1")
    with pytest.raises(Outage, match="no answer after 2 tries"):
        ask(nobody, prompt("a"))


def test_a_server_that_hangs_is_an_outage(server: Server) -> None:
    stop = threading.Event()

    def hang(*_: object) -> Reply:
        stop.wait(10)
        return said("late")

    server.reply = hang
    try:
        with pytest.raises(Outage, match="ReadTimeoutError"):
            ask(server.params(timeout_s=0.2), prompt("a"))
    finally:
        stop.set()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"fine",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"message": {}}, {"message": {}}]}',
        b"\xff\xfe",
    ],
)
def test_a_reply_that_is_no_completion_is_no_answer(server: Server, data: bytes) -> None:
    server.reply = lambda *_: (200, data, {})
    with pytest.raises(Unreadable, match="the reply"):
        ask(server.params(), prompt("a"))
    assert len(server.bodies) == 2, "it was asked again"


def test_a_refusal_says_why_and_is_not_asked_again(server: Server) -> None:
    said_why = {"error": {"message": "maximum context length\nis 512 tokens"}}
    server.reply = lambda *_: (400, json.dumps(said_why).encode(), {})
    with pytest.raises(Refused, match="answers 400: maximum context length is 512 tokens") as fault:
        ask(server.params(), prompt("a"))
    assert fault.value.exit_code == 78
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_not_permitted(server: Server, status: int, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    server.reply = lambda *_: (status, b"", {})
    with pytest.raises(NotPermitted, match="token_file") as fault:
        ask(server.params(token_file=str(tmp_path / "key")), prompt("a"))
    assert server.heads[0]["Authorization"] == "Bearer secret"
    assert "secret" not in str(fault.value)


def test_a_key_file_that_is_not_there_is_missing_input(server: Server) -> None:
    with pytest.raises(MissingInput, match="nowhere"):
        Endpoint(server.params(token_file="nowhere"))


def test_a_redirection_is_not_followed(server: Server) -> None:
    server.reply = lambda *_: (307, b"", {"Location": f"{server.url}/elsewhere"})
    with pytest.raises(Refused, match="answers 307"):
        ask(server.params(), prompt("a"))
    assert len(server.paths) == 1


def test_a_fault_ends_it_and_what_was_answered_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    def fails_at_q3(_: int, body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"] == "q3":
            return 500, b"", {}
        return said("fine")

    server.reply = fails_at_q3
    prompts = [prompt(f"q{number}") for number in range(6)]
    params = server.params(cache=str(tmp_path / "kept"), parallel=1)
    heard = []
    with Endpoint(params) as engine, pytest.raises(Outage):
        for one in engine.answer(prompts, GREEDY):
            heard.append(one.text)
    assert heard == ["fine"] * 3
    kept = len(list((tmp_path / "kept").iterdir()))
    assert kept >= 3, "those after it too, where they had been answered"
    asked = len(server.bodies)
    server.reply = lambda *_: said("fine")
    with Endpoint(params) as engine:
        again = list(engine.answer(prompts, GREEDY))
    assert [one.cached for one in again[:4]] == [True] * 3 + [False]
    assert len(server.bodies) == asked + 6 - kept


def test_equal_prompts_may_be_under_way_together(server: Server, tmp_path: Path) -> None:
    params = server.params(cache=str(tmp_path / "kept"))
    assert ask(params, *[prompt("a", seed=1)] * 32) == ["to a"] * 32
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_the_cache_knows_equal_requests_and_survives_damage(server: Server, tmp_path: Path) -> None:
    params = server.params(cache=str(tmp_path / "kept"))
    asked = prompt("a", seed=1)
    for one in (asked, asked, replace(asked, id="another name", card="another")):
        assert ask(params, one) == ["to a"]
    assert len(server.bodies) == 1
    ask(params, replace(asked, seed=2))
    ask(params, asked, sampling=Sampling(max_tokens=9))
    assert len(server.bodies) == 3
    for kept in (tmp_path / "kept").iterdir():
        kept.write_text("{", encoding="utf-8")
    assert ask(params, asked) == ["to a"]
    assert len(server.bodies) == 4


def test_text_of_a_card_that_is_not_listed_is_sent_nowhere_but_to_this_machine(server: Server) -> None:
    elsewhere = Params(url="https://models.example/v1", model="m", cards=("open_card",), retries=0)
    for card in ("mimic_cxr", ""):
        with pytest.raises(NotPermitted, match="is not on this machine") as fault:
            ask(elsewhere, prompt("a", card=card))
        assert fault.value.exit_code == 77
    assert ask(server.params(), prompt("a", card="mimic_cxr")) == ["to a"]
    assert elsewhere.may_see("open_card")


def test_no_proxy_stands_between_this_machine_and_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(server.params(), prompt("a")) == ["to a"]


def test_another_machine_is_reached_through_the_proxy_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    params = server.params(url="http://models.example/v1", cards=("open_card",))
    assert ask(params, prompt("a", card="open_card")) == ["to a"]
    assert server.paths == ["http://models.example/v1/chat/completions"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("models.example/v1", "must start with http"),
        ("ftp://models.example", "must start with http"),
        ("http://me:secret@models.example/v1", "must hold no login"),
        ("http://models.example/v1?key=secret", "must hold no login and no query"),
        ("http://models.example/v1/chat/completions", "without /chat/completions"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_when_planned(url: str, why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        rollouts.start("endpoint", {"url": url, "model": "m"}, where="stages.e.rollouts")


def test_the_engine_is_found_by_its_name(server: Server) -> None:
    with rollouts.start("endpoint", {"url": server.url, "model": "m"}, where="test") as engine:
        assert [one.text for one in engine.answer([prompt("a")], GREEDY)] == ["to a"]


def test_the_endpoint_imports_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, lingshu_train.rollouts.endpoint\n"
        "assert not {'torch', 'transformers', 'numpy', 'PIL'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=dict(os.environ))
