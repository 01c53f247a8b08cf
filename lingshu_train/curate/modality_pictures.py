"""Rows that state no modality, and whose text names none, are tagged with the one that a classifier sees in their picture.

Rules come first: what the text says (`modality_words`) is not asked again. The classifier is any CLIP model of transformers
whose weights are here; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._rows import Rows
from lingshu_train.curate.modality_words import told
from lingshu_train.errors import MissingInput
from lingshu_train.schema import Strict
from lingshu_train.vocabulary import ModalityWord

_AMONG: dict[ModalityWord, str] = {
    "x-ray": "a chest x-ray or another radiograph",
    "mammogram": "a mammogram",
    "ct": "a CT scan",
    "mri": "an MRI scan",
    "pet": "a PET scan",
    "ultrasound": "an ultrasound image",
    "oct": "an optical coherence tomography scan of the retina",
    "fundus photograph": "a fundus photograph",
    "dermoscopy": "a dermoscopic image of the skin",
    "endoscopy": "an endoscopic image",
    "histopathology": "a histopathology slide",
    "figure": "a chart or a drawing",
}


class Params(Strict):
    """Which classifier, and between what it chooses."""

    model: str = ""
    """Folder of a CLIP model with its processor, as transformers saves them."""
    among: dict[ModalityWord, str] = Field(default_factory=lambda: dict(_AMONG))
    """Modalities between which it chooses, each with the text that stands for it."""
    least: float = Field(default=0.8, gt=0, le=1)
    """Least probability of the one that is tagged."""
    batch: int = Field(default=32, gt=0)
    """Pictures that are looked at together."""


def looks(params: Params) -> bool:
    return True


def files(params: Params) -> tuple[str, ...]:
    """Whatever lies in the model's folder: weights, but also how pictures are fitted and what words are made of, decide."""
    folder = Path(params.model)
    if not params.model or not folder.is_dir():
        return ()
    return tuple(str(path) for path in sorted(folder.iterdir()) if path.is_file())


def ready(params: Params) -> None:
    """MissingInput (66): there are no weights, or none as safetensors: a pickle may run code of others."""
    folder = Path(params.model)
    if (folder / "config.json").is_file() and not any(folder.glob("*.safetensors")):
        raise MissingInput(
            f"curate step modality_pictures: {folder}: has no *.safetensors; save the model anew with save_pretrained"
        )
    if not params.model or not (folder / "config.json").is_file():
        raise MissingInput(
            f"curate step modality_pictures: {params.model or 'no model'}: no folder of a CLIP model; name one as `model`, or "
            "leave the step out: modality_words tags what the text says"
        )


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    unknown = (row for row in rows if row.looks and not row.sample.modality and not told(row.sample))
    model, processor = _loaded(params.model)
    while batch := list(islice(unknown, params.batch)):
        yield from _tags(rows, batch, params, model, processor)


def _tags(
    rows: Rows, batch: list[Candidate], params: Params, model: Any, processor: Any
) -> Iterator[Decision]:
    import torch

    pictures = [rows.picture(row.looks[0].index).convert("RGB") for row in batch]
    given = processor(text=list(params.among.values()), images=pictures, return_tensors="pt", padding=True)
    with torch.inference_mode():
        likely = model(**given).logits_per_image.softmax(dim=-1)
    for row, values in zip(batch, likely, strict=True):
        best = int(values.argmax())
        if float(values[best]) >= params.least:
            yield row.tag("modality", value=list(params.among)[best])


def _loaded(folder: str) -> tuple[Any, Any]:
    from transformers import CLIPModel, CLIPProcessor

    model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return model.eval(), CLIPProcessor.from_pretrained(folder, local_files_only=True)
