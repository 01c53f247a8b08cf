"""The tiny stages take the steps they took when their trajectories were committed.

`PYTHONPATH=tests:tests/support:. python tests/whole/test_golden.py --write` writes tests/golden/trajectory_*.json again; say in the commit why they changed.

Tolerances. Processors multiply matrices in different orders, so a step differs in its last bits from machine to
machine, and every step trains on what the ones before left. Measured between AVX-512 and SSE 4: at most 1e-6 of a value
for SFT; for GRPO, 2e-4 of a gradient norm and 1e-3 of a loss, which is a small difference of large numbers. 2e-4 and
1e-2 leave room for other processors and none for a wrong average, a wrong token or a wrong learning rate. GRPO samples:
one bit may turn one draw, and then all that follows differs. So its first generation window is always compared, and the
later ones as long as the sampled completions (their lengths and rewards) are the committed ones.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from layouts import Layout

from lingshu_train.runs import manifest
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
RELATIVE = {"sft": 2e-4, "grpo": 1e-2}
EXACT = ("step", "samples", "epoch")
CLOSE = ("loss", "grad_norm", "learning_rate/language_model")
SAMPLED = ("reward", "completion_length")
WINDOW = 2
"""Optimizer steps of a generation window of the tiny GRPO stage."""


def place(kind: str) -> Path:
    return GOLDEN / f"trajectory_{kind}.json"


def recorded(stage: Stage) -> dict[str, Any]:
    """What is committed: the steps, and where they were taken."""
    here = manifest.read(stage.path).environment
    names = [*EXACT, *CLOSE, *SAMPLED]
    return {
        "python": here.python,
        "packages": here.packages,
        "processor": here.processor,
        "threads": here.threads,
        "steps": [
            {name: line[name] for name in names if name in line} for line in tiny.trajectory(stage.path)
        ],
    }


def comparable(kind: str, found: list[dict[str, Any]], golden: list[dict[str, Any]]) -> int:
    """Steps that must agree: all of SFT; of GRPO the first window and all before a draw fell otherwise."""
    if kind == "sft":
        return len(golden)
    for number, (ours, theirs) in enumerate(zip(found, golden, strict=True)):
        if any(ours.get(name) != theirs.get(name) for name in SAMPLED):
            return max(WINDOW, number // WINDOW * WINDOW)
    return len(golden)


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_the_tiny_stage_takes_its_committed_steps(kind: str, straight: Callable[[Layout], Stage]) -> None:
    found = recorded(straight((kind, 1, "none")))
    golden = json.loads(place(kind).read_text(encoding="utf-8"))
    where = f"committed with {golden['packages']} on {golden['processor']}; here {found['processor']}"
    assert len(found["steps"]) == len(golden["steps"]) == 12
    for ours, theirs in zip(found["steps"], golden["steps"], strict=True):
        assert {name: ours[name] for name in EXACT} == {name: theirs[name] for name in EXACT}
    until = comparable(kind, found["steps"], golden["steps"])
    for ours, theirs in zip(found["steps"][:until], golden["steps"][:until], strict=True):
        for name in CLOSE:
            close = pytest.approx(theirs[name], rel=RELATIVE[kind], abs=1e-4)
            assert ours[name] == close, f"step {ours['step']}, {name}: {where}"


def write() -> None:
    """Run both stages once, as the fixtures do, and commit what they did."""
    import conftest

    root = Path(tempfile.mkdtemp(prefix="golden"))
    conftest._base(root / "base")
    for kind in ("sft", "grpo"):
        stage = conftest.stage_for(root / "base", root / kind, (kind, 1, "none"))
        assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
        text = json.dumps(recorded(stage), indent=1, sort_keys=True) + "\n"
        place(kind).write_text(text, encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    write()
