"""A folder of weights that gives itself out for a run is checked as the weights that it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import made_up_run
import pytest

pytest.importorskip("model_signing", reason="the extra sign is not installed")
pytest.importorskip("OpenSSL", reason="the extra sign is not installed")

from lingshu_train import cli
from lingshu_train.hub import signature
from lingshu_train.runs import run


@pytest.fixture
def disguised(tmp_path: Path, keys: Path) -> Path:
    """A download whose weights were changed, with a run beside them whose export is what the author really signed."""
    folder = made_up_run.build(tmp_path / "download", questions=3)
    found = run.read(folder)
    export = found.folder(found.stage("export")) / "export"
    signature.sign(export, keys / "ours.pem")
    for path in export.iterdir():
        shutil.copyfile(path, folder / path.name)
    (folder / "model.safetensors").write_bytes(b"other weights")
    return folder


@pytest.mark.parametrize("without", [(), ("model.sig",), ("model.sig", "config.json")])
def test_a_run_beside_other_weights_vouches_for_none_of_them(
    without: tuple[str, ...], disguised: Path, keys: Path
) -> None:
    for name in without:
        (disguised / name).unlink()
    code = cli.main(["verify", str(disguised), "--key", str(keys / "ours.pub")])
    assert code == (77 if without else 65)
