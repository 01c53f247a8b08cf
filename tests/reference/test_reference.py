"""The reference: complete, true, in plain words, and found by what people type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from lingshu_train import cli
from lingshu_train.cli import _complete
from lingshu_train.errors import UsageError
from lingshu_train.reference import find, keys, rooms
from lingshu_train.schema import Language, Modality, Strict

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "tests" / "support" / "plugins"


def lingshu(*argv: str, plugins: str = "") -> subprocess.CompletedProcess[str]:
    """A verb in a process that no other test has given plugins."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LINGSHU_PLUGINS": plugins}
    return subprocess.run(
        [sys.executable, "-m", "lingshu_train", *argv],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_pages_under_docs_are_what_the_code_says(tmp_path: Path) -> None:
    assert lingshu("docs", "--out", str(tmp_path)).returncode == 0
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {
        path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")
    }
    assert made == kept, "lingshu docs --out docs/reference"


def test_every_key_of_every_component_says_what_it_means() -> None:
    silent = [(entry.name, key.path) for entry in rooms.everything() for key in entry.keys if not key.meaning]
    assert not silent, "write the meaning as a text below the field"


def test_every_key_of_a_plugin_does_too() -> None:
    printed = lingshu("docs", plugins=str(PLUGINS)).stdout
    assert "## plain_sgd" in printed and "Learning rate of every part." in printed
    assert not [line for line in printed.splitlines() if line.startswith("| `") and line.endswith("|  |")]


def test_every_component_says_what_it_is() -> None:
    assert not [entry for entry in rooms.everything() if not entry.summary]


class Inner(Strict):
    """A block."""

    depth: int = 3
    """How deep."""


class Base(Strict):
    """What a child inherits."""

    size: int = Field(default=1, gt=0)
    """How large."""


class Child(Base):
    """One of everything."""

    size: int = 2
    kind: Literal["a", "b"]
    """Which."""
    only: Literal["c"] = "c"
    """One."""
    many: tuple[Inner, ...] = Field(min_length=1)
    """Some blocks."""
    named: dict[str, Inner] = Field(default_factory=dict)
    """Blocks by name."""
    pair: tuple[float, float] | None = None
    """Two."""
    rate: Annotated[float, Field(gt=0, le=1)] | None = 0.5
    """A share."""
    pictures: tuple[Modality, ...] = ()
    """Kinds."""
    spoken: tuple[Language, ...] = ("en", "zh")
    """Codes."""
    nested: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Names of names."""
    asked: bool = False
    """Whether."""


def test_types_bounds_and_defaults_are_told_in_plain_words() -> None:
    told = {key.path: (key.type, key.default) for key in keys.of(Child)}
    assert told == {
        "size": ("whole number", "2"),
        "kind": ("one of `a`, `b`", "required"),
        "only": ("`c`", "c"),
        "many": ("list of blocks, not empty", "required"),
        "many[].depth": ("whole number", "3"),
        "named": ("blocks by name", "empty"),
        "named.NAME.depth": ("whole number", "3"),
        "pair": ("number and number or none", "none"),
        "rate": ("number, above 0, at most 1 or none", "0.5"),
        "pictures": ("list of modalities", "empty"),
        "spoken": ("list of language codes", "[en, zh]"),
        "nested": ("blocks by name", "empty"),
        "asked": ("true or false", "false"),
    }


def test_a_key_whose_default_alone_changes_keeps_its_meaning() -> None:
    assert next(key.meaning for key in keys.of(Child) if key.path == "size") == "How large."


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("seed", {" seed"}),
        ("model.min_pixels", {" model.min_pixels"}),
        ("sft.max_length", {"sft max_length"}),
        ("stages.anything.max_length", {"sft max_length"}),
        ("stages.rl.rewards.terms.0.weight", {"grpo rewards.terms[].weight"}),
        ("stages.rl.data[1].repeat", {"sft data[].repeat", "grpo data[].repeat"}),
        ("reward trace", {"trace"}),
        ("trace.brief", {"trace brief"}),
        ("stages.data.questions.modality.train", {"prepare questions.NAME.train"}),
        (
            "limits.wall_s",
            {"grpo rewards.terms[].limits.wall_s", "grpo audit.fallback.terms[].limits.wall_s"},
        ),
        ("wandb.mode", {"wandb mode"}),
        ("table.delimiter", {"table delimiter"}),
        ("card source.kind", {" source.kind"}),
        ("73", {"73"}),
        ("accuracy", {"accuracy"}),
    ],
)
def test_what_people_type_is_found(typed: str, meant: set[str]) -> None:
    found = find.find(typed.split())
    assert {f"{one.entry.name} {one.key.path}" if one.key else one.entry.name for one in found} == meant


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("stages.rl.beta", "grpo.kl_coefficient"),
        ("cluster.proceses", "cluster.processes"),
        ("reward accuracies", "accuracy"),
        ("zzzz", "`lingshu docs` prints all that there is"),
    ],
)
def test_an_unknown_key_names_near_ones(typed: str, named: str) -> None:
    with pytest.raises(UsageError, match=r"nothing is called") as raised:
        find.find(typed.split())
    assert named in str(raised.value)


def test_explaining_a_block_explains_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "stages.rl.watch"]) == 0
    out = capsys.readouterr().out
    assert "watch  (stage grpo, stage sft)" in out and "watch.every\n  whole number, above 0; required" in out


def test_an_explained_key_shows_type_default_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "sft.weight_decay"]) == 0
    assert capsys.readouterr().out == (
        "weight_decay  (stage sft)\n  number, at least 0; default 0\n    Weight decay of AdamW.\n"
    )


def test_explaining_needs_no_torch() -> None:
    code = (
        "import sys\nfrom lingshu_train import cli\n"
        "assert cli.main(['explain', 'engine', 'transformers']) == 0\n"
        "assert not {'torch', 'transformers', 'trl'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def test_a_shell_completes_keys_and_names() -> None:
    assert _complete.explained("sft.max_") == ["sft.max_grad_norm", "sft.max_length", "sft.max_patches"]
    assert "slake_json" in _complete.explained("slake")
