"""The real engine for tests: whether it is installed, a model with heads that its kernels know, and a base to train from."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny
import tiny_model

from lingshu_train import environment, rollouts
from lingshu_train.data import chat
from lingshu_train.errors import RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.record import Prompt
from lingshu_train.rollouts._served import Served
from lingshu_train.schema import parse

PYTHON = environment.vllm_python()
needed = pytest.mark.skipif(
    not os.access(PYTHON, os.X_OK), reason=f"vLLM is not installed ({PYTHON}); ./launch/vllm.sh cpu does it"
)

MODEL: dict[str, Any] = copy.deepcopy(tiny.MODEL)
"""The tests' tiny model with heads of 32: vLLM has no kernel for heads of 8 on a CPU."""
MODEL["shape"]["text"] |= {"hidden": 64, "heads": 2, "key_value_heads": 1, "mrope_section": [4, 6, 6]}
SETTINGS = parse(Settings, MODEL, where="model", error=RecipeError)


def base(root: Path) -> None:
    """Finished stages to train from: short (a corpus), base (random weights), warm (knows the answer's form)."""
    tiny.draw_corpus(root / "short", reasoning=False, seen=lambda number: number % 4 > 0)
    parents = {"short": root / "short"}
    made = tiny.make_stage(root, "base", {"kind": "build", "corpus": "short"}, parents=parents, model=MODEL)
    assert tiny.run(made) == 0, (made.path / "log.txt").read_text()
    config = tiny.sft(data=[{"corpus": "short", "tasks": []}], steps=30, save_every=30)
    warm = tiny.make_stage(root, "warm", config, parents={**parents, "base": made.path}, model=MODEL)
    assert tiny.run(warm) == 0, (warm.path / "log.txt").read_text()


def outside(engine: Served, folder: Path) -> dict[str, Any]:
    """The block of a recipe that has a running server draw, which outlives stages."""
    (address,) = engine.fleet.own()
    folder.mkdir(exist_ok=True)
    (folder / "key").write_text(address.key)
    params = {"urls": [address.url], "token_file": str(folder / "key"), "shared": str(folder / "weights")}
    return {"engine": "vllm", "params": params}


def weights(folder: Path) -> rollouts.Weights:
    return rollouts.Weights(source=str(folder), settings=SETTINGS)


def prompts(count: int) -> list[Prompt]:
    """Questions with a picture; every third is text alone."""
    samples = [tiny_model.sample(number) for number in range(count)]
    return [
        Prompt(
            id=sample.id,
            messages=chat.prompt(sample, images=True),
            images=tuple(tiny_model.picture(int(name)) for name in sample.images),
        )
        for sample in samples
    ]


def servers(folder: Path) -> list[int]:
    """Ids of the processes of servers whose logs lie in a folder or below it: they work there, whatever they call themselves."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
