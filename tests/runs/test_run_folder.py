"""Who owns a run folder, and who may write into it now."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import made_up_run
import pytest

from lingshu_train.errors import CannotCreate, DataError, MissingInput
from lingshu_train.kind import About
from lingshu_train.runs import run, stage
from lingshu_train.runs.stage import Stage

HOLDER = """
import sys, time
from pathlib import Path
from lingshu_train.runs import run
with run.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def stages(folder: Path) -> list[Stage]:
    made = made_up_run.build(folder, until="instruct")
    found = run.read(made)
    return [
        stage.read(found.folder(entry) / "stage.json")
        for entry in found.stages
        if (found.folder(entry) / "stage.json").is_file()
    ]


def test_a_written_run_reads_back_in_plan_order(tmp_path: Path) -> None:
    records = stages(tmp_path / "made")
    written = run.write(tmp_path / "run", recipe="quickstart", stages=records, plan="p" * 64)
    assert written == run.read(tmp_path / "run")
    assert [entry.name for entry in written.stages] == [record.name for record in records]
    assert written.folder(written.stages[0]).name == records[0].path.name


def test_a_run_that_was_moved_still_finds_its_stages(tmp_path: Path) -> None:
    made_up_run.build(tmp_path / "here", until="shallow")
    (tmp_path / "here").rename(tmp_path / "there")
    found = run.read(tmp_path / "there")
    states = {entry.name: found.state(entry) for entry in found.stages}
    assert states["shallow"] == "done"
    assert states["deep"] == "unfinished"
    assert states["export"] == "to do"


def test_writing_the_same_run_again_is_allowed_and_another_recipe_is_not(tmp_path: Path) -> None:
    records = stages(tmp_path / "made")
    folder = tmp_path / "run"
    run.write(folder, recipe="quickstart", stages=records, plan="p")
    run.write(folder, recipe="quickstart", stages=records[:2], plan="q")
    with pytest.raises(
        CannotCreate, match="belongs to a run of recipe 'quickstart', not 'lingshu_7b'"
    ) as refused:
        run.write(folder, recipe="lingshu_7b", stages=records, plan="p")
    assert refused.value.exit_code == 73
    assert len(run.read(folder).stages) == 2


def test_a_folder_with_someone_elses_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(CannotCreate, match=r"not empty and not a run \(holds thesis\.tex\)"):
        run.write(tmp_path, recipe="quickstart", stages=[], plan="p")
    assert not (tmp_path / "run.json").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x", encoding="utf-8")
    with pytest.raises(CannotCreate, match="out: is a file"):
        run.write(tmp_path / "out", recipe="quickstart", stages=[], plan="p")


def test_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="not a run folder"):
        run.read(tmp_path)


def test_a_damaged_run_file_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(
        '{"recipe": "a", "plan": "p", "stages": [{"name": "x"}]}', encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"run\.json: stages\.0\.kind: missing"):
        run.read(tmp_path)


def test_an_unknown_stage_name_lists_the_stages(tmp_path: Path) -> None:
    found = run.read(made_up_run.build(tmp_path / "run", until="prepare"))
    with pytest.raises(MissingInput, match="no stage 'rl' in this run; it has: prepare, shallow"):
        found.stage("rl")


def test_a_second_run_in_the_same_folder_is_refused_with_the_owners_name(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with (
            pytest.raises(CannotCreate, match=rf"process {process.pid}, since 20\d\d-") as refused,
            run.hold(tmp_path),
        ):
            pass
        assert refused.value.exit_code == 73


def test_the_folder_is_free_again_the_moment_its_owner_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        with run.hold(tmp_path):
            assert str(os.getpid()) in (tmp_path / ".lock").read_text(encoding="utf-8")


def test_the_folder_is_free_again_when_the_block_ends_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), run.hold(tmp_path):
        raise KeyError
    with run.hold(tmp_path), pytest.raises(CannotCreate, match="in use"), run.hold(tmp_path):
        pass


def test_a_held_folder_can_become_a_run(tmp_path: Path) -> None:
    with run.hold(tmp_path / "new"):
        assert run.write(tmp_path / "new", recipe="quickstart", stages=[], plan="p").stages == ()


def test_cards_of_evaluation_are_not_cards_the_weights_come_from(tmp_path: Path) -> None:
    train, held, sft, judge, export = (
        record(name, tmp_path) for name in ("train", "held", "sft", "evaluate", "export")
    )
    corpus, model = About(role="corpus", method="prepare"), About(role="model", method="train")
    train = train.model_copy(update={"about": corpus.model_copy(update={"cards": ("a", "b")})})
    held = held.model_copy(update={"about": corpus.model_copy(update={"cards": ("bench",)})})
    sft = sft.model_copy(
        update={"parents": {"train": "x"}, "about": model.model_copy(update={"cards": ("c",)})}
    )
    results = About(role="results", method="evaluate")
    judge = judge.model_copy(update={"about": results, "parents": {"sft": "x", "held": "x"}})
    export = export.model_copy(update={"about": model, "parents": {"sft": "x", "evaluate": "x"}})
    everything = {each.name: each for each in (train, held, sft, judge, export)}
    assert run.trained_on(everything, "export") == {"a", "b", "c"}


def test_a_run_of_an_older_version_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "old", until="prepare")
    data = json.loads((folder / "run.json").read_text())
    for entry in data["stages"]:
        del entry["about"]
    (folder / "run.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"run\.json: written by a version before 0\.3; .*output=FOLDER"):
        run.read(folder)


def record(name: str, folder: Path) -> Stage:
    made = run.read(made_up_run.build(folder / name, until="prepare"))
    return stage.read(made.folder(made.stages[0]) / "stage.json").model_copy(update={"name": name})


class holder:
    """Another process that holds a run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from lingshu_train import cli
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("room", "file"), [(0, ".lock"), (100, "run.json"), (6000, "run.json")])
def test_a_disk_that_takes_nothing_before_the_first_stage_is_one_line(
    room: int, file: str, tmp_path: Path
) -> None:
    """A file's greatest size stands in for a full disk: lock, run.json and stage.json are written by the launcher itself."""
    command = [
        sys.executable,
        "-c",
        LIMITED,
        str(room),
        "run",
        "quickstart",
        f"output={tmp_path / 'run'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 74
    (line,) = done.stderr.splitlines()
    assert file in line
