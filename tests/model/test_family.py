"""What training, data and evaluation rely on holds for every family: arithmetic, processor, batches, loading and saving."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import families
import pytest
import tiny
import torch
from families import Kit, gradients, picture
from safetensors.torch import load_file, save_file

from lingshu_train.data import chat, images
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.model import family, load, parts, shape, stored
from lingshu_train.model.shape import PARTS
from lingshu_train.training.collate import IGNORED

SIZES = [(56, 56), (28, 28), (57, 83), (300, 200), (20, 20), (97, 400), (400, 97), (224, 224), (112, 1000)]


def alike(name: str) -> str:
    """What transformers calls the models of a family; the toy's are InternVL's too."""
    return family.of(name).architecture.config_class.model_type


def shown(kit: Kit, *pictures: tuple[int, int]) -> dict[str, torch.Tensor]:
    """The marks of pictures and nothing else, as a model reads them."""
    text, marks = kit.processor, kit.processor.image_token * len(pictures)
    return dict(text(text=[marks], images=[[picture(*size) for size in pictures]], return_tensors="pt"))


# Arithmetic without torch.


def test_every_parameter_is_in_one_part_and_the_counts_are_those_of_arithmetic(kit: Kit) -> None:
    model = kit.model(*PARTS)
    counts = parts.counts(kit.family, model)
    assert tuple(counts) == PARTS
    assert min(counts.values()) > 0
    assert counts == kit.settings.shape.parameters()
    assert sum(counts.values()) == sum(parameter.numel() for parameter in model.parameters())


def test_no_matrix_of_a_model_from_nothing_is_zero(kit: Kit) -> None:
    """Some classes begin a merger with zeros, to be filled by published weights: no picture would say anything."""
    assert all(one.dim() != 2 or one.any() for one in kit.model().parameters())


def test_each_part_trains_alone_with_its_own_rate(kit: Kit) -> None:
    rates = {part: 0.1 * (1 + number) for number, part in enumerate(PARTS)}
    model = kit.model(*PARTS)
    groups = parts.optimizer_groups(kit.family, model, learning_rate=rates, weight_decay=0.5)
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(map(id, model.parameters()))
    assert {(group["part"], group["lr"]) for group in groups} == set(rates.items())
    for part in PARTS:
        frozen = kit.model(part)
        trained = {name for name, parameter in frozen.named_parameters() if parameter.requires_grad}
        assert {parts.part_of(kit.family, name) for name in trained} == {part}


def test_tokens_of_a_picture_are_those_of_the_processor(kit: Kit) -> None:
    budget = kit.settings.budget
    for size in SIZES:
        found = shown(kit, size)["input_ids"]
        assert found.shape[1] == budget.tokens(*size), size
        assert torch.isin(found, torch.tensor(kit.processor.image_token_ids)).all()
        assert shown(kit, size, (56, 56))["input_ids"].shape[1] == budget.tokens(*size) + budget.tokens(
            56, 56
        )


def test_patches_of_a_picture_are_those_the_vision_tower_sees(kit: Kit) -> None:
    """Every pixel of a patch in every channel; Qwen repeats a still picture in time."""
    of_one = {"qwen2_5_vl": 2 * 3 * 14 * 14, "qwen3_vl": 2 * 3 * 16 * 16}.get(
        kit.settings.family, 3 * 14 * 14
    )
    for size in SIZES:
        values = shown(kit, size)[kit.family.picture_inputs[0]].numel()
        assert values == kit.settings.budget.patches(*size) * of_one, size


def test_a_batch_tells_the_patches_of_its_pictures(kit: Kit) -> None:
    """By which speed and operations are counted."""
    batch = shown(kit, *SIZES[:3])
    told = kit.family.patches(batch)
    assert sum(told) == sum(kit.settings.budget.patches(*size) for size in SIZES[:3])
    assert len(told) >= 3
    assert kit.family.patches({"input_ids": batch["input_ids"]}) == []


def test_a_picture_is_as_many_tokens_wherever_it_stands(kit: Kit) -> None:
    """Corpora count a mark, and what comes for it: what a processor writes around a picture may not run into the text."""
    text, tokens = kit.processor, kit.settings.budget.tokens(57, 83)
    for before, after in (("", ""), ("\n", "\n\n"), ("a", " b"), ("\n\n\n", "")):
        content = [{"type": "text", "text": before}, {"type": "image"}, {"type": "text", "text": after}]
        prompt = text.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        alone = len(text.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        whole = text(text=[prompt], images=[[picture(57, 83)]], add_special_tokens=False)["input_ids"]
        assert len(whole[0]) == alone - 1 + tokens


def test_a_picture_fitted_when_it_is_stored_gives_the_same_pixel_values(kit: Kit) -> None:
    budget = kit.settings.budget
    for size in SIZES:
        original = picture(*size)
        fitted = images.fit(original, budget)
        assert fitted.width % budget.grid == fitted.height % budget.grid == 0
        assert budget.settled(*fitted.size)
        made = [
            kit.processor(text=[kit.processor.image_token], images=[[one]], return_tensors="pt")
            for one in (original, fitted)
        ]
        for name, value in made[0].items():
            assert torch.equal(value, made[1][name]), (size, name)


def test_a_size_that_cannot_be_is_one_line(kit: Kit) -> None:
    for ask in (kit.settings.budget.fitted, kit.settings.budget.tokens, kit.settings.budget.patches):
        with pytest.raises(DataError, match="a picture of 0x5 pixels"):
            ask(0, 5)


def test_a_corpus_can_be_made_before_a_model_is_chosen(kit: Kit) -> None:
    found = shape.of(kit.settings.family)
    least, most = kit.settings.min_pixels, kit.settings.max_pixels
    usual, smaller = found.published_budget(), found.published_budget(min_pixels=least, max_pixels=most)
    assert usual.min_pixels <= usual.max_pixels
    told = [
        (one.min_pixels, one.max_pixels, one.grid, one.fitted(300, 200))
        for one in (smaller, kit.settings.budget)
    ]
    assert told[0] == told[1]
    assert hash(kit.settings.budget) != hash(usual)


# Words.


def test_a_chat_goes_on_where_its_prompt_ends_and_its_answer_ends_with_an_end_token(kit: Kit) -> None:
    """Lengths are counted, and answers taught, as the rest of the whole chat after its prompt."""
    text = kit.processor
    for sample in tiny.samples(kit.rows())[:4]:
        asked = chat.prompt(sample, system="Be brief.", images=True)
        prompt = text.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        whole = text.apply_chat_template(chat.conversation(sample, system="Be brief."), tokenize=False)
        assert prompt.count(text.image_token) == len(sample.images)
        assert whole.startswith(prompt)
        taught = text.tokenizer(whole.removeprefix(prompt).rstrip(), add_special_tokens=False)["input_ids"]
        assert taught[-1] in kit.family.end_tokens(text.tokenizer)
        assert text.tokenizer.decode(taught[:-1]) == chat.target(sample)


def test_the_tokenizer_keeps_to_its_vocabulary_and_knows_the_answers_tags(kit: Kit) -> None:
    words = kit.processor.tokenizer
    assert len(words) <= kit.settings.shape.vocabulary
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert len(words(tag, add_special_tokens=False)["input_ids"]) == 1
    assert (
        words.decode(words("<answer>3</answer>")["input_ids"], skip_special_tokens=True)
        == "<answer>3</answer>"
    )


def test_the_usage_for_model_cards_is_markdown_whose_examples_parse(kit: Kit) -> None:
    text = shape.usage(kit.settings.family)
    assert text.strip()
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        ast.parse(example)


# Batches.


def test_batches_teach_no_image_token_and_hold_what_pictures_need(kit: Kit) -> None:
    pixels, *_ = kit.family.picture_inputs
    batches = kit.batches()
    image = torch.tensor(kit.processor.image_token_ids)
    for name, batch in batches.items():
        shown = bool(torch.isin(batch["input_ids"], image).any())
        assert shown == (pixels in batch) == (name != "text")
        assert not torch.isin(batch["labels"], image).any()
        assert (batch["labels"] != IGNORED).any(dim=1).all()
        if shown:
            assert set(kit.family.picture_inputs) <= set(batch)


def test_the_loss_of_a_batch_is_that_of_its_halves_over_all_taught_tokens(kit: Kit) -> None:
    model, batches = kit.model(*PARTS), kit.batches()
    together = gradients(model, [batches["both"]])
    apart = gradients(model, [batches["text"], batches["pictures"]])
    scale = max(float(gradient.abs().max()) for gradient in together.values())
    for name, gradient in together.items():
        assert (apart[name] - gradient).abs().max() <= 1e-5 * scale, name


def test_packed_logits_and_gradients_are_those_of_separate_runs(kit: Kit) -> None:
    model = sensitive(kit.model(*PARTS)).eval()
    padded, packed = (kit.batches(packing=packing)["both"] for packing in (False, True))
    mask = padded["attention_mask"].bool()
    assert packed["input_ids"].shape == (1, int(mask.sum()))
    assert packed["position_ids"].shape[-1] == int(mask.sum())
    assert "attention_mask" not in packed
    with torch.no_grad():
        alone = torch.cat([model(**one, use_cache=False).logits[0] for one in singles(kit)])
        logits = model(**packed, use_cache=False).logits[0]
    assert (logits - alone).abs().max() <= 1e-5 * alone.abs().max()

    plain = kit.model(*PARTS)
    expected, found = gradients(plain, singles(kit)), gradients(plain, [packed])
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= 1e-5 * scale, name


def singles(kit: Kit) -> list[families.Batch]:
    """The rows of the batch of both, each by itself."""
    rows = kit.rows()
    collate, data = kit.collator(rows, kit.model()), rows.dataset(system="", whole=True)
    numbers: dict[bool, list[int]] = {True: [], False: []}
    for row, sample in enumerate(tiny.samples(rows)):
        numbers[bool(sample.images)].append(row)
    order = [row for pair in zip(numbers[False][:2], numbers[True][:2], strict=True) for row in pair]
    return [collate([data[row]]) for row in order]


def sensitive(model: torch.nn.Module) -> torch.nn.Module:
    """Matrices scaled up, so that a small random model cares for positions."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


