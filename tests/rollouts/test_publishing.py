"""What a server is given is the model as it answers: adapters added in, tied weights written out, and nothing left behind."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest
import tiny_model
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import PreTrainedModel

from lingshu_train.model import family, load
from lingshu_train.rollouts._publishing import Publication, tensors

FAMILY = family.of(tiny_model.SETTINGS.family)


@pytest.fixture
def model(tmp_path: Path) -> PreTrainedModel:
    return load.model(FAMILY, str(tiny_model.build(tmp_path / "plain")), dtype="float32", attention="sdpa")


def publication(root: Path, folder: str, **options: bool) -> Publication:
    text = load.processor(FAMILY, str(root / "plain"), tiny_model.SETTINGS.budget)
    return Publication(root / folder, family=FAMILY, text=text, **options)


def test_a_folder_in_memory_is_read_as_one_on_disk_and_ends_with_its_publication(
    model: PreTrainedModel, tmp_path: Path
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    made = publication(tmp_path, "published")
    for change in (0.0, 1.0):
        model.get_output_embeddings().weight.data += change
        made.write(model, torch.float32)
        again = load_file(made.folder / "model-00000.safetensors")
        assert again.keys() == model.state_dict().keys()
        for name, tensor in model.state_dict().items():
            assert torch.equal(again[name], tensor), name
    (held,) = set(os.listdir("/proc/self/fd")) - before
    assert os.readlink(f"/proc/self/fd/{held}").startswith("/memfd:")
    assert (made.folder / "model-00000.safetensors").is_symlink()
    assert json.loads((made.folder / "config.json").read_text())["tie_word_embeddings"] is False
    made.close()
    assert set(os.listdir("/proc/self/fd")) == before
    assert not list(made.folder.glob("*.safetensors"))


def test_for_servers_elsewhere_there_are_files_at_the_number_format_of_the_recipe(
    model: PreTrainedModel, tmp_path: Path
) -> None:
    made = publication(tmp_path, "shared", shared=True)
    made.write(model, torch.bfloat16)
    made.close()
    found = load_file(made.folder / "model-00000.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}
    assert found.keys() == model.state_dict().keys()


def test_an_adapter_is_added_into_what_is_given_and_the_weights_below_it_stay(model: PreTrainedModel) -> None:
    plain = copy.deepcopy(model.state_dict())
    wanted = LoraConfig(
        r=4, target_modules=r".*language_model.*\.(q_proj|down_proj)", modules_to_save=["ln_q"]
    )
    opened = get_peft_model(model, wanted)
    for name, parameter in opened.named_parameters():
        if ".lora_B." in name or ".modules_to_save." in name:
            torch.nn.init.normal_(parameter)
    found = dict(tensors(opened))
    assert found.keys() == plain.keys()
    changed = {name for name in plain if not torch.equal(found[name], plain[name])}
    assert len([name for name in changed if "q_proj" in name]) == 2
    assert any("ln_q" in name for name in changed)
    for name, tensor in opened.get_base_model().state_dict().items():
        if ".base_layer." in name:
            assert torch.equal(tensor, plain[name.replace(".base_layer.", ".")])
    merged = opened.merge_and_unload().state_dict()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, merged[name], rtol=0, atol=1e-6)
