"""Where a key is named, whoever opens the model that a recipe starts from has held it against its signature first."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from safetensors.numpy import save_file

from lingshu_train import cli
from lingshu_train.doctor import recipes
from lingshu_train.doctor.compute import Compute
from lingshu_train.hub import signature


@pytest.fixture(autouse=True)
def key(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("model_signing", reason="the extra sign is not installed")
    pytest.importorskip("OpenSSL", reason="the extra sign is not installed")
    monkeypatch.setenv("LINGSHU_BASE_KEY", str(keys / "ours.pub"))


def sign(folder: Path, key: Path) -> None:
    (folder / signature.NAME).unlink(missing_ok=True)
    signature.sign(folder, key)


def test_plan_and_doctor_hold_a_base_against_the_key_before_a_file_of_it_is_opened(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its configuration is no JSON, which is told by whoever opens it."""
    folder = tmp_path / "base"
    folder.mkdir()
    save_file({"a": np.zeros((4, 4), np.float32)}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "config.json").write_text("xx")
    asked = f"model.base='{folder}'"

    def planned() -> str:
        assert cli.main(["plan", "quickstart", asked]) == 0
        return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("base "))

    def told() -> tuple[str, str]:
        lacks = recipes.lacks("quickstart", Compute(probed=None, fault="", driver=""), [asked])
        return planned(), next(one for one in lacks if one.startswith("model.base: "))

    for line in told():
        assert "the folder was not signed" in line and "not JSON" not in line
    sign(folder, keys / "theirs.pem")
    for line in told():
        assert "was signed with" in line and "not JSON" not in line
    sign(folder, keys / "ours.pem")
    for line in told():
        assert "not JSON" in line
    (folder / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    sign(folder, keys / "ours.pem")
    assert "(a folder), as signed with" in planned()


@pytest.mark.slow
def test_a_stage_checks_the_model_that_it_opens_whatever_verb_started_it(
    keys: Path, base: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(base / "base" / "model", tmp_path / "base"))
    model = {**tiny.MODEL, "base": str(folder)}
    config = tiny.sft(base="", steps=1)
    made = tiny.make_stage(tmp_path, "sft", config, parents={"data": base / "data"}, model=model)
    assert tiny.run(made) == 77
    assert "the folder was not signed" in (made.path / "log.txt").read_text()
    sign(folder, keys / "ours.pem")
    assert tiny.run(made) == 0, (made.path / "log.txt").read_text()
