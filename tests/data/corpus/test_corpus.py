"""A corpus gives back what was written, survives a kill while it is written, and says which sample is hurt."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import corpora
import pyarrow.feather as feather
import pytest
import tiny
from PIL import Image

from lingshu_train.data.corpus import corpus, records
from lingshu_train.data.corpus.writer import Kept, Outcome, Refused, Writer
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.record import Sample


def row(number: int, *, task: str = "modality", split: str = "train", answer: str = "CT") -> Kept:
    sample = Sample(
        id=f"{split}/{task}/{number}",
        card="made_up",
        split=split,
        task=task,
        question="Which imaging modality is this?",
        question_type="short",
        answer=answer,
        aliases=("computed tomography",),
        options={"A": "CT"},
        tol=0.5 if number % 2 else None,
        turns=(("Is it a scan?", "yes"),) * (number % 3),
        modality="ct",
    )
    return Kept(sample=sample, pictures=(tiny.png(Image.new("RGB", (4, 6), (number, 0, 0))),))


ROWS = [row(1), row(2), row(3, split="held_out"), row(4, task="body_part", answer="head")]
BAD = Refused(card="made_up", where="rows.csv:7", reason="rows.csv:7: answer: is empty", kind="answer")


def write(folder: Path, items: Sequence[Outcome], **options: int) -> corpus.Summary:
    writer = Writer(folder, **options)
    for item in items:
        writer.add([item])
    return writer.finish(licences={"made_up": "MIT"}, budget=tiny.BUDGET)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    summary = write(tmp_path, ROWS)
    found = corpus.load(tmp_path)
    assert [replace(sample, images=()) for sample in found.samples] == [item.sample for item in ROWS]
    assert [found.pictures(n)[0].getpixel((0, 0)) for n in range(4)] == [(n, 0, 0) for n in (1, 2, 3, 4)]
    assert found.image(ROWS[1].pictures[0].digest).size == (4, 6)
    assert found.fingerprint == summary.fingerprint
    assert summary.tasks == {"modality": {"train": 2, "held_out": 1}, "body_part": {"train": 1}}
    assert summary.licences == {"made_up": "MIT"}


def test_split_tasks_and_columns_select(tmp_path: Path) -> None:
    write(tmp_path, ROWS, shard_rows=2)
    held_out = corpus.load(tmp_path, split="held_out")
    assert [sample.id for sample in held_out.samples] == ["held_out/modality/3"]
    assert held_out.pictures(0)[0].getpixel((0, 0)) == (3, 0, 0)
    assert len(corpus.load(tmp_path, tasks=("modality",))) == 3
    assert len(corpus.load(tmp_path, split="train", modality=("ct",), card=("made_up",))) == 3


def test_any_reader_of_arrow_and_tar_can_open_it(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    table = feather.read_table(tmp_path / "rows-00000.arrow")
    assert table.column("answer").to_pylist() == ["CT", "CT", "CT", "head"]
    with tarfile.open(tmp_path / "images-00000.tar") as tar:
        for member, place in zip(tar, table.column("images").to_pylist(), strict=True):
            stream = tar.extractfile(member)
            assert stream is not None
            assert (
                hashlib.sha256(stream.read()).hexdigest() == place[0]["digest"] == member.name.split(".")[0]
            )


def test_an_image_used_twice_is_stored_once_also_in_a_later_shard(tmp_path: Path) -> None:
    again = replace(ROWS[0], sample=replace(ROWS[0].sample, id="again"))
    summary = write(tmp_path, [*ROWS, again], shard_rows=2)
    assert (summary.samples, summary.images, summary.shards) == (5, 4, (2, 2, 1))
    assert not (tmp_path / "images-00002.tar").exists()
    assert corpus.load(tmp_path).pictures(4)[0].getpixel((0, 0)) == (1, 0, 0)


def test_a_changed_row_changes_the_fingerprint(tmp_path: Path) -> None:
    first = write(tmp_path / "a", ROWS).fingerprint
    changed = replace(ROWS[0], sample=replace(ROWS[0].sample, answer="MRI"))
    assert write(tmp_path / "b", [changed, *ROWS[1:]]).fingerprint != first
    other = replace(ROWS[0], pictures=ROWS[1].pictures)
    assert write(tmp_path / "c", [other, *ROWS[1:]]).fingerprint != first


@pytest.mark.parametrize("stopped", [0, 1, 2, 3, 4, 5, 6])
def test_writing_that_was_cut_off_goes_on_to_the_same_corpus(stopped: int, tmp_path: Path) -> None:
    items = [ROWS[0], BAD, ROWS[1], ROWS[2], replace(BAD, where="rows.csv:9"), ROWS[3]]
    whole = write(tmp_path / "whole", items, shard_rows=2)
    cut = Writer(tmp_path / "cut", shard_rows=2)
    for item in items[:stopped]:
        cut.add([item])
    cut.close()
    again = Writer(tmp_path / "cut", shard_rows=2)
    assert again.done <= stopped
    for item in items[again.done :]:
        again.add([item])
    assert again.finish(licences={"made_up": "MIT"}, budget=tiny.BUDGET) == whole
    assert corpora.contents(tmp_path / "cut") == corpora.contents(tmp_path / "whole")


def test_refused_rows_are_counted_by_kind_and_kept_aside_with_their_reason(tmp_path: Path) -> None:
    summary = write(tmp_path, [*ROWS, BAD, BAD])
    assert summary.samples == 4
    assert summary.refused == {"answer": 2}
    lines = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert [line["where"] for line in lines] == ["rows.csv:7"] * 2


def test_unknown_tasks_and_splits_list_what_there_is(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    with pytest.raises(RecipeError, match=r"unknown task 'plane'; .* has: body_part, modality"):
        corpus.load(tmp_path, tasks=("plane",))
    with pytest.raises(RecipeError, match=r"unknown split 'test'; .* has: held_out, train"):
        corpus.load(tmp_path, split="test")


def test_a_damaged_image_names_the_sample(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    path = tmp_path / "images-00000.tar"
    data = bytearray(path.read_bytes())
    data[records.locations_of(corpus.load(tmp_path).reader.record(1))[0].offset + 20] ^= 1
    path.write_bytes(data)
    found = corpus.load(tmp_path)
    assert found.pictures(0)
    with pytest.raises(
        DataError, match=r"sample train/modality/2: image .* is damaged.*prepare the corpus again"
    ):
        found.pictures(1)


def test_missing_files_name_themselves(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    (tmp_path / "images-00000.tar").unlink()
    with pytest.raises(DataError, match=r"sample train/modality/1: .*images-00000\.tar"):
        corpus.load(tmp_path).pictures(0)
    (tmp_path / "rows-00000.arrow").unlink()
    with pytest.raises(DataError, match=r"rows-00000\.arrow.*prepare the corpus again"):
        corpus.load(tmp_path).sample(0)


def test_a_torn_row_file_says_so(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    path = tmp_path / "rows-00000.arrow"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="prepare the corpus again"):
        corpus.load(tmp_path).sample(0)


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sample train/modality/1: the id occurs twice"):
        write(tmp_path, [ROWS[0], ROWS[0]])


def test_a_folder_without_a_corpus_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no corpus here"):
        corpus.load(tmp_path)


def test_an_index_that_is_damaged_names_its_file(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    (tmp_path / "images.sqlite").write_bytes(b"no database" * 99)
    with pytest.raises(
        DataError,
        match=r"images\.sqlite: .*\(file is not a database\); move .* away and prepare the corpus again",
    ):
        corpus.load(tmp_path).image(ROWS[0].pictures[0].digest)


def test_a_process_that_ends_with_a_corpus_open_says_nothing(tmp_path: Path) -> None:
    """Where an extension holds modules, a corpus in one of them outlives what its own module has imported."""
    write(tmp_path, ROWS)
    program = (
        "import ctypes, json, pickle, sys; from pathlib import Path\n"
        "from lingshu_train.data.corpus import corpus, shards\n"
        "json.kept = [corpus.load(Path(sys.argv[1])) for _ in range(2)]\n"
        "json.kept += pickle.loads(pickle.dumps(json.kept))\n"
        "assert all(found.pictures(0) for found in json.kept)\n"
        "for module in (json, shards):\n"
        "    ctypes.pythonapi.Py_IncRef(ctypes.py_object(module))\n"
    )
    command = [sys.executable, "-X", "dev", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_corpus_that_is_let_go_closes_its_files(tmp_path: Path) -> None:
    write(tmp_path, ROWS)

    def open_files() -> int:
        # Only of this corpus: another test of this process may have one open.
        mine = str(tmp_path / "images-00000.tar")
        return sum(os.path.realpath(link) == mine for link in Path("/proc/self/fd").iterdir())

    found = corpus.load(tmp_path)
    found.pictures(0)
    assert open_files() == 1
    del found
    gc.collect()
    assert open_files() == 0
