"""Pictures to tiles: transformers' pixel values to the bit, at a fraction of their cost.

A pixel has 256 values per channel, so that scaling and normalising are a table. The tiles are cut while a pixel is one
byte, and looked up afterwards; a picture that is asked for several times is made once.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from pydantic import JsonValue
from transformers import BatchFeature, TensorType
from transformers.image_utils import ImageInput, SizeDict, make_flat_list_of_images
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import (
    GotOcr2ImageProcessorPil,
    get_optimal_tiled_canvas,
)

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.generic]
"""Values of any type, (channels, height, width)."""
EXPORTED = "GotOcr2ImageProcessor"
"""The name of all variants of the class."""


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
    return_tensors: str | TensorType | None
    crop_to_patches: bool
    min_patches: int
    max_patches: int


class ImageProcessor(GotOcr2ImageProcessorPil):  # type: ignore[misc]
    """GotOcr2ImageProcessorPil, which is InternVL's, saved under the name of all its variants."""

    def to_dict(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = super().to_dict()
        return found | {"image_processor_type": EXPORTED}

    def preprocess(self, images: ImageInput, *args: object, **kwargs: object) -> BatchFeature:
        """pixel_values (tiles of all pictures, channels, height, width), num_patches (pictures,): tiles of each."""
        copies = make_flat_list_of_images(images)
        distinct = {id(one): one for one in copies}
        found: BatchFeature = super().preprocess(list(distinct.values()), *args, **kwargs)
        if len(distinct) == len(copies):
            return found
        place = {key: n for n, key in enumerate(distinct)}
        order = [place[id(one)] for one in copies]
        counts = np.asarray(found["num_patches"])
        starts = counts.cumsum() - counts
        rows = np.concatenate([np.arange(starts[n], starts[n] + counts[n]) for n in order])
        values = found["pixel_values"]
        found["pixel_values"] = [values[n] for n in rows] if isinstance(values, list) else values[rows]
        tiles = found["num_patches"]
        found["num_patches"] = [tiles[n] for n in order] if isinstance(tiles, list) else tiles[order]
        return found

    def process_image(
        self, image: Image.Image | Pixels | torch.Tensor, *args: object, **kwargs: object
    ) -> Pixels:
        """Grey stays one channel (1, height, width): three equal ones would be resized three times to equal values."""
        if isinstance(image, Image.Image) and image.mode == "L":
            return np.asarray(image)[None]
        found: Pixels = super().process_image(image, *args, **kwargs)
        return found

    def _preprocess(self, images: list[Pixels], **options: Unpack[Options]) -> BatchFeature:
        channels = len(options["image_mean"])
        usual = options["do_resize"] and options["crop_to_patches"]
        if not usual or any(image.dtype != np.uint8 or len(image) not in (1, channels) for image in images):
            whole = [np.repeat(image, channels, axis=0) if len(image) == 1 else image for image in images]
            return super()._preprocess(whole, **options)
        cut = [self._tiles(np.asarray(image, dtype=np.uint8), options) for image in images]
        values = _looked_up([tile for some in cut for tile in some], self._table(options))
        counts = [len(some) for some in cut]
        # Without a type of tensors, upstream gives lists.
        data = {"pixel_values": values if options["return_tensors"] else list(values), "num_patches": counts}
        return BatchFeature(data=data, tensor_type=options["return_tensors"])

    def _tiles(self, image: Bytes, options: Options) -> list[Bytes]:
        """Row by row, and the thumbnail last where there are several."""
        size, resample = options["size"], options["resample"]
        high, wide = size.height, size.width
        columns, rows = get_optimal_tiled_canvas(
            image.shape[1:], (high, wide), options["min_patches"], options["max_patches"]
        )
        whole = self.resize(image, SizeDict(height=rows * high, width=columns * wide), resample=resample)
        found = [
            whole[:, row * high : (row + 1) * high, column * wide : (column + 1) * wide]
            for row in range(rows)
            for column in range(columns)
        ]
        return found if len(found) == 1 else [*found, self.resize(image, size, resample=resample)]

    def _table(self, options: Options) -> Floats:
        """What each value becomes, (channels, 256), computed as upstream computes a pixel."""
        channels = len(options["image_mean"])
        levels: Pixels = np.tile(np.arange(256, dtype=np.uint8)[:, None], (channels, 1, 1))
        if options["do_rescale"]:
            levels = self.rescale(levels, options["rescale_factor"])
        if options["do_normalize"]:
            levels = self.normalize(levels, options["image_mean"], options["image_std"])
        return np.asarray(levels, dtype=np.float32)[:, :, 0]


def _looked_up(tiles: list[Bytes], table: Floats) -> Floats:
    """All tiles as the model reads them (tiles, channels, height, width), grey in every channel of the table."""
    out = np.empty((len(tiles), len(table), *tiles[0].shape[1:]), dtype=np.float32)
    for place, tile in zip(out, tiles, strict=True):
        for channel, values in enumerate(table):
            place[channel] = values.take(tile[channel % len(tile)])
    return out
