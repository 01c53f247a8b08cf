"""Supervised steps at the true sizes with random weights: speed, memory, what the simulation foretold, and parity of layouts.

    python benchmarks/gpu_shapes.py [--device cuda] [--small] [--minutes 4] [--out FILE]

Each case has a process of its own: 3B and 7B in packs of 8,192 tokens, four samples of one picture each, through adapters and
whole with moments in 8 bits, in bfloat16 with checkpointing. Five steps are timed after two: seconds (median), real tokens a
second, MFU by docs/meters.md, the allocator's peak, and the simulation's peak over it. `parity`: eight rows of unlike lengths with a picture
through four layers of 3B, padded and end to end, with each attention that is there; loss and all gradients in bfloat16 against
padded rows with sdpa in float32, as a norm of differences over the norm. A case that fails, or is not reached in time, says so.
`--small` takes the tiny model, so that a CPU goes through the same lines; its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import circumstances
import torch

from lingshu_train import gpus
from lingshu_train.model import family as families
from lingshu_train.model import flash
from lingshu_train.model import shape as shapes
from lingshu_train.planning import recipe
from lingshu_train.planning.states import MOMENTS_8BIT, Division
from lingshu_train.simulation import load, measured, memory, stage
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.passed import Setting
from lingshu_train.stages.sft.config import Config
from lingshu_train.training import collate, operations

HERE = Path(__file__).resolve().parent
LORA = "stages.instruct.train={vision_tower: full, merger: full, language_model: {lora: {rank: 64}}}"
WHOLE = "stages.instruct.optimizer=adamw_8bit"
CASES: dict[str, tuple[str, str]] = {
    "3B, adapters": ("qwen2_5_vl_3b", LORA),
    "3B, whole, 8-bit moments": ("qwen2_5_vl_3b", f"+{WHOLE}"),
    "7B, adapters": ("qwen2_5_vl_7b", LORA),
    "7B, whole, 8-bit moments": ("qwen2_5_vl_7b", f"+{WHOLE}"),
}
PARITY = "parity"
WARM, TIMED = 2, 5
PACK, ROW = 8192, 2048


def setting_of(model: str, small: bool, *overrides: str) -> tuple[Setting, Config]:
    """The quickstart's last supervised stage at the sizes of a file of recipes/model."""
    sizes = () if small else (f"model={model}",)
    plain = ("model.attention=auto", "model.dtype=bfloat16", "model.gradient_checkpointing=true")
    loaded = recipe.load("quickstart", (*sizes, *plain, *overrides))
    config = next(block.config for block in loaded.stages if block.name == "instruct")
    assert isinstance(config, Config)
    return Setting(settings=loaded.model, config=config, divided=False, on_gpu=False), config


def attending(setting: Setting, name: str) -> Setting:
    settings = setting.settings.model_copy(update={"attention": name})
    return Setting(settings=settings, config=setting.config, divided=False, on_gpu=name != flash.SDPA)


def attentions(device: str) -> tuple[str, ...]:
    """Those that this machine has; what `auto` takes first."""
    choice = flash.choose(device=device, dtype="bfloat16")
    return (choice.name,) if choice.name == flash.SDPA else (choice.name, flash.SDPA)


def timed(name: str, device: str, small: bool) -> dict[str, Any]:
    """One case in this process."""
    model, override = CASES[name]
    setting, config = setting_of(model, small, override)
    setting = attending(setting, attentions(device)[0])
    pack, row = (512, 128) if small else (PACK, ROW)
    config = config.model_copy(update={"layout": "packs", "max_length": pack, "per_device_batch": 1})
    setting = Setting(settings=setting.settings, config=config, divided=False, on_gpu=setting.on_gpu)
    given = load.of(setting.settings, config, row_tokens=row)
    given = given.model_copy(update={"pictures": 1})
    ready = measured.prepare(setting, given, setting.settings.shape, device=device)
    for _ in range(WARM):
        ready.seconds()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = [ready.seconds() for _ in range(TIMED)]
    middle = statistics.median(taken)
    found: dict[str, Any] = {
        "attention": setting.settings.attention,
        "given": str(given),
        "step_seconds": round(middle, 4),
        "spread_seconds": [round(one, 4) for one in taken],
        "tokens_per_second": round(given.total / middle, 1),
    }
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
        card = gpus.seen(torch.cuda.get_device_name())
        found |= {
            "peak_gib": round(peak / 2**30, 2),
            "simulated_over_measured": foretold(setting, given, peak),
        }
        found |= {"mfu": round(useful(setting, given) / middle / card.flops, 4)} if card else {}
    found["useful_operations"] = useful(setting, given)
    return found


def useful(setting: Setting, given: Load) -> float:
    """Of a step, by the formula that the ledger's MFU has."""
    counted = shapes.Counted(
        samples=given.rows,
        tokens=given.total,
        image_tokens=given.rows * given.pictures * given.picture_tokens,
        places=given.total,
        taught=given.rows * given.answer,
        squares=given.rows * given.tokens**2,
        patches=given.patches,
        patch_squares=given.rows * given.pictures * given.picture_patches**2,
    )
    config = setting.config
    return operations.of_step(setting.settings.shape.operations(counted), config.trains, [*config.adapters])


