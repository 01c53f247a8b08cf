"""What is Gemma 3's own: published sizes, pixel values, line ends around a picture, masks of a row of samples, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import families
import numpy as np
import pytest
import torch
from families import Kit, picture
from tokenizers import AddedToken
from transformers import AutoImageProcessor, AutoProcessor, Gemma3Processor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from lingshu_train import rollouts
from lingshu_train.errors import RecipeError
from lingshu_train.model.families.gemma3 import masks
from lingshu_train.model.families.gemma3.processing import HALF, ImageProcessor
from lingshu_train.model.settings import Settings
from lingshu_train.planning import recipe
from lingshu_train.rollouts._choice import Choice
from lingshu_train.schema import parse

SIDE = {"height": 56, "width": 56}
PUBLISHED = 4_300_079_472
"""`total` of the published safetensors of Gemma 3 4B, of whose sizes MedGemma 4B is; the publisher rounds to 4.3 B."""


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return families.make("gemma3", tmp_path_factory.mktemp("gemma3"))


def test_the_published_model_has_as_many_parameters_as_its_publisher_counts() -> None:
    shape = recipe.load("lingshu_7b", ["model=medgemma_4b"]).model.shape
    assert sum(shape.parameters().values()) == PUBLISHED


@pytest.mark.parametrize("tensors", ["pt", "np", None])
def test_pixel_values_are_those_of_transformers_to_the_bit_and_copies_are_made_once(
    tensors: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [(56, 56), (28, 28), (57, 83), (300, 200), (5, 900)]
    shown = [picture(*size) for size in sizes] + [picture(64, 64).convert("L")]
    shown += [shown[1], shown[0], shown[1]]
    options: dict[str, Any] = {"size": SIDE, "image_mean": HALF, "image_std": HALF, "do_convert_rgb": True}
    theirs = Gemma3ImageProcessorPil(**options)(shown, return_tensors=tensors)
    made: list[object] = []
    usual = ImageProcessor.process_image
    monkeypatch.setattr(
        ImageProcessor,
        "process_image",
        lambda self, image, *a, **k: made.append(image) or usual(self, image, *a, **k),
    )
    ours = ImageProcessor(**options)(shown, return_tensors=tensors)
    assert len(made) == 6
    for name, expected in theirs.items():
        assert np.array_equal(np.asarray(ours[name]), np.asarray(expected)), name


def test_saved_files_make_the_processor_that_everyone_has_and_it_gives_the_same(
    gemma: Kit, tmp_path: Path
) -> None:
    """Line ends around a picture are the template's here and the processor's there: the text is the same."""
    text = gemma.processor
    gemma.family.write_for_everyone(text, tmp_path)
    images = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    assert type(images) is Gemma3ImageProcessorPil
    everyone = AutoProcessor.from_pretrained(tmp_path, backend="pil")
    assert type(everyone) is Gemma3Processor
    shown = [picture(300, 200), picture(40, 70)]
    mark: dict[str, str] = {"type": "image"}
    chat = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a\n"}, mark, {"type": "text", "text": "\nb"}, mark],
        },
    ]
    made = [
        one(
            text=[one.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)],
            images=[shown],
            return_tensors="pt",
            add_special_tokens=False,
        )
        for one in (text, everyone)
    ]
    assert made[0].keys() == made[1].keys()
    for name, tensor in made[0].items():
        assert torch.equal(tensor, made[1][name]), name
    assert made[0]["token_type_ids"].sum() == 2 * 4


def test_line_ends_that_a_tokenizer_adds_are_text(gemma: Kit) -> None:
    """As the published ones do: no row with a line end could be prepared otherwise."""
    words = gemma.processor.tokenizer
    words.add_tokens([AddedToken("\n\n", special=False), AddedToken("<b>", special=False)])
    control = gemma.family.control(words)
    assert {"<start_of_image>", "<image_soft_token>", "<end_of_turn>"} <= control
    assert not control & {"\n\n", "<b>"}


def test_masks_are_those_of_separate_samples() -> None:
    """Places of two samples, in each a picture of three tokens, and a window of four."""
    places = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]])
    types = torch.tensor([[0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0]])
    whole, near = masks.seen(places, types, window=4)
    assert whole.shape == near.shape == (1, 1, 11, 11)
    for first, last in ((0, 6), (6, 11)):
        alone = masks.seen(places[:, first:last], types[:, first:last], window=4)
        for mask, one in zip((whole, near), alone, strict=True):
            assert torch.equal(mask[..., first:last, first:last], one)
            assert not mask[..., first:last, :first].any() and not mask[..., first:last, last:].any()
    assert whole[0, 0, 7, 9] and near[0, 0, 7, 9], "a picture's first token sees its last"
    assert not whole[0, 0, 5, 6] and whole[0, 0, 5, 0] and not near[0, 0, 5, 1] and near[0, 0, 5, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"attention": "flash_attention_2"}, "flash_attention_2 takes no mask"),
        ({"max_pixels": 3000, "min_pixels": 3000}, r"has 3136 pixels \(56 x 56\).*set both to 3136"),
    ],
)
def test_what_would_compute_another_model_is_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said) as raised:
        parse(Settings, json.loads(json.dumps(families.GEMMA | change)), where="model", error=RecipeError)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("vision", [{"side": 60}, {"tokens": 5}, {"tokens": 9}])
def test_patches_that_make_no_whole_tokens_are_one_line(vision: dict[str, int]) -> None:
    block = json.loads(json.dumps(families.GEMMA))
    block["shape"]["vision"] |= vision
    with pytest.raises(RecipeError, match="which must be a square number whose root divides"):
        parse(Settings, block, where="model", error=RecipeError)


def test_the_engine_vllm_is_refused_in_a_plan_and_where_it_would_start(gemma: Kit) -> None:
    said = "engine: vllm cannot answer for gemma3: .*; take transformers"
    with pytest.raises(RecipeError, match=f"stages.rl.rollouts.{said}"):
        recipe.load("quickstart", ["model=tiny_gemma3", "+stages.rl.rollouts={engine: vllm}"])
    with pytest.raises(RecipeError, match=said):
        Choice(engine="vllm").check_family(gemma.settings, "here")
    weights = rollouts.Weights(source=str(gemma.source), settings=gemma.settings)
    with pytest.raises(RecipeError, match=said):
        rollouts.start("vllm", {}, where="test", weights=weights)
