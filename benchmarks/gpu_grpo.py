"""GRPO on one GPU: tokens a second, the split of a step, engine against trainer, weights and sleep, by engine and way of weights.

    python benchmarks/gpu_grpo.py FOLDER OUT [--device cuda] [--steps 5] [--minutes 9] [--arms ARM ...]

FOLDER gets rows and a model of random weights with the shape of Qwen2.5-VL-3B; on a CPU one of a tiny shape. OUT gets gpu_grpo.json,
written anew after each arm, so that what ends the call early leaves what was found. Each arm is a process: a stage that ends itself
after so many steps, with nothing saved. All parts train, weights in float32, passes in bfloat16 (on a CPU float32); the reward is the
share of vowels. Arms: `transformers`; `vllm` with a server on the same GPU that reads weights from the host; `vllm_ipc` that maps them
from the GPU; `vllm_sleep`, that and sleep between windows; `vllm_ahead`, which draws the next window meanwhile. Seconds are medians of a step
without the first two. An arm that fails says so there and in the exit code; one that this machine cannot do says why it waits.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
for support in (HERE.parent / "tests" / "support", HERE / "side_by_side"):
    sys.path.insert(0, str(support))
os.environ.setdefault("LINGSHU_KEY", "a-key-of-the-benchmark-that-signs-nothing-else")
os.environ["LINGSHU_PLUGINS"] = str(HERE / "side_by_side" / "plugins")

import circumstances  # noqa: E402 (from a folder that is on the path since now)
import rows  # noqa: E402
import tiny  # noqa: E402
import yaml  # noqa: E402

from lingshu_train import environment  # noqa: E402
from lingshu_train.stages import _kinds as kinds  # noqa: E402

WARM = 2
ARMS: dict[str, dict[str, Any]] = {
    "transformers": {},
    "vllm": {"rollouts": {"engine": "vllm", "params": {"gpu_share": 0.3}}},
    "vllm_ipc": {"rollouts": {"engine": "vllm", "params": {"gpu_share": 0.3, "weights": "ipc"}}},
    "vllm_sleep": {
        "rollouts": {"engine": "vllm", "params": {"gpu_share": 0.3, "weights": "ipc", "sleep": True}}
    },
    "vllm_ahead": {"rollouts": {"engine": "vllm", "params": {"gpu_share": 0.3}}, "ahead": 1},
}
SIZES = {
    "cuda": {"prompts": 16, "group": 8, "tokens": 256, "batch": 8, "rollout_batch": 128},
    "cpu": {"prompts": 2, "group": 4, "tokens": 8, "batch": 8, "rollout_batch": 8},
}
"""A window and update of `prompts`, `batch` completions a forward pass."""


class Enough(Exception):
    """As many steps as were asked."""


def block(device: str) -> dict[str, Any]:
    """The model: the published shape with nothing to download, or the comparison's tiny one with heads that vLLM takes."""
    if device == "cpu":
        found = rows.block(2048)
        found["shape"]["text"] |= {"heads": 2, "key_value_heads": 1, "mrope_section": [4, 6, 6]}
        return found
    folder = HERE.parent / "recipes" / "model"
    large, small = (
        yaml.safe_load((folder / f"qwen2_5_vl_{size}.yaml").read_text(encoding="utf-8"))
        for size in ("7b", "3b")
    )
    shape = {
        "text": large["shape"]["text"] | small["shape"]["text"],
        "vision": large["shape"]["vision"] | small["shape"].get("vision", {}),
    }
    plain = {"base": "", "shape": shape, "build": {"initializer_range": 0.02}, "max_pixels": rows.PIXELS}
    return large | plain


def reason_to_wait(arm: str, device: str) -> str:
    """Why this machine cannot do an arm; empty where it can."""
    if arm == "transformers":
        return ""
    python = environment.vllm_python()
    if not os.access(python, os.X_OK):
        return f"no environment of vLLM here ({python.name} of LINGSHU_VLLM or .venv-vllm): launch/vllm.sh makes it"
    if device == "cpu" and arm in ("vllm_ipc", "vllm_sleep"):
        return "needs CUDA"
    return ""


class Spans:
    """Seconds that calls took since the last step, by name, and when steps ended."""

    def __init__(self, steps: int) -> None:
        self.now: dict[str, float] = {}
        self.lines: list[dict[str, float]] = []
        self._last, self._steps = time.monotonic(), steps

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.now[name] = self.now.get(name, 0.0) + time.monotonic() - start

    def around(self, owner: Any, method: str, name: str) -> None:
        before: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(before)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.span(name):
                return before(*args, **kwargs)

        setattr(owner, method, timed)

    def step(self) -> None:
        now = time.monotonic()
        self.lines.append({"step": now - self._last, **self.now})
        self.now, self._last = {}, now

    @property
    def enough(self) -> bool:
        return len(self.lines) >= self._steps


def watched(steps: int) -> Spans:
    """Spans of whatever trains in this process, which ends after so many steps."""
    from transformers import TrainerCallback

    from lingshu_train.rollouts._fleet import Fleet
    from lingshu_train.stages.grpo import run
    from lingshu_train.stages.grpo.scored import Scored
    from lingshu_train.stages.grpo.served import Rollouts

    found = Spans(steps)
    trainer = run.ExactGRPOTrainer
    found.around(trainer, "_generate_and_score_completions", "window")
    found.around(trainer, "_generate_single_turn", "drawing")
    found.around(Scored, "_get_per_token_logps_and_entropies", "log_probs")
    found.around(Rollouts, "_renewed", "renewing")
    found.around(Fleet, "up", "weights_to_servers")
    found.around(Rollouts, "rest", "sleeping")

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
            if logs and "loss" in logs:
                found.step()
                if found.enough:
                    raise Enough

    begun = trainer.begin

    def begin(self: Any, given: Any) -> None:
        begun(self, given)
        self.add_callback(Steps())

    trainer.begin = begin  # type: ignore[method-assign]
    return found


