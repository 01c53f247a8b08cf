"""Weights given to servers without a folder: in which order, what is told, what follows where one fails, and where it is refused.

What only a GPU can do is made up here: the communicator, and memory that another process opens.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from lingshu_train.errors import RecipeError
from lingshu_train.rollouts import Choice, Outage, _nccl, _publishing, _transfer, _vllm_server
from lingshu_train.rollouts._wire import Address

Call = tuple[int, str, dict[str, Any]]
"""Which server, what it was asked, and with what."""


class Servers:
    """Made-up servers that note what they are asked. `answers(number, path)` is a status."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: Callable[[int, str], int] = lambda number, path: 200
        self._running: list[ThreadingHTTPServer] = []

    def start(self, count: int) -> list[Address]:
        return [self._one(number) for number in range(count)]

    def _one(self, number: int) -> Address:
        servers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                servers.calls.append((number, self.path, body))
                data = b'{"version": "", "message": "made up"}'
                self.send_response(servers.answers(number, self.path))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Address(f"http://127.0.0.1:{server.server_address[1]}")

    def close(self) -> None:
        for server in self._running:
            server.shutdown()
            server.server_close()

    def asked(self, number: int) -> list[str]:
        return [path.rsplit("/", 1)[-1] for one, path, _ in self.calls if one == number]


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


class Model(nn.Module):
    """Three tensors, of which the first two fill a shard."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.arange(6.0).reshape(2, 3))
        self.second = nn.Parameter(torch.ones(2))
        self.third = nn.Parameter(torch.zeros(3))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_publishing, "SHARD", 15)


class Comm:
    """A communicator that notes what is sent; it is done where everyone listens."""

    made: ClassVar[list[Comm]] = []

    def __init__(self, unique: bytes, ranks: int) -> None:
        self.unique, self.ranks = unique, ranks
        self.sent: list[torch.Tensor] = []
        self.ended = ""
        self.listens = True
        Comm.made.append(self)

    def broadcast(self, tensor: torch.Tensor) -> None:
        self.sent.append(tensor.clone())

    def done(self) -> bool:
        return self.listens

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> list[Comm]:
    Comm.made = []
    monkeypatch.setattr(_nccl, "Comm", Comm)
    monkeypatch.setattr(_nccl, "unique_id", lambda: b"u" * _nccl.BYTES)
    return Comm.made


def send(transfer: Any, addresses: Sequence[Address], version: str = "7") -> None:
    transfer.send(Model(), torch.bfloat16, addresses, version)


def test_nccl_has_all_join_once_and_sends_what_it_tells_in_that_order(
    servers: Servers, comms: list[Comm]
) -> None:
    addresses = servers.start(2)
    transfer = _transfer.of("nccl", timeout_s=5)
    for version in ("7", "8"):
        send(transfer, addresses, version)
    (made,) = comms
    assert made.ranks == 3
    each = ["start", "update", "update", "finish"]
    assert [servers.asked(number) for number in (0, 1)] == [["init", *each, *each]] * 2
    joined = [body["info"] for _, path, body in servers.calls if path == "/transfer/init"]
    assert sorted(one["rank_offset"] for one in joined) == [1, 2]
    assert {one["world_size"] for one in joined} == {3}
    assert {base64.b64decode(one["nccl_unique_id_b64"]) for one in joined} == {made.unique}
    told = [body["info"] for number, path, body in servers.calls if number == 0 and path.endswith("update")]
    assert [one["names"] for one in told[:2]] == [["first", "second"], ["third"]]
    assert told[0]["shapes"] == [[2, 3], [2]]
    assert told[0]["dtype_names"] == ["bfloat16", "bfloat16"]
    expected = [one.detach().bfloat16() for one in Model().parameters()] * 2
    assert all(torch.equal(one, other) for one, other in zip(made.sent, expected, strict=True))
    assert [body["version"] for number, _, body in servers.calls if number == 0 and body.get("version")] == [
        "7",
        "8",
    ]


def test_a_server_that_was_started_anew_makes_nccl_join_anew(servers: Servers, comms: list[Comm]) -> None:
    old, new = servers.start(2)
    transfer = _transfer.of("nccl", timeout_s=5)
    send(transfer, [old])
    send(transfer, [new])
    assert [one.ended for one in comms] == ["closed", ""]
    assert servers.asked(1) == ["init", "start", "update", "update", "finish"]
    assert transfer is not None
    transfer.close()
    assert comms[1].ended == "closed"


def test_nccl_waits_for_nobody_who_has_failed_and_gives_no_version(
    servers: Servers, comms: list[Comm]
) -> None:
    addresses = servers.start(2)
    transfer = _transfer.of("nccl", timeout_s=5)
    send(transfer, addresses)
    comms[0].listens = False
    servers.calls.clear()
    servers.answers = lambda number, path: 500 if number == 1 and path.endswith("update") else 200
    with pytest.raises(Outage, match="500"):
        send(transfer, addresses, "8")
    assert comms[0].ended == "aborted"
    assert not [path for _, path, _ in servers.calls if path.endswith("finish")]
    servers.answers = lambda number, path: 200
    send(transfer, addresses, "8")
    assert len(comms) == 2


def test_nccl_gives_up_on_a_server_that_takes_nothing(servers: Servers, comms: list[Comm]) -> None:
    addresses = servers.start(1)
    transfer = _transfer.of("nccl", timeout_s=0.3)
    send(transfer, addresses)
    comms[0].listens = False
    with pytest.raises(Outage, match=r"more than 0\.3 s"):
        send(transfer, addresses, "8")


@pytest.mark.parametrize("status", [500, 200])
def test_nccl_waits_for_no_server_that_does_not_join(
    servers: Servers, comms: list[Comm], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The library returns once all have joined: where one failed, never. What it makes after all is ended."""
    waits = threading.Event()

    class Blocked(Comm):
        def __init__(self, unique: bytes, ranks: int) -> None:
            waits.wait(30)
            super().__init__(unique, ranks)

    addresses = servers.start(2)
    servers.answers = lambda number, path: status if number == 1 and path.endswith("init") else 200
    monkeypatch.setattr(_nccl, "Comm", Blocked)
    transfer = _transfer.of("nccl", timeout_s=0.3 if status == 200 else 20)
    begun = time.monotonic()
    with pytest.raises(Outage, match="500" if status == 500 else r"did not join NCCL within 0\.3 s"):
        send(transfer, addresses)
    assert time.monotonic() - begun < 10
    waits.set()
    until = time.monotonic() + 10
    while not (comms and comms[0].ended) and time.monotonic() < until:
        time.sleep(0.01)
    assert [one.ended for one in comms] == ["aborted"]
    monkeypatch.setattr(_nccl, "Comm", Comm)
    servers.answers = lambda number, path: 200
    send(transfer, addresses)
    assert comms[1].ended == ""


