"""No verb writes over what it reads or over what is not its own, and no message advises what would lose something."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import made_up_run
import pytest

from lingshu_train import cli
from lingshu_train.runs import manifest
from lingshu_train.runs import run as runs

ROOT = Path(__file__).parents[2]
ROW = {
    "id": "1",
    "question": "Is there a mass?",
    "question_type": "yes_no",
    "answer": "yes",
    "response": "Yes",
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def refused(capsys: pytest.CaptureFixture[str], *argv: str, code: int) -> str:
    """The one line of a command that must end with `code` and change nothing."""
    before = contents(Path.cwd())
    assert cli.main(argv) == code
    assert contents(Path.cwd()) == before, "a refused command changes nothing"
    (line,) = capsys.readouterr().err.splitlines()
    return line


def rows(name: str, *lines: str) -> Path:
    path = Path(name)
    path.write_text("\n".join(lines or [json.dumps(ROW)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("out", ["answers.jsonl", "./answers.jsonl", "link.jsonl", "hard.jsonl"])
def test_score_does_not_write_over_the_answers_it_reads(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = rows("answers.jsonl")
    Path("link.jsonl").symlink_to(answers)
    Path("hard.jsonl").hardlink_to(answers)
    assert "is also the input" in refused(capsys, "score", "answers.jsonl", "--out", out, code=64)


def test_score_that_fails_leaves_the_earlier_result(capsys: pytest.CaptureFixture[str]) -> None:
    rows("bad.jsonl", json.dumps(ROW), "{not json")
    rows("judged.jsonl", "the result of yesterday")
    assert "bad.jsonl:2" in refused(capsys, "score", "bad.jsonl", "--out", "judged.jsonl", code=65)


def test_score_replaces_an_earlier_result_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows("answers.jsonl")
    rows("judged.jsonl", *["the result of yesterday"] * 9)
    assert cli.main(["score", "answers.jsonl", "--out", "judged.jsonl"]) == 0
    (line,) = Path("judged.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["correct"] is True


@pytest.mark.parametrize("mode", ["a", "w"])
def test_score_does_not_send_its_output_into_the_file_it_reads(mode: str, tmp_path: Path) -> None:
    rows("answers.jsonl")
    with Path("answers.jsonl").open(mode) as stream:
        done = subprocess.run(
            [sys.executable, "-m", "lingshu_train", "score", "answers.jsonl"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 64
    assert "is also where the output goes" in done.stderr
    kept = Path("answers.jsonl").read_text(encoding="utf-8")
    assert kept == (json.dumps(ROW) + "\n" if mode == "a" else ""), "what the shell left of it"


RUN = ("quickstart", "pipeline=[data]", "stages.data.cards=[slake]", "stages.data.questions={}")


@pytest.fixture
def slake() -> Path:
    """A data folder with a card's rows in it."""
    folder = Path("data/slake")
    folder.mkdir(parents=True)
    (folder / "train.json").write_text("[]")
    return folder


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("output", ["data", ".", "data/slake", "data/slake/out", "./data/../data", "door"])
def test_a_run_does_not_write_into_the_data_it_reads(
    verb: str, output: str, slake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("door").symlink_to("data")
    line = refused(capsys, verb, *RUN, f"output={output}", code=64)
    assert "output=FOLDER" in line


def test_a_run_beside_its_data_is_allowed(slake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", *RUN, "output=data/runs"]) == 0
    assert cli.main(["plan", *RUN, "output=runs"]) == 0


@pytest.mark.parametrize("output", ["base", "base/out"])
def test_a_run_does_not_write_into_the_model_it_starts_from(
    output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("base").mkdir()
    line = refused(capsys, "plan", "quickstart", "model.base=base", f"output={output}", code=64)
    assert "the model base" in line


@pytest.mark.parametrize("out", ["foreign", "data/slake", "data/slake/new", "a_file", "other"])
def test_prepare_writes_into_no_folder_that_is_not_its_own(
    out: str, slake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a_file").write_text("mine")
    Path("foreign").mkdir()
    for name in (
        "rows-2020.arrow",
        "rows-abc.arrow",
        ".rows-old",
        "images-of-my-life.tar",
        "quarantine.jsonl",
    ):
        (Path("foreign") / name).write_text("years of work")
    Path("other").mkdir()
    (Path("other") / ".corpus-of").write_text("vqa_rad-0123456789ab\n")
    line = refused(capsys, "data", "prepare", "slake", "--out", out, code=64 if "slake" in out else 73)
    assert "--out" in line
    assert "output=" not in line, "that is no option of this verb"


PREPARE = ("data", "prepare", "slake", "--split", "train", "--out", "corpus")


def test_prepare_goes_on_in_its_own_folder_and_in_no_other_corpus(
    capsys: pytest.CaptureFixture[str], slake: Path
) -> None:
    row = {"qid": 1, "img_name": "x/source.jpg", "question": "Healthy?", "answer": "Yes", "q_lang": "en"}
    row |= {"answer_type": "CLOSED", "modality": "X-Ray"}
    picture = slake / "imgs" / "x" / "source.jpg"
    picture.parent.mkdir(parents=True)
    made_up_run.Image.linear_gradient("L").save(picture)
    (slake / "train.json").write_text(json.dumps([row]))
    assert cli.main([*PREPARE, "--workers", "1"]) == 0
    assert cli.main([*PREPARE, "--workers", "1"]) == 0
    capsys.readouterr()
    line = refused(capsys, *PREPARE, "--least-side", "9", code=73)
    assert "holds another corpus" in line


@pytest.mark.parametrize("stage", made_up_run.TRAINED)
def test_push_of_a_stage_that_is_no_export_names_the_one_that_is(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    kind = "grpo" if stage == "grpo" else "sft"
    article = "an" if kind[0] in "aeiou" else "a"
    assert refused(capsys, "push", str(folder), stage, "me/x", code=64) == (
        f"lingshu: {stage!r} is {article} {kind} stage; push takes an export stage; this run has: export"
    )


def test_no_message_advises_to_delete_anything() -> None:
    """What stands in our way may be all that somebody has: it is moved away."""
    advice = re.compile(
        r"""["'][^"'\n]*\b(?:delete|remove|erase|rm -|overwrite)\b (?:it|the|them|that|this|\{)[^"'\n]*["']"""
    )
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "lingshu_train").rglob("*.py")
        for match in advice.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize("damage", ["garbage", "empty", "no text", "a folder", "another record"])
def test_a_stage_with_a_damaged_manifest_is_neither_done_nor_done_again(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made_up_run.build(tmp_path / "run", until="deep")
    path = next(folder.glob("shallow-*")) / manifest.NAME
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes(
            {"garbage": b"xx", "empty": b"", "no text": b"\xff\xfe{", "another record": b"{}"}[damage]
        )
    assert runs.read(folder).state(runs.read(folder).stage("shallow")) == "damaged"
    assert cli.main(["status", str(folder)]) == 65
    said = capsys.readouterr().out
    assert re.search(r"shallow +sft +damaged", said)
    assert cli.main(["verify", str(folder)]) == 65
    said = capsys.readouterr().out
    assert "shallow: damaged (manifest.json cannot be read)" in said
    assert "prepare: " in said, "the others are looked at all the same"


def test_texts_with_line_separators_of_unicode_are_read_as_they_were_written(tmp_path: Path) -> None:
    from lingshu_train.runs.ledger import Ledger, steps

    Ledger(tmp_path).append(1, {"text": "one\u2028two\u0085three\x1cfour"})
    Ledger(tmp_path).rewind(1)
    assert [line["text"] for line in steps(tmp_path)] == ["one\u2028two\u0085three\x1cfour"]


@pytest.mark.parametrize("damage", ["garbage", "cut", "lists", "no step", "gone", "no text"])
def test_a_damaged_ledger_of_a_finished_stage_is_named(damage: str, tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="deep")
    path = next(folder.glob("shallow-*")) / "ledger.jsonl"
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        broken = {
            "garbage": b"xx\n",
            "cut": whole[:-20],
            "lists": b"[1]\n",
            "no step": b"{}\n",
            "no text": b"\xff\n",
        }
        path.write_bytes(broken[damage])
    assert cli.main(["report", str(folder)]) == 65