def once(arm: str, folder: Path, device: str, steps: int) -> dict[str, Any]:
    """One arm, in this process."""
    import torch

    sizes = SIZES[device]
    config = tiny.grpo(
        **{
            "base": "base",
            "data": [{"corpus": "data", "tasks": []}],
            "steps": steps + 1,
            "save_every": 10**6,
        },
        **{"rollout_prompts": sizes["prompts"], "update_prompts": sizes["prompts"]},
        **{"group_size": sizes["group"], "per_device_batch": sizes["batch"]},
        **{"max_completion": sizes["tokens"], "rollout_batch": sizes["rollout_batch"], "most_too_long": 0.5},
        **{"rewards": {"mode": "sum", "terms": [{"name": "letters", "weight": 1.0}]}},
        **{"learning_rate": dict.fromkeys(tiny.ALL_PARTS, 1e-6)},
        **ARMS[arm],
        **({} if arm == "transformers" else {"importance_cap": 2.0}),
    )
    kinds.read(config, where=arm)
    parents = {name: folder / name for name in ("data", "base")}
    place = folder / f"run-{os.getpid()}"
    made = tiny.make_stage(place, arm, config, parents=parents, model=block(device))
    stage = made.model_copy(update={"cluster": made.cluster.model_copy(update={"device": device})})
    spans = watched(steps)
    try:
        tiny.run_here(stage)
    except Enough:
        pass
    finally:
        lines = tiny.trajectory(stage.path)
        shutil.rmtree(place, ignore_errors=True)
    return {**told(spans.lines[WARM:], lines[WARM:], sizes), **memory(torch, device)}


def told(spans: list[dict[str, float]], lines: list[dict[str, Any]], sizes: dict[str, int]) -> dict[str, Any]:
    """Medians of a step. `learning_s` is what of it is neither the window's drawing nor its scoring."""
    middle = {
        f"{name}_s": round(statistics.median(one.get(name, 0.0) for one in spans), 4)
        for name in dict.fromkeys(name for one in spans for name in one)
    }
    completions = sizes["prompts"] * sizes["group"]
    drawn = [line["completion_length"] * completions for line in lines]
    gaps = ("engine_gap/mean", "engine_gap/max", "off_policy/mean", "off_policy/max")
    return {
        **middle,
        "learning_s": round(middle["step_s"] - middle["window_s"], 4),
        "tokens_drawn_a_step": statistics.median(drawn),
        "tokens_drawn_a_second_of_drawing": round(statistics.median(drawn) / middle["drawing_s"], 1),
        "tokens_drawn_a_second": round(statistics.median(drawn) / middle["step_s"], 1),
        **{name: max(line[name] for line in lines) for name in gaps if name in lines[0]},
    }


def memory(torch: Any, device: str) -> dict[str, float]:
    """Peaks of the trainer, GiB, and on a GPU the card's free memory at the end."""
    if device == "cpu":
        return {"peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)}
    free, total = torch.cuda.mem_get_info()
    return {
        "peak_allocated_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
        "peak_reserved_gib": round(torch.cuda.max_memory_reserved() / 2**30, 2),
        "card_in_use_at_the_end_gib": round((total - free) / 2**30, 2),
    }


def prepare(folder: Path, device: str) -> None:
    """Rows and model, where they are not there."""
    if not (folder / "base" / "manifest.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        vocabulary = block(device)["shape"]["text"]["vocabulary"]
        rows.prepare(folder, vocabulary, 200, model=block(device))


def call(arm: str, folder: Path, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """An arm's figures, or what kept it from them."""
    words = [sys.executable, __file__, str(folder), str(options.out), "--once", arm]
    words += ["--device", options.device, "--steps", str(options.steps)]
    start = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {seconds:.0f} s"}
    took = {"seconds_of_the_arm": round(time.monotonic() - start, 1)}
    if done.returncode:
        return {"failed": done.stderr[-1500:], **took}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | took


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--once", metavar="ARM", help="an arm or prepare: in this process")
    options = parser.parse_args()
    if options.steps < WARM + 2:
        # The ledger has no line of the step at which a stage ends itself.
        parser.error(
            f"--steps: {options.steps}; {WARM} are left out and the last has no line, so at least {WARM + 2}"
        )
    folder = options.folder.resolve() / f"grpo-{options.device}"
    if options.once == "prepare":
        prepare(folder, options.device)
        print("{}")
        return 0
    if options.once:
        print(json.dumps(once(options.once, options.folder.resolve(), options.device, options.steps)))
        return 0
    until = time.monotonic() + 60 * options.minutes
    found = {
        "what": (__doc__ or "").partition("\n")[0],
        **circumstances.told("torch", "transformers", "trl"),
        "device": options.device,
        "steps": options.steps,
        "sizes": SIZES[options.device],
        "arms": {},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    prepare(folder, options.device)
    found["seconds_of_preparing"] = round(time.monotonic() - start, 1)
    for arm in options.arms:
        why = reason_to_wait(arm, options.device)
        found["arms"][arm] = {"waits": why} if why else call(arm, folder, options, until - time.monotonic())
        print(arm, json.dumps(found["arms"][arm]), flush=True)
        text = json.dumps(found, indent=1) + "\n"
        (options.out / "gpu_grpo.json").write_text(text, encoding="utf-8")
    return int(any("failed" in one for one in found["arms"].values()))


if __name__ == "__main__":
    sys.exit(main())
