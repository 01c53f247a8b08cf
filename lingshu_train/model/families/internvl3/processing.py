"""Text and pictures to model inputs, the same on every machine: the PIL image processor and no video branch.

transformers 5.23 cannot construct `InternVLProcessor` without torchvision, and picks another image backend with it, whose
pixels differ in the last bits. This class needs neither, and pins the backend.
"""

from __future__ import annotations

import re
from pathlib import Path

from transformers import InternVLProcessor, PreTrainedTokenizerBase, ProcessorMixin

from lingshu_train.model.families import _everyone
from lingshu_train.model.families.internvl3.pixels import EXPORTED, ImageProcessor
from lingshu_train.model.families.internvl3.shape import END, IMAGE, START, VIDEO
from lingshu_train.model.families.internvl3.tiles import Tiles

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Of ImageNet, as the published models have them; the image processor's own are CLIP's."""
NAMED = {
    "start_image_token": START,
    "end_image_token": END,
    "context_image_token": IMAGE,
    "video_token": VIDEO,
}
"""By what transformers' class asks a tokenizer for its marks."""


class ImageTextProcessor(InternVLProcessor):  # type: ignore[misc]
    """InternVLProcessor for pictures and text. transformers reads the constructor's signature to find the parts."""

    def __init__(
        self,
        image_processor: ImageProcessor | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        image_seq_length: int = 256,
        chat_template: str | None = None,
        **kwargs: object,
    ) -> None:
        assert tokenizer is not None
        self.image_seq_length = image_seq_length
        self.start_image_token, self.end_image_token = START, END
        self.image_token, self.video_token = IMAGE, VIDEO
        ids = tokenizer.convert_tokens_to_ids
        self.start_image_token_id, self.end_image_token_id = ids(START), ids(END)
        self.image_token_id = ids(IMAGE)
        # Text may not hold the mark of a film, which would be looked for.
        self.multimodal_pattern = re.compile(f"(?P<image>{re.escape(IMAGE)})")
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def build(tokenizer: PreTrainedTokenizerBase, budget: Tiles, *, chat_template: str) -> ImageTextProcessor:
    """A processor around a tokenizer, whose pictures keep to `budget`."""
    images = ImageProcessor(
        size={"height": budget.tile, "width": budget.tile},
        image_mean=MEAN,
        image_std=DEVIATION,
        crop_to_patches=True,
        min_patches=budget.least,
        max_patches=budget.most,
    )
    return ImageTextProcessor(images, tokenizer, budget.per_tile, chat_template=chat_template)


def write_for_everyone(processor: ImageTextProcessor, folder: Path) -> None:
    """As `_everyone.write`."""
    images = processor.image_processor.to_dict()
    shared = ("image_mean", "image_std", "size", "resample", "do_resize", "do_rescale", "do_normalize")
    video = {name: images[name] for name in shared if name in images}
    video |= {"video_processor_type": "InternVLVideoProcessor"}
    known_as = InternVLProcessor.__name__
    _everyone.write(processor, folder, known_as=known_as, images=EXPORTED, named=NAMED, video=video)
