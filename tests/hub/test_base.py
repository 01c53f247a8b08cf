"""The model a run starts from is found, downloaded and looked through before the first stage; a plan says where it is."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import hub_server
import numpy as np
import pytest
from hub_server import Blob, Hub
from huggingface_hub import constants
from safetensors.numpy import save, save_file

from lingshu_train import cli
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted
from lingshu_train.hub import base as bringing
from lingshu_train.hub import signature, vetting
from lingshu_train.model import base as bases
from lingshu_train.model.settings import Settings
from lingshu_train.planning import recipe
from lingshu_train.running import launch

TOKEN = "hf_" + "ReadsWhatSheMayRead0123456789"
TENSORS = {"a": np.zeros((4, 4), np.float32)}
FILES = {
    "config.json": b'{"model_type": "qwen2_5_vl"}',
    "model.safetensors": save(TENSORS),
    "tokenizer.json": b'{"model": {}}',
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place to work in, an empty cache, and no stage that really starts."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(launch, "run", lambda *_: pytest.fail("a stage would have been started"))
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_server.serve() as running:
        running.tokens = {TOKEN: ("ada", False)}
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        template = running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield running


def model(folder: Path, **changed: bytes | None) -> Path:
    """A folder that can be started from, some of whose files are changed or (None) missing."""
    folder.mkdir(parents=True)
    for name, data in {**FILES, **{key.replace("__", "."): value for key, value in changed.items()}}.items():
        if data is not None:
            (folder / name).write_bytes(data)
    return folder


def sharded(folder: Path, missing: int = 0) -> Path:
    model(folder, model__safetensors=None)
    names = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    for name in names[missing:]:
        save_file(TENSORS, folder / name)
    index = {"weight_map": {f"a{number}": name for number, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def settings(base: str, revision: str = "") -> Settings:
    return recipe.load("quickstart", [f"model.base='{base}'", f"+model.revision='{revision}'"]).model


def refused(capsys: pytest.CaptureFixture[str], base: str, *, code: int) -> str:
    """The one line of a run from this base, which leaves nothing behind."""
    before = set(Path.cwd().iterdir())
    assert cli.main(["run", "quickstart", f"model.base='{base}'", "output=out"]) == code
    assert set(Path.cwd().iterdir()) <= before | {Path.cwd() / "cache"}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lingshu: model.base: ")
    return line


def planned(capsys: pytest.CaptureFixture[str], base: str) -> str:
    """The line of a plan about its base; a plan of a model that is not here is a plan all the same."""
    assert cli.main(["plan", "quickstart", f"model.base='{base}'"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("base ")]
    return line


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGES = {
    "config": ({"config__json": None}, 66, "no config.json"),
    "not a config": ({"config__json": b"xx"}, 65, "config.json: not JSON"),
    "a list": ({"config__json": b"[]"}, 65, "must be a JSON object"),
    "another architecture": ({"config__json": b'{"model_type": "llama"}'}, 78, "is of type 'llama'"),
    "no type": ({"config__json": b"{}"}, 78, "is of type None"),
    "weights": ({"model__safetensors": None}, 66, "no weights"),
    "half the weights": ({"model__safetensors": cut(FILES["model.safetensors"])}, 65, "model.safetensors: damaged"),
    "empty weights": ({"model__safetensors": b""}, 65, "model.safetensors: no safetensors file"),
    "text": ({"model__safetensors": b"a page that says: log in first"}, 65, "no safetensors file"),
    "a pointer": ({"model__safetensors": b"version https://git-lfs.github.com/spec/v1\n"}, 65, "git lfs pull"),
    "tokenizer": ({"tokenizer__json": None}, 66, "no tokenizer"),
    "not a tokenizer": ({"tokenizer__json": b"{}"}, 65, "tokenizer.json: no tokenizer"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_that_cannot_be_started_from_is_told_before_the_first_stage(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, code, says = DAMAGES[damage]
    model(tmp_path / "base", **changed)
    assert says in refused(capsys, "base", code=code)
    if damage != "not a tokenizer":
        assert says in planned(capsys, "base"), "and a plan says it too"


def test_files_of_weights_that_an_index_names_have_to_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sharded(tmp_path / "base", missing=2)
    assert "model-00001-of-00003.safetensors and 1 more of its 3 files" in refused(capsys, "base", code=66)
    sharded(tmp_path / "whole")
    bringing.need(settings("whole"), say=pytest.fail)


@pytest.mark.parametrize("base", ["nowhere/at/all", "/nope", "./none", "~/none", "mine.safetensors"])
def test_a_base_that_is_no_folder_and_no_name_on_the_hub_says_so(
    base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.safetensors").write_bytes(FILES["model.safetensors"])
    line = refused(capsys, base, code=66)
    assert ("is a file" if base.startswith("mine") else "no such folder") in line
    assert "cannot be used" in planned(capsys, base)


def test_an_empty_folder_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w" / "empty").mkdir(parents=True)
    assert "no config.json, so this is no model" in refused(capsys, "w/empty", code=66)


def test_without_a_network_the_line_says_how_to_get_the_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(capsys, "ada/tiny").endswith(
        "(no such folder, and not in the cache: hf download ada/tiny)"
    )
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert "the hub cannot be reached; where there is a network: hf download ada/tiny" in refused(
            capsys, "ada/tiny", code=66
        )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "offline mode is on (HF_HUB_OFFLINE)" in refused(capsys, "ada/tiny", code=66)


def test_a_plan_asks_no_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a plan asked a server"))
    planned(capsys, "ada/tiny")


def test_a_model_of_the_hub_is_brought_once_and_then_found(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = hub.create("ada/tiny")
    files = {name: Blob(data, lfs=name.endswith(".safetensors")) for name, data in FILES.items()}
    repo.commit("main", {**files, "pytorch_model.bin": Blob(b"twice the weights", lfs=True)})
    said: list[str] = []
    bringing.need(settings("ada/tiny"), say=said.append)
    assert said == ["model ada/tiny: not in the cache; downloading 0.0 GiB"]
    found = bases.find(settings("ada/tiny"))
    assert found is not None and found.kind == "cached"
    assert sorted(path.name for path in Path(found.folder).iterdir()) == sorted(FILES)
    bringing.need(settings("ada/tiny"), say=pytest.fail)
    assert planned(capsys, "ada/tiny").endswith("ada/tiny (in the cache)")


def test_a_download_that_was_broken_off_goes_on(hub: Hub) -> None:
    hub.create("ada/tiny").commit("main", {name: Blob(data, lfs=False) for name, data in FILES.items()})
    bringing.need(settings("ada/tiny"), say=lambda _: None)
    found = bases.find(settings("ada/tiny"))
    assert found is not None
    (Path(found.folder) / "model.safetensors").unlink()
    assert "hf download ada/tiny" in vetting.said(settings("ada/tiny"))
    bringing.need(settings("ada/tiny"), say=lambda _: None)
    bases.check(found, settings("ada/tiny"), thorough=True)


@pytest.mark.parametrize(
    ("name", "revision", "error", "says"),
    [
        ("ada/none", "", MissingInput, "no such folder, and no such model at"),
        ("ada/gated", "", NotPermitted, "wants the terms accepted"),
        ("ada/tiny", "v9", MissingInput, "has no revision 'v9'"),
    ],
)
def test_what_the_hub_refuses_is_named_as_what_it_is(
    name: str, revision: str, error: type[LingshuError], says: str, hub: Hub
) -> None:
    for one in ("ada/tiny", "ada/gated"):
        files = {name: Blob(data, lfs=False) for name, data in FILES.items()}
        hub.create(one, gated=one == "ada/gated").commit("main", files)
    with pytest.raises(error, match=says):
        bringing.need(settings(name, revision), say=lambda _: None)


def test_the_cache_is_where_the_hubs_own_variables_say(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    snapshot = model(tmp_path / "home" / "hub" / "models--ada--tiny" / "snapshots" / ("c" * 40))
    assert vetting.said(settings("ada/tiny", "c" * 40)).endswith("(in the cache)")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("c" * 40)
    assert vetting.said(settings("ada/tiny")) == "ada/tiny (in the cache)"
    shutil.rmtree(snapshot)
    assert "not in the cache" in vetting.said(settings("ada/tiny"))


@pytest.fixture
def signed(hub: Hub, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A model on the hub that its author has signed, with a file that no loader reads."""
    pytest.importorskip("model_signing", reason="the extra sign is not installed")
    pytest.importorskip("OpenSSL", reason="the extra sign is not installed")
    folder = model(tmp_path / "author")
    (folder / "README.md").write_text("a model")
    (folder / "notes.bin").write_bytes(b"read by nobody")
    signature.sign(folder, keys / "ours.pem")
    hub.create("ada/signed").commit(
        "main", {path.name: Blob(path.read_bytes(), lfs=False) for path in folder.iterdir()}
    )
    shutil.rmtree(folder)
    monkeypatch.setenv("LINGSHU_BASE_KEY", str(keys / "ours.pub"))
    return hub


