"""Whatever is typed and whatever the files hold: one line and one of our exit codes, and nothing changed that was read."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import shutil
from pathlib import Path

import damage
import made_up_run
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lingshu_train import cli, shipped
from lingshu_train.data.cards import card as cards
from lingshu_train.errors import LingshuError, RunAgain
from lingshu_train.hub import base
from lingshu_train.planning import recipe
from lingshu_train.running import launch

CODES = {0, 64, 65, 66, 73, 74, 75, 77, 78}
PLACES = (
    "run",
    "answers.jsonl",
    "mine.yaml",
    "pairs.csv",
    "img",
    "nowhere",
    "a_folder",
    "run/run.json",
    "a b",
    "/dev/null",
    "/",
    ".",
    "..",
)
BAR = re.compile(r"^(?!lingshu: )\w+: +\d*%?.*\|")
seeds = st.integers(0, 2**32 - 1)


def some(count: int) -> settings:
    """The same examples every time: a fault that is found stays found."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of each file that a person may edit."""
    folder = tmp_path_factory.mktemp("whole")
    made_up_run.build(folder / "run", questions=6, cards=("package_pydicom",))
    (folder / "a_folder").mkdir()
    row = {"id": "1", "question": "Which?", "question_type": "mcq", "answer": "A", "response": "A. Liver"}
    lines = [
        row | {"options": {"A": "Liver", "B": "Spleen"}},
        row | {"options": ["x", "y"], "tol": 0.5, "aliases": ["z"]},
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "img").mkdir()
    pairs = ["image,question,answer,patient"]
    for number in range(4):
        Image.linear_gradient("L").rotate(90 * number).save(folder / "img" / f"{number}.png")
        pairs.append(
            f'{number}.png,"Is the lung, or the heart, shown?",{("yes", "no")[number % 2]},p{number}'
        )
    (folder / "pairs.csv").write_text("\n".join(pairs) + "\n")
    (folder / "mine.yaml").write_text(
        "defaults: [quickstart, _self_]\nname: mine\noutput: runs/mine\npipeline: [data, base, instruct]\n"
        "stages:\n  instruct: {base: base, steps: 3, learning_rate: {merger: 1.0e-4}, train: [merger]}\nnotes: {seed: ours}\n"
    )
    shutil.copy(recipe.RECIPES / "quickstart.yaml", folder / "whole.yaml")
    return folder


@pytest.fixture(autouse=True)
def elsewhere(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stage starts, and no network is asked."""

    def stop(*_: object, **__: object) -> None:
        raise RunAgain("a stage would have been started")

    monkeypatch.chdir(whole)
    monkeypatch.setattr(launch, "run", stop)
    monkeypatch.setattr(base, "need", stop)


def contents(folder: Path) -> dict[str, bytes]:
    """What is read; not what a verb writes."""
    written = re.compile(r"report\.html|\.lock|\.trackers|trackers\.json")
    found = (path for path in folder.rglob("*") if path.is_file() and not written.search(str(path)))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def ends(argv: list[str]) -> int:
    """The exit code of a command line; what it says is one line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(argv)
    lines = [line for line in re.split(r"[\r\n]+", err.getvalue()) if line and not BAR.match(line)]
    assert code in CODES, (argv, code)
    assert "Traceback" not in err.getvalue()
    if code:
        assert lines or out.getvalue(), (argv, code, "and not a word")
    if code and not {"-m", "--multirun"} & set(argv):  # which say a line for each run of a sweep
        assert len(lines) <= 1 or argv[:2] == ["data", "fetch"] or argv[0] == "report", (argv, lines)
        assert all(line.startswith("lingshu: ") for line in lines), lines
    return code


@some(300)
@given(seed=seeds)
def test_any_command_line_ends_in_one_line_and_a_code_of_ours(seed: int) -> None:
    folder = Path.cwd()
    before = contents(folder)
    ends(damage.command_line(random.Random(seed), PLACES))
    after = contents(folder)
    assert {name: after.get(name) for name in before} == before


RUN_FILES = {
    "run/run.json": {"structured": True},
    "run/*/stage.json": {"structured": True},
    "run/*/manifest.json": {"structured": True},
    "run/*/results.json": {"structured": True},
    "run/*/ledger.jsonl": {"lines": True},
    "run/*/completions.jsonl": {"lines": True},
    "run/*/predictions/*.jsonl": {"lines": True},
    "run/*/corpus/corpus.json": {"structured": True},
    "run/*/corpus/images.sqlite": {},
}


@some(120)
@given(seed=seeds)
def test_a_damaged_run_is_told_in_one_line(seed: int) -> None:
    draw = random.Random(seed)
    pattern = draw.choice(list(RUN_FILES))
    path = draw.choice(sorted(Path().glob(pattern)))
    verbs = [["status", "run"], ["verify", "run"], ["push", "run", "export", "me/x"]]
    _struck(draw, path, RUN_FILES[pattern], [draw.choice(verbs), ["report", "run"]])


@some(100)
@given(seed=seeds)
def test_damaged_answers_are_told_in_one_line(seed: int) -> None:
    Path("judged.jsonl").write_text("the result of yesterday")
    _struck(
        random.Random(seed),
        Path("answers.jsonl"),
        {"lines": True},
        [["score", "answers.jsonl", "--out", "judged.jsonl"]],
    )
    text = Path("judged.jsonl").read_text(encoding="utf-8")
    assert text == "the result of yesterday" or all(
        json.loads(line, parse_constant=pytest.fail)["id"] is not pytest for line in text.split("\n") if line
    )


@some(40)
@given(seed=seeds)
def test_a_damaged_table_is_told_in_one_line(seed: int) -> None:
    add = [
        "data",
        "add",
        "pairs.csv",
        "--images",
        "img",
        "--yes",
        "--name",
        f"own{seed}",
        "--cards",
        f"cards-{seed}",
    ]
    _struck(random.Random(seed), Path("pairs.csv"), {}, [[*add, "--recipe", "tiny"]])


@some(100)
@given(seed=seeds)
def test_a_damaged_recipe_is_told_in_one_line(seed: int) -> None:
    draw = random.Random(seed)
    name = draw.choice(("mine.yaml", "whole.yaml"))
    _struck(draw, Path(name), {}, [["plan", name]])


@some(150)
@given(seed=seeds)
def test_a_damaged_card_is_told_in_one_line(seed: int) -> None:
    draw = random.Random(seed)
    names = ("slake", "brats_2024", "package_pydicom", "mimic_cxr", "chexpert")
    Path("mine").mkdir(exist_ok=True)
    data = (shipped.folder("data_cards") / f"{draw.choice(names)}.md").read_bytes()
    Path("mine/own.md").write_bytes(damage.damaged(draw, data))
    try:
        found = cards.load("own", folder=Path("mine"))
        assert cards.root(found, Path("nowhere")) is None or found.lingshu.source.kind == "package"
        assert found.title and found.digest and found.files is not None
    except LingshuError as fault:
        assert len(str(fault).splitlines()) == 1


def _struck(draw: random.Random, path: Path, kind: dict[str, bool], lines: list[list[str]]) -> None:
    """Damage a file, try the verbs, see that they left it as it was, and mend it."""
    whole = path.read_bytes()
    try:
        stands = damage.strike(draw, path, **kind)
        for argv in lines:
            ends(argv)
        assert (path.read_bytes() if path.is_file() else None) == stands
    finally:
        if path.is_dir():
            path.rmdir()
        path.write_bytes(whole)
