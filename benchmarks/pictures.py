"""What pictures cost before the model sees them: a batch of SFT, and a generation window of GRPO.

    python benchmarks/pictures.py

SFT: a batch of 8 through the project's collator, divided into reading (PNG from the corpus, its sha256 checked), making
patches, and the rest (chat template, tokenizer, padding, labels), with transformers' image processor and with ours, which
gives the same pixel values. GRPO: a window through TRL's trainer with transformers' image processor, and through ours:
pictures read and processed, and the seconds of it. Times are those of the processor, of one thread, which other work on
the machine disturbs least. The result is benchmarks/results/pictures.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests" / part) for part in ("", "support", "training")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import trl  # noqa: E402
from PIL import Image  # noqa: E402
from plain_order import PlainOrder  # noqa: E402
from quickstart_seeds import _processor  # noqa: E402
from test_stock_defects import Kit, arguments, run_of  # noqa: E402
from transformers import Qwen2_5_VLProcessor  # noqa: E402
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil  # noqa: E402

from lingshu_train.data.corpus import corpus  # noqa: E402
from lingshu_train.model import load, shape  # noqa: E402
from lingshu_train.model.families._qwen_patches import ImageProcessor  # noqa: E402
from lingshu_train.model.families.qwen2_5_vl import processing  # noqa: E402
from lingshu_train.record import Sample  # noqa: E402
from lingshu_train.stages.grpo.items import Placing, item_to_row  # noqa: E402
from lingshu_train.stages.grpo.run import ExactGRPOTrainer  # noqa: E402

RESULT = HERE / "results" / "pictures.json"
SIDES = (504, 980)
BATCH, REPEATS = 8, 7
PROMPTS, GROUP, MICRO_STEPS, SIDE = 24, 4, 4, 224
"""Of the GRPO window: prompts, completions each, micro-steps it is divided into, pixels of a picture's side."""
MAX_PIXELS = 28 * 28 * 1280
BUDGET = shape.of("qwen2_5_vl").published_budget(min_pixels=784, max_pixels=MAX_PIXELS)


def main() -> None:
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tiny.MODEL["max_pixels"] = MAX_PIXELS
        tiny.draw_corpus(root / "drawn")
        build = tiny.make_stage(
            root, "base", {"kind": "build", "corpus": "drawn"}, parents={"drawn": root / "drawn"}
        )
        if tiny.run(build):
            sys.exit((build.path / "log.txt").read_text(encoding="utf-8"))
        found = {
            "sft_batch_of_8_ms": {f"{side}x{side}": sft(root, side) for side in SIDES},
            "grpo_window": grpo(root),
        }
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    data = {
        "what": __doc__.splitlines()[0],
        "date": time.strftime("%Y-%m-%d"),
        "commit": head.stdout.strip(),
        "hardware": {"processor": _processor(), "cores_used": 1},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
            "pillow": Image.__version__,
            "numpy": np.__version__,
        },
        "repeats": REPEATS,
        **found,
    }
    RESULT.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(data, indent=1))


class Plain(processing.ImageTextProcessor):
    """Processes each copy of a picture, as transformers does."""

    _process_images = Qwen2_5_VLProcessor._process_images


def kit(root: Path, side: int, *, rows: int, images: type) -> Kit:
    """A corpus of pictures like radiographs (smooth shapes, sensor noise), and a processor with the given image part."""
    name = f"pictures-{side}"
    if not (root / name).exists():
        draw = np.random.default_rng(0)
        samples = []
        for n in range(rows):
            coarse = Image.fromarray(draw.integers(30, 220, (9, 9), dtype=np.uint8))
            smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.int16)
            pixels = np.clip(smooth + draw.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8)
            sample = Sample(
                id=f"picture-{n}",
                card="drawn",
                split="train",
                task="count",
                question="What does this image show?",
                question_type="free",
                answer=tiny.LONG * (n % 3 + 1),
            )
            samples.append((sample, (Image.fromarray(pixels).convert("RGB"),)))
        tiny.write_corpus(root / name / "corpus", samples)
    stage = tiny.make_stage(root, "sft", tiny.sft(), parents={name: root / name})
    stage = stage.model_copy(update={"model": {**stage.model, "max_pixels": MAX_PIXELS}})
    source = root / "base" / "model"
    words = load.processor(tiny.FAMILY, str(source), BUDGET)
    if images is not ImageProcessor:
        size = {"shortest_edge": 784, "longest_edge": MAX_PIXELS}
        words = Plain(images(size=size), words.tokenizer, chat_template=words.chat_template)
    rows = tiny.rows(stage, source, corpus=name, tokens=4096)
    return Kit(stage=stage, source=source, rows=rows, text=words)


