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
from lingshu_train.model import origin as origins
from lingshu_train.model.origin import Origin
from lingshu_train.model.settings import Settings
from lingshu_train.planning import recipe
from lingshu_train.report import gather
from lingshu_train.runs import manifest, run
from lingshu_train.runs.manifest import Manifest


def made(
    folder: Path, *, base: str = "", origin: Origin | None = None, **terms: str
) -> tuple[list[Manifest], str]:
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
    if origin:
        told = {"started_from": origin.model_dump(mode="json", exclude_defaults=True)}
        before = [each.model_copy(update={"results": {**each.results, **told}}) for each in before]
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


def test_a_model_that_was_measured_beside_a_later_one_is_still_itself(tmp_path: Path) -> None:
    """The evaluation descends from `grpo` as well, whose manifest is among those that are given."""
    before, _ = made(tmp_path)
    text = model_card.render(before, [card.load("scans", folder=tmp_path / "cards")], model="instruct")
    assert "# made_up: instruct\n" in text and "### grpo" not in text
    assert head(text)["tags"] == ["medical", "vision-language", "lingshu-train", "sft"]
    assert "| grpo |" in text.replace("`", ""), "what it was measured beside is in the table of hashes"


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


def settings(base: Path) -> Settings:
    return recipe.load("quickstart", [f"model.base='{base}'"]).model


def folder_with(place: Path, **files: str) -> Path:
    place.mkdir(parents=True)
    for name, text in {"config__json": "{}", "model__safetensors": "weights", **files}.items():
        (place / name.replace("__", ".")).write_text(text)
    return place


def test_a_folder_is_named_as_a_folder_and_not_as_a_model_of_the_hub(tmp_path: Path) -> None:
    base = folder_with(tmp_path / "secret-ward" / "our-model")
    found = origins.of(settings(base))
    assert found is not None and (found.kind, found.name) == ("folder", "our-model")
    _, text = made(tmp_path, base=str(base), origin=found)
    assert "base_model" not in head(text)
    assert head(text)["license"] == "other"
    assert f"a local folder, `our-model` with weights of sha256 `{found.weights[:12]}`" in text
    assert "secret-ward" not in text, "no path of a machine"
    assert "huggingface.co/" not in text.partition("## Results")[0]


def test_a_folder_that_looks_like_a_name_of_the_hub_is_still_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_with(tmp_path / "w" / "base")
    for origin in (origins.of(settings(Path("w/base"))), None):
        (tmp_path / str(bool(origin))).mkdir()
        _, text = made(tmp_path / str(bool(origin)), base="w/base", origin=origin)
        assert "base_model" not in head(text)
        assert "a local folder, `base`" in text


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"README__md": "---\nbase_model: Qwen/Qwen2.5-VL-7B-Instruct\n---\n"}, "Qwen/Qwen2.5-VL-7B-Instruct"),
        ({"README__md": "---\nbase_model: [ada/one, ada/two]\n---\n"}, "ada/one"),
        ({"config__json": '{"_name_or_path": "ada/tiny"}'}, "ada/tiny"),
        ({"config__json": '{"_name_or_path": "/home/ada/model"}'}, ""),
        ({"README__md": "---\n[\n---\n", "config__json": "xx"}, ""),
    ],
)  # fmt: skip
def test_what_a_folder_says_of_itself_is_told_as_what_it_says(
    files: dict[str, str], says: str, tmp_path: Path
) -> None:
    found = origins.of(settings(folder_with(tmp_path / "base", **files)))
    assert found is not None and found.says == says
    _, text = made(tmp_path, origin=found)
    assert ("whose own files name" in text) == bool(says)


def test_an_export_of_ours_is_named_by_its_run(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "earlier", questions=12)
    export = run.read(folder)
    stage = export.folder(export.stage("export"))
    found = origins.of(settings(stage / "export"))
    assert found is not None
    _, text = made(tmp_path, origin=found)
    assert (
        f"the export of a run of `{found.run}` (content `{manifest.read(stage).stage.content[:12]}`)" in text
    )


def test_a_model_of_the_hub_is_named_with_its_commit(tmp_path: Path) -> None:
    _, text = made(tmp_path, origin=Origin(kind="hub", name="ada/tiny", commit="c" * 40))
    assert head(text)["base_model"] == "ada/tiny"
    assert f"[ada/tiny](https://huggingface.co/ada/tiny) at commit `{'c' * 40}`" in text


def test_a_run_that_builds_its_model_started_from_nothing_whatever_its_recipe_names(tmp_path: Path) -> None:
    before, _ = made(tmp_path, base="ada/tiny")
    built = [
        each.model_copy(
            update={
                "stage": each.stage.model_copy(
                    update={"about": each.stage.about.model_copy(update={"starts_from": "base"})}
                )
            }
        )
        for each in before
    ]
    assert "started from random weights" in model_card.render(
        built, [card.load("scans", folder=tmp_path / "cards")]
    )


def test_cards_that_the_run_did_without_are_named_by_stage(tmp_path: Path) -> None:
    before, text = made(tmp_path)
    assert "were left out" not in text
    config = {**before[0].stage.config, "left_out": ["mimic_cxr", "synth_vqa"]}
    before[0] = before[0].model_copy(update={"stage": before[0].stage.model_copy(update={"config": config})})
    text = model_card.render(before, [card.load("scans", folder=tmp_path / "cards")])
    assert "These sets were left out, and their shares went to the others:" in text
    assert f"- {before[0].stage.name}: mimic_cxr, synth_vqa" in text
