"""The rows and the models of the comparison: as this project has them, and as ms-swift and LLaMA-Factory read them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

PER_STEP, PACK, PIXELS = 8, 1536, 448 * 448
"""Rows of a step, tokens of a pack, most pixels of a picture."""


BODY = "LINGSHU_BENCHMARK_BODY"
"""A variable: `small` for a model whose layers cost more than its head, as a real one's do."""


def block(vocabulary: int) -> dict[str, Any]:
    """The model's block of a recipe."""
    text = {"hidden": 64, "layers": 2, "heads": 4, "key_value_heads": 2, "intermediate": 256}
    vision = {"hidden": 64, "depth": 2, "heads": 4, "intermediate": 128, "full_attention": [1]}
    if os.environ.get(BODY) == "small":
        text |= {"hidden": 256, "layers": 8, "heads": 16, "key_value_heads": 4, "intermediate": 1024}
        vision |= {"hidden": 128, "depth": 4, "intermediate": 384, "full_attention": [3]}
    text |= {"vocabulary": vocabulary, "mrope_section": [2, 3, 3], "rope_theta": 10000.0, "tied": True}
    return {
        "family": "qwen2_5_vl",
        "base": "",
        "dtype": "float32",
        "min_pixels": 784,
        "max_pixels": PIXELS,
        "shape": {"text": text, "vision": vision},
        "build": {"initializer_range": 0.02},
    }


def prepare(folder: Path, vocabulary: int, rows: int, *, model: dict[str, Any] | None = None) -> None:
    """A finished corpus, and a model whose tokenizer was trained on it."""
    import numpy as np
    import tiny
    from PIL import Image

    from lingshu_train.record import Sample

    draw = np.random.default_rng(0)
    words = tiny.LONG.split()

    def row(number: int) -> tuple[Sample, tuple[Image.Image, ...]]:
        wide, high = (28 * int(side) for side in draw.integers(2, 17, 2))
        answer = " ".join(draw.choice(words, max(1, int(draw.lognormal(3.3, 0.7)))))
        sample = Sample(
            **{"id": f"row-{number}", "card": "drawn", "split": "train", "task": "caption"},  # type: ignore[arg-type]
            **{"question": "What is shown?", "question_type": "free", "answer": answer, "modality": "drawn"},  # type: ignore[arg-type]
        )
        return sample, (Image.fromarray(draw.integers(0, 255, (high, wide, 3), dtype=np.uint8)),)

    tiny.write_corpus(folder / "data" / "corpus", map(row, range(rows)))
    config = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    tiny.finish(tiny.make_stage(folder, "data", config, parents={}), outputs=["corpus"])
    base = tiny.make_stage(
        folder,
        "base",
        {"kind": "build", "corpus": "data"},
        parents={"data": folder / "data"},
        model=model or block(vocabulary),
    )
    tiny.run_here(base)
    tiny.finish(base, outputs=["model"])


def table(
    folder: Path, vocabulary: int, batches: int, *, model: dict[str, Any] | None = None
) -> list[tuple[list[Any], list[Any]]]:
    """Messages and pictures of the rows of so many batches, in the order of the mixture."""
    import tiny

    parents = {name: folder / name for name in ("data", "base")}
    stage = tiny.make_stage(folder, "table", tiny.sft(), parents=parents, model=model or block(vocabulary))
    rows = tiny.rows(stage, folder / "base" / "model", tokens=PACK, most=0.5)
    read = rows.columns(rows.rows(0, batches * PER_STEP).tolist(), system="", whole=True)
    return list(zip(read["messages"], read["images"], strict=True))  # type: ignore[arg-type]


def export(folder: Path, vocabulary: int, *, model: dict[str, Any] | None = None) -> None:
    """The model as plain transformers reads it, beside the rows of the others."""
    import shutil

    from lingshu_train.model import family, load
    from lingshu_train.model.settings import Settings

    source, target = folder / "base" / "model", folder / "peers" / "model"
    shutil.copytree(source, target)
    settings = Settings.model_validate_json(json.dumps(model or block(vocabulary)))
    architecture = family.of(settings.family)
    architecture.write_for_everyone(load.processor(architecture, str(source), settings.budget), target)


def write(folder: Path, rows: Iterable[tuple[Sequence[Any], Sequence[Image.Image]]]) -> None:
    """swift.jsonl, llama_factory.json with its dataset_info.json, and images/. A row is a question to pictures and its answer."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    found = []
    for number, (said, pictures) in enumerate(rows):
        asked, answered = said
        files = []
        for index, picture in enumerate(pictures):
            path = folder / "images" / f"{number}-{index}.png"
            picture.save(path)
            files.append(str(path))
        text = "".join(part.get("text", "<image>") for part in asked["content"])
        messages = [
            {"role": "user", "content": text},
            {"role": "assistant", "content": answered["content"]},
        ]
        found.append({"messages": messages, "images": files})
    lines = "".join(json.dumps(row) + "\n" for row in found)
    (folder / "swift.jsonl").write_text(lines, encoding="utf-8")
    (folder / "llama_factory.json").write_text(json.dumps(found), encoding="utf-8")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    layout = {"formatting": "sharegpt", "columns": {"messages": "messages", "images": "images"}, "tags": tags}
    told = {"rows": {"file_name": "llama_factory.json", **layout}}
    (folder / "dataset_info.json").write_text(json.dumps(told), encoding="utf-8")
