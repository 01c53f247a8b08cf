"""Load a model and its processor, refusing anything less than every parameter."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.integrations import is_deepspeed_zero3_enabled

from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model import shape, stored
from lingshu_train.model.attention import by_sample
from lingshu_train.model.family import Family
from lingshu_train.model.shape import PictureBudget

DECODING = ("bos_token_id", "eos_token_id", "pad_token_id")
"""What is kept of a model's generation settings: where a text begins and ends."""
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def model(
    family: Family,
    source: str,
    *,
    dtype: str,
    attention: str,
    revision: str | None = None,
    quantize: BitsAndBytesConfig | None = None,
) -> PreTrainedModel:
    """A model from a folder or the hub. Missing or unexpected parameters are an error, never a warning.

    How it was published to decode (penalties, forbidden or forced tokens, beams) is dropped, so that it can steer neither
    a rollout nor a measurement, nor travel on into what is saved.

    Raises MissingInput where there is no such model, RecipeError where it is of another family, DataError where its weights
    do not fit.
    """
    found, report = _opened(
        family,
        source,
        revision=revision,
        dtype=DTYPES[dtype],
        attn_implementation=attention,
        quantization_config=quantize,
    )
    if is_deepspeed_zero3_enabled():
        # There upstream looks at what is missing alone.
        report["unexpected_keys"] = stored.superfluous(found, source, revision=revision)
    wrong = {
        key: sorted(report[key])[:3]
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report[key]
    }
    if wrong:
        raise DataError(f"model {source!r}: weights do not fit the architecture: {wrong}")
    # Under ZeRO-3 upstream (transformers 5.23) keeps the renamings that were not used as well, and what is saved then has names
    # of weights that no other software reads.
    known = getattr(found, "_weight_conversions", None)
    found._weight_conversions = known and [one for one in known if one.was_used()]
    found.generation_config = GenerationConfig(
        **{name: getattr(found.generation_config, name) for name in DECODING}
    )
    if not shape.of(family.name).looks_ahead:
        by_sample(found)
    family.quicken(found)
    family.mend(found)
    if quantize is not None:
        _keep_four_bits(found)
    return found


def _opened(
    family: Family, source: str, *, revision: str | None, **how: Any
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """As upstream opens it, and what upstream says of keys that do not fit. Raises as `model` does."""
    try:
        _check_type(family, source, revision)
        found, report = family.architecture.from_pretrained(
            source, revision=revision, output_loading_info=True, trust_remote_code=False, **how
        )
    except OSError as fault:
        raise MissingInput(f"model {source!r}: {_line(fault)}") from None
    except ImportError as fault:
        raise RecipeError(
            f"model.attention={how['attn_implementation']}: {_line(fault)}; sdpa needs no package, and auto takes it "
            "where the other is not"
        ) from None
    except RuntimeError as fault:
        if "mismatch" not in str(fault):
            raise
        raise DataError(f"model {source!r}: a tensor is of another shape than its config.json says") from None
    return found, report


def _keep_four_bits(model: PreTrainedModel) -> None:
    """On some processors bitsandbytes packs a weight anew when it is first asked without gradients, and rounds its scales by
    that: looking at held-out rows would change the run."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def four_bits(family: Family, *, dtype: str) -> BitsAndBytesConfig:
    """How the language model's linear layers lie in 4 bits: NF4 with quantised scales (Dettmers et al. 2023), computing in
    `dtype`. Everything else keeps its numbers, the output head among it.

    RecipeError: bitsandbytes is not there.
    """
    if find_spec("bitsandbytes") is None:
        raise RecipeError("model.quantize=nf4: bitsandbytes is not installed; install the extra qlora")
    backbone = family.architecture.base_model_prefix
    # The head stands beside the backbone, whose other parts are named by the family.
    left = [
        prefix.rstrip(".")
        for prefix, part in family.prefixes
        if part != "language_model" or not prefix.startswith(f"{backbone}.")
    ]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[dtype],
        llm_int8_skip_modules=left,
    )


def ends(family: Family, model: PreTrainedModel, text: ProcessorMixin) -> tuple[int, ...]:
    """Every token that ends an answer: those of the family, and those that the model was published with. The one definition,
    for rollouts, for what counts as truncated, and for evaluation."""
    stated = model.generation_config.eos_token_id
    others = stated if isinstance(stated, list) else [stated]
    return tuple(sorted({*family.end_tokens(text.tokenizer), *others} - {None}))


def never(text: ProcessorMixin) -> tuple[int, ...]:
    """Every token that stands for a picture, a film or a sound, and that no answer may hold: a model that reads its own answer
    would look for what it stands for."""
    held = ("image_token_ids", "video_token_ids", "audio_token_ids")
    return tuple(sorted({one for name in held for one in getattr(text, name, ())} - {None}))


def _check_type(family: Family, source: str, revision: str | None) -> None:
    """transformers would build what was asked for from another architecture's config, and fail somewhere inside."""
    config, _ = PreTrainedConfig.get_config_dict(source, revision=revision)
    found, wanted = config.get("model_type"), family.architecture.config_class.model_type
    if found != wanted:
        known = shape.of(family.name).elsewhere
        way = f"; {known[found]}" if found in known else ""
        raise RecipeError(f"model {source!r}: is of type {found!r}, and model.family loads {wanted!r}{way}")


def processor(
    family: Family, source: str, budget: PictureBudget, *, revision: str | None = None
) -> ProcessorMixin:
    """The processor of a saved model, its own chat template kept, with this recipe's picture budget. MissingInput (66): it
    has no tokenizer."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, padding_side="left")
    except (OSError, ValueError) as fault:
        raise MissingInput(
            f"model {source!r}: no tokenizer that can be read: {_no_tokenizer(source, fault)}"
        ) from None
    built = family.build_processor(tokenizer, budget)
    if tokenizer.chat_template:
        built.chat_template = tokenizer.chat_template
    return built


def _no_tokenizer(source: str, fault: Exception) -> str:
    if Path(source).is_dir():
        return f"the folder holds none that is whole (tokenizer.json, tokenizer_config.json): {_line(fault)}"
    if not _HUB_NAME.fullmatch(source):
        return "no such folder, and no name of the Hugging Face Hub (OWNER/NAME)"
    return (
        "no such folder; on the Hugging Face Hub it is unknown, gated or out of reach, and no copy lies here"
    )


def _line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]


def strict_state(
    family: Family, folder: Path, like: PreTrainedModel, *, dtype: str = ""
) -> dict[str, torch.Tensor]:
    """Every parameter of a saved model under the names of the model in memory, and in its number format or in `dtype`, read
    back through `model`."""
    found = dtype or str(like.dtype).removeprefix("torch.")
    restored = model(family, str(folder), dtype=found, attention=like.config._attn_implementation)
    return dict(restored.state_dict())
