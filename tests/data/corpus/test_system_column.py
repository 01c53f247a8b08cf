"""A row's own system prompt in a corpus: kept there, and no part of what names rows that have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import tiny

from lingshu_train.data.corpus import corpus
from lingshu_train.record import Sample

PLAIN = Sample(id="a", card="c", split="train", task="t", question="Q", question_type="free", answer="A")
TERSE = replace(PLAIN, id="b", system="Be terse.")


def test_it_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    tiny.write_corpus(tmp_path / "corpus", [(PLAIN, ()), (TERSE, ())])
    found = corpus.load(tmp_path / "corpus")
    assert [found.sample(n).system for n in range(2)] == ["", "Be terse."]


def test_a_corpus_of_before_has_no_such_column_and_is_read(tmp_path: Path) -> None:
    tiny.write_corpus(tmp_path / "corpus", [(PLAIN, ())])
    (file,) = (tmp_path / "corpus").glob("rows-*.arrow")
    with pa.OSFile(str(file)) as source:
        table = pa.ipc.open_file(source).read_all().drop_columns(["system"])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert corpus.load(tmp_path / "corpus").sample(0) == PLAIN


def test_rows_without_one_have_the_fingerprint_that_they_always_had(tmp_path: Path) -> None:
    plain = tiny.write_corpus(tmp_path / "plain", [(PLAIN, ())])
    assert plain.fingerprint == "7a9dd6fdb9c9b499be4bab9a6f8ce715fa5c273c6e4b9109a37b31c10b4c0c2f"
    assert (
        tiny.write_corpus(tmp_path / "terse", [(replace(TERSE, id="a"), ())]).fingerprint != plain.fingerprint
    )


def test_rows_that_differ_in_it_are_no_copies(tmp_path: Path) -> None:
    samples = [PLAIN, TERSE, replace(TERSE, id="c")]
    tiny.write_corpus(tmp_path / "raw" / "corpus", [(one, ()) for one in samples])
    config = {"kind": "curate", "corpus": "raw", "steps": [{"name": "exact_duplicates"}]}
    tiny.run_here(tiny.make_stage(tmp_path, "clean", config, parents={"raw": tmp_path / "raw"}))
    (gone,) = pq.read_table(tmp_path / "clean" / "decisions.parquet").to_pylist()
    assert (gone["sample"], gone["evidence"]) == ("c", "b")
