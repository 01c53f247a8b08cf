"""A corpus stage whose rows are erased takes its own place: a kill at any moment is finished or undone by the next command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import withdrawing

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError
from lingshu_train.forgetting import erasing
from lingshu_train.papers import _rows
from lingshu_train.runs import erased, manifest
from lingshu_train.runs.withdrawn import MARK


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A finished corpus stage of 16 rows in the folder of a run."""
    withdrawing.drawn(tmp_path / "run" / "data" / "corpus", patients=8, seed=1, name="scan")
    made = tiny.make_stage(
        tmp_path / "run", "data", {"kind": "prepare", "cards": ["package_pydicom"]}, parents={}
    )
    tiny.finish(made, outputs=["corpus"])
    return made.path


def names(stage: Path) -> list[str]:
    reader = corpus.load(stage / "corpus").reader
    return [reader.record(row)["id"] for row in range(16)]


def gone_at(patch: pytest.MonkeyPatch, owner: object, name: str, call: int) -> None:
    """As if the process were gone before the so-manieth call of a function."""
    real: Callable[..., object] = getattr(owner, name)
    calls = 0

    def counted(*given: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise RuntimeError("gone")
        return real(*given, **named)

    patch.setattr(owner, name, counted)


KILLS: dict[str, tuple[object, str, int]] = {
    "while files are written": (erasing, "link_file", 1),
    "before the manifest": (erasing, "write_json", 1),
    "before the first rename": (Path, "rename", 1),
    "between the renames": (Path, "rename", 2),
    "after the renames": (erasing, "sync", 1),
    "before the old one is removed": (shutil, "rmtree", 1),
}


@pytest.mark.parametrize("moment", KILLS)
def test_after_a_kill_the_stage_is_whole_and_nothing_hidden_is_left(moment: str, stage: Path) -> None:
    owner, name, call = KILLS[moment]
    if moment == "while files are written":
        (stage / "notes.txt").write_text("linked beside the corpus")
    with pytest.MonkeyPatch.context() as patch:
        gone_at(patch, owner, name, call)
        with pytest.raises(RuntimeError, match="gone"):
            erasing.erase(stage, np.array([3, 4]), {})
    erasing.finish(stage.parent)
    assert not [path.name for path in stage.parent.iterdir() if path.name.startswith(".data")]
    assert manifest.done(stage) and not manifest.damaged(stage)
    assert names(stage).count(MARK) in (0, 2), "undone or finished"
    erasing.erase(stage, np.array([3, 4]), {})
    assert names(stage)[3:5] == [MARK, MARK] and names(stage).count(MARK) == 2
    assert not [path.name for path in stage.parent.iterdir() if path.name.startswith(".data")]


def test_a_stage_that_only_its_old_hidden_name_is_left_of_is_put_back(stage: Path) -> None:
    stage.rename(stage.with_name(f".{stage.name}{erasing.BEFORE}"))
    erasing.finish(stage.parent)
    assert names(stage).count(MARK) == 0 and not manifest.damaged(stage)


def test_what_stands_under_the_hidden_name_is_kept_where_no_manifest_of_ours_follows_it(stage: Path) -> None:
    away = stage.with_name(f".{stage.name}{erasing.BEFORE}")
    shutil.copytree(stage, away)
    erasing.finish(stage.parent)
    assert away.is_dir(), "the stage in its place has lost no row: what lies beside it may be all there is"


def test_rows_that_are_erased_by_two_requests_count_once_and_both_are_told(stage: Path) -> None:
    erasing.erase(stage, np.array([3, 4]), {})
    before = manifest.file_digest(stage / manifest.NAME)
    erasing.erase(stage, np.array([4, 9]), {})
    assert corpus.read_summary(stage / "corpus").erased == 3
    told = erased.said(manifest.read(stage))
    assert told is not None and told.rows == "3-4,9" and told.before[-1] == before
    digest = manifest.file_digest(stage / manifest.NAME)
    again = erasing.erase(stage, np.array([3, 4]), {})
    assert (again.after, again.files) == (digest, told.files), "the first request once more changes nothing"


def test_papers_count_erased_rows_each_and_once(stage: Path) -> None:
    reads = [_rows.Read(folder=stage / "corpus", split="held_out") for _ in range(2)]
    before = _rows.counted(reads)[0]["package_pydicom"].rows
    erasing.erase(stage, np.arange(5), {})
    erasing.erase(stage, np.array([6]), {})
    curated = shutil.copytree(stage / "corpus", stage.parent / "curated" / "corpus")
    reads.append(_rows.Read(folder=curated, split="held_out"))
    assert _rows.counted(reads)[0]["package_pydicom"].rows == before


def test_a_damaged_stage_says_what_to_do(stage: Path) -> None:
    rows = next((stage / "corpus").glob("rows-*.arrow"))
    data = bytearray(rows.read_bytes())
    data[len(data) // 2] ^= 1
    rows.write_bytes(bytes(data))
    with pytest.raises(DataError, match="is damaged; restore it from a backup, or move"):
        erasing.erase(stage, np.array([3]), {})
    with pytest.raises(DataError, match="is damaged; put it back"):
        erasing.erase(stage, np.array([3]), {}, otherwise="put it back")
