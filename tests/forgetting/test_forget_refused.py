"""What cannot be forgotten is one line and an exit code; a certificate or a corpus that was changed is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import withdrawing
from withdrawing import MIDDLE, NEVER

from lingshu_train import cli
from lingshu_train.forgetting import certificate, deciding
from lingshu_train.runs import chain, erased, manifest
from lingshu_train.runs import run as runs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("change", ["chain", "request", "file"])
def test_a_certificate_that_was_changed_is_found(
    own: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = own.with_name("other")
    assert withdrawing.forget(own, "--patient", NEVER, "--output", str(target)) == 0
    path = next(iter(target.glob(certificate.PATTERN)))
    if change == "file":
        (target / deciding.WITHDRAWN).write_text("{}")
    else:
        told = json.loads(path.read_text())
        if change == "chain":
            told["chain"][0]["manifest"] = "0" * 64
        else:
            told["request"]["asked"] = "0" * 64
        path.write_text(json.dumps(told))
    capsys.readouterr()
    assert cli.main(["verify", str(target)]) == 65
    says = {
        "chain": "is not what the certificate names",
        "request": "says something else",
        "file": "withdrawn.json: is not",
    }
    assert says[change] in capsys.readouterr().out


def test_a_corpus_that_only_says_that_it_was_erased_breaks_the_chain(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(own.glob("data-*")) / manifest.NAME
    told = json.loads(path.read_text())
    before = manifest.file_digest(path)
    told["results"][erased.FACT] = {"rows": "3", "files": [], "before": [before], "signature": "0" * 64}
    told["files"]["corpus/corpus.json"] = "0" * 64
    path.write_text(json.dumps(told))
    found = chain.broken(chain.of(runs.read(own)))
    assert found is not None and "was made from another data" in found.told


def test_a_run_that_is_at_work_is_left_alone(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with runs.hold(own):
        assert cli.main(["forget", str(own), "--patient", NEVER, "--dry-run"]) == 73
    assert "a run is working in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 64, "forget: name one of --sample, --image, --patient and --card"),
        (("--patient", "nobody"), 66, "group 'nobody' is in no corpus of this run"),
        (("--patient", NEVER, "--erase-old"), 64, "--erase-old goes with --erase"),
        (("--patient", NEVER, "--output", "{run}/inside"), 64, "lies in the run that is to be left as it is"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: tuple[str, ...], code: int, says: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert withdrawing.forget(own, *(word.format(run=own) for word in words)) == code
    assert says in capsys.readouterr().err
    assert not own.with_name("run-without").exists()


@pytest.mark.parametrize("what", ["content", "another request", "never begun"])
def test_a_run_that_is_not_what_it_was_is_refused(
    what: str, own: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None]
) -> None:
    base = next(own.glob("base-*"))
    if what == "content":
        change(base)
    elif what == "never begun":
        shutil.rmtree(base)
    else:
        assert withdrawing.forget(own, "--patient", NEVER) == 0
    capsys.readouterr()
    code, says = {
        "content": (65, "stage base would be named"),
        "another request": (73, "was begun to forget something else"),
        "never begun": (66, "stage base was not begun"),
    }[what]
    assert withdrawing.forget(own, "--patient", MIDDLE) == code
    assert says in capsys.readouterr().err


@pytest.fixture
def change() -> Callable[[Path], None]:
    """A stage of another version, as an upgrade leaves it."""

    def other(folder: Path) -> None:
        path = folder / "stage.json"
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, "content": "0" * 64}))

    return other
