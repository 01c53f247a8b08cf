"""A toy InternVL as training, data and evaluation meet it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from lingshu_train.model.families.toy_internvl import shape as toy
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from lingshu_train.model import family
from lingshu_train.model.families import _byte_bpe
from lingshu_train.model.shape import Part, PictureBudget, Shape

START, END, IMAGE, VIDEO = "<img>", "</img>", "<IMG_CONTEXT>", "<video>"
SPECIAL = ("<pad>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", START, END, IMAGE, VIDEO)


class Processor(InternVLProcessor):
    """Without its video part, which needs torchvision. Its names are the processor's, not the tokenizer's."""

    def __init__(
        self,
        image_processor: GotOcr2ImageProcessorPil | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        image_seq_length: int = 4,
        chat_template: str | None = None,
    ) -> None:
        self.image_seq_length = image_seq_length
        self.start_image_token, self.end_image_token = START, END
        self.image_token, self.video_token = IMAGE, VIDEO
        self.multimodal_pattern = re.compile(f"(?P<image>{IMAGE})|(?P<video>{VIDEO})")
        ids = tokenizer.convert_tokens_to_ids
        self.image_token_id = ids(IMAGE)
        self.start_image_token_id, self.end_image_token_id = ids(START), ids(END)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


class Family(family.Family):
    architecture: ClassVar[type[PreTrainedModel]] = InternVLForConditionalGeneration
    prefixes: ClassVar[tuple[tuple[str, Part], ...]] = (
        ("model.vision_tower.", "vision_tower"),
        ("model.multi_modal_projector.", "merger"),
        ("model.language_model.", "language_model"),
        ("lm_head.", "language_model"),
    )
    picture_inputs: ClassVar[tuple[str, ...]] = ("pixel_values",)

    def build_processor(self, tokenizer: PreTrainedTokenizerBase, budget: PictureBudget) -> ProcessorMixin:
        assert isinstance(budget, toy.Tiles)
        images = GotOcr2ImageProcessorPil(
            size={"height": budget.tile, "width": budget.tile},
            crop_to_patches=True,
            min_patches=1,
            max_patches=budget.most,
        )
        return Processor(images, tokenizer, budget.per_tile, chat_template=self.chat_template)

    def write_for_everyone(self, processor: ProcessorMixin, folder: Path) -> None:
        processor.save_pretrained(folder)
        path = folder / "processor_config.json"
        data = json.loads(path.read_text(encoding="utf-8")) | {"processor_class": "InternVLProcessor"}
        path.write_text(json.dumps(data), encoding="utf-8")

    def blank(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        return {"pixel_values": torch.zeros(1, 3, *model.config.vision_config.image_size)}

    def pieces(self, model: PreTrainedModel, ids: Sequence[int], pictures: int) -> int:
        return ids.count(model.config.image_token_id) // int(model.config.image_seq_length)

    def build_tokenizer(self, texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
        return _byte_bpe.train(texts, vocabulary=vocabulary, special=SPECIAL, end="</s>", padding="<pad>")

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        assert isinstance(shape, toy.Shape)
        text, vision = shape.text, shape.vision
        config = InternVLConfig(
            text_config={
                "model_type": "llama",
                "hidden_size": text.hidden,
                "num_hidden_layers": text.layers,
                "num_attention_heads": text.heads,
                "num_key_value_heads": text.key_value_heads,
                "intermediate_size": text.intermediate,
                "vocab_size": text.vocabulary,
                "initializer_range": initializer_range,
                "tie_word_embeddings": False,
                "bos_token_id": None,
                "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={
                "hidden_size": vision.hidden,
                "num_hidden_layers": vision.depth,
                "num_attention_heads": vision.heads,
                "intermediate_size": vision.intermediate,
                "image_size": toy.TILE,
                "patch_size": toy.PATCH,
                "initializer_range": initializer_range,
            },
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
            image_seq_length=(toy.TILE // toy.PATCH // toy.SHRINK) ** 2,
            downsample_ratio=1 / toy.SHRINK,
            tie_word_embeddings=False,
        )
        torch.manual_seed(seed)
        built = InternVLForConditionalGeneration(config)
        built.generation_config.eos_token_id = tokenizer.eos_token_id
        built.generation_config.pad_token_id = tokenizer.pad_token_id
        return built
