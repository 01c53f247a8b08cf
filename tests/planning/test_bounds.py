"""A recipe of a stranger costs no more than it says, writes nowhere else, and a credential in it goes no further."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from lingshu_train import cli, credentials
from lingshu_train.data.cards import card as cards
from lingshu_train.documents import TooMuch, check_yaml
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.hub import staging
from lingshu_train.naming import is_name
from lingshu_train.planning import bounds
from lingshu_train.runs import checkpoint, manifest, results, run
from lingshu_train.schema import parse

OWN = "defaults: [quickstart, _self_]\nname: mine\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 78, verb: str = "plan") -> str:
    """The one line of a command that must end with `code`."""
    assert cli.main([verb, *argv]) == code
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert not out
    return line


OUTSIDE = ["../../evil", "..", ".", ".hidden", "a/b", "/abs", "a\\b", "-x", "", "a b", "a\nb", "x" * 65, "nul\0", "a:b", "胸" * 61]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_leads_out_of_a_folder_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["rl", "stage_2", "7b", "a.b", "a-b", "_x", "胸片", "x" * 64])
def test_letters_digits_and_a_few_signs_are_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("name", ["../../evil", ".hidden", "a/b", "x" * 300])
def test_a_stage_of_a_name_that_is_none_is_refused_with_the_rule(
    name: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = yaml.safe_dump({"stages": {name: {"kind": "build", "corpus": "data"}}, "pipeline": [name]})
    Path("mine.yaml").write_text(OWN + block)
    assert "a name has at most 64 letters" in said(capsys, "mine.yaml", verb=verb)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("name=../../evil", "name"),
        ("name=..", "name"),
        ("cluster.name=a/b", "cluster.name"),
        ("trackers=[{name: ../x}]", "trackers.0.name"),
        ("stages.rl.rewards.terms=[{name: ../x, file: r.py}]", "rewards.terms.0.name"),
        ("stages.data.cards=[../../etc/passwd]", "stages.data.cards"),
    ],
)
def test_other_names_too(override: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "quickstart", override)
    assert key in line
    assert "a name has at most 64 letters" in line


def test_a_run_of_a_stranger_names_nothing_outside_of_it() -> None:
    about = {"role": "model", "method": "m"}
    saved = {"step": 1, "content": "c", "world_size": 1, "bytes": 0}
    for entry in (
        {"name": "..", "folder": "x"},
        {"name": "a", "folder": "../x"},
        {"name": "a", "folder": ".."},
    ):
        with pytest.raises(DataError, match=r"a name has|inside the folder"):
            parse(run.RunStage, {"kind": "sft", "about": about, **entry}, where="run.json:", error=DataError)
    with pytest.raises(DataError, match="models"):
        parse(results.Results, {"models": {"../../x": {}}}, where="results.json:", error=DataError)
    for name in ("../x", "/etc/passwd", "a/../../b", ""):
        with pytest.raises(DataError, match=r"files.*inside the folder"):
            parse(
                checkpoint.Checkpoint,
                {**saved, "files": {name: "0"}},
                where="checkpoint.json:",
                error=DataError,
            )
    assert (
        manifest.Manifest.model_fields["files"].annotation
        == checkpoint.Checkpoint.model_fields["files"].annotation
    )


def laughs(link: str) -> str:
    """A few lines that stand for a billion values."""
    first = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" if link == "list" else "a: &a {x: 1, y: 2}\n"
    more = {"list": "{c}: &{c} [{many}]\n", "merge": "{c}: &{c} {{<<: [{many}]}}\n"}[link]
    pairs = zip("abcdefgh", "bcdefghi", strict=True)
    return first + "".join(more.format(c=c, many=", ".join([f"*{b}"] * 10)) for b, c in pairs)


def interpolations() -> str:
    lines = (f"  k{n}: '" + (f"${{notes.k{n - 1}}}" * 10 if n else "ha") + "'" for n in range(9))
    return "\n".join(["notes:", *lines, ""])


def doubled() -> str:
    """Blocks that take in a block twice, level by level."""
    return "notes:\n  k0: {a: x, b: y}\n" + "".join(
        f"  k{n}: {{a: '${{notes.k{n - 1}}}', b: '${{.a}}'}}\n" for n in range(1, 40)
    )


BOMBS = {
    "aliases": (laughs("list"), "its aliases"),
    "merged": (laughs("merge"), "its aliases"),
    "interpolations": (interpolations(), "interpolations"),
    "blocks": (doubled(), "interpolations"),
    "itself": ("x: &x {y: *x}\n", "a value holds itself"),
    "deep": ("x: " + "[" * 100_000 + "\n", "nested deeper"),
    "deep mappings": ("x: " + "{a: " * 60_000 + "\n", "nested deeper"),
    "deep block": ("x:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 500)), "nested deeper"),
    "large": (f"notes: {{a: {'x' * bounds.MOST_FILE}}}\n", "more than"),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("where", ["recipe", "a file of its defaults"])
def test_a_recipe_that_stands_for_billions_is_refused_within_a_second(
    bomb: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, says = BOMBS[bomb]
    if where == "recipe":
        Path("mine.yaml").write_text(OWN + text)
    else:
        Path("more").mkdir()
        Path("more/inner.yaml").write_text(f"# @package _global_\n{text}")
        Path("mine.yaml").write_text("defaults: [quickstart, more: inner, _self_]\n")
    started = time.process_time()
    assert says in said(capsys, "mine.yaml")
    assert time.process_time() - started < 1.5


def test_so_is_a_card(tmp_path: Path) -> None:
    for name in ("aliases", "merged", "itself", "deep", "deep mappings"):
        Path("own.md").write_text(f"---\nlingshu: 1\n{BOMBS[name][0]}---\ntext\n")
        with pytest.raises(DataError, match=r"own\.md: front matter, "):
            cards.load("own", folder=tmp_path)
    Path("own.md").write_text(f"---\nlingshu: 1\n---\n{'x' * 2_000_000}")
    with pytest.raises(DataError, match="more than"):
        cards.load("own", folder=tmp_path)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("notes.a=" + "[" * 3000, "notes.a: lists and mappings are nested more than 50 deep"),
        ("+notes.a=[" + ",".join(["x"] * 20_000) + "]", "characters of settings"),
        ("title=" + "x" * 1_000_000, "characters of settings"),
    ],
)
def test_so_is_an_override(override: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.process_time()
    assert says in said(capsys, "quickstart", override)
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("override", ["seed=range(0,1000000000)", "seed=range(1000000000)"])
def test_a_sweep_of_a_billion_runs_is_refused_before_one_is_listed(
    override: str, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.process_time()
    assert "at most 1,000 runs" in said(capsys, "quickstart", "-m", override, code=64)
    assert time.process_time() - started < 1.5


def test_plain_documents_are_not_refused() -> None:
    check_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\nd: [1, [2, [3]]]\n", yaml.SafeLoader)
    with pytest.raises(TooMuch):
        check_yaml("[" * 65 + "]" * 65, yaml.SafeLoader)
    bounds.check_growth(
        {"a": "x", "b": "${a}/${.c}", "c": "${nosuch}", "d": ["${d.0}"], "output": "runs/${name}"}
    )


DIGITS = "0123456789abcdef0123456789abcdef01234567"
SECRETS = {
    "hf": "hf_" + "AbCdEfGhIj" * 3,
    "github": "ghp_" + "a1B2c3" * 6,
    "aws": "AKIA" + "ABCDEFGH12345678",
    "openai": "sk-proj-" + "a1B2c3D4" * 4,
    "slack": "xoxb-" + "1234567890-abcdef",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3In0.abcdefghijklmnop",
    "pem": "-----BEGIN RSA PRIVATE KEY-----",
    "url": "https://me:pa55w0rd@example.org/x",
    "query": "https://example.org/x?api_key=abcdefgh12345",
    "header": "Authorization: Bearer abcdefgh12345",
    "wandb": f"WANDB_API_KEY={DIGITS}",
}  # fmt: skip
PLACES = ["title", "model.system_prompt", "notes.seed", "stages.rl.rewards.terms.0.params.prompt"]


@pytest.mark.parametrize("what", SECRETS)
def test_a_credential_in_a_recipe_is_refused_by_its_key_and_never_shown(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = SECRETS[what]
    for place in PLACES:
        nested: object = f"please use {secret} here"
        for part in reversed(place.split(".")):
            nested = [nested] if part == "0" else {part: nested}
        Path("mine.yaml").write_text(OWN + yaml.safe_dump(nested))
        line = said(capsys, "mine.yaml", verb="run")
        assert place in line
        assert secret not in line
        assert not Path("runs").exists()


@pytest.mark.parametrize("what", ["hf", "github", "aws", "openai", "jwt", "url"])
@pytest.mark.parametrize(
    "key", ["title", "seed", "+nosuch", "stages.rl.steps", "output", "stages.rl.rewards.terms"]
)
def test_so_is_one_on_the_command_line_whatever_else_is_wrong(
    what: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (SECRETS[what], f'"{SECRETS[what]}', f"[{{name: {SECRETS[what]}}}]", f"{SECRETS[what]},2"):
        line = said(capsys, "quickstart", f"{key}={value}")
        assert SECRETS[what] not in line
        assert key.lstrip("+") in line


@pytest.mark.parametrize(
    ("key", "value"),
    [("token", "abcdefgh"), ("api_key", DIGITS), ("password", "hunter2hunter2"), ("wandb_key", DIGITS), ("my_secret", "abcdefgh")],
)  # fmt: skip
def test_a_key_that_is_named_for_a_credential_holds_none(
    key: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = said(capsys, "quickstart", f"trackers=[{{name: wandb, params: {{{key}: {value}}}}}]")
    assert key in line
    assert value not in line
    assert next(credentials.inside({"trackers": [{"params": {key: value}}]}), None)


def test_a_credential_in_a_comment_a_broken_file_and_a_file_below_is_told_with_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for text in (
        f"{OWN}# {SECRETS['hf']}\n",
        f"{OWN}title: [{SECRETS['hf']}\n",
        f"{OWN}{SECRETS['hf']}: 1\n",
    ):
        Path("mine.yaml").write_text(text)
        line = said(capsys, "mine.yaml")
        assert SECRETS["hf"] not in line
        assert "a Hugging Face token" in line
    Path("more").mkdir()
    Path("more/inner.yaml").write_text(f"# @package _global_\ntitle: {SECRETS['aws']}\n")
    Path("mine.yaml").write_text("defaults: [quickstart, more: inner, _self_]\n")
    line = said(capsys, "mine.yaml")
    assert "inner.yaml: title" in line
    assert SECRETS["aws"] not in line


@pytest.mark.parametrize("text", ["task-aware-scheduling-1234567890", DIGITS, "max_tokens", "https://example.org:8000/v1", "sk-learn", "hf_home"])  # fmt: skip
def test_other_words_are_not_taken_for_one(text: str) -> None:
    assert credentials.kind(text) is None
    assert (
        list(credentials.inside({"revision": text, "token_file": text, "max_tokens": 5, "token": ""})) == []
    )


def test_a_push_looks_for_the_same(tmp_path: Path) -> None:
    for secret in SECRETS.values():
        (tmp_path / "README.md").write_text(f"text\n{secret}\n")
        with pytest.raises(Exception, match=r"README\.md:2: holds what looks like") as refusal:
            staging.choose(tmp_path)
        assert secret not in str(refusal.value)


def test_a_refused_recipe_is_a_recipe_error() -> None:
    with pytest.raises(RecipeError, match=r"^title: holds what looks like a Hugging Face token"):
        bounds.check_credentials({"title": SECRETS["hf"]})
