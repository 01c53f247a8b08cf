"""A new card is compared with what is there by what was measured of it before, and the decisions are those from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from curating import Row, again, caption, corpus, row, scene, stage, table

from lingshu_train.curate import _index, _measuring, _steps, _work, contradictions
from lingshu_train.curate._steps import StepChoice
from lingshu_train.data.corpus import corpus as corpora
from lingshu_train.data.corpus import erasing
from lingshu_train.errors import MissingInput, OutputFailed
from lingshu_train.naming import file_digest

STEPS: list[dict[str, Any]] = [
    {"name": "exact_duplicates", "params": {"pictures": "pixels"}},
    {"name": "near_pictures", "params": {"types": ["free"], "same_text": False}},
    {"name": "near_text"},
    {"name": "contradictions"},
    {"name": "caption_length", "params": {"least": 4}},
    {"name": "decontamination"},
]
REPORT = "The heart is of the usual size and the lungs are clear on film {} without any change since the last one of this patient"


def old() -> list[Row]:
    """Rows of which curation itself drops some."""
    made = [row(f"q{n}", scene(n), answer=("CT", "MR")[n % 2]) for n in range(12)]
    made += [caption(f"c{n}", f"A soft picture, number {n}", scene(20 + n)) for n in range(6)]
    made += [caption(f"r{n}", REPORT.format(n // 2)) for n in range(8)]
    return [*made, row("copy", scene(3), answer="MR"), caption("short", "Too short", scene(90))]


def new() -> list[Row]:
    return [
        row("same", scene(1), answer="MR"),
        row("contradicts", scene(2), answer="MR"),
        caption("saved anew", "Another text about it", again(scene(21), 60)),
        caption("of what was dropped", "Its picture was dropped before", again(scene(90), 60)),
        caption("report", REPORT.format(2)),
        caption("of its own", "Nothing like the others at all", scene(50)),
        caption("leaked", "What a benchmark shows as well", scene(70)),
    ]


@pytest.fixture
def there(tmp_path: Path) -> dict[str, Path]:
    """A curated corpus, rows that are new, and a benchmark."""
    first = stage(tmp_path, STEPS, parents={"raw": corpus(tmp_path / "raw", old())})
    tiny.run_here(first)
    assert {line["sample"] for line in table(first) if line["action"] == "drop"} == {
        *("copy", "short", "r1", "r3", "r5", "r7"),
    }
    asked = [row("asked", scene(70), card="asked")]
    return {
        "known": first.path,
        "new": corpus(tmp_path / "new", new()),
        "asked": corpus(tmp_path / "b", asked),
    }


def more(root: Path, there: dict[str, Path], steps: list[dict[str, Any]] = STEPS) -> tuple[str, list[str]]:
    """sha256 of what is decided of the new rows, and what was measured for it."""
    done: list[str] = []

    def do(work: _work.Work, job: _work.Job) -> None:
        done.append("pictures" if job.source is None else work.sources[job.source].part)
        _measuring.do_one(work, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_measuring, "do_one", _measuring.do, raising=False)
        patch.setattr(_measuring, "do", do)
        made = stage(
            root, steps, parents={**there, "raw": there["new"]}, known=["known"], benchmarks=["asked"]
        )
        tiny.run_here(made)
    dropped = {line["sample"] for line in table(made) if line["action"] == "drop"}
    assert dropped == {"same", "saved anew", "report", "leaked"}
    return file_digest(made.path / "decisions.parquet"), done


def measurements(there: dict[str, Path]) -> list[Path]:
    return sorted(path for each in there.values() for path in (each / "corpus").glob(corpora.MEASURED))


def test_what_was_measured_is_not_measured_again_and_decides_the_same(
    tmp_path: Path, there: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_work, "PICTURES", 3)
    with_index, done = more(tmp_path / "with", there)
    assert "known" not in done and "own" in done
    pictures = done.count("pictures")
    for path in measurements(there):
        path.unlink()
    scratch, everything = more(tmp_path / "scratch", there)
    assert with_index == scratch
    assert "known" in everything and everything.count("pictures") > pictures
    assert more(tmp_path / "again", there) == (scratch, ["pictures", "pictures", "pictures", "own"])


def test_an_index_that_is_damaged_or_of_other_settings_is_not_used(
    tmp_path: Path, there: dict[str, Path]
) -> None:
    expected, _ = more(tmp_path / "sound", there)
    for path in measurements(there):
        values = bytearray(path.read_bytes())
        values[len(values) // 2] ^= 1
        path.write_bytes(values)
    found, done = more(tmp_path / "damaged", there)
    assert found == expected and "known" in done
    other = [
        {"name": "near_text", "params": {"words": 2}} if one["name"] == "near_text" else one for one in STEPS
    ]
    assert "known" in more(tmp_path / "other", there, other)[1]


def test_erasing_a_row_drops_the_hashes_of_its_text_and_pictures(
    tmp_path: Path, there: dict[str, Path]
) -> None:
    found = corpora.load(there["known"] / "corpus")
    assert list(found.folder.glob(corpora.MEASURED))
    erasing.erase(found, np.array([1]), tmp_path / "erased", known={})
    assert not list((tmp_path / "erased").glob(corpora.MEASURED))


PLUGIN = """
from pathlib import Path
import numpy as np
from lingshu_train.schema import Strict
MEASURED = np.dtype(("u8", (1,)))
class Params(Strict):
    file: str = ""
def files(params):
    return (params.file,) if params.file else ()
def measure(row, params):
    return {value}
def decide(rows, params):
    return iter(())
"""


def test_measurements_of_a_plugin_are_named_by_its_code_and_by_the_files_that_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, words = tmp_path / "plugins" / "curate" / "my_keys.py", tmp_path / "words.txt"
    code.parent.mkdir(parents=True)
    monkeypatch.setenv("LINGSHU_PLUGINS", str(tmp_path / "plugins"))

    def named(value: int, word: str, name: str = "my_keys") -> str:
        code.write_text(PLUGIN.format(value=value))
        words.write_text(word)
        params = {"file": str(words)} if name == "my_keys" else {}
        wanted = StepChoice.model_validate({"name": name, "params": params})
        return _index.of_step(_steps.load([wanted], where="steps")[0])

    assert named(1, "heart") == named(1, "heart")
    assert len({named(1, "heart"), named(2, "heart"), named(1, "the lungs")}) == 3
    assert named(1, "heart", "near_text") == named(2, "heart", "near_text"), (
        "a step of ours is known by its version"
    )
    before = named(1, "heart", "contradictions")
    monkeypatch.setattr(contradictions, "VERSION", contradictions.VERSION + 1)
    assert named(1, "heart", "contradictions") != before
    words.unlink()
    wanted = StepChoice(name="my_keys", params={"file": str(words)})
    with pytest.raises(MissingInput, match=r"words\.txt: No such file or directory; a curate step reads it"):
        _index.of_step(_steps.load([wanted], where="steps")[0])


def test_a_disk_that_keeps_no_measurements_is_a_warning(
    tmp_path: Path,
    there: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected, _ = more(tmp_path / "sound", there)
    for path in measurements(there):
        path.unlink()

    def full(path: Path, values: object, *, key: str) -> None:
        raise OutputFailed(f"{path}: No space left on device")

    monkeypatch.setattr(_index, "save_array", full)
    assert more(tmp_path / "full", there)[0] == expected
    assert not measurements(there)
    assert "lingshu: what was measured is not kept, and will be measured again:" in capsys.readouterr().err
