"""The audit of a reward in real tiny runs: a lenient one is found out, stops or gives way, and a resume comes to the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny

from lingshu_train.auditing import records
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

LENIENT = '''
def score(sample, completion, params):
    """Right where the answer's digit stands anywhere, or where anything at all does."""
    return 1.0 if len(completion.text) % 2 or sample.answer in completion.text else 0.0
'''
PARENTS = ("data", "short", "base", "warm")


def audited(base: Path, root: Path, *, name: str = "grpo", block: dict[str, Any], **changes: Any) -> Stage:
    (root / "lenient.py").write_text(LENIENT)
    terms = [{"name": "lenient", "file": str(root / "lenient.py")}]
    block = {"term": "lenient", "share": 0.5, "limit": 0.1, **block}
    config = tiny.grpo(**{"per_device_batch": 16, **changes}, rewards={"terms": terms}, audit=block)
    return tiny.make_stage(root, name, config, parents={each: base / each for each in PARENTS})


def test_a_lenient_reward_stops_the_stage_with_one_line_and_does_so_again(base: Path, tmp_path: Path) -> None:
    stage = audited(base, tmp_path, block={"params": {"checks": [], "policy": "lenient"}})
    said = []
    for _ in range(2):
        assert tiny.run(stage) == 65
        log = (stage.path / "log.txt").read_text().splitlines()
        said.append([line for line in log if line.startswith("lingshu: ")][-1])
        assert not (stage.path / "manifest.json").exists()
    assert said[0] == said[1]
    assert "audited answers that lenient accepted were false" in said[0]
    assert "Traceback" not in (stage.path / "log.txt").read_text()
    found = records.read(stage.path)
    assert sum(bool(one.false) for one in found) > 1
    assert all(one.why.startswith("verifier_") for one in found if one.false)


def test_a_fallback_takes_over_in_the_same_window_and_a_resumed_run_is_the_same(
    base: Path, tmp_path: Path
) -> None:
    strict = {"terms": [{"name": "lenient", "file": str(tmp_path / "strict.py")}]}
    (tmp_path / "strict.py").write_text(
        "def score(sample, completion, params):\n    return float(completion.text.strip() == sample.answer)\n"
    )
    block = {
        "fallback": strict,
        "params": {"checks": [], "policy": "lenient"},
        "bound": "lower",
        "limit": 0.1,
    }
    stage = audited(base, tmp_path, block=block, save_every=2)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    lines = ledger.steps(stage.path)
    fell = [line["step"] for line in lines if "audit/fell_back" in line]
    (told,) = [line for line in json.loads((stage.path / "manifest.json").read_text())["results"]["warnings"]]
    assert f"step {fell[0]}: audit.limit was passed" in told
    assert fell and fell == list(range(fell[0], len(lines) + 1))
    assert {one.under for one in records.read(stage.path)} <= {"rewards", "fallback"}
    again = audited(base, tmp_path, name="again", block=block, save_every=2)
    process = tiny.start(again)
    tiny.kill_when(process, lambda: tiny.steps_done(again) >= 5)
    assert tiny.run(again) == 0, (again.path / "log.txt").read_text()
    assert tiny.trajectory(again.path) == tiny.trajectory(stage.path)
    assert tiny.weights(again.path) == tiny.weights(stage.path)
    assert (again.path / ledger.AUDITS).read_bytes() == (stage.path / ledger.AUDITS).read_bytes()


def test_two_ranks_audit_the_answers_that_one_does_and_fall_back_together(base: Path, tmp_path: Path) -> None:
    """Keys hang on prompt, sample and step alone; each rank has half of a window, and all come to one decision."""
    strict = {"terms": [{"name": "lenient", "file": str(tmp_path / "strict.py")}]}
    (tmp_path / "strict.py").write_text(
        "def score(sample, completion, params):\n    return float(completion.text.strip() == sample.answer)\n"
    )
    block = {"fallback": strict, "params": {"checks": [], "policy": "lenient"}, "bound": "lower"}
    found, fell = [], []
    for world in (1, 2):
        stage = audited(base, tmp_path, name=f"on{world}", block=block, steps=6, per_device_batch=16 // world)
        stage = stage.model_copy(update={"world_size": world})
        assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
        first = [one for one in records.read(stage.path) if one.step == 1]
        found.append([(one.key, one.id, one.completion, one.false) for one in first])
        fell.append([line["step"] for line in ledger.steps(stage.path) if "audit/fell_back" in line])
    assert found[0] and found[0] == found[1]
    assert fell[0] and fell[0] == fell[1]


def test_what_waits_for_a_person_stays_until_it_is_judged_and_counts_then(base: Path, tmp_path: Path) -> None:
    stage = audited(base, tmp_path, block={"by": "person"}, steps=4)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    waiting = records.read(stage.path)
    assert waiting and all(one.false is None for one in waiting)
    records.say(stage.path, waiting[0], false=True)
    (stage.path / records.VERDICTS).open("a").write('{"key": "half')
    assert [one.false for one in records.read(stage.path)] == [True] + [None] * (len(waiting) - 1)
    made = json.loads((stage.path / "manifest.json").read_text())
    assert made["files"][ledger.AUDITS]
    (told,) = [line for line in made["results"]["warnings"] if "audited" in line]
    assert f"{len(waiting)} of {len(waiting)} audited answers have no verdict" in told and "waits" in told


def test_a_person_goes_through_the_queue_and_ends_and_goes_on_where_it_was(
    base: Path, tmp_path: Path
) -> None:
    stage = audited(base, tmp_path, block={"by": "person"}, steps=4)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    about = json.loads((stage.path / "stage.json").read_text())["about"]
    line = {"name": "grpo", "kind": "grpo", "folder": "grpo", "about": about}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": "r", "stages": [line], "plan": "", "path": "."}))

    def asked(said: str, *options: str) -> str:
        command = [sys.executable, "-m", "lingshu_train", "audit", str(tmp_path), *options]
        done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = json.loads(asked("", "--json"))["waiting"]
    told = asked("maybe\ny\nn\ns\n")
    assert "gold: " in told and "picture: /" in told and "1 of 2 audited answers were false" in told
    left = json.loads(asked("", "--json"))["waiting"]
    assert [one["key"] for one in left] == [one["key"] for one in before[2:]]
    assert f"{len(before) - 2:,} wait" in asked("q\n")


def test_alarms_watch_a_real_stage_and_a_resume_has_the_same_shares(base: Path, tmp_path: Path) -> None:
    alarms = {"rise": 0.01, "reference": 2, "confidence": 0.6}
    config = tiny.grpo(per_device_batch=16, alarms=alarms, save_every=4)
    parents = {each: base / each for each in PARENTS}
    one, two = (tiny.make_stage(tmp_path, name, config, parents=parents) for name in ("one", "two"))
    assert tiny.run(one) == 0, (one.path / "log.txt").read_text()
    tiny.kill_when(tiny.start(two), lambda: tiny.steps_done(two) >= 7)
    assert tiny.run(two) == 0, (two.path / "log.txt").read_text()
    lines = tiny.trajectory(one.path)
    assert tiny.trajectory(two.path) == lines
    assert all(0 <= line["shares/length"] <= 1 and "shares/unformatted" in line for line in lines)
    rules = [{name: line[name] for name in line if name.startswith("shares/rule/")} for line in lines]
    assert any(rules) and all(sum(one.values()) == pytest.approx(1) for one in rules if one)
