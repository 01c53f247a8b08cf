"""What is Qwen3-VL's own: published sizes, pixel values, the text of a chat, features of several depths, what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import families
import jinja2
import numpy as np
import pytest
import torch
from families import Kit
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from lingshu_train.errors import RecipeError
from lingshu_train.model import family, load, repeated, vision_guard
from lingshu_train.model.families.qwen3_vl import processing
from lingshu_train.model.families.qwen3_vl.shape import Shape
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import PARTS
from lingshu_train.planning import recipe
from lingshu_train.schema import parse

SIZES = [(64, 64), (32, 32), (57, 83), (300, 200), (20, 20), (97, 400), (224, 224), (5, 900), (1500, 1100)]
PUBLISHED = {"2b": 2_127_532_032, "4b": 4_437_815_808, "8b": 8_767_123_696, "32b": 33_357_390_064}
"""`total` of the published safetensors."""


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return families.make("qwen3_vl", tmp_path_factory.mktemp("qwen3_vl"))


def picture(wide: int, high: int, mode: str = "RGB") -> Image.Image:
    draw = np.random.default_rng(wide * high)
    return Image.fromarray(draw.integers(0, 256, (high, wide, 3), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_published_models_have_as_many_parameters_as_their_publisher_counts(size: str) -> None:
    shape = recipe.load("lingshu_7b", [f"model=qwen3_vl_{size}"]).model.shape
    assert sum(shape.parameters().values()) == PUBLISHED[size]


def test_the_sizes_of_the_published_classes_defaults_are_those_of_the_8b_models_tower() -> None:
    """transformers' own defaults of the tower are the 8B model's."""
    vision = recipe.load("lingshu_7b", ["model=qwen3_vl_8b"]).model.shape.vision  # type: ignore[attr-defined]
    plain = AutoConfig.for_model("qwen3_vl").vision_config
    assert (vision.depth, vision.hidden, vision.heads, vision.intermediate) == (
        plain.depth,
        plain.hidden_size,
        plain.num_heads,
        plain.intermediate_size,
    )
    assert (vision.patch, vision.merge, vision.temporal_patch, vision.positions) == (
        plain.patch_size,
        plain.spatial_merge_size,
        plain.temporal_patch_size,
        plain.num_position_embeddings,
    )
    assert list(vision.deepstack) == list(plain.deepstack_visual_indexes)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixel_values_and_tokens_are_those_of_transformers_to_the_bit(qwen: Kit, mode: str) -> None:
    budget = Shape.published_budget()
    text = processing.build(qwen.processor.tokenizer, budget, chat_template="")
    plain = Qwen2VLImageProcessorPil(
        size={"shortest_edge": budget.min_pixels, "longest_edge": budget.max_pixels},
        patch_size=16,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    for size in SIZES if mode == "RGB" else SIZES[:4]:
        shown = picture(*size, mode)
        ours = text(text=[text.image_token], images=[[shown]], return_tensors="pt")
        theirs = plain([shown.convert("RGB")], return_tensors="pt")
        assert torch.equal(ours["pixel_values"], theirs["pixel_values"]), size
        assert torch.equal(ours["image_grid_thw"], theirs["image_grid_thw"]), size
        assert ours["input_ids"].shape[1] == budget.tokens(*size) == theirs["image_grid_thw"].prod() // 4, (
            size
        )


def test_saved_files_make_the_processor_that_everyone_has(qwen: Kit, tmp_path: Path) -> None:
    text = qwen.processor
    qwen.family.write_for_everyone(text, tmp_path)
    for name in ("processor_config", "tokenizer_config", "preprocessor_config", "video_preprocessor_config"):
        said = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert said["processor_class"] == "Qwen3VLProcessor", name
    images = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    shown = picture(300, 200)
    ours = text(text=[text.image_token], images=[[shown]], return_tensors="pt")
    assert torch.equal(images([shown], return_tensors="pt")["pixel_values"], ours["pixel_values"])


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="needs torchvision")
def test_the_official_processor_counts_the_same_tokens_and_its_pixels_are_one_level_away(
    qwen: Kit, tmp_path: Path
) -> None:
    text = qwen.processor
    qwen.family.write_for_everyone(text, tmp_path)
    official = AutoProcessor.from_pretrained(tmp_path)
    assert type(official).__name__ == "Qwen3VLProcessor"
    for size in SIZES:
        ours, theirs = (
            one(text=[one.image_token], images=[[picture(*size)]], return_tensors="pt")
            for one in (text, official)
        )
        assert torch.equal(ours["input_ids"], theirs["input_ids"]), size
        # Levels of 255 are rounded otherwise by torchvision's resizing; a level is 2 / 255 here.
        assert (ours["pixel_values"] - theirs["pixel_values"]).abs().max() <= 2.01 / 255, size


PUBLISHED_FORM = """{% if messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + said(messages[0]) + '<|im_end|>\\n' }}{% endif %}\
{% for message in messages if message.role != 'system' %}{{ '<|im_start|>' + message.role + '\\n' + said(message) + '<|im_end|>\\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
"""The form of the published template for chats without tools: a system turn only where there is one, then turn by turn."""


def said(message: dict[str, Any]) -> str:
    if isinstance(message["content"], str):
        return message["content"]
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    return "".join(mark if part["type"] == "image" else part["text"] for part in message["content"])


@pytest.mark.parametrize("system", ["", "Be brief."])
@pytest.mark.parametrize("asks", [True, False])
def test_a_chat_is_the_text_that_the_published_template_makes(qwen: Kit, system: str, asks: bool) -> None:
    chat: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    shown = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Which is older?"}]
    chat += [{"role": "user", "content": shown}, {"role": "assistant", "content": "The first."}]
    chat += [{"role": "user", "content": "Why?"}]
    chat += [] if asks else [{"role": "assistant", "content": [{"type": "text", "text": "It is faded."}]}]
    ours = qwen.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=asks)
    expected = jinja2.Template(PUBLISHED_FORM, keep_trailing_newline=True).render(
        messages=chat, add_generation_prompt=asks, said=said
    )
    assert ours == expected
    assert "You are a helpful assistant" not in ours


def test_features_of_every_depth_reach_the_text(qwen: Kit) -> None:
    """Were they lost, by the guard or where copies are told apart, the loss would be another."""
    model, batch = qwen.model(*PARTS), qwen.batches()["pictures"]
    with torch.no_grad():
        right = model(**batch).loss
        plain = model.model.get_image_features

        def without(*args: Any, **given: Any) -> Any:
            found = plain(*args, **given)
            found.deepstack_features = [
                [torch.zeros_like(one) for one in depth] for depth in found.deepstack_features
            ]
            return found

        model.model.get_image_features = without
        assert not torch.isclose(model(**batch).loss, right, rtol=1e-4)
        for change in (
            lambda one: repeated.once(qwen.family, one),
            lambda one: repeated.once(qwen.family, one, repeated.Seen()),
            lambda one: vision_guard.install(qwen.family, one, sharded=True),
        ):
            other = qwen.model()
            change(other)
            twice = [other(**batch, use_cache=False).loss for _ in range(2)]
            assert torch.allclose(torch.stack(twice), right, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"deepstack": [0, 3]}, r"vision\.deepstack names layers of the tower, 0 to 2, each once"),
        ({"deepstack": [1, 1]}, "each once"),
        ({"depth": 5, "deepstack": [0, 1, 2, 3]}, "names 4 layers, and text.layers is 3"),
    ],
)
def test_depths_that_reach_no_layer_are_one_line(change: dict[str, Any], said: str) -> None:
    block = json.loads(json.dumps(families.QWEN3))
    block["shape"]["vision"] |= change
    with pytest.raises(RecipeError, match=said):
        parse(Settings, block, where="model", error=RecipeError)


def test_a_mixture_of_experts_is_refused_in_one_line(qwen: Kit, tmp_path: Path) -> None:
    for path in qwen.source.iterdir():
        (tmp_path / path.name).symlink_to(path)
    config = tmp_path / "config.json"
    said = json.loads(config.read_text(encoding="utf-8")) | {"model_type": "qwen3_vl_moe"}
    config.unlink()
    config.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"loads 'qwen3_vl'; this is a mixture of experts.*take a dense one"
    ):
        load.model(family.of("qwen3_vl"), str(tmp_path), dtype="float32", attention="sdpa")
