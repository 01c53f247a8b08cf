"""The calls of a transfer of weights against the real engine: a server has them after `finish`, and no version before.

NCCL and CUDA IPC need a GPU; here tensors come in files, through the same calls, the same worker and the same reload of vLLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_model
import vllm_engine
from safetensors.torch import save_file
from vllm_engine import prompts, weights

from lingshu_train import rollouts
from lingshu_train.model import family, load
from lingshu_train.record import Sampling
from lingshu_train.rollouts import _servers, _transfer, _wire, vllm
from lingshu_train.rollouts._publishing import Publication
from lingshu_train.rollouts._served import Served
from lingshu_train.rollouts._wire import Address, Request, Rules, Stale

pytestmark = [pytest.mark.slow, vllm_engine.needed]

GREEDY = Sampling(max_tokens=8, log_probs=True)
PROMPTS = prompts(4)


class Files(_transfer._Rounds):
    """A transfer whose tensors go through a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(timeout_s=300)
        self.folder = folder
        self.between: list[str] = []

    def _open(self, addresses: Sequence[Address]) -> None:
        self._all(addresses, "init", {"info": {"packed": False}})

    def _shard(self, addresses: Sequence[Address], shard: _transfer.Shard) -> None:
        path = self.folder / "shard.safetensors"
        save_file(dict(shard), path)
        self._all(addresses, "update", {"info": {"path": str(path)}})
        for address in addresses:
            found = _wire.state(address)
            assert found is not None
            self.between.append(found.version)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "model"
    words = tiny_model.processor(folder).tokenizer
    architecture = family.of(vllm_engine.SETTINGS.family)
    made = architecture.build_model(vllm_engine.SETTINGS.shape, words, initializer_range=0.1, seed=0)
    made.save_pretrained(folder)
    return folder


def test_a_server_has_the_weights_that_a_transfer_brings_when_it_is_over_and_then_the_next_ones(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_servers, "_SCRIPT", Path(vllm_engine.__file__).with_name("vllm_files_server.py"))
    plain = vllm._arguments
    more = {"weight_transfer": "test_files"}
    monkeypatch.setattr(vllm, "_arguments", lambda *args, **named: plain(*args, **named) | more)
    architecture = family.of(vllm_engine.SETTINGS.family)
    policy = load.model(architecture, str(model), dtype="float32", attention="sdpa")
    text = load.processor(architecture, str(model), vllm_engine.SETTINGS.budget)
    publication = Publication(tmp_path / "weights", family=architecture, text=text)
    publication.write(policy, load.DTYPES["float32"])
    fleet = vllm.fleet(vllm.Params(), vllm_engine.SETTINGS, device="cpu", folder=tmp_path / "servers")
    ends = load.ends(architecture, policy, text)
    with Served(fleet, publication, text, ends=ends, params=vllm.Params()) as served:
        files = Files(tmp_path)
        for version in ("1", "2"):
            for parameter in policy.parameters():
                parameter.data += 0.05 * parameter.data.std() * parameter.data.sign()
            assert fleet.ready is (version == "2")
            fleet.up(str(publication.folder), version, sending(files, policy))
            fleet.aim()
            served.version = version
            publication.close()
            assert answered(served) == expected(policy, text, tmp_path / version)
        assert set(files.between) == {""}, "no version while tensors come"
        (address,) = fleet.own()
        with pytest.raises(Stale, match="asked for weights '1', and has '2'"):
            _wire.ask(address, [Request(ids=(1, 2))], GREEDY, Rules(version="1", ends=ends), timeout_s=60)


def sending(files: Files, policy: Any) -> Any:
    dtype = load.DTYPES["float32"]
    return lambda addresses, version: files.send(policy, dtype, addresses, version)


def answered(engine: Any) -> list[tuple[tuple[int, ...], list[float]]]:
    return [(one.token_ids, pytest.approx(one.log_probs, abs=1e-4)) for one in engine.answer(PROMPTS, GREEDY)]


def expected(policy: Any, text: Any, folder: Path) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """What the model itself answers."""
    policy.save_pretrained(folder)
    text.save_pretrained(folder)
    with rollouts.start("transformers", {}, where="test", weights=weights(folder)) as own:
        return [(one.token_ids, one.log_probs) for one in own.answer(PROMPTS, GREEDY)]
