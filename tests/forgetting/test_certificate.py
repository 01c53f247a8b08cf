"""A certificate holds by what is there now: also where more rows were erased since, and with counts of all that was refused."""

from __future__ import annotations

import json
from pathlib import Path

import made_up_run
import pytest

from lingshu_train.forgetting import certificate, leftovers
from lingshu_train.forgetting.certificate import Certificate, Chained, Request
from lingshu_train.naming import file_digest
from lingshu_train.runs import erased, manifest, run
from lingshu_train.runs.files import write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.tracing import matching

SALT = "5a17"


def request(of: Path, *, what: str = "sample", value: str = "q-1") -> Request:
    return Request(
        run=str(of),
        what=what,
        asked=certificate.hashed(SALT, value),
        salt=SALT,
        ids=(),
        rows={"prepare": "1"},
        first={"prepare": 0},
        refused=1,
        created=certificate.now(),
    )


def erase(stage: Path, rows: str) -> None:
    """What erasing rows says in the manifest of a corpus stage, with another file to show for it."""
    made, before = manifest.read(stage), file_digest(stage / manifest.NAME)
    left = made.model_copy(
        update={"files": {**made.files, "corpus/corpus.json": file_digest(stage / "stage.json")}}
    )
    write_json(
        stage / manifest.NAME, manifest.portable(erased.signed(left, rows=rows, files=(), before=before))
    )


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """The folder of a finished run with a certificate that names one stage of it."""
    folder = made_up_run.build(tmp_path / "run", until="shallow", questions=3)
    found = run.read(folder)
    entry = found.stage("prepare")
    place = found.folder(entry)
    erase(place, "1")
    for name in ("recipe.yaml", "withdrawn.json"):
        (folder / name).write_text("{}")
    chained = Chained(
        stage="prepare",
        before="",
        content_before="",
        manifest_before="",
        after=place.name,
        content="",
        manifest=file_digest(place / manifest.NAME),
        first_use=0,
        how="the same",
    )
    made = certificate.sealed(
        Certificate(
            request=request(folder.with_name("before")),
            chain=(chained,),
            recipe=file_digest(folder / "recipe.yaml"),
            withdrawn=file_digest(folder / "withdrawn.json"),
            environment=manifest.environment(device="cpu", processor="", world_size=1, threads=0),
            version="0",
            finished=certificate.now(),
        )
    )
    write_json(folder / made.name, made.model_dump(mode="json"))
    return folder


def faults(folder: Path) -> tuple[str, ...]:
    (found,) = certificate.check(folder)
    return found.faults


def test_more_rows_erased_since_do_not_contradict_it_and_any_other_change_does(certified: Path) -> None:
    place = next(certified.glob("prepare-*"))
    assert faults(certified) == ()
    erase(place, "2")
    assert faults(certified) == (), "the manifest says, under our key, what it was before"
    path = place / manifest.NAME
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "files": {}}))
    assert "is not what the certificate names" in faults(certified)[0]
    path.write_text("{")
    assert "is not what the certificate names" in faults(certified)[0]


def quarantine(stage: Stage, lines: list[tuple[str, str]]) -> Path:
    path = stage.path / "corpus" / "quarantine.jsonl"
    path.write_text(
        "".join(
            json.dumps({"card": card, "where": where, "reason": "no answer"}) + "\n" for card, where in lines
        )
    )
    return path


def test_every_refused_row_is_counted_and_named_as_left(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="prepare", questions=3)
    stage = manifest.read(next(folder.glob("prepare-*"))).stage
    path = quarantine(stage, [*(("drawn", f"q-{number}") for number in range(7)), ("other", "o-1")])
    asked = matching.wanted("card", "drawn")
    assert len(matching.refused(stage.path / "corpus", asked)) == 7
    by_card = leftovers.quarantined([stage], request(folder, what="card", value="drawn"))
    assert list(by_card) == [f"{path}: 7 refused rows, with the reason"]
    by_id = leftovers.quarantined([stage], request(folder, value="o-1"))
    assert list(by_id) == [f"{path}: 1 refused rows, with the reason"]
    assert list(leftovers.quarantined([stage], request(folder, what="patient", value="q-1"))) == []
    assert list(leftovers.quarantined([stage], request(folder, value="q-9"))) == []
