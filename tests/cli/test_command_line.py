"""The command line itself: what is typed reaches the verb, help says what there is, and every end has its exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_group

import lingshu_train
from lingshu_train import cli
from lingshu_train.data.cards import card
from lingshu_train.planning import recipe
from lingshu_train.runs import run as runs

ROOT = Path(__file__).parents[2]


def every_verb(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, TyperGroup):
            yield from every_verb(command, (*path, name))


VERBS = dict(every_verb(get_group(cli.app)))


def started(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    told = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "lingshu_train", *argv]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "typed",
    [
        ["stages.rl.steps=3"],
        ["+stages.rl.epochs=1", "~stages.rl.steps", "~stages.rl.watch"],
        ["title=a=b", "stages.rl.steps=-8", "stages.data.cards=[slake, vqa_rad]", "title='two words'"],
        ["seed="],
        ["seed=1", "--", "-odd=1", "--more=2"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_overrides_reach_the_recipe_as_they_were_typed(
    verb: str, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []

    def load(name: str, overrides: list[str]) -> None:
        seen.append((name, overrides))
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "load", load)
    cli.main([verb, "mine.yaml", *typed])
    assert seen == [("mine.yaml", [word for word in typed if word != "--"])]


@pytest.mark.parametrize(
    ("argv", "says", "verb"),
    [
        ([], "missing command", ""),
        (["trian"], "no such command 'trian'", ""),
        (["--fast"], "no such option: --fast", ""),
        (["run"], "missing argument 'RECIPE'", "run"),
        (["plan"], "there are adapt, adapt_24gb, adapt_48gb, adapt_80gb, adapt_lora, adapt_tiny, lingshu_32b, lingshu_7b, lingshu_7b_clean, lingshu_7b_gated, lingshu_7b_open, lingshu_7b_rl, lingshu_i_8b, lingshu_qwen3_8b, lingshu_synthesis, quickstart, and YAML files of your own", "plan"),
        (["data", "prepare", "slake", "--max-pixels", "-5"], "greater than or equal to 1", "data prepare"),
        (["plan", "quickstart", "--fast"], "no such option: --fast", "plan"),
        (["plan", "quickstart", "-odd=1"], "no such option: -o", "plan"),
        (["status", "a", "b"], "unexpected extra argument", "status"),
        (["score", "x", "--policy", "loose"], "'loose' is not one of 'strict', 'lenient'", "score"),
        (["score", "x", "--out"], "'--out' requires an argument", "score"),
        (["push", "runs/x", "export"], "missing argument 'OWNER/NAME'", "push"),
        (["push", "a", "b", "c/d", "--yes=no"], "'--yes' does not take a value", "push"),
        (["data"], "missing command", "data"),
        (["data", "shwo"], "no such command 'shwo'. Did you mean 'show'?", "data"),
        (["data", "check", "slake", "--sample", "many"], "'--sample': Input should be a valid integer", "data check"),
        (["data", "check", "slake", "--sample", "-1"], "greater than or equal to 0, got '-1'", "data check"),
        (["data", "prepare", "slake", "--most-refused", "2"], "less than or equal to 1", "data prepare"),
        (["data", "export", "slake"], "missing option '--croissant'", "data export"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_command_line_is_one_line_that_points_to_the_help_of_its_verb(
    argv: list[str], says: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 64
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("lingshu: ")
    assert says in line
    assert line.endswith(f"; see `{' '.join(['lingshu', *verb.split()])} --help`")
    assert printed.out == ""


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["data", "list", "--modality", "xrayy"], "is none of: "),
        (["data", "list", "--task", "vqaa"], "is part of none of: caption, classification"),
        (["data", "prepare", "slake", "slake"], "slake: named twice"),
        (["data", "prepare", "slake", "--max-pixels", "10"], "max_pixels 10 is below min_pixels 3136"),
        (["data", "prepare", "slake", "--min-pixels", "1", "--max-pixels", "9"], "less than one token takes (28x28 pixels)"),
        (["track", "nowhere", "--tracker", "tensorboard", "--param", "a=["], "a=[: the value cannot be read as YAML"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_value_that_nothing_can_have_is_refused(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 64
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_an_access_class_that_does_not_exist_is_not_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list", "--access", "clsoed"]) == 64
    assert "open, gated, credentialed, local" in capsys.readouterr().err
    assert cli.main(["data", "list", "--rests-on", "rumour"]) == 64
    assert "real_bytes, publisher_code, others_code, description, none" in capsys.readouterr().err


def test_the_list_of_evidence_ends_with_a_count_of_its_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list", "--evidence"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ cards: real_bytes \d+, .*none \d+", last)
    assert cli.main(["data", "list", "--rests-on", "none", "--modality", "histopathology"]) == 0
    head, *cards, last = capsys.readouterr().out.splitlines()
    assert (
        head.split()[:3] == ["name", "role", "evidence"] and last == f"{len(cards)} cards: none {len(cards)}"
    )
    assert {"cpd", "breast_cancer"} <= {line.split()[0] for line in cards}


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "read", interrupted)
    assert cli.main(["status", "runs/x"]) == 75
    assert capsys.readouterr().err == "lingshu: interrupted; run the same command again to go on\n"


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "lingshu_train", "data", "list"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None and done.stderr is not None
        done.stdout.close()
        assert done.stderr.read() == ""
    assert done.returncode == 0


def test_a_fault_of_ours_is_not_dressed_up_as_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        raise AssertionError("ours")

    monkeypatch.setattr(runs, "read", broken)
    with pytest.raises(AssertionError, match="ours"):
        cli.main(["status", "runs/x"])


def test_the_form_for_torchrun_takes_a_recipe_without_a_verb() -> None:
    done = started("nosuch")
    assert done.returncode == 78
    assert "unknown recipe 'nosuch'" in done.stderr


@pytest.mark.parametrize("word", ["help", "version", "-V"])
def test_the_form_for_torchrun_knows_these_words_too(word: str) -> None:
    done = started(word)
    assert (done.returncode, done.stderr) == (0, "")
    assert "lingshu" in done.stdout


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("verb", [(), *VERBS], ids=" ".join)
def test_every_verb_has_plain_help(
    verb: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*verb, flag]) == 0
    text = capsys.readouterr().out
    assert text.startswith(" ".join(["Usage: lingshu", *verb]))
    assert text.isascii(), "no boxes"
    assert "..." not in text.partition("Commands:")[2], "a verb's first sentence fits its line"


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_argument_and_option_is_described_in_one_sentence(verb: tuple[str, ...]) -> None:
    for parameter in VERBS[verb].params:  # type: ignore[attr-defined]
        assert isinstance(parameter, TyperArgument | TyperOption)
        assert parameter.help, parameter.name
        assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_the_version_is_that_of_the_package(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    assert capsys.readouterr().out == f"lingshu {lingshu_train.__version__}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("lingshu rep", ["report", "replay"]),
        ("lingshu data sh", ["show"]),
        ("lingshu run ", recipe.names()),
        ("lingshu data show vqa_", [name for name in card.names() if name.startswith("vqa_")]),
        ("lingshu score x --policy ", ["strict", "lenient"]),
        ("lingshu explain sft.max_", ["sft.max_grad_norm", "sft.max_length", "sft.max_patches"]),
    ],
)
def test_a_shell_can_complete_verbs_recipes_cards_and_choices(words: str, expected: list[str]) -> None:
    place = str(len(words.split(" ")) - 1)
    done = started(_LINGSHU_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=place)
    assert done.stdout.split() == expected
    assert done.stderr == ""


def test_completion_is_installed_for_the_shell_that_asks(tmp_path: Path) -> None:
    script = f"{sys.executable} -m lingshu_train --install-completion; true"
    told = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], env=told, capture_output=True, text=True, timeout=60)
    assert "bash completion installed" in done.stdout, done.stderr
    assert "complete_bash" in (tmp_path / ".bash_completions" / "lingshu.sh").read_text(encoding="utf-8")


def test_help_loads_nothing_heavy() -> None:
    heavy = ["torch", "transformers", "hydra", "numpy", "rich", "requests", "huggingface_hub"]
    heavy += [
        "lingshu_train.schema"
    ]  # and with it every record: each file of verbs imports what it needs in the verb
    code = (
        "import sys; from lingshu_train import cli; cli.main(['data', 'prepare', '--help'])\n"
        f"print(sorted(set(sys.modules) & set({heavy})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip() == "[]"
