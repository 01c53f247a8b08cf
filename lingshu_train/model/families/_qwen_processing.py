"""Text and images to model inputs as Qwen's processors make them: the PIL image processor, and no video branch.

transformers 5.23 cannot construct these processors without torchvision, and picks another image backend with it, whose
pixels differ in the last bits. What is here needs neither, and pins the backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import JsonValue
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.image_utils import ImageInput, make_flat_list_of_images

from lingshu_train.model.families import _everyone
from lingshu_train.model.families._qwen_patches import ImageProcessor


class ImagesAndText(ProcessorMixin):  # type: ignore[misc]
    """Stands before a processor of Qwen's. transformers reads the constructor's signature to find the parts."""

    def __init__(
        self,
        image_processor: ImageProcessor | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | None = None,
        **kwargs: object,
    ) -> None:
        assert tokenizer is not None
        self.image_token = "<|image_pad|>"
        self.video_token = "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    def _process_images(self, images: ImageInput, **kwargs: object) -> tuple[BatchFeature, list[str]]:
        """Each picture once: the prompts of a GRPO group share theirs, and upstream resizes and divides every copy."""
        copies = make_flat_list_of_images(images)
        distinct = {id(one): one for one in copies}
        if len(distinct) == len(copies):
            return super()._process_images(images, **kwargs)  # type: ignore[no-any-return]
        found, texts = super()._process_images(list(distinct.values()), **kwargs)
        place = {key: n for n, key in enumerate(distinct)}
        order = [place[id(one)] for one in copies]
        patches = np.asarray(found["image_grid_thw"]).prod(axis=-1)
        starts = np.cumsum(patches) - patches
        rows = np.concatenate([np.arange(starts[n], starts[n] + patches[n]) for n in order])
        found["pixel_values"] = found["pixel_values"][rows]
        found["image_grid_thw"] = found["image_grid_thw"][order]
        return found, [texts[n] for n in order]

    @property
    def model_input_names(self) -> list[str]:
        names = [
            *self.tokenizer.model_input_names,
            *self.image_processor.model_input_names,
            "mm_token_type_ids",
        ]
        return list(dict.fromkeys(names))


def write_for_everyone(
    processor: ImagesAndText, folder: Path, *, known_as: str, video: Mapping[str, JsonValue]
) -> None:
    """As `_everyone.write`. `video` goes before what the family's video processor shares with that of images."""
    images = processor.image_processor.to_dict()
    shared = ("image_mean", "image_std", "merge_size", "patch_size", "temporal_patch_size")
    films = {key: images[key] for key in shared if key in images} | dict(video)
    _everyone.write(processor, folder, known_as=known_as, images="Qwen2VLImageProcessor", video=films)
