"""`model.attention: auto` is flash attention where it can be had, and says why where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny

from lingshu_train.doctor import compute
from lingshu_train.doctor.compute import Device, Probed
from lingshu_train.model import flash
from lingshu_train.model.settings import Settings
from lingshu_train.planning import outline, recipe
from lingshu_train.training import session


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is loaded, on a machine whose GPU and packages would do."""
    found: list[str] = []
    monkeypatch.setattr(flash, "package", lambda: ("kernels", "the hub's through kernels 9"))
    monkeypatch.setattr(flash, "lazy_import_flash_attention", found.append)
    return found


def test_auto_is_flash_attention_where_its_kernels_load(fetched: list[str]) -> None:
    chosen = flash.choose(device="cuda", dtype="bfloat16")
    assert str(chosen) == "flash_attention_2 (the hub's through kernels 9)"
    assert fetched == [flash.HUB] == ["kernels-community/flash-attn2"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"device": "cpu", "dtype": "bfloat16"}, "no GPU"),
        ({"device": "cuda", "dtype": "float32"}, "does not compute in float32"),
        ({"device": "cuda", "dtype": "bfloat16", "deterministic": True}, "sums in any order"),
    ],
)
def test_auto_is_sdpa_elsewhere_and_nothing_is_fetched(
    how: dict[str, Any], why: str, fetched: list[str]
) -> None:
    chosen = flash.choose(**how)
    assert chosen.name == "sdpa" and why in chosen.why and fetched == []


def test_kernels_that_do_not_load_are_told_and_not_raised(
    fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> None:
        raise ValueError(f"An error occurred while trying to load from '{name}': offline\nand more")

    monkeypatch.setattr(flash, "lazy_import_flash_attention", load)
    chosen = flash.choose(device="cuda", dtype="bfloat16")
    assert (
        chosen.name == "sdpa" and chosen.why.endswith("flash-attn2': offline") and "kernels 9" in chosen.why
    )


def test_a_package_of_another_version_is_told_with_those_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash.import_utils, "is_kernels_available", lambda: False)
    monkeypatch.setattr(flash.import_utils, "is_flash_attn_2_available", lambda: False)
    monkeypatch.setattr(flash.metadata, "version", {"kernels": "0.1", "transformers": "5.23.0"}.__getitem__)
    found, said = flash.package()
    assert found == "" and said.startswith(
        "kernels 0.1 is here, and transformers 5.23.0 takes kernels from 0."
    )


def test_a_stage_says_once_what_auto_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={"data": tmp_path, "base": tmp_path})
    wanted = Settings.model_validate_json(
        json.dumps({**tiny.MODEL, "attention": "auto", "dtype": "bfloat16"})
    )
    assert session._attention(stage, wanted) == "sdpa"
    assert capsys.readouterr().err == "lingshu: attention: sdpa (no GPU)\n"
    assert session._attention(stage, wanted.model_copy(update={"attention": "eager"})) == "eager"
    assert capsys.readouterr().err == ""


def test_a_plan_says_what_auto_comes_to() -> None:
    said = []
    for choice in ([], ["cluster.device=cpu"], ["cluster.deterministic=true"]):
        made = recipe.load("lingshu_7b", choice)
        said += [line for line in outline._model(made) if " pixels an image" in line]
    assert "attention auto: flash_attention_2 on GPUs that can" in said[0]
    assert all("attention auto: sdpa," in line for line in said[1:])


def test_the_doctor_says_what_auto_takes_and_what_would_bring_more() -> None:
    probed = Probed(torch="2", built_for="12.8", devices=(), bfloat16=True, nccl="", flash_attn="")
    gpu = probed.model_copy(
        update={"devices": (Device(name="H200", bytes=1),), "attention": "sdpa (neither is installed)"}
    )
    lines = [compute._attention(one) for one in (probed, gpu)]
    assert [one.state for one in lines] == ["ok", "warn"]
    assert lines[0].told == "auto takes sdpa (no GPU)" and "extra gpu" in lines[1].advice
    flashing = gpu.model_copy(update={"attention": "flash_attention_2 (x)"})
    assert compute._attention(flashing).state == "ok"
