"""A recipe is composed from its own files alone, whatever the folders are called, and every mistake is one line."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lingshu_train import cli
from lingshu_train.planning import recipe

ROOT = Path(__file__).parents[2]
ODD = [
    "a,b",
    "x=1",
    "a[1]",
    "it's",
    "été(1)",
    "with space",
    "#hash",
    "$HOME",
    "${x}",
    '"q"',
    "new\nline",
    "a@b",
    "-dash",
    "~t",
    "%41",
    "back\\slash",
    "a{b}",
    "a*b?",
    "tab\there",
]
OWN = "defaults: [quickstart, _self_]\nname: mine\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 78) -> str:
    """The one line of a command that must end with `code`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli.main(["plan", *argv]) == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("name", ODD)
def test_a_clone_and_a_recipe_of_ones_own_may_lie_in_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / name / "clone"
    clone.mkdir(parents=True)
    (clone / "recipes").symlink_to(recipe.RECIPES)
    (clone / f"{name}.yaml").write_text(OWN)
    # Not resolved: where the clone is called so, its recipes are too.
    monkeypatch.setattr(recipe, "RECIPES", clone / "recipes")
    monkeypatch.chdir(clone)
    made = recipe.load(f"./{name}.yaml", ["seed=5"])
    assert (made.name, made.seed) == ("mine", 5)
    assert recipe.load("quickstart").name == "quickstart"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a,b", "it's", "${x}", "new\nline"])
