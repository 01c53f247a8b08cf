"""A run that forgets a patient ends with the bits of the run that never had him, and says so in a certificate that can be checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import withdrawing
import yaml
from layouts import once
from withdrawing import ASKED, MIDDLE, NEVER

from lingshu_train import cli
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError
from lingshu_train.forgetting import certificate, copies, deciding, doing, erasing, leftovers
from lingshu_train.planning import plan, recipe
from lingshu_train.runs import chain, continuing, ledger, manifest, pushed
from lingshu_train.runs import run as runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def straight(consented: Path, shared: Path) -> Path:
    """The run without the patient of the middle from its first step, by the recipe that `forget` writes, in a folder of its own."""

    def make(root: Path) -> None:
        root.mkdir()
        wish = deciding.Wish(what="patient", named=MIDDLE)
        made = deciding.plan(consented / "run", wish, output=root / "planned")
        (root / "withdrawn.json").write_text(made.withdrawn.model_dump_json())
        written = {**made.document, "output": str(root / "run"), "withdrawn": str(root / "withdrawn.json")}
        (root / "straight.yaml").write_text(yaml.safe_dump(written))
        withdrawing.run(root / "straight.yaml")

    return once(shared / "straight-without", make) / "run"


def killed_at(step: int, stage: str, patch: pytest.MonkeyPatch) -> None:
    """As if the process were gone after the ledger's line of a step."""
    append = ledger.Ledger.append

    def and_gone(self: ledger.Ledger, number: int, values: dict[str, ledger.Column]) -> None:
        append(self, number, values)
        if number == step and self.path.parent.name.startswith(stage) and self.path.name == ledger.NAME:
            raise RuntimeError("gone")

    patch.setattr(ledger.Ledger, "append", and_gone)


