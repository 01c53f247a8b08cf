"""A family is begun by a command: a copy that works as it is, and what it says of transformers' class is what families say."""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
import torch

from lingshu_train.model import begin, family, parts
from lingshu_train.model.settings import Settings

OURS = [name for name in families.MODELS if name != "toy_internvl"]


@pytest.mark.parametrize("name", OURS)
def test_what_it_guesses_of_a_class_is_what_the_family_says(name: str) -> None:
    known = family.of(name)
    with torch.device("meta"):
        model = known.architecture(known.architecture.config_class())
    for parameter, _ in model.named_parameters():
        assert begin.guessed(parameter)[1] == parts.part_of(known, parameter), parameter
    said = "\n".join(begin.told(known.architecture))
    types = [one for one in known.picture_inputs if one.endswith("token_type_ids")]
    assert all(f"picture_inputs: ends with {one}" in said for one in types)
    settings = Settings.model_validate_json(json.dumps(families.MODELS[name]))
    assert ("looks_ahead: perhaps True" in said) == settings.shape.looks_ahead


def test_a_copy_is_a_family_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin.main(
        [
            "mine",
            "InternVLForConditionalGeneration",
            "--like",
            "internvl3",
            "--into",
            str(tmp_path / "plugins"),
        ]
    )
    assert "tests/model/test_family.py -k NAME" in capsys.readouterr().out
    monkeypatch.setenv("LINGSHU_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setitem(families.MODELS, "mine", families.INTERNVL | {"family": "mine"})
    kit = families.make("mine", tmp_path / "made")
    assert type(kit.family).__module__ == "lingshu_train.model.families.mine.family"
    assert parts.counts(kit.family, kit.model()) == kit.settings.shape.parameters()


def test_another_class_stands_where_the_copied_one_stood(tmp_path: Path) -> None:
    found = begin.architecture("LlavaOnevisionForConditionalGeneration")
    folder = begin.begin("other", found, like="internvl3", into=tmp_path)
    text = (folder / "family.py").read_text(encoding="utf-8")
    assert "LlavaOnevisionForConditionalGeneration" in text and "InternVLForConditionalGeneration" not in text
    assert "families.other" in text and "families.internvl3" not in text
    assert 'model_type: ClassVar[str] = "llava_onevision"' in (folder / "shape.py").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["Mine", "InternVLForConditionalGeneration", "--like", "internvl3"], 64, "NAME: 'Mine': lower-case"),
        (["mine", "InternVL", "--like", "internvl3"], 64, "has no model 'InternVL'"),
        (["mine", "InternVLForConditionalGeneration", "--like", "llava"], 78, "unknown family 'llava'"),
        (["internvl3", "InternVLForConditionalGeneration", "--like", "internvl3"], 64, "is there already"),
    ],
)
def test_what_cannot_be_begun_is_one_line(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        begin.main(arguments)
    assert ended.value.code == code
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
