"""Every mistake of the user is one line that names the place, says what would be right, and the right exit code."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lingshu_train import cli
from lingshu_train.running import launch
from lingshu_train.runs import run as runs

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in, and no stage that really starts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "run", lambda *_: pytest.fail("a stage would have been started"))


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int) -> str:
    """The one line on stderr of a command that must end with `code`."""
    assert cli.main(argv) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("lingshu: ")
    return lines[0]


RECIPE_MISTAKES = [
    (["nosuch"], "unknown recipe 'nosuch'", "lingshu_32b, lingshu_7b"),
    (["quickstart", "stages.rl.bogus=1"], "bogus", "stages.rl"),
    (["quickstart", "+stages.rl.bogus=1"], "stages.rl.bogus: unknown key", "group_size"),
    (["quickstart", "+bogus=1"], "recipe quickstart: bogus: unknown key", "pipeline"),
    (["quickstart", "model.pixels=1"], "pixels", "model"),
    (["quickstart", "+model.pixels=1"], "model.pixels", "unknown key"),
    (["quickstart", "stages.data.cards=[nosuch]"], "unknown data card 'nosuch'", "data_cards/"),
    (
        ["quickstart", "stages.rl.rewards.terms=[{name: nosuch, weight: 1.0}]"],
        "stages.rl.rewards",
        "accuracy",
    ),
    (["quickstart", "stages.rl.kind=ppo"], "stages.rl.kind: unknown stage 'ppo'", "grpo"),
    (["quickstart", "+stages.more={}", "pipeline=[more]"], "stages.more.kind: missing", "sft"),
    (["quickstart", "pipeline=[data,nosuch]"], "pipeline: unknown stage 'nosuch'", "instruct"),
    (["quickstart", "pipeline=[base,data]"], "stages.base.corpus: stage 'data'", "does not run before"),
    (
        ["quickstart", "stages.shallow.train=[visual]"],
        "stages.shallow.train: unknown part 'visual'",
        "merger",
    ),
    (["quickstart", "~stages.shallow.learning_rate.merger"], "no learning rate for 'merger'", "shallow"),
    (["quickstart", "stages.shallow.train=[merger]"], "does not train 'vision_tower'", "learning_rate"),
    (["quickstart", "stages.shallow.train=[]"], "stages.shallow", "train"),
    (["quickstart", "stages.rl.steps=many"], "stages.rl.steps", "got 'many'"),
    (["quickstart", "stages.rl.steps='8'"], "stages.rl.steps", "got '8'"),
    (["quickstart", "stages.rl.steps=-8"], "stages.rl.steps", "greater than 0"),
    (["quickstart", "seed=abc"], "recipe quickstart: seed: must be a whole number", "got 'abc'"),
    (["quickstart", "model.dtype=float8"], "model.dtype", "bfloat16"),
    (["quickstart", "cluster.deepspeed=zero4"], "cluster.deepspeed", "zero3"),
    (["quickstart", "+stages.rl.epochs=1"], "stages.rl: give either steps or epochs", ""),
    (["quickstart", "stages.rl.rollout_prompts=12"], "stages.rl.rollout_prompts", "multiple of"),
    (["quickstart", "+stages.data.questions.nosuch={train: 1}"], "unknown task 'nosuch'", "caption"),
    (["quickstart", "stages.data.image_size=57"], "stages.data.image_size", "multiple of 28"),
    (["quickstart", "stages.rl.per_device_batch=7"], "stages.rl.per_device_batch", "do not divide"),
    (["quickstart", "model=nosuch"], "nosuch", "tiny"),
    (["quickstart", "stages.rl.rewards.terms=[{name: accuracy, weight: nan}]"], "terms.0.weight", "finite"),
    (["quickstart", "stages.rl.temperature=inf"], "stages.rl.temperature", "finite"),
    (["quickstart", "stages.rl.learning_rate.merger=nan"], "stages.rl.learning_rate.merger", "finite"),
    (["quickstart", "stages.rl.learning_rate.merger=0.0"], "stages.rl.learning_rate.merger", "above 0"),
    (["quickstart", "title=${oc.env:HOME}"], "title", "read nothing from outside"),
    (["quickstart", "stages.rl.base=data"], "stages.rl.base: stage 'data' leaves no model", "instruct"),
    (["quickstart", "stages.export.model=evaluate"], "stages.export.model", "leaves no model"),
    (["quickstart", "stages.shallow.base=''"], "stages.shallow.base: empty", "model.base"),
    (["quickstart", "pipeline=[data,data]"], "stands twice", "pipeline"),
    (["quickstart", "pipeline=[]"], "pipeline: empty", "instruct"),
    (["quickstart", "seed=-1"], "seed", "greater than or equal to 0"),
    (["quickstart", "seed"], "seed", ""),
    (["lingshu_7b", "stages.rl.save_every=2"], "stages.rl.save_every: 2 falls inside", "multiple of 4"),
    (["lingshu_7b", "+stages.rl._target_=os.system"], "_target_: unknown key", ""),
]


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize(("arguments", "what", "right"), RECIPE_MISTAKES, ids=lambda value: str(value)[-60:])
def test_a_mistake_in_a_recipe_names_the_key_and_what_there_is(
    verb: str, arguments: list[str], what: str, right: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = said(capsys, verb, *arguments, code=78)
    assert what in line
    assert right in line
    assert not list(tmp_path.iterdir()), "a refused recipe leaves nothing behind"


def test_a_judge_elsewhere_may_not_see_data_whose_card_forbids_it(capsys: pytest.CaptureFixture[str]) -> None:
    judge = "{name: judge, params: {url: 'https://example.org/v1', model: m, cards: [mimic_cxr]}}"
    line = said(capsys, "plan", "quickstart", f"stages.rl.rewards.terms=[{judge}]", code=77)
    assert "stages.rl.rewards.terms.0.params.cards: mimic_cxr (credentialed) does not allow" in line


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("defaults: [quickstart, _self_]\nstages: {rl: [\n", "mine.yaml"),
        ("- just\n- a list\n", "mine.yaml"),
        ("", "recipe mine.yaml: empty"),
        ("defaults: [quickstart, _self_]\nseed: ${oc.env:HOME}\n", "seed"),
        ("defaults: [nosuch, _self_]\n", "nosuch"),
        ("defaults: [quickstart, _self_]\nstages:\n  rl:\n    epochs: ???\n", "epochs"),
        ("defaults: [quickstart, _self_]\nseed: ${nosuch}\n", "nosuch"),
    ],
    ids=["not yaml", "a list", "empty", "a string", "unknown default", "mandatory", "interpolation"],
)
def test_a_recipe_file_that_cannot_be_read_is_one_line_too(
    text: str, what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert what in said(capsys, "plan", "mine.yaml", code=78)


def test_a_recipe_file_that_is_not_there_is_missing_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert "mine.yaml: no such recipe file" in said(capsys, "run", "mine.yaml", code=66)


@pytest.mark.parametrize("argv", [[], ["trian"], ["run"], ["plan", "quickstart", "--fast"], ["data"]])
def test_a_wrong_command_line_points_to_the_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in said(capsys, *argv, code=64)


def test_a_run_without_its_data_says_how_to_get_it_and_creates_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = said(capsys, "run", "lingshu_7b", code=66)
    assert "pmc_oa" in line
    assert "more" in line
    assert "lingshu plan lingshu_7b" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["status", "report", "verify"])
def test_a_folder_that_is_no_run_is_missing_input(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "lingshu run" in said(capsys, verb, "nowhere", code=66)


SMALL = ("quickstart", "pipeline=[data]", "stages.data.cards=[package_pydicom]", "output=out")


def test_a_folder_in_use_names_who_uses_it(capsys: pytest.CaptureFixture[str]) -> None:
    with runs.hold(Path("out")):
        line = said(capsys, "run", *SMALL, code=73)
        assert not (Path("out") / runs.NAME).exists(), "whoever holds the folder writes it"
    assert "in use by another run" in line
    assert f"process {os.getpid()}" in line


def test_a_folder_of_another_recipe_is_not_touched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs.write(tmp_path / "out", recipe="somebody_elses", stages=[], plan="")
    before = (tmp_path / "out" / runs.NAME).read_bytes()
    line = said(capsys, "run", *SMALL, code=73)
    assert "belongs to a run of recipe 'somebody_elses'" in line
    assert "output=FOLDER" in line
    assert (tmp_path / "out" / runs.NAME).read_bytes() == before


def test_a_folder_that_holds_something_else_is_not_touched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in said(capsys, "run", *SMALL, code=73)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("output", ["out", "out/below"])
def test_an_output_that_is_a_file_is_refused(
    output: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    assert "output=FOLDER" in said(capsys, "run", *SMALL[:-1], f"output={output}", code=73)
    assert (tmp_path / "out").read_text() == "a file"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_an_output_that_may_not_be_written_is_refused(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal itself is made up, since root may write everywhere."""

    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    line = said(capsys, "run", *SMALL, code=73)
    assert os.strerror(number) in line
    assert "output=FOLDER" in line


