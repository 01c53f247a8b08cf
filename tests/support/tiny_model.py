"""A tiny model of random weights in a folder, made in this process: for tests that need answers and no training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiny
from PIL import Image
from transformers import ProcessorMixin

from lingshu_train.errors import RecipeError
from lingshu_train.model import family
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sample
from lingshu_train.schema import parse

SETTINGS = parse(Settings, tiny.MODEL, where="model", error=RecipeError)
TEXTS = (
    "<|im_start|>user\nHow many bright spots are there?<|im_end|>\n<|im_start|>assistant\n2 spots<|im_end|>\n",
    "Is the lung healthy? yes no left right A. B. the quick brown fox jumps over the lazy dog",
)


def build(folder: Path) -> Path:
    """Weights, tokenizer and processor, as a stage leaves them."""
    words = processor(folder).tokenizer
    # A wide start: answers to different prompts then differ.
    made = family.of(SETTINGS.family).build_model(SETTINGS.shape, words, initializer_range=0.3, seed=0)
    made.save_pretrained(folder)
    return folder


def processor(folder: Path) -> ProcessorMixin:
    """Tokenizer and processor alone."""
    architecture = family.of(SETTINGS.family)
    words = architecture.build_tokenizer(TEXTS, vocabulary=SETTINGS.shape.vocabulary)
    made = architecture.build_processor(words, SETTINGS.budget)
    made.save_pretrained(folder)
    return made


def picture(number: int) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 255, (56, 84, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def sample(number: int, **changes: object) -> Sample:
    """A question about the picture of that name; every third is text alone."""
    fields: dict[str, object] = {
        "id": f"q{number}",
        "card": "drawn",
        "split": "held_out",
        "task": "count",
        "question": "How many bright spots" + " are there" * (number % 4) + "?",
        "question_type": "numeric",
        "answer": str(number % 3),
        "images": () if number % 3 == 2 else (str(number),),
    }
    return Sample(**{**fields, **changes})  # type: ignore[arg-type]
