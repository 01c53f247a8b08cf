"""The model card: true front matter, every licence, and example code that runs as printed."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import made_up_run
import pytest
import yaml

from lingshu_train.data.cards import card
from lingshu_train.hub import model_card
from lingshu_train.report import gather
from lingshu_train.runs import manifest, run
from lingshu_train.runs.manifest import Manifest


def made(folder: Path, *, base: str = "", **terms: str) -> tuple[list[Manifest], str]:
    """Manifests of a finished run before its export, and the card rendered from them."""
    made_up_run.card(folder / "cards", "scans", **terms)
    found = run.read(made_up_run.build(folder / "run", questions=12))
    before = [manifest.read(found.folder(entry)) for entry in found.stages if entry.kind != "export"]
    if base:
        before = [
            each.model_copy(
                update={"stage": each.stage.model_copy(update={"model": {**each.stage.model, "base": base}})}
            )
            for each in before
        ]
    return before, model_card.render(before, [card.load("scans", folder=folder / "cards")])


def head(text: str) -> dict[str, Any]:
    assert text.startswith("---\n")
    found = yaml.safe_load(text[4:].split("\n---\n")[0])
    assert isinstance(found, dict)
    return found


def test_a_model_from_random_weights_and_free_data_is_free(tmp_path: Path) -> None:
    _, text = made(tmp_path)
    assert head(text) == {
        "license": "apache-2.0",
        "language": ["en"],
        "pipeline_tag": "image-text-to-text",
        "library_name": "transformers",
        "tags": ["medical", "vision-language", "lingshu-train", "sft", "grpo"],
    }
    assert "Every data card of this model allows any use." in text


def test_a_fine_tuned_model_names_its_base_and_promises_no_licence_of_its_own(tmp_path: Path) -> None:
    _, text = made(tmp_path, base="someone/base-model")
    assert head(text)["base_model"] == "someone/base-model"
    assert head(text)["base_model_relation"] == "finetune"
    assert head(text)["license"] == "other"


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"commercial": "false"}, "Not for commercial use, because of: Scans."),
        ({"commercial": "null"}, "Not for commercial use, because of: Scans."),
        ({"access": "credentialed"}, r"not open to all \(Scans\)"),
    ],
)
def test_restrictions_of_the_data_reach_the_reader(tmp_path: Path, terms: dict[str, str], said: str) -> None:
    assert re.search(said, made(tmp_path, **terms)[1])


def test_results_settings_and_hashes_are_those_of_the_run(tmp_path: Path) -> None:
    manifests, text = made(tmp_path)
    for each in manifests:
        assert f"`{each.stage.content}`" in text
    assert "| learning_rate.language_model | 0.002 |" in text
    assert re.search(r"\| \*\*all tasks\*\* \| 12 \| \d+\.\d \| \d+\.\d \(\d+\.\d–\d+\.\d\) \|", text)
    assert "lingshu run made_up" in text
    assert "do not use it for diagnosis" in text


def test_a_model_that_was_never_evaluated_says_so(tmp_path: Path) -> None:
    manifests, _ = made(tmp_path)
    before = [each for each in manifests if each.stage.kind != "evaluate"]
    assert "Not evaluated." in model_card.render(before, [])


def test_a_bar_in_a_setting_does_not_break_its_table(tmp_path: Path) -> None:
    manifests, _ = made(tmp_path)
    last = manifests[-2]
    stage = last.stage.model_copy(update={"config": {"prompt": "a|b\nc"}})
    text = model_card.render([last.model_copy(update={"stage": stage})], [])
    assert "| prompt | a\\|b c |" in text


def test_models_stand_in_the_order_in_which_they_were_made_as_in_the_report(tmp_path: Path) -> None:
    heads = next(line for line in made(tmp_path)[1].splitlines() if line.startswith("| task | n |"))
    assert heads == "| task | n | best constant answer | shallow | deep | instruct | grpo |"
    assert heads.endswith(" | ".join(gather.view(tmp_path / "run").models) + " |")


def examples(text: str) -> list[str]:
    """The Python of a model card."""
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_first_example_needs_only_what_this_project_installs(tmp_path: Path) -> None:
    first = examples(made(tmp_path)[1])[0]
    packages = {
        line.split()[1].partition(".")[0] for line in first.splitlines() if re.match("(from|import) ", line)
    }
    assert packages == {"torch", "PIL", "transformers"}
    assert "AutoProcessor" not in first, "which has no image part where torchvision is missing"


@pytest.mark.slow
def test_both_examples_run_as_printed_and_write_the_same_tokens(tmp_path: Path, monkeypatch: Any) -> None:
    folder = tiny_export(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    first, second = (one.replace("owner/name", str(folder)) for one in examples(made(tmp_path)[1]))
    assert written(first).tolist() == written(second, ours=ours(folder)).tolist()


def written(code: str, **ours: Any) -> Any:
    """Run an example. Where torchvision is missing, our loader stands in for AutoProcessor and must agree."""
    if ours.get("ours") is not None:
        code = code.replace("AutoProcessor.from_pretrained(name)", "ours")
    space: dict[str, Any] = {**ours}
    with contextlib.redirect_stdout(None):
        exec(compile(code, "example", "exec"), space)
    return space["written"]


def ours(folder: Path) -> Any:
    """None where torchvision is here."""
    if importlib.util.find_spec("torchvision"):
        return None
    import tiny

    return tiny.processor(folder)


def tiny_export(folder: Path) -> Path:
    """A random model in the exported layout, and the picture that the examples open."""
    from PIL import Image

    from lingshu_train.errors import RecipeError
    from lingshu_train.model import family
    from lingshu_train.model.settings import Settings
    from lingshu_train.schema import parse

    recipe = Path(__file__).parents[2] / "recipes" / "model" / "tiny.yaml"
    wanted = parse(
        Settings, yaml.safe_load(recipe.read_text(encoding="utf-8")), where="model", error=RecipeError
    )
    architecture = family.of(wanted.family)
    words = architecture.build_tokenizer(
        ["What does this image show? A CT scan."] * 3, vocabulary=wanted.shape.vocabulary
    )
    model = architecture.build_model(wanted.shape, words, initializer_range=0.06, seed=0)
    model.save_pretrained(folder)
    architecture.write_for_everyone(architecture.build_processor(words, wanted.budget), folder)
    Image.linear_gradient("L").convert("RGB").resize((84, 56)).save(folder.parent / "image.png")
    return folder
