"""What a saved model has beside the parameters of its architecture, where transformers does not look: under ZeRO-3."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import PreTrainedModel
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key
from transformers.utils.hub import cached_file

from lingshu_train.model.base import WEIGHTS

_MOVED = (r"rotary_emb\.inv_freq", r"(^|\.)position_ids$")
"""Buffers of older files that are computed now; transformers passes them over too."""


def superfluous(model: PreTrainedModel, source: str, *, revision: str | None = None) -> set[str]:
    """Names in the files of `source` that no parameter of the loaded `model` answers to, after the renamings it was loaded
    with."""
    conversions = getattr(model, "_weight_conversions", None) or []
    renamings = [one for one in conversions if isinstance(one, WeightRenaming)]
    converters = [one for one in conversions if isinstance(one, WeightConverter)]
    known = model.state_dict()
    ignored = re.compile("|".join((*_MOVED, *(model._keys_to_ignore_on_load_unexpected or ()))))
    found = set()
    for name in _names(source, revision):
        renamed, _ = rename_source_key(
            name, renamings, converters, base_model_prefix=model.base_model_prefix, meta_state_dict=known
        )
        if renamed not in known and not ignored.search(renamed):
            found.add(name)
    return found


def _names(source: str, revision: str | None) -> Iterator[str]:
    """Of the tensors in the files that transformers reads: the first kind of `WEIGHTS` that is there."""
    for name in WEIGHTS:
        path = cached_file(source, name, revision=revision, _raise_exceptions_for_missing_entries=False)
        if path is None:
            continue
        if name.endswith(".json"):
            yield from json.loads(Path(path).read_text(encoding="utf-8"))["weight_map"]
        elif name.endswith(".safetensors"):
            with safe_open(path, "pt") as file:
                yield from file.keys()
        else:
            yield from torch.load(path, map_location="meta", weights_only=True)
        return
