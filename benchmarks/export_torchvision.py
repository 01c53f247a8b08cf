"""Does an export load with plain transformers and torchvision, and does it then read and answer as it does here?

    python benchmarks/export_torchvision.py                   make an environment with torchvision, check, record
    python benchmarks/export_torchvision.py --python PYTHON   check in an environment that is there already

The project's own environment needs no torchvision: its processor uses Pillow. Whoever downloads an export usually has
torchvision, where `AutoProcessor` chooses another image backend. A small model is exported here, and the other
environment loads it with `AutoProcessor` and `AutoModelForImageTextToText` alone, reads the same chats and pictures,
and compares with what this project's loader made of them. The result is benchmarks/results/export_torchvision.json.
torchvision of the package index loads only beside the CUDA build of torch (5 GB installed; no GPU is needed).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "export_torchvision.json"
TORCHVISION = "0.28.0"
PACKAGES = ("torch", "transformers", "pillow", "numpy", "accelerate")
"""Installed beside torchvision, at the versions of requirements.lock."""

SIZES = (
    (28, 28),
    (56, 56),
    (57, 83),
    (224, 224),
    (504, 504),
    (512, 384),
    (640, 200),
    (1024, 768),
    (97, 1500),
)
"""Width and height. Below the least number of pixels, above the greatest, and no multiples of 28."""

CHATS: tuple[tuple[tuple[str, int, str], ...], ...] = (
    (("user", 1, "What does this image show?"),),
    (("user", 0, "How many lobes has the right lung?"),),
    (
        ("user", 2, "Which of the two is brighter?"),
        ("assistant", 0, "The first."),
        ("user", 0, "By how much?"),
    ),
    (
        ("system", 0, "You are a radiologist."),
        ("user", 1, "图像中有什么?\nA. 骨折\nB. 正常"),
    ),
)
"""Turns: role, number of pictures before the text, text."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", type=Path, help="of an environment with torchvision")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--compare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compare:
        compare(arguments.compare)
        return
    from quickstart_seeds import _processor

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        python = arguments.python or environment(root / "venv")
        export(root)
        subprocess.run([python, __file__, "--compare", str(root)], check=True, env=bare())
        found = json.loads((root / "found.json").read_text(encoding="utf-8"))
    data = {
        "what": __doc__.splitlines()[0],
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "hardware": {"processor": _processor()},
        **found,
    }
    arguments.out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(data, indent=1, ensure_ascii=False))


def environment(folder: Path) -> Path:
    """A new environment with torchvision. Returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    pins = HERE.parent / "requirements.lock"
    # A machine's settings for pip may offer a CPU build of torch, beside which torchvision cannot be loaded.
    settings = {**bare(), "PIP_CONFIG_FILE": os.devnull}
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", pins]
    subprocess.run([*install, *PACKAGES, f"torchvision=={TORCHVISION}"], check=True, env=settings)
    return python


def bare() -> dict[str, str]:
    """Without this project on the path of imports, and without settings of pip."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("PIP_")
    }


