"""Simulated against measured: `python benchmarks/simulate.py [--device cuda] [--out FILE]`.

On a CPU: a small model of the real class in several settings; weights, gradients, optimizer and what autograd keeps. With
`--device cuda` also the peak of CUDA's allocator in a second step, at the sizes of `--model` (random weights), against the
simulation of the same pass with the card's kernels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import circumstances

from lingshu_train.planning import estimate, recipe, states
from lingshu_train.planning.states import Division
from lingshu_train.simulation import depths, load, measured
from lingshu_train.simulation.meter import GRADIENTS
from lingshu_train.simulation.passing import PHASES, Setting
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
CASES = {
    "float32": (),
    "bfloat16": ("model.dtype=bfloat16",),
    "bfloat16, LoRA": ("model.dtype=bfloat16", LORA),
    "bfloat16, checkpointing": ("model.dtype=bfloat16", "model.gradient_checkpointing=true"),
}


def compared(
    overrides: tuple[str, ...], *, tokens: int, rows: int, layout: str, device: str
) -> dict[str, float]:
    """Bytes simulated and measured, of one process."""
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
    found: dict[str, float] = {
        "weights": held.weights / real.weights,
        "gradients": held.gradients / real.gradients,
        "optimizer": held.optimizer / real.optimizer,
    }
    if not loaded.model.gradient_checkpointing:
        found["saved"] = sum(passed.saved.values()) / real.saved
        found["saved_bytes"] = real.saved
    if real.peak is not None:
        most = max(sum(passed.with_gradients[phase].values()) for phase in PHASES)
        assert any(name.startswith(GRADIENTS) for name in passed.with_gradients["vision_back"])
        found["peak"] = (held.weights + held.optimizer + passed.pixel_bytes + most) / real.peak
        found["peak_bytes"] = real.peak
    return found


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
        print(
            f"{name:<32}", "  ".join(f"{key} {value:.4f}" for key, value in one.items() if "bytes" not in key)
        )
    if asked.out:
        told = {**where, "simulated / measured": found}
        asked.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
