"""The engine vllm, against the real one: it answers as the model does, each completion by its own seed, and never by halves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import vllm_engine
from safetensors.torch import load_file
from vllm_engine import prompts, weights

from lingshu_train import rollouts
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.model import family, load
from lingshu_train.record import Sampling
from lingshu_train.rollouts import Refused, _wire
from lingshu_train.rollouts._publishing import Publication
from lingshu_train.rollouts._served import Served
from lingshu_train.rollouts._wire import Address, Request, Rules, Stale
from lingshu_train.runs.stage import Stage

pytestmark = [pytest.mark.slow, vllm_engine.needed]

GREEDY = Sampling(max_tokens=8, log_probs=True)
DRAWN = Sampling(max_tokens=8, temperature=1.0, seed=3, log_probs=True)
PROMPTS = prompts(7)
GRPO = 1e-6
"""Nats: how far log-probabilities of trainer and engine may lie apart on average, in float32."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    vllm_engine.base(root)
    return root


@pytest.fixture(scope="module")
def model(trained: Path) -> Path:
    """Of random weights, with the tokens of the one that is trained: a server keeps those that it was started with."""
    return trained / "base" / "model"


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Served]:
    """One server for all tests of this file."""
    with rollouts.start("vllm", {}, where="test", weights=weights(model)) as running:
        assert isinstance(running, Served)
        folder = running.publication.folder.parent
        assert len(vllm_engine.servers(folder)) == 1
        yield running
    assert not vllm_engine.servers(folder), "it ends with its engine"
    assert not folder.exists()


@pytest.fixture(scope="module")
def address(engine: Served) -> Address:
    return engine.fleet.own()[0]


@pytest.fixture
def restored(engine: Served, address: Address) -> Iterator[None]:
    """The server has its own weights again after tests that give it others."""
    yield
    _wire.load(address, str(engine.publication.folder), engine.version, timeout_s=60)


def test_greedy_answers_and_their_chances_are_those_of_the_model(engine: Served, model: Path) -> None:
    """Pictures and text alone in one call."""
    with rollouts.start("transformers", {}, where="test", weights=weights(model)) as own:
        ours = list(own.answer(PROMPTS, GREEDY))
    theirs = list(engine.answer(PROMPTS, GREEDY))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.token_ids, one.text, one.finish) == (other.token_ids, other.text, other.finish)
        assert one.prompt == other.prompt
        assert other.log_probs == pytest.approx(one.log_probs, abs=1e-4)
    assert len({one.log_probs for one in theirs}) > 1


