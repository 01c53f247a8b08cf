"""Pictures to patches: transformers' pixel values to the bit, at a fraction of their cost.

A pixel has 256 values per channel, so that scaling and normalising are a table. The patches are cut while a pixel is one
byte, and looked up afterwards: transformers computes and moves every pixel in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from pydantic import JsonValue
from transformers import BatchFeature, TensorType
from transformers.image_utils import SizeDict
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.generic]
"""Values of any type, (channels, height, width)."""


class Options(TypedDict):
    """What transformers hands to `_preprocess`: the attributes of the processor, a call's own arguments before them."""

    do_resize: bool
    size: SizeDict
    resample: Image.Resampling
    do_rescale: bool
    rescale_factor: float
    do_normalize: bool
    image_mean: list[float]
    image_std: list[float]
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    return_tensors: str | TensorType | None


class ImageProcessor(Qwen2VLImageProcessorPil):  # type: ignore[misc]
    """Qwen2VLImageProcessorPil, saved under the name of all its variants."""

    def to_dict(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = super().to_dict()
        return found | {"image_processor_type": "Qwen2VLImageProcessor"}

    def process_image(
        self, image: Image.Image | Pixels | torch.Tensor, *args: object, **kwargs: object
    ) -> Pixels:
        """Grey stays one channel (1, height, width): three equal ones would be resized three times to equal values."""
        if isinstance(image, Image.Image) and image.mode == "L":
            return np.asarray(image)[None]
        found: Pixels = super().process_image(image, *args, **kwargs)
        return found

    def _preprocess(self, images: list[Pixels], **options: Unpack[Options]) -> BatchFeature:
        """pixel_values (P, channels * temporal_patch * patch * patch) float32, image_grid_thw (images, 3)."""
        channels = len(options["image_mean"])
        if any(image.dtype != np.uint8 or len(image) not in (1, channels) for image in images):
            whole = [np.repeat(image, channels, axis=0) if len(image) == 1 else image for image in images]
            return super()._preprocess(whole, **options)
        levels: list[Bytes] = [np.asarray(image, dtype=np.uint8) for image in images]
        patch, merge = options["patch_size"], options["merge_size"]
        if options["do_resize"]:
            size, resample = options["size"], options["resample"]
            levels = [self.resize(image, size, resample=resample, factor=patch * merge) for image in levels]
        grids = [[1, image.shape[1] // patch, image.shape[2] // patch] for image in levels]
        values = looked_up(
            [cut(image, patch=patch, merge=merge) for image in levels],
            self._table(options),
            repeats=options["temporal_patch_size"],
        )
        data = {"pixel_values": values, "image_grid_thw": np.array(grids, dtype=np.int64)}
        return BatchFeature(data=data, tensor_type=options["return_tensors"])

    def _table(self, options: Options) -> Floats:
        """What each value becomes, (channels, 256), computed as upstream computes a pixel."""
        channels = len(options["image_mean"])
        levels: Pixels = np.tile(np.arange(256, dtype=np.uint8)[:, None], (channels, 1, 1))
        if options["do_rescale"]:
            levels = self.rescale(levels, options["rescale_factor"])
        if options["do_normalize"]:
            levels = self.normalize(levels, options["image_mean"], options["image_std"])
        return np.asarray(levels, dtype=np.float32)[:, :, 0]


def cut(image: Bytes, *, patch: int, merge: int) -> Bytes:
    """A picture (channels, height, width) as patches (P, channels, patch * patch); those merged later stand together."""
    channels, height, width = image.shape
    rows, columns = height // patch // merge, width // patch // merge
    cells = image.reshape(channels, rows, merge, patch, columns, merge, patch)
    return np.ascontiguousarray(cells.transpose(1, 4, 2, 5, 0, 3, 6)).reshape(-1, channels, patch * patch)


def looked_up(patches: Sequence[Bytes], table: Floats, *, repeats: int) -> Floats:
    """Patches of all pictures as the model reads them (P, channels * repeats * patch * patch): a still picture stands
    `repeats` times in time, and grey in every channel of the table (channels, 256)."""
    channels, area = len(table), patches[0].shape[2]
    out = np.empty((sum(map(len, patches)), channels, repeats, area), dtype=np.float32)
    start = 0
    for some in patches:
        place = out[start : start + len(some)]
        for channel in range(channels):
            place[:, channel] = table[channel].take(some[:, channel % some.shape[1]])[:, None]
        start += len(some)
    return out.reshape(len(out), -1)
