"""A trace names the steps that trained on a sample: those of the order walked through, and those of the ledger."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import followed
import numpy as np
import pytest

from lingshu_train import cli
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.runs import ledger, pushed
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
from lingshu_train.stages import _kinds
from lingshu_train.stages.grpo import run as grpo
from lingshu_train.stages.sft import run as sft
from lingshu_train.tracing import checking, text
from lingshu_train.tracing.order import Draws
from lingshu_train.training import divergence

pytestmark = pytest.mark.slow

TRAINED = ("mixed", "packed", "windows")


@pytest.fixture
def run(followed_run: Path) -> Path:
    return followed_run


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy to change, which also is a run that was moved."""
    return Path(shutil.copytree(run, tmp_path / "moved"))


def traced(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.main(["trace", str(folder), *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def walked(stage: Stage) -> dict[str, list[int]]:
    """The steps of every sample, by the code that trains: step after step, row after row. Of a window its first step."""
    config = _kinds.read(stage.config, where="test")
    wanted = parse(Settings, stage.model, where="model", error=RecipeError)
    found: dict[str, list[int]] = defaultdict(list)
    steps = len(ledger.steps(stage.path))
    if stage.kind == "grpo":
        rows = grpo._rows(stage, config, wanted)
        for first in range(0, steps, config.window):
            start = first // config.window * config.rollout_prompts
            for row in rows.rows(start, start + config.rollout_prompts):
                found[rows.sample(int(row)).id].append(first + 1)
        return found
    rows = sft._rows(stage, config, wanted)
    per_step = config.per_device_batch * config.accumulation
    items = sft._items(stage, config, rows, per_step=per_step)
    items.cover(steps * per_step)
    for step in range(1, steps + 1):
        for row in items.rows((step - 1) * per_step, step * per_step):
            found[rows.sample(int(row)).id].append(step)
    return found


@pytest.mark.parametrize("name", TRAINED)
def test_every_sample_has_the_steps_that_walking_through_the_order_gives(
    name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = walked(stages.read(run / name / "stage.json"))
    assert expected
    told = traced(run, capsys, "--card", "drawn", "--every")
    (stage,) = [one for one in told["stages"] if one["stage"] == name]
    assert stage["steps_compared_with_the_ledger"] == stage["steps_taken"]
    found = {sample["id"]: [draw["step"] for draw in sample["draws"]] for sample in stage["samples"]}
    assert found == expected
    assert stage["times"] == sum(map(len, expected.values()))
    assert any(len(steps) > 1 for steps in expected.values())


def test_one_sample_alone_has_the_same_steps_as_among_all(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together = traced(run, capsys, "--card", "drawn")
    for sample in (followed.ids(run, "data")[3], followed.ids(run, "short")[5]):
        alone = traced(run, capsys, "--sample", sample)
        for one, all_ in zip(alone["stages"], together["stages"], strict=True):
            assert one["samples"] == [each for each in all_["samples"] if each["id"] == sample]


def test_what_is_not_trained_on_is_said_with_the_reason(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed, packed, windows = traced(run, capsys, "--card", "drawn")["stages"]
    long = "too long (ingredient 0, data)"
    assert mixed["left_out"][long] > 0
    assert mixed["left_out"][long] == mixed["left_out"]["too long (ingredient 2, data)"]
    assert (
        sum(
            count
            for reason, count in mixed["left_out"].items()
            if reason.startswith("not taken by the mixture")
        )
        == 3 * 8
    )
    assert "too long (ingredient 0, data)" not in packed["left_out"]
    assert sum(count for reason, count in windows["left_out"].items() if "selection" in reason) > 20
    assert windows["window"] == 2
    assert all(
        draw["last_step"] == draw["step"] + 1 for sample in windows["samples"] for draw in sample["draws"]
    )


def test_packs_are_planned_again_where_their_stored_plan_is_gone_or_damaged(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = traced(own, capsys, "--card", "drawn")
    (own / "packed" / "packs" / "order-0.npy").write_bytes(b"torn")
    (own / "packed" / "packs" / "offsets-1.npy").unlink()
    assert {**traced(own, capsys, "--card", "drawn"), "run": before["run"]} == before


def test_models_exports_checkpoints_and_pushes_that_carry_it_are_named(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed.remember(
        own / "shown",
        repo="me/tiny",
        url="https://hub/me/tiny",
        commit="c0ffee",
        revision="main",
        content="x",
    )
    only_packed = next(
        sample["id"]
        for sample in traced(own, capsys, "--card", "drawn")["stages"][1]["samples"]
        if not traced(own, capsys, "--sample", sample["id"])["stages"][0]["samples"]
        and sample["draws"][0]["step"] > 2
    )
    carried = traced(own, capsys, "--sample", only_packed)["carried_by"]
    assert "packed/model" in carried["models"]
    assert "mixed/model" not in carried["models"]
    assert "packed/checkpoints/step-00000002" in carried["free"]
    assert "packed/checkpoints/step-00000020" in carried["checkpoints"]
    assert carried["begun"] == ["shown"]
    assert [push["repo"] for push in carried["pushes"]] == ["me/tiny"]


def test_an_unfinished_stage_is_told_as_far_as_it_came(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "mixed" / "manifest.json").unlink()
    path = own / "mixed" / ledger.NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]) + b'{"torn')
    mixed = traced(own, capsys, "--card", "drawn")["stages"][0]
    assert (mixed["state"], mixed["steps_taken"]) == ("unfinished", 6)
    assert mixed["steps"][-1][-1] == 6


def test_a_held_out_sample_was_not_trained_on(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = followed.ids(run, "data")[-1]
    told = traced(run, capsys, "--sample", sample)
    assert all(not stage["samples"] for stage in told["stages"])
    assert told["carried_by"]["models"] == []
    assert [use["stage"] for use in told["looked_at"]] == ["base"]
    assert cli.main(["trace", str(run), "--sample", sample]) == 0
    assert "carried by: nothing of this run" in capsys.readouterr().out


def test_a_picture_is_found_by_its_file_and_by_the_digest_of_what_is_stored(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = corpus.load(run / "data" / "corpus")
    sample = found.sample(2)
    stored = corpus.stored(found.folder, sample.images[0])
    assert stored is not None
    file = tmp_path / "scan.png"
    file.write_bytes(stored)
    by_file, by_digest = (traced(run, capsys, "--image", named) for named in (str(file), sample.images[0]))
    assert by_file["stages"] == by_digest["stages"]
    assert by_file["rows"]["data"] == 1
    # The same pixels in another file: what prepare would store of it is the same picture.
    from PIL import Image

    bitmap = tmp_path / "scan.bmp"
    with Image.open(file) as image:
        image.save(bitmap)
    assert cli.main(["trace", str(run), "--image", str(bitmap)]) in (0, 66)
    assert "what prepare stores of it" in "".join(capsys.readouterr())


def test_a_ledger_that_tells_of_other_samples_is_refused(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own / "mixed" / ledger.NAME
    lines = path.read_text().splitlines()
    line = json.loads(lines[0])
    lines[0] = json.dumps({**line, "samples": "0" * 12}, sort_keys=True)
    path.write_text("\n".join(lines) + "\n")
    assert cli.main(["trace", str(own), "--card", "drawn"]) == 65
    assert "is not the one that ledger.jsonl tells" in capsys.readouterr().err


def test_lengths_of_another_budget_beside_the_corpus_are_not_mistaken_for_the_stages_own(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = traced(own, capsys, "--card", "drawn")
    for name in ("data", "short"):
        table = next((own / name / "corpus").glob("lengths-*.npy"))
        other = np.load(table).copy()
        other[: len(other) // 2] = 3
        np.save(own / name / "corpus" / "lengths-000000000000.npy", other)
    assert traced(own, capsys, "--card", "drawn") == before


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--sample", "nobody"], 66, "id 'nobody' is in no corpus of this run (searched: base"),
        (["--image", "nowhere.png"], 66, "--image nowhere.png: No such file or directory"),
        ([], 64, "name one of --sample, --image, --patient and --card"),
        (["--sample", "a", "--card", "b"], 64, "name one of"),
    ],
)
def test_what_cannot_be_followed_is_one_line(
    words: list[str], code: int, says: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["trace", str(run), *words]) == code
    says = says.replace("base", "data")
    assert says in capsys.readouterr().err


def test_nothing_is_written_into_the_run(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*")}
    traced(own, capsys, "--card", "drawn", "--every")
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*")} == before


def test_no_torch_is_loaded(run: Path) -> None:
    script = (
        "import sys; from lingshu_train import cli; "
        f"code = cli.main(['trace', {str(run)!r}, '--card', 'drawn']); "
        "sys.exit(code or int('torch' in sys.modules or 'transformers' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_stretches_of_steps_are_told_by_their_ends() -> None:
    assert text.ranges([5, 1, 2, 3, 9, 10]) == [(1, 3), (5, 5), (9, 10)]
    assert text.ranges([]) == []


def test_stages_stand_in_the_order_of_the_plan(run: Path) -> None:
    names = [stage.name for stage in runs.read(run).stages]
    assert names.index("mixed") < names.index("packed") < names.index("shown")


def test_a_batch_that_was_left_out_trained_nothing(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checking.LEFT_OUT == divergence.LEFT_OUT
    before = traced(own, capsys, "--card", "drawn")["stages"][0]
    path = own / "mixed" / ledger.NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[6] |= {
        "loss": None,
        "grad_norm": None,
        divergence.LEFT_OUT: 4,
        divergence.NOT_FINITE: "the loss is nan",
    }
    path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
    mixed = traced(own, capsys, "--card", "drawn")["stages"][0]
    assert mixed["came_in_batches_left_out"] == 4
    assert mixed["times"] == before["times"] - 4
    assert all(draw["step"] != 7 for sample in mixed["samples"] for draw in sample["draws"])


def test_of_a_window_all_steps_have_to_be_left_out() -> None:
    one = np.array([0, 1, 2])
    draws = Draws(one, one, np.array([1, 3, 5]), np.array([2, 4, 6]))
    kept, gone = draws.moving(np.array([2, 3, 4]))
    assert (kept.which.tolist(), gone) == ([0, 2], 1)


def test_stages_of_an_earlier_plan_are_followed_too(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own / "run.json"
    run = json.loads(path.read_text())
    run["stages"] = [stage for stage in run["stages"] if stage["name"] not in ("mixed", "windows")]
    path.write_text(json.dumps(run))
    told = traced(own, capsys, "--card", "drawn")
    assert [stage["stage"] for stage in told["stages"]] == [
        "packed",
        "mixed (of another plan)",
        "windows (of another plan)",
    ]
    assert set(told["carried_by"]["models"]) == {"mixed/model", "packed/model", "windows/model"}


def test_a_stage_whose_rows_are_gone_is_not_told_and_the_exit_code_says_so(
    run: Path, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(own / "short")
    for path in own.glob("*/stage.json"):
        path.write_text(path.read_text().replace(str(run), str(own)))
    assert cli.main(["trace", str(own), "--card", "drawn"]) == 66
    printed = capsys.readouterr().out
    assert "not told: mixed: its rows are gone" in printed
    assert "what carries it may be more" in printed