# Loading and saving.


def test_a_saved_model_is_read_back_bit_for_bit_and_by_name(kit: Kit, tmp_path: Path) -> None:
    model = kit.model()
    model.save_pretrained(tmp_path)
    state = load.strict_state(kit.family, tmp_path, model)
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("missing", "missing_keys"),
        ("unexpected", "unexpected_keys"),
        ("misshapen", "a tensor is of another shape"),
    ],
)
def test_a_model_with_anything_but_every_parameter_is_refused(
    kit: Kit, change: str, said: str, tmp_path: Path
) -> None:
    shutil.copytree(kit.source, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    if change == "missing":
        del weights[name]
    elif change == "unexpected":
        weights["model.stranger.weight"] = torch.zeros(3)
    else:
        weights[name] = torch.zeros(3, 5)
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(DataError, match=said):
        load.model(kit.family, str(tmp_path / "model"), dtype="float32", attention="sdpa")


@pytest.mark.parametrize("shard", ["1GB", "40KB"])
def test_a_name_too_many_is_found_in_the_files_themselves(kit: Kit, shard: str, tmp_path: Path) -> None:
    model = kit.model()
    model.save_pretrained(tmp_path, max_shard_size=shard)
    assert stored.superfluous(model, str(tmp_path)) == set()
    path = sorted(tmp_path.glob("*.safetensors"))[-1]
    save_file({**load_file(path), "model.stranger.weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    index = tmp_path / "model.safetensors.index.json"
    assert index.is_file() == (shard == "40KB")
    if index.is_file():
        said = json.loads(index.read_text())
        said["weight_map"]["model.stranger.weight"] = path.name
        index.write_text(json.dumps(said))
    assert stored.superfluous(model, str(tmp_path)) == {"model.stranger.weight"}


def test_a_model_of_another_family_is_refused_in_one_line(kit: Kit, tmp_path: Path) -> None:
    other = next(name for name in families.MODELS if alike(name) != alike(kit.settings.family))
    stranger = families.make(other, tmp_path)
    with pytest.raises(RecipeError, match=r"is of type '\w+', and model.family loads '\w+'"):
        load.model(kit.family, str(stranger.source), dtype="float32", attention="sdpa")
