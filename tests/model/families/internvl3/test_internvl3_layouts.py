"""InternVL's own layout is refused with the line that names the way, and converted to the same numbers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import families
import pytest
import torch
from families import Kit
from safetensors.torch import load_file, save_file

from lingshu_train.errors import DataError, RecipeError
from lingshu_train.model import base, load
from lingshu_train.model.families.internvl3 import convert
from lingshu_train.model.settings import Settings

BACK = (
    (r"^lm_head\.", "language_model.lm_head."),
    (r"^model\.language_model\.", "language_model.model."),
    (r"^model\.multi_modal_projector\.layer_norm\.", "mlp1.0."),
    (r"^model\.multi_modal_projector\.linear_1\.", "mlp1.1."),
    (r"^model\.multi_modal_projector\.linear_2\.", "mlp1.3."),
    (r"^model\.vision_tower\.encoder\.layer\.", "vision_model.encoder.layers."),
    (r"^model\.vision_tower\.", "vision_model."),
    (r"\.cls_token$", ".class_embedding"),
    (r"\.position_embeddings$", ".position_embedding"),
    (r"\.patch_embeddings\.projection\.", ".patch_embedding."),
    (r"\.lambda_(\d)$", r".ls\1"),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.projection_layer\.", ".attn.proj."),
    (r"\.attention\.", ".attn."),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return families.make("internvl3", tmp_path_factory.mktemp("internvl3"))


@pytest.fixture
def own(made: Kit, tmp_path: Path) -> Path:
    """The tiny model as its publisher would lay it out, in two files."""
    folder = tmp_path / "own"
    shutil.copytree(made.source, folder)
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        for pattern, replacement in BACK:
            name = re.sub(pattern, replacement, name)
        weights[name] = tensor
    for name in [name for name in weights if ".attn.q_proj." in name]:
        parts = [weights.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        weights[name.replace("q_proj", "qkv")] = torch.cat(parts)
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        save_file({name: weights[name] for name in some}, folder / f"model-{number:05}-of-00002.safetensors")
    theirs = json.loads((folder / "config.json").read_text())
    text, vision = theirs["text_config"], theirs["vision_config"]
    vision |= {"qkv_bias": vision.pop("attention_bias"), "qk_normalization": vision.pop("use_qk_norm")}
    vision |= {"image_size": 56, "patch_size": 14}
    text["rope_theta"] = text.pop("rope_parameters")["rope_theta"]
    own = {"model_type": "internvl_chat", "llm_config": text, "vision_config": vision, "force_image_size": 56}
    own |= {"select_layer": -1, "ps_version": "v2", "downsample_ratio": 0.5, "max_dynamic_patch": 4}
    (folder / "config.json").write_text(json.dumps(own))
    return folder


def test_the_own_layout_is_refused_with_the_command_that_converts_it(made: Kit, own: Path) -> None:
    settings = Settings.model_validate_json(json.dumps(made.block | {"base": str(own)}))
    found = base.find(settings)
    assert found is not None
    said = r"is of type 'internvl_chat', and model.family loads 'internvl'; .*-hf at its end .*internvl3\.convert FOLDER"
    with pytest.raises(RecipeError, match=said) as raised:
        base.check(found, settings)
    assert "\n" not in str(raised.value)
    with pytest.raises(RecipeError, match=said):
        load.model(made.family, str(own), dtype="float32", attention="sdpa")


def test_a_converted_folder_is_the_same_model_to_the_bit(made: Kit, own: Path, tmp_path: Path) -> None:
    target = tmp_path / "converted"
    done = subprocess.run(
        [sys.executable, "-m", convert.__name__, str(own), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    before = load.model(made.family, str(made.source), dtype="float32", attention="sdpa")
    after = load.model(made.family, str(target), dtype="float32", attention="sdpa")
    assert before.state_dict().keys() == after.state_dict().keys()
    for name, tensor in before.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name]), name
    text = load.processor(made.family, str(target), made.settings.budget)
    assert text.chat_template == made.family.chat_template
    batch = made.batches()["both"]
    with torch.no_grad():
        assert torch.equal(before(**batch).logits, after(**batch).logits)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "llava"}, "nothing to convert"),
        ({"ps_version": "v1"}, "ps_version is 'v1'; this family takes 'v2'"),
        ({"select_layer": -2}, "select_layer is -2; this family takes -1"),
        ({"llm_config": {"model_type": "internlm2"}}, "llm_config.model_type is 'internlm2'"),
    ],
)
def test_what_would_be_another_model_is_refused_and_leaves_nothing(
    change: dict[str, object], said: str, own: Path, tmp_path: Path
) -> None:
    path = own / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=re.escape(said)):
        convert.folder(own, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_there_is_not_written_over(own: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is there already"):
        convert.folder(own, tmp_path)


def test_a_head_of_its_own_stays_so_where_the_published_configuration_does_not_say_it(tmp_path: Path) -> None:
    """transformers takes a head for tied where the first level of config.json says nothing, as in some repositories."""
    block = families.INTERNVL["shape"] | {"text": families.INTERNVL["shape"]["text"] | {"tied": False}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(families.MODELS, "internvl3", families.INTERNVL | {"shape": block})
        kit = families.make("internvl3", tmp_path / "made")
    path = kit.source / "config.json"
    said = json.loads(path.read_text())
    assert said.pop("tie_word_embeddings") is False
    path.write_text(json.dumps(said))
    model = kit.model()
    embedding = model.get_input_embeddings().weight
    assert not torch.equal(model.lm_head.weight, embedding)
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    model.save_pretrained(tmp_path / "saved")
    again = load.strict_state(kit.family, tmp_path / "saved", model)
    assert torch.equal(again["lm_head.weight"], model.lm_head.weight)
    assert torch.equal(again["model.language_model.embed_tokens.weight"], embedding)
