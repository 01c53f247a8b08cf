"""A pass that was traced once is not traced again, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train import cli, environment
from lingshu_train.planning import recipe
from lingshu_train.simulation import depths, known, load
from lingshu_train.simulation import stage as stages
from lingshu_train.simulation.passed import PHASES, Passed, Setting

BY = {"text": 3.5, "vision": 7, "gradients_text": 1e12 / 3}
PASSED = Passed(
    peaks=dict.fromkeys(PHASES, BY),
    with_gradients=dict.fromkeys(PHASES, BY),
    saved=BY,
    flops={"text_back": 0.1 + 0.2},
    pixel_bytes=2**40 + 1,
)


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cache", lambda: tmp_path / "cache")


def given(*overrides: str) -> tuple[Setting, load.Load]:
    loaded = recipe.load("quickstart", overrides)
    block = next(one for one in loaded.stages if one.name == "instruct")
    config = stages.refuse_unknown(block.config, block.where)
    setting = Setting(settings=loaded.model, config=config, divided=False)
    return setting, load.of(loaded.model, config)


def test_what_was_kept_is_read_as_it_was() -> None:
    key = known.name(*given())
    assert known.read(key) is None
    known.keep(key, PASSED)
    assert known.read(key) == PASSED
    assert known.name(*given("seed=5", "stages.instruct.steps=3")) == key


@pytest.mark.parametrize(
    "other",
    [
        "model.dtype=bfloat16",
        "stages.instruct.per_device_batch=3",
        "stages.instruct.train=[merger]",
        "model.gradient_checkpointing=true",
    ],
)
def test_what_decides_how_a_pass_goes_names_it(other: str) -> None:
    rates = ["~stages.instruct.learning_rate", "+stages.instruct.learning_rate={merger: 1e-3}"]
    more = rates if "train" in other else []
    assert known.name(*given(other, *more)) != known.name(*given())


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"of": "other"}', "cut", "changed"])
def test_a_damaged_file_costs_a_trace_and_nothing_else(damage: str) -> None:
    key = known.name(*given())
    known.keep(key, PASSED)
    path = known._place(key)
    whole = path.read_text()
    path.write_text({"cut": whole[:-9], "changed": whole.replace("3.5", "4.5", 1)}.get(damage, damage))
    assert known.read(key) is None


def test_a_folder_that_cannot_be_written_to_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cache", lambda: Path("/proc/none"))
    known.keep("k", PASSED)
    assert known.read("k") is None


def test_the_second_command_traces_nothing_and_says_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["plan", "adapt_tiny", "--simulate", "--json"]
    assert cli.main(words) == 0
    first = capsys.readouterr().out

    def traced(*_: object, **__: object) -> Passed:
        raise AssertionError("it was traced again")

    monkeypatch.setattr(depths, "measure", traced)
    assert cli.main(words) == 0
    assert capsys.readouterr().out == first
