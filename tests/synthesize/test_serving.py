"""A teacher whose weights the stage serves itself: the real vLLM on a CPU with a tiny model of ours, which speaks the protocol."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import curating
import psutil
import pytest
import tiny
import vllm_engine

from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.rollouts import Outage, _servers
from lingshu_train.rollouts._openai_server import OpenAIServer, Serving

CPU = {"cpu_cache_gb": 1, "context": 4096, "flags": ["--enforce-eager"], "start_timeout_s": 900}


def stage(root: Path, parent: Path, serve: dict[str, Any], **keys: Any) -> Any:
    config = {
        "kind": "synthesize",
        "corpus": "raw",
        "pipeline": {"name": "text_reasoning", "params": {"draws": 1, "max_tokens": 48, "blind": "off"}},
        "card": "synth_text_reasoning",
        "teacher": {"model": "ours", "serve": serve, "parallel": 4, "tries": 2, "timeout_s": 300.0, **keys},
    }
    return tiny.make_stage(root, "made", config, parents={"raw": parent})


def texts(root: Path, count: int) -> Path:
    rows = [
        curating.row(
            f"row-{n}",
            question=f"Are there {n} spots?",
            answer="yes",
            question_type="yes_no",
            modality="",
            card="medqa",
        )
        for n in range(count)
    ]
    return curating.corpus(root / "raw", rows)


def weights(root: Path, parent: Path) -> str:
    """A tiny model of ours with random weights, whose heads vLLM has kernels for, in a folder as `export` leaves it."""
    config = {"kind": "build", "corpus": "raw"}
    built = tiny.make_stage(root, "base", config, parents={"raw": parent}, model=vllm_engine.MODEL)
    tiny.run_here(built)
    folder = built.path / "model"
    tiny.FAMILY.write_for_everyone(tiny.processor(folder), folder)
    return str(folder)


@pytest.mark.slow
@vllm_engine.needed
def test_the_stage_starts_vllm_asks_it_and_ends_it(tmp_path: Path) -> None:
    """Random weights know nothing, so that no row is kept: what is shown is that every request is answered in its form."""
    parent = texts(tmp_path, 2)
    made = stage(tmp_path, parent, {"weights": weights(tmp_path, parent), "pictures": 0, **CPU})
    with pytest.raises(DataError, match="0 of 2 rows are kept"):
        tiny.run_here(made)
    with sqlite3.connect(tmp_path / "teacher" / "replies.sqlite") as base:
        replies = base.execute("select model, tokens_in, tokens_out, refused from replies").fetchall()
    assert len(replies) >= 2
    assert {model for model, *_ in replies} == {"ours"}
    assert all(sent > 10 and written > 0 and not refused for _, sent, written, refused in replies)
    ours = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not [words for words in ours if "vllm" in " ".join(words)], "the server ends with the stage"


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGSHU_VLLM", str(tmp_path / "python"))
    with (
        pytest.raises(MissingInput, match="the engine vllm has no environment"),
        OpenAIServer(Serving(weights="x"), name="x", folder=tmp_path / "server"),
    ):
        pass
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho no such model; exit 1\n")
    fake.chmod(0o755)
    with (
        pytest.raises(Outage, match=r"ended while it started; .*server\.txt: no such model"),
        OpenAIServer(Serving(weights="x"), name="x", folder=tmp_path / "server"),
    ):
        pass
    assert not list((tmp_path / "server").glob("key-*")), "its key is gone with it"


def test_who_is_served_here_has_a_name_and_no_address(tmp_path: Path) -> None:
    parent = texts(tmp_path, 1)
    with pytest.raises(RecipeError, match=r"teacher\.serve: needs `model`"):
        stage(tmp_path, parent, {"weights": "x"}, urls=["http://127.0.0.1:1/v1"])
    one = stage(tmp_path, parent, {"weights": "x"})
    other = stage(tmp_path, parent, {"weights": "y", "gpus": "1"})
    from lingshu_train.stages import _kinds as kinds

    read = [kinds.read(each.config, where="stages.made") for each in (one, other)]
    assert json.dumps(read[0].naming) == json.dumps(read[1].naming), "where weights lie is no part of a name"
    read[0].try_out("stages.made")
    assert "vLLM with x" in str(read[0].describe())


def test_licences_let_everything_go_to_what_is_served_here(tmp_path: Path) -> None:
    parent = texts(tmp_path, 1)
    config = stage(tmp_path, parent, {"weights": "x"}).config
    from lingshu_train.synthesize._settings import Teacher

    Teacher.model_validate(config["teacher"]).refuse("mimic_cxr", "stages.made.teacher")


def test_no_key_of_a_killed_start_or_of_one_that_failed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key-killed").write_text("secret", encoding="ascii")
    monkeypatch.setattr(_servers, "python", lambda: Path("/bin/false"))
    with (
        pytest.raises(Outage, match="ended while it started"),
        OpenAIServer(Serving(weights="w"), name="m", folder=tmp_path),
    ):
        raise AssertionError("it was never ready")
    (tmp_path / "key-killed").write_text("secret", encoding="ascii")
    monkeypatch.setattr(_servers, "python", lambda: tmp_path / "no-python")
    with pytest.raises(OSError), OpenAIServer(Serving(weights="w"), name="m", folder=tmp_path):
        raise AssertionError("it was never ready")
    assert [one.name for one in tmp_path.iterdir()] == ["server.txt"]
