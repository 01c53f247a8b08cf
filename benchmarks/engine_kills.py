"""GRPO through vLLM, killed: is the end that of a run that was not, to the bit?

    python benchmarks/engine_kills.py [--kills 20] [--seed 0]

The tests' tiny model with heads of 32, on a CPU; the stage starts its own server. In turn the trainer, the server and both at once get
SIGKILL, after a drawn step and a drawn part of another one. Where the server alone dies
the stage goes on by itself; where the trainer dies the same command is run again. Compared: every weight, every line of the ledger; no process of
either may stay. The result is benchmarks/results/engine_kills.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tiny  # noqa: E402
import vllm_engine  # noqa: E402

from lingshu_train.runs.stage import Stage  # noqa: E402

RESULT = HERE / "results" / "engine_kills.json"
STRUCK = ("trainer", "server", "both")
LIMIT_S, STEPS = 600, 20


def grpo(base: Path, root: Path) -> Stage:
    watch = {"corpus": "short", "every": 4, "samples": 4, "per_device_batch": 4}
    more = {"save_every": 4, "per_device_batch": 16, "watch": watch, "rollouts": {"engine": "vllm"}}
    parents = {each: base / each for each in ("short", "warm")}
    return tiny.make_stage(
        root, "rl", tiny.grpo(steps=STEPS, **more), parents=parents, model=vllm_engine.MODEL
    )


def killed(stage: Stage, struck: str, after: int, rest_s: float) -> dict[str, Any]:
    """What a kill so many steps after the start, and so much later, struck, and how the stage went on."""
    process = tiny.start(stage)
    until = time.monotonic() + LIMIT_S
    while process.poll() is None and not (
        tiny.steps_done(stage) >= after and vllm_engine.servers(stage.path)
    ):
        assert time.monotonic() < until, "the run took no step"
        time.sleep(0.05)
    time.sleep(rest_s)
    at, ended = tiny.steps_done(stage), process.poll()
    if struck != "trainer":
        kill(vllm_engine.servers(stage.path))
    if struck != "server" and ended is None:
        tiny.kill_when(process, lambda: True)
    code = process.wait(timeout=LIMIT_S)
    runs = 1
    while code:
        assert runs < 4, (stage.path / "log.txt").read_text()[-2000:]
        code, runs = tiny.run(stage), runs + 1
    time.sleep(2)
    return {
        **{"struck": struck, "after_step": after, "steps_done": at, "was_over": ended is not None},
        **{"commands": runs, "servers_left": len(vllm_engine.servers(stage.path))},
    }


def kill(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    where = circumstances.told("torch", "transformers", "trl")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        vllm_engine.base(root / "base")
        straight = grpo(root / "base", root / "straight")
        process, first = tiny.start(straight), 0.0
        while process.poll() is None:
            first = first or (time.monotonic() if tiny.steps_done(straight) else 0.0)
            time.sleep(0.02)
        assert process.returncode == 0, (straight.path / "log.txt").read_text()
        span = time.monotonic() - first
        expected = tiny.weights(straight.path), tiny.trajectory(straight.path)
        rows = []
        for number in range(args.kills):
            stage = grpo(root / "base", root / f"kill-{number}")
            rest_s = draw.uniform(0, span / STEPS)
            row = killed(stage, STRUCK[number % len(STRUCK)], draw.randrange(STEPS - 1), rest_s)
            row["equal"] = (tiny.weights(stage.path), tiny.trajectory(stage.path)) == expected
            rows.append(row)
            print(number, row, flush=True)
            found = {
                "what": __doc__.partition("\n")[0],
                **where,
                "engine": json.loads((straight.path / "manifest.json").read_text())["results"]["engine"],
                "kills": len(rows),
                "equal": sum(one["equal"] for one in rows),
                "servers_left": sum(one["servers_left"] for one in rows),
                "seconds_from_the_first_step_to_the_end": round(span, 1),
                "rows": rows,
            }
            RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