@pytest.mark.parametrize(
    "told", ["", "max_split_size_mb:128", "expandable_segments:True,max_split_size_mb:128"]
)
def test_how_memory_grows_is_afterwards_what_it_was(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    said: list[str] = []
    monkeypatch.setattr(torch._C, "_accelerator_getAllocatorSettings", lambda: told)
    monkeypatch.setattr(torch.cuda.memory, "_set_allocator_settings", said.append)
    with _transfer._plain_segments(torch.device("cuda")):
        assert said == ["expandable_segments:False"]
    assert said[1:] == [f"expandable_segments:{told.startswith('expandable')}"]


GIVEN = (
    *(torch.Tensor, torch.Size([2, 3]), (3, 1), 4),
    *(torch.UntypedStorage, torch.bfloat16, 5),
    *(b"memory", 64, 8, False, b"counter", 1, b"event", True),
)
"""What torch's `reduce_tensor` says of a tensor on GPU 5."""


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Memory that others could open; those tensors of which it was told."""
    found: list[torch.Tensor] = []

    def reduce(tensor: torch.Tensor) -> tuple[object, tuple[object, ...]]:
        found.append(tensor)
        return None, GIVEN

    monkeypatch.setattr(_transfer, "reduce_tensor", reduce)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=f"GPU-{device}")
    )
    return found


def test_ipc_tells_each_server_of_each_shard_with_handles_of_its_own(
    servers: Servers, shared: list[torch.Tensor]
) -> None:
    addresses = servers.start(2)
    transfer = _transfer.of("ipc", timeout_s=5)
    send(transfer, addresses)
    send(transfer, addresses, "8")
    each = ["start", "update", "update", "finish"]
    assert [servers.asked(number) for number in (0, 1)] == [["init", *each, *each]] * 2
    assert len(shared) == 2 * 2 * 3
    updates = [body for number, path, body in servers.calls if number == 1 and path.endswith("update")]
    assert [len(one["handles"]) for one in updates] == [2, 1, 2, 1]
    assert updates[0]["info"]["names"] == ["first", "second"]


def test_a_handle_comes_back_as_torch_gave_it_but_for_the_gpu_number_and_needs_no_pickle(
    shared: list[torch.Tensor],
) -> None:
    told = json.loads(json.dumps(_transfer.handle(torch.zeros(2, 3))))
    ((gpu, found),) = _vllm_server._opener(told).items()
    assert gpu == "GPU-5"
    assert found[:6] == GIVEN[:6]
    assert found[6] == 0, "the receiver writes its own here"
    assert found[7:] == GIVEN[7:]


class Llm:
    """Notes what is called of vLLM's class LLM."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.llm_engine = SimpleNamespace(reset_encoder_cache=lambda: self.calls.append("forget"))

    def __getattr__(self, name: str) -> Callable[..., None]:
        def called(*given: Any, **named: Any) -> None:
            tags = ",".join(named.get("tags", ()))
            self.calls.append(f"{name} {tags}".strip())

        return called


@pytest.fixture
def engine() -> Any:
    made = object.__new__(_vllm_server.Engine)
    made._llm, made._rests, made.version, made._theirs = Llm(), False, "1", (ValueError,)
    return made


def do(engine: Any, path: str, **body: Any) -> int:
    job = _vllm_server.Job(path, body)
    engine.do(job)
    return job.status


FORGOTTEN = ["reset_prefix_cache", "reset_mm_cache", "forget"]


def test_a_server_that_rests_has_no_version_and_its_memory_again_before_it_is_given_weights(
    engine: Any,
) -> None:
    do(engine, "/rest")
    do(engine, "/rest")
    assert engine.version == ""
    assert do(engine, "/answer", version="1") == 409
    do(engine, "/weights", folder="f", version="2")
    wakes = ["wake_up weights", "collective_rpc", "wake_up kv_cache"]
    assert engine._llm.calls == ["sleep", *wakes, *FORGOTTEN]
    assert engine.version == "2"
    do(engine, "/weights", folder="f", version="3")
    assert engine._llm.calls[len(wakes) + 4 :] == ["collective_rpc", *FORGOTTEN]


def test_a_server_answers_nobody_from_the_first_tensor_of_a_transfer_to_its_end(engine: Any) -> None:
    info = {"names": [], "dtype_names": [], "shapes": []}
    do(engine, "/transfer/init", info={"packed": False})
    assert engine.version == "1"
    do(engine, "/rest")
    do(engine, "/transfer/start")
    do(engine, "/transfer/update", info=info, handles=[])
    assert do(engine, "/answer", version="1") == 409
    assert do(engine, "/answer", version="2") == 409
    do(engine, "/transfer/finish", version="2")
    assert engine.version == "2"
    assert engine._llm.calls == [
        *("init_weight_transfer_engine", "sleep", "wake_up weights", "start_weight_update"),
        *("update_weights", "finish_weight_update", "wake_up kv_cache", *FORGOTTEN),
    ]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"weights": "nccl"}, r"weights: nccl: needs gpus of their own"),
        ({"weights": "ipc", "gpus": ["1"]}, r"weights: ipc: needs the GPU that trains"),
        ({"weights": "ipc", "urls": ["http://127.0.0.1:1"]}, r"servers of yours read a folder"),
        ({"sleep": True, "gpus": ["1"]}, r"sleep: on gpus of their own"),
        ({"sleep": True, "urls": ["http://127.0.0.1:1"]}, r"sleep: servers of yours"),
    ],
)
def test_ways_that_do_not_go_together_are_refused_by_the_recipe(params: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Choice(engine="vllm", params=params).check("stages.rl.rollouts", trains=True)


@pytest.mark.parametrize("params", [{"weights": "ipc"}, {"weights": "nccl", "gpus": ["1"]}, {"sleep": True}])
def test_what_needs_a_gpu_is_refused_on_a_cpu_and_where_no_weights_change(params: dict[str, Any]) -> None:
    choice = Choice(engine="vllm", params=params)
    choice.check("stages.rl.rollouts", trains=True)
    choice.check_device("stages.rl.rollouts", "cuda")
    key = next(iter(params))
    with pytest.raises(RecipeError, match=rf"stages\.rl\.rollouts\.params\.{key}: .* computes on a CPU"):
        choice.check_device("stages.rl.rollouts", "cpu")
    with pytest.raises(RecipeError, match=rf"stages\.evaluate\.rollouts\.params\.{key}: .* leave it out"):
        choice.check("stages.evaluate.rollouts")


def test_servers_are_started_for_what_the_recipe_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lingshu_train.rollouts import _servers, vllm

    monkeypatch.setattr(_servers, "python", lambda: Path("python"))
    settings = SimpleNamespace(dtype="bfloat16", shape=SimpleNamespace(unserved=""))
    made = vllm.fleet(
        vllm.Params(weights="ipc", sleep=True),
        settings,
        device="cuda",
        folder=tmp_path,  # type: ignore[arg-type]
    )
    engine = made._own[0]._start.engine  # type: ignore[attr-defined]
    assert engine["weight_transfer"] == "ipc"
    assert engine["enable_sleep_mode"] is True
    plain = vllm._arguments(vllm.Params(), settings, cpu=False, processed=False)  # type: ignore[arg-type]
    assert not {"weight_transfer", "enable_sleep_mode"} & set(plain)