def lingshu(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lingshu_train", *argv]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "code"),
    [(["plan", "nosuch"], 78), (["run", "lingshu_7b"], 66), (["run", "mine.yaml"], 66), (["plan"], 64)],
)
def test_the_command_ends_with_the_code_and_no_traceback(argv: list[str], code: int, tmp_path: Path) -> None:
    done = lingshu(*argv, cwd=tmp_path)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""


def slake(folder: Path) -> list[dict[str, Any]]:
    """A few rows in SLAKE's layout, each with a picture."""
    rows = []
    for number in range(3):
        place = folder / "imgs" / f"xmlab{number}" / "source.jpg"
        place.parent.mkdir(parents=True)
        Image.linear_gradient("L").rotate(90 * number).save(place)
        rows.append(
            {
                "qid": number,
                "img_name": f"xmlab{number}/source.jpg",
                "question": "Is the lung healthy?",
                "answer": "Yes",
                "q_lang": "en",
                "answer_type": "CLOSED",
                "modality": "X-Ray",
            }
        )
    (folder / "train.json").write_text(json.dumps(rows))
    return rows


SLAKE = """
defaults: [quickstart, _self_]
name: mine
output: out
pipeline: [data]
stages: {data: {cards: [slake], questions: {}, most_refused: 0}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["image", "row", "json"])
def test_a_damaged_source_names_the_file_and_the_place(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "slake"
    rows = slake(folder)
    picture = folder / "imgs" / "xmlab1" / "source.jpg"
    if damage == "image":
        picture.write_bytes(picture.read_bytes()[:400])
        named = ["xmlab1/source.jpg"]
    elif damage == "row":
        rows[1]["answer_type"] = "MAYBE"
        (folder / "train.json").write_text(json.dumps(rows))
        named = ["train.json", "answer_type", "MAYBE"]
    else:
        (folder / "train.json").write_text(json.dumps(rows)[:-20])
        named = ["train.json"]
    (tmp_path / "mine.yaml").write_text(SLAKE)
    done = lingshu("run", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 65, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("lingshu: stage data stopped: ")
    assert all(part in last for part in named), last