def foretold(setting: Setting, given: Load, peak: int) -> float:
    """The simulated peak over the measured one; as for several passes a step, gradients stand throughout."""
    config = setting.config
    how = Division(level=0, world=1, low=True)
    if config.optimizer == "adamw_8bit":
        how = how.changed(moments=MOMENTS_8BIT)
    passed = stage.Passes().of(setting, given)
    most = memory.at_most(memory.learning(setting.settings, config, how, given, passed))
    return round(most.total / peak, 4)


def parity(device: str, small: bool) -> dict[str, Any]:
    """Losses, and relative differences of all gradients together."""
    setting, config = setting_of("qwen2_5_vl_3b", small)
    config = config.model_copy(update={"per_device_batch": 8, "max_length": 512, "layout": "padded"})
    shape = setting.settings.shape
    if not small:
        shape = shape.with_depths({"text": 4, "vision": 4, "vision_beside": 0})

    def through(layout: str, attention: str, dtype: str) -> tuple[float, torch.Tensor]:
        settings = setting.settings.model_copy(update={"attention": attention, "dtype": dtype})
        own = Setting(settings=settings, config=config, divided=False, on_gpu=attention != flash.SDPA)
        return rows_through(own, shape, device, layout)

    least, exact = through("padded", flash.SDPA, "float32")
    found: dict[str, Any] = {"padded, sdpa, float32": {"loss": round(least, 6)}}
    ways = [("end_to_end", flash.SDPA, "float32")]
    ways += [(layout, name, "bfloat16") for name in attentions(device) for layout in ("padded", "end_to_end")]
    for way in ways:
        loss, gradients = through(*way)
        apart = float((gradients - exact).norm() / exact.norm())
        found[", ".join(way)] = {"loss": round(loss, 6), "gradients_apart": float(f"{apart:.3g}")}
    return found


def rows_through(setting: Setting, shape: Any, device: str, layout: str) -> tuple[float, torch.Tensor]:
    """Loss and all gradients as one vector of float32, of eight rows of unlike lengths."""
    settings = setting.settings
    given = load.of(settings, setting.config, row_tokens=512)
    given = given.model_copy(update={"pictures": min(1, given.pictures), "answer": 256})
    ready = measured.prepare(setting, given, shape, device=device)
    batch = {name: one for name, one in ready.batch.items() if isinstance(one, torch.Tensor)}
    drawn = torch.Generator().manual_seed(0)
    taught = batch["labels"] != -100
    said = torch.randint(0, 256, batch["labels"].shape, generator=drawn).to(device)
    for name in ("input_ids", "labels"):
        batch[name][taught] = said[taught]
    batch["pixel_values"].copy_(torch.randn(batch["pixel_values"].shape, generator=drawn))
    for row in range(given.rows):
        # Each row ends 25 tokens earlier than the one before it.
        end = given.tokens - 25 * row
        batch["attention_mask"][row, end:] = 0
        batch["labels"][row, end:] = -100
    whole: dict[str, Any] = dict(batch)
    if layout == "end_to_end":
        at = {name: one.cpu() for name, one in batch.items()}
        architecture = families.of(settings.family)
        laid = collate.pack(at, architecture.positions(ready.model, at))
        whole = {name: one.to(device) if isinstance(one, torch.Tensor) else one for name, one in laid.items()}
    ready = measured.Prepared(
        setting=setting, load=ready.load, model=ready.model, batch=whole, optimizer=ready.optimizer
    )
    loss = ready.loss()
    loss.backward()
    gradients = [one.grad.float().flatten() for one in ready.model.parameters() if one.grad is not None]
    return float(loss.detach()), torch.cat(gradients)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--once", choices=[*CASES, PARITY], help="one case, in this process")
    asked = parser.parse_args(words)
    if asked.once:
        found = (
            parity(asked.device, asked.small)
            if asked.once == PARITY
            else timed(asked.once, asked.device, asked.small)
        )
        print(json.dumps(found))
        return 0
    until = time.monotonic() + 60 * asked.minutes
    told = {"what": __doc__.splitlines()[0], **circumstances.told("torch", "transformers", "trl", "peft")}
    told |= {
        "device": torch.cuda.get_device_name() if asked.device == "cuda" else "cpu",
        "small": asked.small,
    }
    cases: dict[str, Any] = {}
    for name in (PARITY, *CASES):
        cases[name] = apart(name, asked.device, asked.small, until)
        print(name, json.dumps(cases[name]), flush=True)
        if asked.out:
            text = json.dumps({**told, "cases": cases}, indent=1) + "\n"
            asked.out.write_text(text, encoding="utf-8")
    return int(any("why" in one for one in cases.values()))


def apart(name: str, device: str, small: bool, until: float) -> dict[str, Any]:
    """A case in a process of its own, whose memory goes with it."""
    left = until - time.monotonic()
    if left < 1:
        return {"why": "not reached in time"}
    command = [sys.executable, __file__, "--device", device, "--once", name, *(["--small"] if small else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
    except subprocess.TimeoutExpired:
        return {"why": f"stopped after {left:.0f} s"}
    if done.returncode:
        return {"why": done.stderr.strip()[-1500:]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
