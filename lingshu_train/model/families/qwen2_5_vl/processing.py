"""Text and images to model inputs, the same on every machine."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerBase, Qwen2_5_VLProcessor

from lingshu_train.model.families import _qwen_processing as shared
from lingshu_train.model.families._qwen_patches import ImageProcessor
from lingshu_train.model.families._smart_resize import SmartResize

EXPORTED_CLASS = "Qwen2_5_VLProcessor"


class ImageTextProcessor(shared.ImagesAndText, Qwen2_5_VLProcessor):  # type: ignore[misc]
    """Qwen2_5_VLProcessor for images and text."""


def build(
    tokenizer: PreTrainedTokenizerBase, budget: SmartResize, *, chat_template: str
) -> ImageTextProcessor:
    """A processor around a tokenizer, whose pictures keep to `budget`."""
    images = ImageProcessor(
        size={"shortest_edge": budget.min_pixels, "longest_edge": budget.max_pixels},
        patch_size=budget.patch,
        merge_size=budget.merge,
    )
    return ImageTextProcessor(images, tokenizer, chat_template=chat_template)


def write_for_everyone(processor: ImageTextProcessor, folder: Path) -> None:
    """Save so that plain `AutoProcessor` (with torchvision) and inference servers find the class they know."""
    video = {
        "video_processor_type": "Qwen2VLVideoProcessor",
        "size": processor.image_processor.to_dict()["size"],
    }
    shared.write_for_everyone(processor, folder, known_as=EXPORTED_CLASS, video=video)