def commit() -> str:
    lines = ("git rev-parse --short HEAD", "git status --porcelain --untracked-files=no")
    head, changed = (
        subprocess.run(line.split(), cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
        for line in lines
    )
    return head + (" and uncommitted changes" if changed else "")


# In this project's environment.


def export(root: Path) -> None:
    """A small model and its export below `root`, the cases, and what our own loader and the exported model say of them."""
    import torch
    from PIL import Image

    sys.path.insert(0, str(HERE.parent / "tests"))
    import tiny

    from lingshu_train.model import load
    from lingshu_train.model.settings import Settings

    model = {**tiny.MODEL, "max_pixels": 28 * 28 * 400}
    tiny.MODEL.update(model)
    tiny.draw_corpus(root / "data")
    parents = {"data": root / "data"}
    build = tiny.make_stage(root, "base", {"kind": "build", "corpus": "data"}, parents=parents)
    parents["base"] = root / "base"
    sft = tiny.make_stage(root, "sft", tiny.sft(), parents=parents)
    parents["sft"] = root / "sft"
    made = tiny.make_stage(root, "export", {"kind": "export", "model": "sft"}, parents=parents)
    for stage in (build, sft, made):
        if tiny.run(stage):
            sys.exit((stage.path / "log.txt").read_text(encoding="utf-8"))

    draw = torch.Generator().manual_seed(0)
    for number, (wide, high) in enumerate(SIZES):
        coarse = torch.randint(0, 256, (high // 9 + 1, wide // 9 + 1, 3), generator=draw, dtype=torch.uint8)
        picture = Image.fromarray(coarse.numpy()).resize((wide, high), Image.Resampling.BILINEAR)
        noise = torch.randint(0, 24, (high, wide, 3), generator=draw, dtype=torch.uint8).numpy()
        Image.blend(picture, Image.fromarray(noise), 0.3).save(root / f"{number}.png")
    folder = root / "export" / "export"
    budget = Settings.model_validate_json(json.dumps(model)).budget
    words = load.processor(tiny.FAMILY, str(folder), budget)
    answers = load.model(tiny.FAMILY, str(folder), dtype="float32", attention="sdpa").eval()
    torch.save([read(words, answers, *case) for case in cases(root)], root / "ours.pt")


# In both.


def cases(root: Path) -> list[tuple[str, list[dict[str, Any]], list[Any]]]:
    """(name, chat, pictures): every chat with every size; where a chat has two pictures, the next size comes second."""
    from PIL import Image

    pictures = [Image.open(root / f"{number}.png").convert("RGB") for number in range(len(SIZES))]
    found = []
    for number, turns in enumerate(CHATS):
        count = sum(images for _, images, _ in turns)
        chat = [
            {"role": role, "content": [*[{"type": "image"}] * images, {"type": "text", "text": text}]}
            for role, images, text in turns
        ]
        for first in range(len(SIZES) if count else 1):
            chosen = [pictures[(first + n) % len(SIZES)] for n in range(count)]
            found.append((f"chat {number}, {[picture.size for picture in chosen]}", chat, chosen))
    return found


def read(words: Any, model: Any, name: str, chat: Any, pictures: list[Any]) -> dict[str, Any]:
    """The inputs a processor makes of a case, and the model's logits for them."""
    import torch

    prompt = words.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    batch = dict(words(text=[prompt], images=pictures or None, return_tensors="pt"))
    with torch.no_grad():
        return {"name": name, "inputs": batch, "logits": model(**batch).logits}


# In the environment with torchvision.


def compare(root: Path) -> None:
    """Load the export with plain transformers; write found.json."""
    import platform

    import torch
    import torchvision
    import transformers
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = root / "export" / "export"
    words = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    ours = torch.load(root / "ours.pt", weights_only=True)
    rows = []
    for case, before in zip(cases(root), ours, strict=True):
        after = read(words, model, *case)
        mine, theirs = before["inputs"], after["inputs"]
        with torch.no_grad():
            again = model(**mine).logits
        row: dict[str, Any] = {
            "case": before["name"],
            "same_token_ids": torch.equal(mine["input_ids"], theirs["input_ids"]),
            "image_tokens": [int((one["mm_token_type_ids"] == 1).sum()) for one in (mine, theirs)],
            "same_keys": sorted(mine) == sorted(theirs),
            "logits_of_equal_inputs": float((again - before["logits"]).abs().max()),
        }
        if "pixel_values" in mine and mine["pixel_values"].shape == theirs["pixel_values"].shape:
            apart = (mine["pixel_values"] - theirs["pixel_values"]).abs()
            row["pixel_values"] = {"max": float(apart.max()), "mean": float(apart.mean())}
            row["logits"] = float((after["logits"] - before["logits"]).abs().max())
        rows.append(row)
    seen = [row["pixel_values"] for row in rows if "pixel_values" in row]
    found = {
        "processor": [type(words).__name__, type(words.image_processor).__name__],
        "model": type(model).__name__,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "transformers": transformers.__version__,
        },
        "cases": len(rows),
        "same_token_ids_in_all": all(row["same_token_ids"] and row["same_keys"] for row in rows),
        "same_image_tokens_in_all": all(len(set(row["image_tokens"])) == 1 for row in rows),
        "pixel_values_apart": {
            "max": max(one["max"] for one in seen),
            "mean": sum(one["mean"] for one in seen) / len(seen),
            "one_grey_level_is": 1 / 255 / 0.27,
        },
        "logits_of_equal_inputs_apart": max(row["logits_of_equal_inputs"] for row in rows),
        "logits_apart": max(row.get("logits", 0.0) for row in rows),
        "largest_logit": max(float(one["logits"].abs().max()) for one in ours),
        "each": rows,
    }
    (root / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