def test_the_command_works_in_a_clone_in_any_folder(name: str, tmp_path: Path) -> None:
    clone = tmp_path / name
    clone.mkdir()
    for room in ("lingshu_train", "recipes", "data_cards"):
        subprocess.run(["cp", "-r", str(ROOT / room), str(clone / room)], check=True)
    (clone / "mine.yaml").write_text(OWN)
    command = [sys.executable, "-m", "lingshu_train", "plan", "mine.yaml"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


SECRET = "a secret of the person who runs it"
READS = [
    "${oc.env:SECRET}",
    "${oc.env:NOT_SET,fallback}",
    "x ${ oc.env : SECRET } y",
    "${oc.decode:${oc.env:SECRET}}",
    "${${oc.env:SECRET}}",
    "${hydra:runtime.cwd}",
    "${now:%Y}",
    "${python_version:}",
    "${own:}",
]


@pytest.mark.parametrize("value", READS)
@pytest.mark.parametrize("where", ["file", "file below", "command line", "defaults", "list"])
def test_a_recipe_reads_nothing_from_outside(
    value: str, where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    OmegaConf.register_new_resolver("own", lambda: SECRET, replace=True)
    Path("more").mkdir()
    Path("more/inner.yaml").write_text(f"# @package _global_\ntitle: '{value}'\n")
    texts = {
        "file": f"{OWN}title: '{value}'\n",
        "file below": "defaults: [quickstart, more: inner, _self_]\n",
        "defaults": f"defaults: [quickstart, more: '{value}', _self_]\n",
        "list": f"{OWN}notes: {{a: '{value}'}}\n",
        "command line": OWN,
    }
    Path("mine.yaml").write_text(texts[where])
    override = [f'title="{value}"'] if where == "command line" else []
    line = said(capsys, "mine.yaml", *override)
    assert SECRET not in line
    assert "read nothing from outside" in line or "interpolation" in line
    assert OmegaConf.create({"a": "${own:}"}).a == SECRET, "others keep their resolvers"


def test_a_recipe_may_name_its_own_keys_and_write_a_dollar() -> None:
    Path("mine.yaml").write_text(f"{OWN}title: 'seed ${{seed}}, \\${{oc.env:HOME}} and $5'\n")
    assert recipe.load("mine.yaml").title == "seed 0, ${oc.env:HOME} and $5"


@pytest.mark.parametrize(
    "override",
    [
        "hydra.searchpath=[pkg://antigravity]",
        "+hydra.searchpath=[file:///etc]",
        "hydra.run.dir=x",
        "++hydra.job.name=x",
        "hydra/launcher=basic",
        "+hydra/job_logging=default",
        "~hydra",
    ],
)
def test_settings_of_hydra_itself_are_refused(override: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Hydra's own settings" in said(capsys, "quickstart", override)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{OWN}hydra: {{searchpath: ['pkg://antigravity']}}\n", "hydra: Hydra's own settings"),
        ("defaults: [quickstart, override hydra/job_logging: disabled, _self_]\n", "read nothing from outside"),
        ("defaults: [quickstart, ../secrets, _self_]\n", "../secrets: recipes read nothing from outside"),
        ("defaults: [mine, _self_]\n", "defaults: a file takes in itself"),
        ("defaults: quickstart\n", "defaults: must be a list"),
        ("defaults: [3]\n", "Unsupported type in defaults"),
        ("a: &a [*a]\n", "a value holds itself"),
        ("\n".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}' if n else '1'] * 9)}]" for n in range(9)), "stand for more than"),
        (f"{OWN}seed: 1\nseed: 2\n", "line 4, column 1: not YAML: found duplicate key seed"),
        (f"{OWN}title:\n\t- a\n", "line 4, column 1: not YAML: found character '\\t'"),
        ("", "empty"),
        ("[1]\n", "must be a mapping of keys to values, is a list"),
        ("just text", "must be a mapping of keys to values, is a str"),
        ("? [a, b]\n: 1\n", "line 1, column 3: not YAML: found unhashable key"),
        ("[" * 5000, "nested deeper than 64 levels"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_recipe_says_where_and_why(
    text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.yaml").write_text(text)
    line = said(capsys, "mine.yaml")
    assert line.startswith("lingshu: recipe mine.yaml: ")
    assert says in line


@pytest.mark.parametrize("encoded", [b"title: \xe9\n", "title: x\n".encode("utf-16")])
def test_a_recipe_that_is_not_utf_8_says_so(encoded: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_bytes(encoded)
    assert "recipe mine.yaml: not UTF-8 at byte" in said(capsys, "mine.yaml")


def test_a_byte_order_mark_is_no_part_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_bytes(b"\xef\xbb\xbf" + OWN.encode())
    assert recipe.load("mine.yaml").name == "mine"


def test_files_that_take_in_each_other_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.yaml").write_text("defaults: [two, _self_]\n")
    Path("two.yaml").write_text("defaults: [one, _self_]\n")
    assert "a file takes in itself, straight or through others" in said(capsys, "one.yaml")


def test_a_file_without_self_keeps_its_own_values_and_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine.yaml").write_text("defaults: [quickstart]\nseed: 7\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert recipe.load("mine.yaml").seed == 7


@pytest.mark.parametrize("name", ["mine.yml", "MINE.YAML", "./mine", "notes.txt"])
def test_a_recipe_file_with_another_ending_says_which_it_needs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(OWN)
    assert "ends in .yaml" in said(capsys, name)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stages.shallow.epochs=1", "stages.shallow does not set it, and it is a key of sft; write +stages.shallow.epochs=1"),
        ("stages.rl.epochs=2", "it is a key of grpo; write +stages.rl.epochs=2"),
        ("stages.rl.audit.share=0.1", "it is a key of grpo; write +stages.rl.audit.share=0.1"),
        ("stages.rl.audit.shar=0.1", "stages.rl.audit.shar: unknown key; nearest: share"),
        ("model.revision=main", "it is a key of model; write +model.revision=main"),
        ("model.system_prompt='Be brief.'", "write +model.system_prompt='Be brief.'"),
        ("notes.seed=why", "notes is empty; write +notes.seed=why to add to it"),
        ("sed=1", "sed: unknown key; nearest: seed"),
        ("stages.rl.lerning_rate=1", "stages.rl.lerning_rate: unknown key; nearest: learning_rate"),
        ("stages.rl.learning_rate.visiontower=1", "nearest: vision_tower"),
        ("+stages.rl.lerning_rate=1", "stages.rl.lerning_rate: unknown key; nearest: learning_rate"),
        ("+stages.rl.rewards.term=1", "stages.rl.rewards.term: unknown key; nearest: terms"),
        ("+stages.data.questions.caption.trian=1", "unknown key; nearest: train"),
        ("stages.shalow.steps=3", "unknown key; nearest: shallow"),
        ("model.shape.txt.layers=1", "unknown key; nearest: text"),
        ("cluster.proceses=2", "unknown key; nearest: processes"),
        ("~stages.rl.watc", "unknown key; nearest: watch"),
        ("seed.x=1", "seed is a value and has no keys"),
        ("model=null", "model=null: model/ has: "),
        ("=1", "'=1': no setting; write key=value, +key=value or ~key"),
        ("a b", "'a b': no setting"),
        ("", "'': no setting"),
        ("seed", "'seed': no setting"),
        ("seed=[", "seed=[: the value cannot be read"),
        ("stages.data.cards=[]", "stages.data.cards: must have at least 1 item, got []"),
        ("pipeline=x", "pipeline: must be a list, got 'x'"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_there_names_the_nearest_or_how_to_add_it(
    override: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in said(capsys, "quickstart", override)


def test_what_the_line_says_to_write_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "quickstart", "model.revision=main")
    written = line.rpartition("write ")[2]
    assert recipe.load("quickstart", [written]).model.revision == "main"