def test_it_ends_with_the_bits_of_the_run_that_never_had_the_rows_also_after_a_kill(
    consented: Path, straight: Path, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = own.with_name("run-without")
    with pytest.MonkeyPatch.context() as patch:
        killed_at(5, "packed", patch)
        assert withdrawing.forget(own, "--patient", MIDDLE, "--erase") == 70
    assert not list(target.glob(certificate.PATTERN))
    assert withdrawing.forget(own, "--patient", MIDDLE, "--erase") == 0
    equal = withdrawing.same(target, straight)
    assert set(equal) == set(withdrawing.STAGES), "every stage has the name that it has in the straight run"
    assert all(equal.values()), equal
    old = withdrawing.same(own, straight)
    assert {name for name in old if old[name]} == {"words", "data", "base", "aside"}, "and nothing else is"
    told = {one.stage: (one.how, one.step, one.first_use) for one in withdrawing.certified(target).chain}
    assert told["base"] == told["aside"] == ("the same", 0, 0)
    assert told["plain"] == ("goes on", 6, 7)
    assert told["packed"] == ("goes on", 2, 3)
    assert told["rl"] == ("goes on", 2, 3)
    assert told["shown"] == ("anew", 0, 0)
    assert told["later"] == ("anew", 0, 0), "it never came to the rows, and starts from a model that did"
    assert "(withdrawn)" in corpus.load(next(target.glob("data-*")) / "corpus").reader.record(4)["id"]
    capsys.readouterr()
    assert cli.main(["verify", str(target)]) == 0
    assert f"{len(told)} stages as it names them" in capsys.readouterr().out
    assert cli.main(["trace", str(target), "--sample", "scan-4"]) == 66, "the rows have no id any more"
    assert withdrawing.same(own, consented / "run") == dict.fromkeys(withdrawing.STAGES, True)


def test_a_kill_of_all_its_processes_costs_nothing_but_time(straight: Path, own: Path) -> None:
    """The command line in processes of its own, killed while a stage trains; then the same command."""
    target = own.with_name("run-without")
    words = [sys.executable, "-m", "lingshu_train", "forget", str(own), "--patient", MIDDLE]
    with (own.parent / "log.txt").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        tiny.kill_when(
            process,
            lambda: any(
                path.read_bytes().count(b"\n") >= 8 for path in target.glob(f"plain-*/{ledger.NAME}")
            ),
        )
    assert not list(target.glob(certificate.PATTERN))
    assert withdrawing.forget(own, "--patient", MIDDLE) == 0
    equal = withdrawing.same(target, straight)
    assert set(equal) == set(withdrawing.STAGES) and all(equal.values()), equal
    told = {one.stage: one for one in withdrawing.certified(target).chain}
    assert (told["plain"].how, told["plain"].step, told["plain"].again) == ("goes on", 6, 4)


def test_pushes_that_carry_the_rows_are_named_and_no_others(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "https://hub.example/me/tiny"
    shown = next(own.glob("shown-*"))
    pushed.remember(shown, repo="me/tiny", url=url, commit="c0ffee" * 6, revision="main", content="x")
    for patient, carried in ((MIDDLE, True), (NEVER, False), (ASKED, False)):
        made = deciding.plan(own, deciding.Wish(what="patient", named=patient))
        assert [one.repo for one in made.request.pushes] == ["me/tiny"] * carried, patient
        assert cli.main(["forget", str(own), "--patient", patient, "--dry-run"]) == 0
        assert ("push: me/tiny at c0ffeec0ffee" in capsys.readouterr().out) == carried
    assert any(
        line.startswith(f"{url}: pushed at ") and "(commit c0ffeec0ffee)" in line
        for line in leftovers.find(
            made.read, deciding.plan(own, deciding.Wish(what="patient", named=MIDDLE)).request, erased=set()
        )
    )


def test_rows_that_never_came_cost_no_step(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in own.rglob("manifest.json")}
    words = ("--patient", NEVER, "--output", str(own.with_name("other")))
    assert withdrawing.forget(own, *words) == 0
    assert "steps to run again: 0 of" in capsys.readouterr().out
    made = withdrawing.certified(own.with_name("other"))
    assert {one.how for one in made.chain} == {"the same"}
    assert withdrawing.same(own, own.with_name("other")) == dict.fromkeys(withdrawing.STAGES, True)
    # Erased afterwards: a second certificate says so, and the first one still holds.
    assert withdrawing.forget(own, *words, "--erase") == 0
    assert len(list(own.with_name("other").glob(certificate.PATTERN))) == 2
    assert cli.main(["verify", str(own.with_name("other"))]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in own.rglob("manifest.json")}


def test_a_question_of_an_evaluation_is_not_asked(own: Path) -> None:
    target = own.with_name("run-without")
    assert withdrawing.forget(own, "--patient", ASKED) == 0
    told = {one.stage: one.how for one in withdrawing.certified(target).chain}
    assert told.pop("asked") == "anew"
    assert set(told.values()) == {"the same"}
    made = manifest.read(next(target.glob("asked-*")))
    assert (made.results["samples"], made.results["withdrawn"]) == (14, 2)
    asked = (next(target.glob("asked-*")) / "predictions" / "later.jsonl").read_text()
    assert "scan-48" not in asked and "scan-50" in asked


def test_a_dry_run_writes_nothing_and_says_what_it_would_cost(
    consented: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = consented / "run"
    before = sorted(consented.rglob("*"))
    assert cli.main(["forget", str(folder), "--patient", MIDDLE, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for line in (
        "withdrawn from data: 2 rows",
        "plain (sft): came to them first in step 7; goes on from step 6 of 10",
        "later (sft): never came to them; runs anew",
        "steps to run again: 16 of 28",
    ):
        assert line in printed
    assert sorted(consented.rglob("*")) == before


def test_what_the_old_run_holds_is_erased_only_when_asked_and_a_crash_in_the_middle_is_finished(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, data = own.with_name("run-without"), next(own.glob("data-*"))

    digest = manifest.file_digest(data / "manifest.json")

    def gone(folder: Path) -> None:
        raise RuntimeError("gone")

    with monkeypatch.context() as patch:
        # Both folders of the swap stand under hidden names.
        patch.setattr(erasing, "sync", gone)
        with pytest.raises(RuntimeError, match="gone"):
            withdrawing.forget(own, "--patient", NEVER, "--erase", "--erase-old")
    assert manifest.file_digest(data / "manifest.json") == digest, "the new run comes first"
    assert withdrawing.forget(own, "--patient", NEVER, "--erase", "--erase-old") == 0
    for folder in (own, target):
        found = corpus.load(next(folder.glob("data-*")) / "corpus")
        assert [found.reader.record(row)["answer"] for row in (26, 27)] == ["-", "-"]
        assert found.reader.record(28)["id"] == "scan-28"
        assert cli.main(["verify", str(folder)]) == 0
    made = withdrawing.certified(target)
    assert [Path(one.folder).parent.name for one in made.erased] == ["run-without", "run"]
    assert made.erased[1].before == digest
    assert not any(path.name.startswith(".data") for path in [*own.iterdir(), *target.iterdir()])
    assert {link.holds for link in chain.of(runs.read(own))} == {"whole", "erased"}
    # Once more, from the state between the two renames; the ids are gone by now, and it still knows what it was asked.
    data.rename(data.with_name(f".{data.name}{erasing.FRESH}"))
    assert withdrawing.forget(own, "--patient", NEVER, "--erase", "--erase-old") == 0
    assert cli.main(["verify", str(own)]) == 0


def test_a_damaged_corpus_of_the_old_run_is_not_erased_and_it_says_what_to_do(own: Path) -> None:
    made = deciding.plan(own, deciding.Wish(what="patient", named=NEVER))
    data = next(own.glob("data-*"))
    tar = next((data / "corpus").glob("*.tar"))
    held = tar.read_bytes()
    tar.unlink()  # another file: others link to the one there was
    tar.write_bytes(held[:-1] + b"x")
    wiping = doing._Doing(made=made, erase=True, say=print)
    with pytest.raises(
        DataError, match="is damaged; the new run is finished; restore this stage from a backup"
    ):
        wiping.wipe(data)
    (data / manifest.NAME).unlink()
    with pytest.raises(DataError, match=r"is not finished, .* restore this stage from a backup"):
        wiping.wipe(data)


def test_copies_are_listed_and_taken_only_when_asked(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which rows count as copies is told in test_copies.py: here the other row of another patient is one."""
    copy = copies.Copy(corpus="data", row=26, id="scan-26", why=copies.SAME_TEXT)
    monkeypatch.setattr(copies, "find", lambda rows, read, near: (copy,))
    words = ("forget", str(own), "--sample", "scan-5", "--dry-run")
    assert cli.main([*words]) == 0
    printed = capsys.readouterr().out
    assert "withdrawn from data: 1 rows" in printed
    assert "not taken (--with-copies takes them):\n  data: 1 rows, the same text: rows 26" in printed
    assert cli.main([*words, "--with-copies"]) == 0
    printed = capsys.readouterr().out
    assert "withdrawn from data: 2 rows" in printed and "taken too" in printed


def test_a_run_that_went_without_rows_can_forget_more(own: Path) -> None:
    """Two patients that never came, one after the other, and then one whose rows came: the rows add up."""
    one, two = own.with_name("one"), own.with_name("two")
    assert withdrawing.forget(own, "--patient", MIDDLE, "--output", str(one)) == 0
    assert withdrawing.forget(one, "--patient", NEVER, "--output", str(two)) == 0
    assert {entry.how for entry in withdrawing.certified(two).chain} == {"the same", "renamed"}
    stage = manifest.read(next(two.glob("plain-*"))).stage
    assert stage.withdrawn["data"].rows == "4-5,26-27"
    names = {name: next(two.glob(f"{name}-*")) for name in ("plain", "packed", "rl", "later")}
    for name, folder in names.items():
        assert tiny.weights(folder) == tiny.weights(next(one.glob(f"{name}-*")))
    assert cli.main(["verify", str(two)]) == 0
    card, before = (next(folder.glob("shown-*/export/README.md")).read_text() for folder in (two, one))
    assert "- plain: 4 rows of data" in card and "- plain: 2 rows of data" in before
    weights = next(two.glob("shown-*/export/model.safetensors"))
    assert weights.samefile(next(one.glob("shown-*/export/model.safetensors")))


def test_the_recipe_it_writes_is_one(own: Path) -> None:
    target = own.with_name("run-without")
    with pytest.MonkeyPatch.context() as patch:
        killed_at(7, "plain", patch)
        assert withdrawing.forget(own, "--patient", MIDDLE) == 70
    again = plan.build(recipe.load(str(target / deciding.RECIPE)))
    assert [stage.path for stage in again.stages] == [
        target / entry.folder for entry in runs.read(target).stages
    ]
    assert plan.state(again.stages[4]) == "resumable at step 6"


def test_a_checkpoint_that_is_begun_from_is_whole_or_refused(own: Path) -> None:
    old = next(own.glob("plain-*"))
    stage = manifest.read(old).stage
    new = stage.model_copy(update={"folder": str(own / "new"), "content": "other"})
    made = continuing.begin(new, stage, 6)
    assert continuing.begin(new, stage, 6) == made, "a second time changes nothing"
    weights = "model.safetensors"
    assert (made / weights).samefile(old / "checkpoints" / "step-00000006" / weights)
