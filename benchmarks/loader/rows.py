"""The same rows for every loader: pictures with questions and answers, in the input layout that each trainer reads.

    python benchmarks/loader/rows.py FOLDER [--rows 256]

Writes images/ (JPEG and PNG, 512 and 1024 px on the long side, half of them grey), llava.json (this project's
`llava_conversations`, with its card), trl.parquet (prompt, completion, images with their bytes), swift.jsonl (messages), llama_factory.json
(sharegpt) with dataset_info.json, and model/: a tiny Qwen2.5-VL whose processor and token ids are those of the real one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, List, Value
from datasets import Image as ImageFeature
from PIL import Image
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from lingshu_train.data.cards import card as cards
from lingshu_train.data.quickstart import package_images
from lingshu_train.model import family
from lingshu_train.model.families._qwen_tokens import SPECIAL
from lingshu_train.model.families.qwen2_5_vl import tiny
from lingshu_train.model.families.qwen2_5_vl.shape import Shape

MIN_PIXELS, MAX_PIXELS = 3136, 1_003_520
"""The pixel budget of every loader: 4 to 1280 image tokens of 28 x 28 pixels."""
FAMILY = family.of("qwen2_5_vl")
COLOUR, GREY = ("package_scikit_image",), ("package_nilearn", "package_pydeface", "package_pynetdicom")
SIDES, SUFFIXES, RATIOS = (512, 1024), ("jpg", "png"), (1.0, 0.75, 4 / 3)
NOISE = 4.0
"""Standard deviation, in grey levels, of the sensor noise that enlarging a picture has smoothed away."""
QUESTION, ANSWER = (16, 50), (1, 140)
"""Words of a question and of an answer: 20 to 60 and 1 to 150 tokens with their punctuation."""
BASE_VOCABULARY = 151_643
"""Entries before Qwen2.5's special tokens: with them in place <|image_pad|> has the id that ms-swift hard-codes."""

