"""What a publisher says of a question beside it, in a corpus: kept there, and no part of what names rows that have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import tiny

from lingshu_train.data.corpus import corpus
from lingshu_train.record import Sample

PLAIN = Sample(id="a", card="c", split="train", task="t", question="Q", question_type="free", answer="A")
TAGGED = replace(PLAIN, id="b", tags={"subject": "Anatomy", "difficulty": "hard"})


def columns(folder: Path) -> list[str]:
    (file,) = folder.glob("rows-*.arrow")
    with pa.OSFile(str(file)) as source:
        names: list[str] = pa.ipc.open_file(source).schema.names
    return names


def test_tags_come_back_as_they_were_stored(tmp_path: Path) -> None:
    tiny.write_corpus(tmp_path / "corpus", [(PLAIN, ()), (TAGGED, ())])
    found = corpus.load(tmp_path / "corpus")
    assert [found.sample(n) for n in range(2)] == [PLAIN, TAGGED]
    assert columns(tmp_path / "corpus")[-1] == "tags"


def test_a_corpus_without_tags_is_the_file_that_it_always_was(tmp_path: Path) -> None:
    plain = tiny.write_corpus(tmp_path / "plain", [(PLAIN, ())])
    assert plain.fingerprint == "7a9dd6fdb9c9b499be4bab9a6f8ce715fa5c273c6e4b9109a37b31c10b4c0c2f"
    assert "tags" not in columns(tmp_path / "plain")
    tagged = tiny.write_corpus(tmp_path / "tagged", [(replace(TAGGED, id="a"), ())])
    assert tagged.fingerprint != plain.fingerprint
