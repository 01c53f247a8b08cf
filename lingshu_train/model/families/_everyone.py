"""A processor saved so that plain `AutoProcessor` and inference servers find the classes they know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue
from transformers import ProcessorMixin


def write(
    processor: ProcessorMixin,
    folder: Path,
    *,
    known_as: str,
    images: str,
    named: Mapping[str, str] | None = None,
    video: Mapping[str, JsonValue] | None = None,
) -> None:
    """`known_as` and `images` are transformers' classes of the processor and of its image part; `named` says which token is
    which of a tokenizer's marks; `video` is what there is to say of films, where the processor has a part for them."""
    processor.save_pretrained(folder)
    known: dict[str, JsonValue] = {"processor_class": known_as}
    for name, more in (("processor_config.json", {}), ("tokenizer_config.json", named or {})):
        path = folder / name
        data = json.loads(path.read_text(encoding="utf-8")) | known | dict(more)
        path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    made = processor.image_processor.to_dict() | known | {"image_processor_type": images}
    files = {"preprocessor_config.json": made}
    if video is not None:
        files["video_preprocessor_config.json"] = dict(video) | known
    for name, data in files.items():
        text = json.dumps(data, indent=2, sort_keys=True) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
