"""Families of faults outside of training: a server that fails as it is told, and ends that are handled for the right reason alone."""

from __future__ import annotations

import hashlib
import json
import random
import urllib.error
import urllib.request
from http.client import IncompleteRead
from pathlib import Path

import pytest

from lingshu_train.drill import drilling, server
from lingshu_train.drill import hub as hub_of_pushes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.faults import archives, divided, hub, machines, pushes, trackers
from lingshu_train.drill.ground import Ground
from lingshu_train.drill.scene import Scene


def asked(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        found: bytes = answer.read()
    return found


def test_the_server_fails_as_it_is_told_and_then_serves(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"0123456789")
    faults = [{"status": 503, "after": 7}, {"cut": 4}]
    with server.serving(tmp_path, faults) as address:
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(f"{address}/rows.jsonl")
        assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "7")
        with pytest.raises(IncompleteRead):
            asked(f"{address}/rows.jsonl")
        assert asked(f"{address}/rows.jsonl") == b"0123456789"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            asked(f"{address}/nothing")


@pytest.mark.parametrize("name", ["archive_leads_out", "archive_tar_link", "fetch_too_many"])
def test_a_right_exit_code_for_another_reason_is_no_handled_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = next(fault for fault in drilling.every() if fault.name == name)
    line = "lingshu: something else is wrong"
    ended = Ended(code=one.codes[0], seconds=0.1, line=line, traceback=False)
    monkeypatch.setattr(Scene, "command", lambda self, words: words)
    monkeypatch.setattr(Scene, "finish", lambda self, process: ended)
    run = tmp_path / "scene" / "run"
    run.mkdir(parents=True)
    scene = Scene(Ground(tmp_path), run, "sft", 1, random.Random(0))
    assert one.do(scene) is ended
    assert scene.harm == f"not told why: {line}"


def test_each_family_is_of_the_drill() -> None:
    known = {fault.name for fault in drilling.every()}
    for family in (archives, hub, divided, pushes, trackers, machines):
        assert {fault.name for fault in family.FAULTS} <= known
    for family in (archives, hub, pushes, trackers):
        assert any(fault.quick for fault in family.FAULTS)


@pytest.mark.parametrize("name", ["push_no_login", "tracker_no_login", "machine_two_outputs"])
def test_nor_is_it_where_a_push_a_tracker_or_a_machine_says_something_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = next(fault for fault in drilling.every() if fault.name == name)
    ended = Ended(code=one.codes[0], seconds=0.1, line="lingshu: something else is wrong", traceback=False)
    export = tmp_path / "exported" / "export-0" / "export"
    export.mkdir(parents=True)
    (export / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(pushes, "_exported", lambda ground: export.parents[1])
    monkeypatch.setattr(machines.command, "start", lambda words, **more: words)
    monkeypatch.setattr(Scene, "command", lambda self, words, **more: words)
    monkeypatch.setattr(Scene, "finish", lambda self, process: ended)
    run = tmp_path / "scene" / "run"
    run.mkdir(parents=True)
    scene = Scene(Ground(tmp_path), run, "sft", one.ranks, random.Random(0))
    assert one.do(scene) is ended
    assert scene.harm


def test_the_hub_fails_as_it_is_told_and_the_next_one_goes_on_with_what_it_has(tmp_path: Path) -> None:
    data = b"weights" * 1000
    place = f"/lfs/{hashlib.sha256(data).hexdigest()}"
    faults = [{"at": "PUT /lfs/", "skip": 1, "status": 503, "after": 7}, {"at": "PUT /lfs/", "cut": True}]
    with server.serving(tmp_path, faults, module=hub_of_pushes.__name__) as address:
        with pytest.raises(OSError, match=r"closed|reset|aborted"):
            put(f"{address}{place}", data)
        with pytest.raises(urllib.error.HTTPError) as refused:
            put(f"{address}{place}", data)
        assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "7")
        assert hub_of_pushes.sent(tmp_path) == []
        with pytest.raises(urllib.error.HTTPError, match="400"):
            put(f"{address}{place}", data[1:])
        put(f"{address}{place}", data)
    line = {"key": "lfsFile", "value": {"path": "model.safetensors", "oid": place.removeprefix("/lfs/")}}
    with server.serving(tmp_path, [], module=hub_of_pushes.__name__) as address:
        assert hub_of_pushes.tree(tmp_path) == {}
        put(f"{address}/api/models/{hub_of_pushes.REPOSITORY}/commit/main", json.dumps(line).encode())
    assert hub_of_pushes.sent(tmp_path) == [place.removeprefix("/lfs/")]
    assert hub_of_pushes.tree(tmp_path) == {"model.safetensors": place.removeprefix("/lfs/")}


def put(address: str, data: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, data, method="PUT"), timeout=10):
        pass