_VOCABULARY = (
    "the a of in with and without there is are no mild moderate severe left right upper lower lobe lung liver kidney brain retina disc macula "
    "image shows lesion nodule mass opacity effusion consolidation fracture haemorrhage oedema vessel artery vein tissue gland nucleus cell "
    "stain signal intensity contrast boundary margin enhancement region area central peripheral diffuse focal multiple single small large bright "
    "dark normal abnormal finding suggests consistent evidence which what where does how many describe most likely diagnosis modality plane axial "
    "coronal sagittal view seen slice structure cortex white matter ventricle symmetric asymmetric thickened dilated calcified hyperintense "
    "hypointense surrounding adjacent compared side patient study acquired optic cup ratio arcade temporal nasal foveal reflex staining "
    "epithelium stroma crypt infiltrate mitotic figure atypia degree pattern texture shape round irregular lobulated spiculated smooth"
)
WORDS = tuple(_VOCABULARY.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A picture's file, below the folder, with its question and answer."""

    name: str
    file: str
    question: str
    answer: str


def write(folder: Path, *, rows: int) -> None:
    draw = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    colour, grey = _sources(COLOUR, grey=False), _sources(GREY, grey=True)
    pairs = []
    for n in range(rows):
        side, suffix, ratio = SIDES[n % 2], SUFFIXES[n // 2 % 2], RATIOS[n // 8 % 3]
        source = colour if n // 4 % 2 else grey
        file = f"images/{n:05d}.{suffix}"
        width, height = (side, round(side * ratio)) if ratio <= 1 else (round(side / ratio), side)
        picture = view(source[int(draw.integers(len(source)))], (width, height), draw)
        picture.save(folder / file, **({"quality": 90} if suffix == "jpg" else {}))
        question, answer = sentence(draw, QUESTION, end="?"), sentence(draw, ANSWER, end=".")
        pairs.append(Pair(name=f"row-{n:05d}", file=file, question=question, answer=answer))
    write_layouts(folder, pairs)
    write_model(folder / "model", [text for pair in pairs for text in (pair.question, pair.answer)])


def _sources(names: Sequence[str], *, grey: bool) -> list[Image.Image]:
    """The packages' real pictures whose three channels agree (`grey`, as mode L) or differ."""
    found = []
    for name in names:
        card = cards.load(name)
        root = cards.root(card, Path())
        if root is None:
            raise SystemExit(f"{card.lingshu.source.name} is not installed; {card.lingshu.source.how_to_get}")
        for picture in package_images.pictures(card, root):
            pixels = np.asarray(picture.image)
            same = bool((pixels == pixels[..., :1]).all())
            if same == grey:
                found.append(picture.image.convert("L") if same else picture.image)
    return found


def view(source: Image.Image, size: tuple[int, int], draw: np.random.Generator) -> Image.Image:
    """A random part of a picture, at least half of it each way, enlarged to `size` (width, height), with noise."""
    width, height = size
    scale = draw.uniform(0.5, 1.0) * min(source.width / width, source.height / height)
    w, h = max(8, int(width * scale)), max(8, int(height * scale))
    left, top = int(draw.integers(source.width - w + 1)), int(draw.integers(source.height - h + 1))
    part = source.crop((left, top, left + w, top + h)).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(part, dtype=np.float32)
    noisy = pixels + draw.normal(0, NOISE, pixels.shape)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def sentence(draw: np.random.Generator, words: tuple[int, int], *, end: str) -> str:
    """Words of the domain. Lengths are spread evenly on a logarithmic scale: many short answers, few long ones."""
    low, high = words
    count = round(float(np.exp(draw.uniform(np.log(low), np.log(high)))))
    chosen = [WORDS[int(draw.integers(len(WORDS)))] for _ in range(count)]
    return " ".join(chosen).capitalize() + end


def write_layouts(folder: Path, pairs: Sequence[Pair]) -> None:
    _write_llava(folder, pairs)
    _write_trl(folder, pairs)
    swift = [
        {
            "messages": [
                {"role": "user", "content": f"<image>{pair.question}"},
                {"role": "assistant", "content": pair.answer},
            ],
            "images": [str((folder / pair.file).resolve())],
        }
        for pair in pairs
    ]
    lines = "".join(json.dumps(row) + "\n" for row in swift)
    (folder / "swift.jsonl").write_text(lines, encoding="utf-8")
    _json(folder / "llama_factory.json", swift)
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    layout = {"formatting": "sharegpt", "columns": {"messages": "messages", "images": "images"}, "tags": tags}
    _json(folder / "dataset_info.json", {"rows": {"file_name": "llama_factory.json", **layout}})


def _write_llava(folder: Path, pairs: Sequence[Pair]) -> None:
    """This project's layout, and the data card that names it."""
    rows = [
        {
            "id": pair.name,
            "image": pair.file,
            "conversations": [
                {"from": "human", "value": f"<image>\n{pair.question}"},
                {"from": "gpt", "value": pair.answer},
            ],
        }
        for pair in pairs
    ]
    _json(folder / "llava.json", rows)
    block = {
        "source": {"kind": "local", "name": "generated"},
        "access": "local",
        "licence": {"id": "CC0-1.0"},
        "format": "llava_conversations",
        "fields": {"files": {"train": "llava.json"}},
    }
    head = json.dumps({"pretty_name": "Rows of the loader benchmark", "lingshu": block})
    (folder / "loader_rows.md").write_text(f"---\n{head}\n---\nMade by rows.py.\n", encoding="utf-8")


def _write_trl(folder: Path, pairs: Sequence[Pair]) -> None:
    """The layout of TRL's vision data sets on the hub: Parquet with the images' own bytes."""
    message = [{"role": Value("string"), "content": Value("string")}]
    features = Features({"images": List(ImageFeature()), "prompt": message, "completion": message})
    rows: dict[str, list[Any]] = {
        "images": [[{"bytes": (folder / pair.file).read_bytes(), "path": None}] for pair in pairs],
        "prompt": [[{"role": "user", "content": pair.question}] for pair in pairs],
        "completion": [[{"role": "assistant", "content": pair.answer}] for pair in pairs],
    }
    Dataset.from_dict(rows, features=features).to_parquet(folder / "trl.parquet")


def write_model(folder: Path, texts: Sequence[str]) -> None:
    """A model folder as the hub holds Qwen2.5-VL: weights, tokenizer, chat template, image processor."""
    words = tokenizer(texts)
    shape = Shape.model_validate(
        {
            "text": {
                "hidden": 32,
                "layers": 1,
                "heads": 4,
                "key_value_heads": 2,
                "intermediate": 64,
                "vocabulary": 151_936,
                "mrope_section": (1, 1, 2),
                "rope_theta": 1e6,
                "tied": True,
            },
            "vision": {
                "hidden": 32,
                "depth": 1,
                "heads": 4,
                "intermediate": 64,
                "full_attention": (0,),
                "window": 112,
            },
        }
    )
    tiny.model(shape, words, initializer_range=0.02, seed=0).save_pretrained(folder)
    words.save_pretrained(folder)
    template = FAMILY.chat_template
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    _json(folder / "chat_template.json", {"chat_template": template})
    named = {"processor_class": "Qwen2_5_VLProcessor", "image_processor_type": "Qwen2VLImageProcessor"}
    limits = {"min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS}
    patches = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
    mean_and_std = {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    _json(folder / "preprocessor_config.json", named | limits | patches | mean_and_std)


def tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A small byte-level BPE tokenizer, filled up with unused entries to Qwen2.5's size and ids."""
    state = json.loads(FAMILY.build_tokenizer(texts, vocabulary=4096).backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    special = [entry for entry in state["added_tokens"] if entry["content"] in SPECIAL]
    for number in range(len(vocabulary), BASE_VOCABULARY):
        vocabulary[f"<|unused_{number}|>"] = number
    for number, entry in enumerate(special, BASE_VOCABULARY):
        entry["id"] = number
    state["added_tokens"] = special
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=131_072,
        clean_up_tokenization_spaces=False,
    )
    assert made.convert_tokens_to_ids("<|image_pad|>") == 151_655
    return made


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=256)
    options = parser.parse_args(arguments)
    write(options.folder, rows=options.rows)


if __name__ == "__main__":
    main(sys.argv[1:])