def test_a_completion_hangs_on_its_seed_alone_and_so_do_its_chances_to_the_last_bit(engine: Served) -> None:
    together = list(engine.answer(PROMPTS, replace(DRAWN, n=3)))
    assert len({one.token_ids for one in together}) > 15
    backwards = list(engine.answer(PROMPTS[::-1], replace(DRAWN, n=3)))
    for place, one in enumerate(together):
        other = backwards[3 * (len(PROMPTS) - 1 - place // 3) + place % 3]
        assert (one.seed, one.token_ids, one.log_probs) == (other.seed, other.token_ids, other.log_probs)
    (alone,) = engine.answer([replace(PROMPTS[1], seed=together[5].seed)], DRAWN)
    assert (alone.token_ids, alone.log_probs) == (together[5].token_ids, together[5].log_probs)


def test_a_stop_text_ends_a_completion_and_is_cut_off(engine: Served) -> None:
    (whole,) = engine.answer(PROMPTS[:1], replace(GREEDY, max_tokens=24))
    stop = engine._text.tokenizer.decode(whole.token_ids[2:4])
    (found,) = engine.answer(PROMPTS[:1], replace(GREEDY, max_tokens=24, stop=(stop,)))
    assert found.text == whole.text[: whole.text.index(stop)]
    assert found.finish == "stop"


def test_other_weights_are_taken_whole_the_head_too_and_nothing_of_the_old_is_kept(
    engine: Served, address: Address, model: Path, tmp_path: Path, restored: None
) -> None:
    architecture = family.of(vllm_engine.SETTINGS.family)
    loaded = load.model(architecture, str(model), dtype="float32", attention="sdpa")
    text = load.processor(architecture, str(model), vllm_engine.SETTINGS.budget)
    publication = Publication(tmp_path / "weights", family=architecture, text=text)
    for parameter in loaded.parameters():
        parameter.data += 0.05 * parameter.data.std() * parameter.data.sign()
    publication.write(loaded, load.DTYPES["float32"])
    before = list(engine.answer(PROMPTS, GREEDY))
    _wire.load(address, str(publication.folder), "other", timeout_s=60)
    loaded.save_pretrained(tmp_path / "plain")
    text.save_pretrained(tmp_path / "plain")
    with rollouts.start("transformers", {}, where="test", weights=weights(tmp_path / "plain")) as own:
        expected = list(own.answer(PROMPTS, GREEDY))
    own, engine.version = engine.version, "other"
    found = list(engine.answer(PROMPTS, GREEDY))
    engine.version = own
    publication.close()
    assert [one.token_ids for one in found] == [one.token_ids for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-4)
    assert max(abs(a.log_probs[0] - b.log_probs[0]) for a, b in zip(found, before, strict=True)) > 1e-2


def test_weights_that_are_not_meant_answer_nothing(engine: Served, address: Address) -> None:
    request = Request(ids=(1, 2, 3))
    with pytest.raises(Stale, match=f"asked for weights 'next', and has '{engine.version}'"):
        _wire.ask(address, [request], GREEDY, Rules(version="next", ends=engine.ends), timeout_s=60)


def test_what_a_server_will_not_answer_is_refused_and_who_has_no_key_learns_nothing(
    engine: Served, address: Address
) -> None:
    rules = Rules(version=engine.version, ends=engine.ends)
    before = _wire.ask(address, [Request(ids=(5, 6))], GREEDY, rules, timeout_s=60)
    with pytest.raises(Refused, match=r"400: VLLMValidationError: .* 32768 tokens"):
        _wire.ask(address, [Request(ids=(5, 6)), Request(ids=[5] * 40000)], GREEDY, rules, timeout_s=60)
    assert _wire.ask(address, [Request(ids=(5, 6))], GREEDY, rules, timeout_s=60) == before
    with pytest.raises(Refused, match="401"):
        _wire.ask(Address(address.url), [Request(ids=(1, 2))], GREEDY, rules, timeout_s=60)
    (pid,) = vllm_engine.servers(engine.publication.folder.parent)
    assert address.key not in Path(f"/proc/{pid}/cmdline").read_text()


def grpo(
    base: Path, root: Path, name: str, *, world: int = 1, deepspeed: str = "none", **changes: Any
) -> Stage:
    watch = {"corpus": "short", "every": 2, "samples": 4, "per_device_batch": 4}
    config = tiny.grpo(steps=6, save_every=2, per_device_batch=16 // world, watch=watch, **changes)
    parents = {each: base / each for each in ("short", "warm")}
    return tiny.make_stage(
        root,
        name,
        config,
        parents=parents,
        model=vllm_engine.MODEL,
        deepspeed=deepspeed,
        world_size=world,
    )


@pytest.fixture(scope="module")
def elsewhere(engine: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The block of a recipe that has the one server draw."""
    return vllm_engine.outside(engine, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def straight(trained: Path, elsewhere: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = grpo(trained, tmp_path_factory.mktemp("straight"), "rl", rollouts=elsewhere)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    return stage


def test_grpo_learns_from_what_a_server_draws_and_both_agree_on_every_token(
    straight: Stage, trained: Path
) -> None:
    lines = tiny.trajectory(straight.path)
    assert any(line["loss"] for line in lines)
    assert tiny.weights(straight.path) != tiny.weights(trained / "warm")
    for line in lines:
        assert line["engine_gap/mean"] < GRPO
        assert line["engine_gap/above_1e-4"] == 0
    assert [line["step"] for line in lines if "held_out/accuracy" in line] == [2, 4, 6]
    results = json.loads((straight.path / "manifest.json").read_text())["results"]
    assert results["engine"].startswith("vllm 0.")


def test_an_evaluate_stage_has_a_server_answer_as_the_model_does(
    straight: Stage, trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    config = {"kind": "evaluate", "models": ["rl"], "corpus": "short", "max_completion": 8}
    parents = {"rl": straight.path, "short": trained / "short"}
    found = []
    for name, more in (("ours", {}), ("theirs", {"rollouts": elsewhere})):
        stage = tiny.make_stage(tmp_path, name, config | more, parents=parents, model=vllm_engine.MODEL)
        facts = tiny.run_here(stage)
        found.append((stage.path / "predictions" / "rl.jsonl").read_text())
        assert facts.get("engine") == ("vllm" if more else None)
    assert found[0] == found[1]
    assert found[0].count("\n") == 8


def test_a_trainer_killed_in_a_window_ends_with_the_bits_of_one_that_was_not(
    straight: Stage, trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    stage = grpo(trained, tmp_path, "rl", rollouts=elsewhere)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 3)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert tiny.weights(stage.path) == tiny.weights(straight.path)
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight.path)


def test_dynamic_sampling_asks_a_server_on_and_goes_on_to_the_same_bits(
    trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    stage = grpo(trained, tmp_path, "rl", rollouts=elsewhere, dynamic_sampling={"most_draws": 3})
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    whole, weights = tiny.trajectory(stage.path), tiny.weights(stage.path)
    assert any(line["prompts_asked"] > 8 for line in whole), "there was something to ask on for"
    assert all(line["engine_gap/mean"] < GRPO for line in whole)
    shutil.rmtree(stage.path / "checkpoints" / "step-00000006")
    shutil.rmtree(stage.path / "model")
    (stage.path / "manifest.json").unlink()
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert (tiny.trajectory(stage.path), tiny.weights(stage.path)) == (whole, weights)


def test_two_ranks_and_another_cap_draw_the_same_first_window(
    straight: Stage, trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    stage = grpo(
        trained, tmp_path, "rl", world=2, rollouts=elsewhere, importance_cap=2.0, engine_gap_alarm=1e-12
    )
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    ours, theirs = (tiny.trajectory(each.path) for each in (stage, straight))
    for name in ("reward", "completion_length", "tokens", "samples"):
        assert ours[0][name] == theirs[0][name]
    assert all("engine_gap_alarm" in line["alarm"] for line in ours[::2])
    warned = json.loads((stage.path / "manifest.json").read_text())["results"]["warnings"]
    assert len(warned) == 3


def test_a_server_and_a_trainer_killed_in_turn_leave_no_process_and_end_with_the_same_bits(
    straight: Stage, trained: Path, tmp_path: Path
) -> None:
    """The stage's own servers: the first is killed while it works, the trainer then, and nothing of either stays."""
    stage = grpo(trained, tmp_path, "rl", rollouts={"engine": "vllm"})
    process = tiny.start(stage)

    def one_killed() -> bool:
        if tiny.steps_done(stage) >= 2:
            (pid,) = vllm_engine.servers(stage.path)
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    while not one_killed():
        assert process.poll() is None, (stage.path / "log.txt").read_text()
    tiny.kill_when(process, lambda: tiny.steps_done(stage) >= 5)
    until = time.monotonic() + 30
    while vllm_engine.servers(stage.path):
        assert time.monotonic() < until, "a server outlives its trainer"
        time.sleep(0.1)
    assert "started anew" in (stage.path / "log.txt").read_text()
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert tiny.weights(stage.path) == tiny.weights(straight.path)
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight.path)
    assert not list((stage.path / "engine").rglob("*.safetensors"))


def test_two_servers_of_which_one_dies_in_a_window_draw_what_one_draws(
    straight: Stage, trained: Path, tmp_path: Path
) -> None:
    stage = grpo(trained, tmp_path, "rl", rollouts={"engine": "vllm", "params": {"replicas": 2}})
    process = tiny.start(stage)
    while tiny.steps_done(stage) < 2:
        assert process.poll() is None, (stage.path / "log.txt").read_text()
        time.sleep(0.01)
    both = vllm_engine.servers(stage.path)
    assert len(both) == 2
    os.kill(both[1], signal.SIGKILL)
    assert process.wait(timeout=300) == 0, (stage.path / "log.txt").read_text()
    assert "started anew" in (stage.path / "log.txt").read_text()
    assert not vllm_engine.servers(stage.path)
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight.path)
    assert tiny.weights(stage.path) == tiny.weights(straight.path)


def test_a_policy_that_zero3_divides_is_published_whole_and_as_it_is_saved(
    straight: Stage, trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    """The held-out questions after the last step are answered by the weights that the stage then saves."""
    stage = grpo(trained, tmp_path, "rl", world=2, deepspeed="zero3", rollouts=elsewhere)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    folder = Path(elsewhere["params"]["shared"]) / "weights-0"
    published = {
        name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()
    }
    architecture = family.of(vllm_engine.SETTINGS.family)
    saved = load.model(
        architecture, str(stage.path / "model"), dtype="float32", attention="sdpa"
    ).state_dict()
    assert published.keys() == saved.keys()
    assert all(torch.equal(published[name], tensor) for name, tensor in saved.items())
    assert saved["lm_head.weight"].shape[0] == vllm_engine.SETTINGS.shape.text.vocabulary
    ours, theirs = (tiny.trajectory(each.path) for each in (stage, straight))
    assert all(line["engine_gap/mean"] < GRPO for line in ours)
    for name in ("reward", "completion_length", "tokens", "samples"):
        assert ours[0][name] == theirs[0][name]


def test_without_the_engines_environment_a_stage_says_how_to_make_it(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINGSHU_VLLM", "/nowhere/python")
    with pytest.raises(MissingInput, match=r"launch/vllm\.sh"):
        rollouts.start("vllm", {}, where="test", weights=weights(model))
    with pytest.raises(RecipeError, match="urls without shared"):
        rollouts.start("vllm", {"urls": ["http://127.0.0.1:1"]}, where="test", weights=weights(model))