def test_a_signed_base_is_checked_after_the_download_and_every_time_again(signed: Hub, cache: Path) -> None:
    said: list[str] = []
    bringing.need(settings("ada/signed"), say=said.append)
    assert "files as signed with" in said[-1]
    (weights,) = cache.rglob("snapshots/*/model.safetensors")
    target = weights.resolve()
    target.write_bytes(target.read_bytes()[:-1] + b"\x01")
    with pytest.raises(
        DataError, match=r"model\.safetensors: was changed .* LINGSHU_BASE_KEY wants it signed"
    ):
        bringing.need(settings("ada/signed"), say=said.append)


def test_a_base_that_is_not_signed_with_the_named_key_is_refused_before_a_file_of_it_is_opened(
    signed: Hub, keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent_alone(base: bases.Base, *given: object, **named: object) -> None:
        assert base.kind == "absent", "a file of it was opened"

    monkeypatch.setattr(bases, "check", absent_alone)
    monkeypatch.setenv("LINGSHU_BASE_KEY", str(keys / "theirs.pub"))
    with pytest.raises(NotPermitted, match="was signed with"):
        bringing.need(settings("ada/signed"), say=lambda line: None)
    capsys.readouterr()  # the bars of the download
    plain = model(Path.cwd() / "plain")
    assert "the folder was not signed" in refused(capsys, str(plain), code=77)
    monkeypatch.setenv("LINGSHU_BASE_KEY", str(keys / "nothing.pub"))
    assert "no such file" in refused(capsys, str(plain), code=66)


def test_what_an_earlier_download_without_a_key_left_out_is_brought_before_the_check(
    signed: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = os.environ["LINGSHU_BASE_KEY"]
    monkeypatch.delenv("LINGSHU_BASE_KEY")
    bringing.need(settings("ada/signed"), say=lambda line: None)
    assert not list(cache.rglob("snapshots/*/notes.bin"))
    monkeypatch.setenv("LINGSHU_BASE_KEY", key)
    bringing.need(settings("ada/signed"), say=lambda line: None)
    assert list(cache.rglob("snapshots/*/notes.bin"))
