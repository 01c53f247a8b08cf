"""M-RoPE positions of rows laid end to end, such that transformers masks row from row."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from lingshu_train.model.family import Batch


def packed(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Positions (4, 1, N) of the N real tokens of a padded batch.

    transformers builds the block-diagonal mask only from position ids of four rows: text positions that start again at 0
    for every sample, then the three M-RoPE rows; with no attention mask and no cache.
    """
    grids = batch.get("image_grid_thw")
    found = []
    used = 0
    for i, mask in enumerate(batch["attention_mask"].bool()):
        text = torch.arange(int(mask.sum()))
        types = batch["mm_token_type_ids"][i][mask] if "mm_token_type_ids" in batch else None
        images = 0 if types is None else _runs(types == 1)
        if types is None or grids is None or images == 0:
            found.append(text.expand(4, -1))
            continue
        index, _ = model.model.get_rope_index(
            batch["input_ids"][i][mask][None], types[None], image_grid_thw=grids[used : used + images]
        )
        used += images
        found.append(torch.cat([text[None], index[:, 0]]))
    return torch.cat(found, dim=1)[:, None]


def _runs(image: torch.Tensor) -> int:
    """Runs of image tokens. Images are parted by their end and start tokens, which are text."""
    marks = image.int()
    return int((torch.diff(marks, prepend=marks.new_zeros(1)) == 1).sum())
