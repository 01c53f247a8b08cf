"""The data and the recipe of a drill: drawn from nothing, so that no network and no data set is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from PIL import Image

from lingshu_train.runs.files import write_text

CARD, RECIPE = "drill_spots", "drill"
TRAIN, HELD_OUT = 40, 8
SIDE = 56
"""Of a picture, in pixels. Its spots lie in the four quarters."""
StageName = Literal["sft", "rl"]
STEPS: dict[StageName, int] = {"sft": 12, "rl": 8}
SAVE_EVERY: dict[StageName, int] = {"sft": 3, "rl": 2}
_PARTS = ("vision_tower", "merger", "language_model")
_WORDS = "there are several bright spots and the picture is otherwise quite dark "


def data(folder: Path) -> None:
    """Pictures and rows below `folder`/data, and their card in `folder`/cards."""
    place = folder / "data"
    (place / "images").mkdir(parents=True, exist_ok=True)
    for split, numbers in (("train", range(TRAIN)), ("held_out", range(TRAIN, TRAIN + HELD_OUT))):
        rows = [_row(place, number) for number in numbers]
        write_text(
            place / f"{split}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        )
    (folder / "cards").mkdir(exist_ok=True)
    write_text(folder / "cards" / f"{CARD}.md", card(place))


def _row(folder: Path, number: int) -> dict[str, str]:
    """A picture of bright spots on noise, and how many there are. Answers of unequal length, so that wrong averaging shows."""
    draw = np.random.default_rng(number)
    count = int(draw.integers(0, 4))
    pixels = draw.integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
    for cell in draw.permutation(4)[:count]:
        y, x = SIDE // 2 * (cell // 2) + 8, SIDE // 2 * (cell % 2) + 8
        pixels[y : y + 10, x : x + 10] = 230
    name = f"images/{number:02d}.png"
    Image.fromarray(pixels).save(folder / name)
    return {
        "id": f"spots-{number}",
        "image": name,
        # The line separator of Unicode is text, and has to be taken for it.
        "question": "How many\u2028bright spots?" if number % 5 == 0 else "How many bright spots?",
        "answer": str(count),
        "reasoning": _WORDS * (number % 3) + f"{count} spots",
        "patient": f"p{number}",
    }


def card(data: Path, *, derive: bool = False, **source: object) -> str:
    """The data card of the drawn pictures. `derive`: whether weights may be published. `source`: what else it says of
    where they come from, or in other words."""
    told = {
        "pretty_name": "Bright spots",
        "license": "other",
        "language": ["en"],
        "task_categories": ["visual-question-answering"],
        "lingshu": {
            "source": {
                "kind": "local",
                "name": CARD,
                "folder": str(data.absolute()),
                "how_to_get": "drawn by the drill",
                **source,
            },
            "access": "local" if "kind" not in source else "open",
            "licence": {
                "id": "internal",
                **dict.fromkeys(("redistribute", "third_party_api", "commercial"), False),
                "derive_weights": derive,
            },
            "role": "training",
            "modality": [],
            "language": ["en"],
            "format": "table",
            "fields": {
                "files": {"train": "train.jsonl", "held_out": "held_out.jsonl"},
                **{name: name for name in ("image", "question", "answer", "reasoning", "id")},
                "group": "patient",
                "answer_type": "numeric",
            },
            "answer_type": ["numeric"],
            "splits": {"train": {"rows": TRAIN}, "held_out": {"rows": HELD_OUT}},
        },
    }
    return f"---\n{yaml.safe_dump(told, sort_keys=False)}---\n\n# Bright spots\n\nDrawn by `lingshu drill`.\n"


def recipe() -> dict[str, object]:
    """A model of 0.1 M parameters; a step takes milliseconds, and the second epoch begins before the end."""
    return {
        "defaults": [
            {"model": "tiny"},
            {"cluster": "local"},
            "stage/sft@stages.sft",
            "stage/grpo@stages.rl",
            "_self_",
        ],
        "name": RECIPE,
        "title": "What a drill breaks",
        "seed": 0,
        "output": "runs/drill",
        "data_root": "data",
        "pipeline": ["data", "base", "sft"],
        "trackers": [],
        "cluster": {"device": "cpu", "threads": 1},
        "model": {
            "shape": {
                "text": {"hidden": 32, "intermediate": 64, "vocabulary": 512, "mrope_section": [1, 1, 2]},
                "vision": {"hidden": 32, "intermediate": 64},
            }
        },
        "stages": {
            "data": {
                "kind": "prepare",
                "cards": [CARD],
                "splits": ["train", "held_out"],
                "most_refused": 0.0,
            },
            "base": {"kind": "build", "corpus": "data"},
            "sft": _sft(),
            "rl": _rl(),
            "export": {"kind": "export", "model": "sft"},
        },
        "notes": {},
    }


def _trained(stage: StageName, rate: float) -> dict[str, object]:
    return {
        "train": list(_PARTS),
        "data": [{"corpus": "data"}],
        "learning_rate": dict.fromkeys(_PARTS, rate),
        "steps": STEPS[stage],
        "save_every": SAVE_EVERY[stage],
        "keep": 3,
    }


def _sft() -> dict[str, object]:
    return {**_trained("sft", 1e-2), "base": "base", "per_device_batch": 4, "max_length": 512}


def _rl() -> dict[str, object]:
    # Untrained as the model is, its answers are never right, and would all earn the same.
    varied = {"name": "repetition", "weight": 1.0, "params": {"n": 1, "free": 0.0, "span": 0.9}}
    return {
        **_trained("rl", 2e-3),
        "base": "sft",
        "rewards": {"mode": "sum", "terms": [{"name": "accuracy", "weight": 1.0}, varied]},
        "group_size": 4,
        "rollout_prompts": 8,
        "update_prompts": 4,
        "per_device_batch": 8,
        "max_completion": 8,
    }
