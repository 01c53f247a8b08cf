"""Load a model and its processor, refusing anything less than every parameter."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, GenerationConfig, PreTrainedConfig, PreTrainedModel, ProcessorMixin

from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model.family import Family
from lingshu_train.model.shape import PictureBudget

DECODING = ("bos_token_id", "eos_token_id", "pad_token_id")
"""What is kept of a model's generation settings: where a text begins and ends."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def model(
    family: Family, source: str, *, dtype: str, attention: str, revision: str | None = None
) -> PreTrainedModel:
    """A model from a folder or the hub. Missing or unexpected parameters are an error, never a warning.

    How it was published to decode (penalties, forbidden or forced tokens, beams) is dropped, so that it can steer neither
    a rollout nor a measurement, nor travel on into what is saved.

    Raises MissingInput where there is no such model, RecipeError where it is of another family, DataError where its weights
    do not fit.
    """
    try:
        _check_type(family, source, revision)
        found, report = family.architecture.from_pretrained(
            source,
            revision=revision,
            dtype=DTYPES[dtype],
            attn_implementation=attention,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except OSError as fault:
        raise MissingInput(f"model {source!r}: {_line(fault)}") from None
    except ImportError as fault:
        raise RecipeError(f"model.attention={attention}: {_line(fault)}; sdpa needs no package") from None
    except RuntimeError as fault:
        if "mismatch" not in str(fault):
            raise
        raise DataError(f"model {source!r}: a tensor is of another shape than its config.json says") from None
    wrong = {
        key: sorted(report[key])[:3]
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report[key]
    }
    if wrong:
        raise DataError(f"model {source!r}: weights do not fit the architecture: {wrong}")
    found.generation_config = GenerationConfig(
        **{name: getattr(found.generation_config, name) for name in DECODING}
    )
    return found


def _check_type(family: Family, source: str, revision: str | None) -> None:
    """transformers would build what was asked for from another architecture's config, and fail somewhere inside."""
    config, _ = PreTrainedConfig.get_config_dict(source, revision=revision)
    found, wanted = config.get("model_type"), family.architecture.config_class.model_type
    if found != wanted:
        raise RecipeError(f"model {source!r}: is of type {found!r}, and model.family loads {wanted!r}")


def processor(
    family: Family, source: str, budget: PictureBudget, *, revision: str | None = None
) -> ProcessorMixin:
    """The processor of a saved model, its own chat template kept, with this recipe's picture budget. MissingInput (66): it
    has no tokenizer."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, padding_side="left")
    except (OSError, ValueError) as fault:
        raise MissingInput(f"model {source!r}: no tokenizer that can be read: {_line(fault)}") from None
    built = family.build_processor(tokenizer, budget)
    if tokenizer.chat_template:
        built.chat_template = tokenizer.chat_template
    return built


def _line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]


def strict_state(family: Family, folder: Path, like: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Every parameter of a saved model under the names of the model in memory, read back through `model`."""
    dtype = str(like.dtype).removeprefix("torch.")
    restored = model(family, str(folder), dtype=dtype, attention=like.config._attn_implementation)
    return dict(restored.state_dict())
