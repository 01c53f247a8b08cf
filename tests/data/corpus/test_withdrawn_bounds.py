"""Rows that a corpus does not have are one line, found before a number is made of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.errors import DataError
from lingshu_train.record import Sample
from lingshu_train.runs.withdrawn import Gone


@pytest.mark.parametrize("rows", ["1,2", "0-9999999999"])
def test_rows_past_the_end_are_of_no_such_corpus(rows: str, tmp_path: Path) -> None:
    sample = Sample(
        id="one",
        card="drawn",
        split="train",
        task="findings",
        question="What is seen?",
        question_type="free",
        answer="nothing",
    )
    tiny.write_corpus(tmp_path / "corpus", [(sample, ()), (replace(sample, id="two"), ())])
    found = corpus.load(tmp_path / "corpus")
    told = Gone(fingerprint=found.fingerprint, rows=rows)
    with pytest.raises(DataError, match=r"is withdrawn, and .* has the rows 0 to 1; name them again"):
        withdrawn.among(found, told, where="stages.plain")
    inside = Gone(fingerprint=found.fingerprint, rows="1")
    assert withdrawn.among(found, inside, where="stages.plain").tolist() == [False, True]


def test_how_many_is_told_without_making_them() -> None:
    assert len(Gone(fingerprint="", rows="3,17,20-9999999999")) == 9_999_999_982
