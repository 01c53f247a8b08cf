"""Text and pictures to model inputs, the same on every machine: the PIL image processor, and no crops beside a picture.

transformers 5.23 picks another image backend where torchvision is, whose pixels differ in the last bits. This class pins the
one. What its template and its processor write of a picture is as upstream's, divided otherwise: upstream's processor writes two
line ends on both sides of a picture, which may become one token with a line end that stands there already. Here the template
writes them, so that a picture's mark becomes as many tokens in any text.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import JsonValue
from transformers import BatchFeature, Gemma3Processor, PreTrainedTokenizerBase, ProcessorMixin
from transformers.image_utils import ImageInput, make_flat_list_of_images
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from lingshu_train.model.families import _everyone
from lingshu_train.model.families.gemma3.shape import END, IMAGE, START
from lingshu_train.model.families.gemma3.square import Square

HALF = [0.5, 0.5, 0.5]
"""Mean and deviation of the published models: values from -1 to 1."""
EXPORTED = "Gemma3ImageProcessor"
"""The name of all variants of the class."""
NAMED = {"boi_token": START, "eoi_token": END, "image_token": IMAGE}
"""By what transformers' class asks a tokenizer for its marks."""
AROUND = "\n\n"
"""Stands on both sides of a picture."""


class ImageProcessor(Gemma3ImageProcessorPil):  # type: ignore[misc]
    """Gemma3ImageProcessorPil, saved under the name of all its variants; copies of a picture are made once."""

    def to_dict(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = super().to_dict()
        return found | {"image_processor_type": EXPORTED}

    def preprocess(self, images: ImageInput, *args: object, **kwargs: object) -> BatchFeature:
        """pixel_values (pictures, channels, height, width), num_crops (pictures,): zeros."""
        copies = make_flat_list_of_images(images)
        distinct = {id(one): one for one in copies}
        found: BatchFeature = super().preprocess(list(distinct.values()), *args, **kwargs)
        if len(distinct) < len(copies):
            place = {key: n for n, key in enumerate(distinct)}
            order = [place[id(one)] for one in copies]
            for name in ("pixel_values", "num_crops"):
                values = found[name]
                found[name] = [values[n] for n in order] if isinstance(values, list) else values[order]
        return found


class ImageTextProcessor(Gemma3Processor):  # type: ignore[misc]
    """Gemma3Processor with marks of its own. transformers reads the constructor's signature to find the parts."""

    def __init__(
        self,
        image_processor: ImageProcessor | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | None = None,
        image_seq_length: int = 256,
        **kwargs: object,
    ) -> None:
        assert tokenizer is not None
        ids = tokenizer.convert_tokens_to_ids
        self.image_seq_length = image_seq_length
        self.image_token, self.image_token_id = START, ids(START)
        self.boi_token = START
        self.full_image_sequence = START + IMAGE * image_seq_length + END
        self._picture, self._marks = ids(IMAGE), [ids(START), ids(IMAGE), ids(END)]
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    @property
    def image_token_ids(self) -> list[int]:
        return self._marks

    def create_mm_token_type_ids(self, input_ids: list[list[int]]) -> list[list[int]]:
        """1 where a token sees those after it too, which the marks around a picture do not."""
        return [(np.asarray(ids) == self._picture).astype(int).tolist() for ids in input_ids]

    def _check_special_mm_tokens(
        self, text: list[str], text_inputs: BatchFeature, modalities: list[str]
    ) -> None:
        """Upstream's asks the tokenizer for names that one from nothing does not have."""
        ProcessorMixin._check_special_mm_tokens(self, text, text_inputs, modalities)

    def _resolve_chat_template(self, chat_template: str | None) -> str:
        found: str = super()._resolve_chat_template(chat_template)
        return found.replace(START, AROUND + START + AROUND)


def build(tokenizer: PreTrainedTokenizerBase, budget: Square, *, chat_template: str) -> ImageTextProcessor:
    """A processor around a tokenizer, whose pictures are the squares of `budget`."""
    images = ImageProcessor(
        size={"height": budget.side, "width": budget.side}, image_mean=HALF, image_std=HALF
    )
    return ImageTextProcessor(
        images, tokenizer, chat_template=chat_template, image_seq_length=budget.per_picture
    )


def write_for_everyone(processor: ImageTextProcessor, folder: Path) -> None:
    """As `_everyone.write`."""
    known_as = Gemma3Processor.__name__
    _everyone.write(processor, folder, known_as=known_as, images=EXPORTED, named=NAMED)
