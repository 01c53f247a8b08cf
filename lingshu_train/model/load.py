"""Load and save a model, refusing anything less than every parameter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from lingshu_train.errors import DataError, MissingInput, RecipeError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load(
    source: str, *, dtype: str, attention: str, revision: str | None = None
) -> Qwen2_5_VLForConditionalGeneration:
    """A model from a folder or the hub. Missing or unexpected parameters are an error, never a warning.

    Raises MissingInput where there is no such model, DataError where its weights do not fit.
    """
    try:
        model, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            source,
            revision=revision,
            dtype=DTYPES[dtype],
            attn_implementation=attention,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except OSError as fault:
        raise MissingInput(f"model {source!r}: {str(fault).splitlines()[0]}") from None
    except ImportError as fault:
        raise RecipeError(
            f"model.attention={attention}: {str(fault).splitlines()[0]}; sdpa needs no package"
        ) from None
    wrong = {
        key: sorted(report[key])[:3]
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report[key]
    }
    if wrong:
        raise DataError(f"model {source!r}: weights do not fit the architecture: {wrong}")
    return model


def strict_state(folder: Path, like: Any) -> dict[str, torch.Tensor]:
    """Every parameter of a saved model under the names of the model in memory, read back through `load`."""
    restored = load(
        str(folder), dtype=str(like.dtype).removeprefix("torch."), attention=like.config._attn_implementation
    )
    return dict(restored.state_dict())