@contextmanager
def counted(owner: Any, name: str, count: Callable[..., int]) -> Iterator[dict[str, float]]:
    """Calls of a method: how many things it was given, and the seconds it took."""
    seen: dict[str, float] = defaultdict(float)
    method = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.process_time()
        try:
            return method(*args, **kwargs)
        finally:
            seen["seconds"] += time.process_time() - begun
            seen["pictures"] += count(*args)

    setattr(owner, name, timed)
    try:
        yield seen
    finally:
        setattr(owner, name, method)


def sft(root: Path, side: int) -> dict[str, Any]:
    """Milliseconds of processor time of one batch, medians over repeats that alternate between the two image processors."""
    parts: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    pixels = {}
    ready = {}
    for name, images in (("transformers", Qwen2VLImageProcessorPil), ("ours", ImageProcessor)):
        made = kit(root, side, rows=BATCH, images=images)
        model = made.model()
        ready[name] = (images, made, made.collator(model))
    for _ in range(REPEATS):
        for name, (images, made, collate) in ready.items():
            made.rows._pictures.cache_clear()
            data = made.rows.dataset(system="", whole=True)
            begun = time.process_time()
            rows = data.__getitems__(list(range(BATCH)))
            read = time.process_time()
            with counted(images, "_preprocess", lambda _, some: len(some)) as processed:
                batch = collate(rows)
            done = time.process_time()
            pixels[name] = batch["pixel_values"]
            parts[name]["read"].append(read - begun)
            parts[name]["patches"].append(processed["seconds"])
            parts[name]["template, tokens, labels"].append(done - read - processed["seconds"])
            parts[name]["all"].append(done - begun)
    medians = {
        name: {part: round(1000 * statistics.median(values), 2) for part, values in some.items()}
        for name, some in parts.items()
    }
    ratio = {
        part: round(medians["transformers"][part] / medians["ours"][part], 2) for part in medians["ours"]
    }
    return {
        **medians,
        "times faster": ratio,
        "pixel_values equal to the bit": bool(torch.equal(pixels["ours"], pixels["transformers"])),
        "bytes of pixel_values": pixels["ours"].nbytes,
    }


def grpo(root: Path) -> dict[str, Any]:
    """One window: what is read and processed, and how long that takes."""
    found: dict[str, Any] = {
        "prompts": PROMPTS,
        "group": GROUP,
        "micro_steps": MICRO_STEPS,
        "picture": f"{SIDE}x{SIDE}",
    }
    for name, cls, images in (
        ("trl", trl.GRPOTrainer, Qwen2VLImageProcessorPil),
        ("ours", ExactGRPOTrainer, ImageProcessor),
    ):
        made = kit(root, SIDE, rows=PROMPTS, images=images)
        args = trl.GRPOConfig(
            **arguments(root / f"grpo-{name}", max_steps=MICRO_STEPS),
            per_device_train_batch_size=PROMPTS * GROUP // MICRO_STEPS,
            num_generations=GROUP,
            steps_per_generation=MICRO_STEPS,
            max_completion_length=2,
            beta=0.0,
        )
        trainer = cls(
            model=made.model(),
            args=args,
            reward_funcs=[lambda completions, **_: [float(n) for n in range(len(completions))]],
            train_dataset=made.rows.dataset(system="", whole=False),
            processing_class=made.text,
        )
        if cls is ExactGRPOTrainer:
            row = item_to_row(
                PlainOrder(PROMPTS).row, Placing(prompts=PROMPTS, group=GROUP), repeats=MICRO_STEPS
            )
            trainer.begin(run_of(made, steps=MICRO_STEPS, per_step=PROMPTS * GROUP, row=row))
        with (
            counted(corpus.Corpus, "_picture", lambda *_: 1) as read,
            counted(images, "_preprocess", lambda _, some: len(some)) as processed,
        ):
            trainer.train()
        found[name] = {
            part: {"pictures": int(seen["pictures"]), "seconds": round(seen["seconds"], 3)}
            for part, seen in (("read", read), ("processed", processed))
        }
    return found


if __name__ == "__main__":
    main()
