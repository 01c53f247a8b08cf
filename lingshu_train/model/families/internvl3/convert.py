"""A folder in InternVL's own layout to one in transformers'.

`python -m lingshu_train.model.families.internvl3.convert FOLDER NEW_FOLDER`. No code of the folder is run. Every tensor is
renamed or, queries with keys and values, cut in three; none is left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from pydantic import JsonValue
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoTokenizer, GenerationConfig, InternVLConfig, PreTrainedTokenizerBase

from lingshu_train.documents import decoded, read_text
from lingshu_train.errors import DataError, LingshuError, MissingInput
from lingshu_train.model import family as families
from lingshu_train.model import shape
from lingshu_train.model.families.internvl3.shape import IMAGE, PATCH, SHRINK
from lingshu_train.model.families.internvl3.tiles import Tiles

Config = dict[str, JsonValue]
FAMILY, OWN = "internvl3", "internvl_chat"
NAMES = (
    (r"^language_model\.lm_head\.", "lm_head."),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^mlp1\.0\.", "model.multi_modal_projector.layer_norm."),
    (r"^mlp1\.1\.", "model.multi_modal_projector.linear_1."),
    (r"^mlp1\.3\.", "model.multi_modal_projector.linear_2."),
    (r"^vision_model\.encoder\.layers\.", "model.vision_tower.encoder.layer."),
    (r"^vision_model\.", "model.vision_tower."),
    (r"\.class_embedding$", ".cls_token"),
    (r"\.position_embedding$", ".position_embeddings"),
    (r"\.patch_embedding\.", ".patch_embeddings.projection."),
    (r"\.ls(\d)$", r".lambda_\1"),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.projection_layer."),
    (r"\.attn\.", ".attention."),
)
"""What a tensor's name becomes, one after the other."""
TEXT = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size"),
    *("vocab_size", "max_position_embeddings", "rope_theta", "rope_scaling", "rms_norm_eps", "hidden_act"),
    *("attention_dropout", "initializer_range", "tie_word_embeddings", "bos_token_id"),
)
VISION = {
    **{
        name: name
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    },
    **{name: name for name in ("image_size", "patch_size", "norm_type", "layer_norm_eps", "hidden_act")},
    "qkv_bias": "attention_bias",
    "qk_normalization": "use_qk_norm",
}
"""Keys of both halves, the tower's by what they are called in transformers."""


def folder(source: Path, target: Path) -> None:
    """DataError: not a model of that layout that this family takes; MissingInput: parts of it are missing."""
    if not (source / "config.json").is_file():
        raise MissingInput(f"{source}: no config.json, so this is no model")
    if target.exists():
        raise DataError(f"{target}: is there already; name a folder that is not")
    own = decoded(read_text(source / "config.json"), where=str(source / "config.json"))
    if not isinstance(own, dict) or own.get("model_type") != OWN:
        raise DataError(
            f"{source}: config.json does not say model_type {OWN!r}, so there is nothing to convert"
        )
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise MissingInput(f"{source}: no weights in safetensors (*.safetensors)")
    words = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    config = _config(own, words, where=source)
    target.mkdir(parents=True)
    _weights(files, target)
    config.save_pretrained(target)
    GenerationConfig(eos_token_id=words.convert_tokens_to_ids("<|im_end|>")).save_pretrained(target)
    _processor(own, words, target)


def _config(own: Config, words: PreTrainedTokenizerBase, *, where: Path) -> InternVLConfig:
    """What differs from the published InternVL3 in what transformers' class fixes is refused."""
    text, vision = own.get("llm_config"), own.get("vision_config")
    if not isinstance(text, dict) or not isinstance(vision, dict):
        raise DataError(f"{where}: config.json has no llm_config and vision_config")
    fixed = {
        "llm_config.model_type": (text.get("model_type"), "qwen2"),
        "select_layer": (own.get("select_layer", -1), -1),
        "ps_version": (own.get("ps_version", "v2"), "v2"),
        "downsample_ratio": (own.get("downsample_ratio", 0.5), 1 / SHRINK),
        "vision_config.patch_size": (vision.get("patch_size", PATCH), PATCH),
    }
    for name, (found, wanted) in fixed.items():
        if found != wanted:
            raise DataError(f"{where}: config.json: {name} is {found!r}; this family takes {wanted!r}")
    image = words.convert_tokens_to_ids(IMAGE)
    if image is None or image == words.unk_token_id:
        raise DataError(f"{where}: the tokenizer has no token {IMAGE}")
    tied = bool(text.get("tie_word_embeddings", False))
    size = own.get("force_image_size") or vision.get("image_size", 448)
    assert isinstance(size, int)
    found = InternVLConfig(
        text_config={
            "model_type": "qwen2",
            **{name: text[name] for name in TEXT if name in text},
            "tie_word_embeddings": tied,
            "eos_token_id": words.convert_tokens_to_ids("<|im_end|>"),
        },
        vision_config={theirs: vision[mine] for mine, theirs in VISION.items() if mine in vision},
        image_token_id=image,
        image_seq_length=(size // PATCH // SHRINK) ** 2,
        tie_word_embeddings=tied,
    )
    found.architectures = [families.of(FAMILY).architecture.__name__]
    return found


def _weights(files: list[Path], target: Path) -> None:
    """File by file, so that no more than one is in memory; with an index where there are several."""
    places: dict[str, str] = {}
    total = 0
    for path in files:
        with safe_open(path, "pt") as file:
            made = dict(one for name in file.keys() for one in _renamed(name, file.get_tensor(name)))  # noqa: SIM118
        save_file(made, target / path.name, metadata={"format": "pt"})
        places |= dict.fromkeys(made, path.name)
        total += sum(tensor.nbytes for tensor in made.values())
    if len(files) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (target / "model.safetensors.index.json").write_text(
            json.dumps(index, indent=2) + "\n", encoding="utf-8"
        )
    elif files[0].name != "model.safetensors":
        (target / files[0].name).rename(target / "model.safetensors")


def _renamed(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    new = name
    for pattern, replacement in NAMES:
        new = re.sub(pattern, replacement, new)
    if ".attention.qkv." not in new:
        yield new, tensor
        return
    for part, some in zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True):
        yield new.replace(".qkv.", f".{part}."), some.contiguous()


def _processor(own: Config, words: PreTrainedTokenizerBase, target: Path) -> None:
    vision = own["vision_config"]
    assert isinstance(vision, dict)
    side, least, most = (
        own.get("force_image_size") or vision.get("image_size", 448),
        own.get("min_dynamic_patch", 1),
        own.get("max_dynamic_patch", 12),
    )
    assert isinstance(side, int)
    assert isinstance(least, int)
    assert isinstance(most, int)
    budget = Tiles(
        min_pixels=least * side**2, max_pixels=most * side**2, tile=side, patch=PATCH, shrink=SHRINK
    )
    known = families.of(FAMILY)
    words.chat_template = known.chat_template
    known.write_for_everyone(known.build_processor(words, budget), target)


def main() -> int:
    if len(sys.argv) != 3:
        sys.stderr.write(f"usage: python -m {shape.FAMILIES}.{FAMILY}.convert FOLDER NEW_FOLDER\n")
        return 64
    try:
        folder(Path(sys.argv[1]), Path(sys.argv[2]))
    except LingshuError as fault:
        sys.stderr.write(f"convert: {fault}\n")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
