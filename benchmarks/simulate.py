"""Simulated against measured: `python benchmarks/simulate.py [--device cuda] [--out FILE]`.

On a CPU: a small model of the real class in several settings; weights, gradients, optimizer and what autograd keeps. With
`--device cuda` also the peak of CUDA's allocator in a second step, at the sizes of `--model` (random weights), against the
simulation of the same pass with the card's kernels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import circumstances

from lingshu_train.planning import estimate, recipe, states
from lingshu_train.planning.states import Division
from lingshu_train.simulation import depths, load, measured
from lingshu_train.simulation.meter import GRADIENTS
from lingshu_train.simulation.passed import PHASES, Setting
from lingshu_train.stages.sft.config import Config

SMALL = (
    "model.shape.text.hidden=256",
    "model.shape.text.heads=8",
    "model.shape.text.intermediate=704",
    "model.shape.text.vocabulary=4096",
    "model.shape.text.mrope_section=[4,6,6]",
    "model.shape.vision.hidden=128",
)
LORA = "stages.instruct.train={vision_tower: full, merger: full, language_model: {lora: {rank: 8}}}"
MERGER = (
    "stages.instruct.train=[merger]",
    *(f"~stages.instruct.learning_rate.{part}" for part in ("vision_tower", "language_model")),
)
CASES: dict[str, tuple[str, ...]] = {
    "float32": (),
    "bfloat16": ("model.dtype=bfloat16",),
    "bfloat16, LoRA": ("model.dtype=bfloat16", LORA),
    "float32, merger alone": MERGER,
    "bfloat16, checkpointing": ("model.dtype=bfloat16", "model.gradient_checkpointing=true"),
}


def compared(
    overrides: tuple[str, ...], *, tokens: int, rows: int, layout: str, device: str
) -> dict[str, Any]:
    """Of one process: bytes measured, and simulated over measured."""
    loaded = recipe.load("quickstart", overrides)
    config = next(block.config for block in loaded.stages if block.name == "instruct")
    assert isinstance(config, Config)
    config = config.model_copy(update={"max_length": tokens, "per_device_batch": rows, "layout": layout})
    given = load.of(loaded.model, config)
    setting = Setting(settings=loaded.model, config=config, divided=False, on_gpu=device == "cuda")
    passed = depths.measure(setting, given, loaded.model.shape)
    real = measured.run(setting, given, loaded.model.shape, device=device)
    low = loaded.model.dtype == "bfloat16"
    held = states.of(estimate.parameters(loaded.model, config), Division(level=0, world=1, low=low))
    measures = {"weights": real.weights, "gradients": real.gradients, "optimizer": real.optimizer}
    told: dict[str, float] = {name: getattr(held, name) for name in measures}
    if not loaded.model.gradient_checkpointing:
        # Checkpointing holds what it keeps for itself.
        measures["saved"], told["saved"] = real.saved, sum(passed.saved.values())
    if real.peak is not None:
        most = max(sum(passed.with_gradients[phase].values()) for phase in PHASES)
        assert any(name.startswith(GRADIENTS) for name in passed.with_gradients["vision_back"])
        measures["peak"] = real.peak
        told["peak"] = held.weights + held.optimizer + passed.pixel_bytes + most
    return {
        "given": str(given),
        "measured_bytes": measures,
        "simulated_over_measured": {name: round(told[name] / value, 6) for name, value in measures.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--model", help="a file of recipes/model, such as qwen2_5_vl_3b; small where none is named"
    )
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    sizes = (f"model={asked.model}", "model.attention=sdpa") if asked.model else SMALL
    where = circumstances.told("torch", "transformers", "trl", "peft")
    found = {
        f"{name}, {layout}": compared(
            (*sizes, *overrides),
            tokens=asked.tokens,
            rows=asked.rows,
            layout=layout,
            device=asked.device,
        )
        for name, overrides in CASES.items()
        for layout in ("padded", "packs")
    }
    for name, one in found.items():
        ratios = one["simulated_over_measured"].items()
        print(f"{name:<32}", "  ".join(f"{key} {value:.4f}" for key, value in ratios))
    if asked.out:
        told = {"what": "memory of a step, simulated against measured", **where, "cases": found}
        asked.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
