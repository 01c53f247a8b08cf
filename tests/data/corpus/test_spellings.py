"""Rows of one modality are chosen and balanced as one, in however many spellings their publishers have it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from corpora import specification
from format_files import png, put

from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.summary import SUMMARY, Summary
from lingshu_train.data.order.selection import Selection
from lingshu_train.errors import DataError
from lingshu_train.training import selected

SPELT = {"X-Ray": 30, "X-ray": 20, "x-ray": 10, "CT": 40, "ct": 5, "MRI": 40, "Adaptive  Optics": 3, "": 2}
"""How SLAKE's rows say it here, and how many."""


def prepared(folder: Path) -> Summary:
    put(folder / "slake" / "imgs" / "xmlab1" / "source.jpg", png(200))
    rows = [
        {
            "qid": f"{text or 'none'}-{number}",
            "img_name": "xmlab1/source.jpg",
            "question": "Which organ is enlarged?",
            "answer": "Heart",
            "answer_type": "OPEN",
            "q_lang": "en",
            "modality": text,
        }
        for text, count in SPELT.items()
        for number in range(count)
    ]
    put(folder / "slake" / "train.json", rows)
    return preparing.prepare(
        folder / "corpus", specification(folder, cards=("slake",)), workers=1, most_refused=0.0
    )


def test_a_corpus_counts_a_modality_once_and_names_what_is_none(tmp_path: Path) -> None:
    summary = prepared(tmp_path)
    assert summary.modalities == {"x-ray": 60, "ct": 45, "mri": 40, "adaptive optics": 3, "": 2}
    assert summary.unknown_modalities == {"adaptive optics": 3}
    assert summary.facts()["unknown_modalities"] == {"adaptive optics": 3}
    text = preparing.text(summary, tmp_path / "corpus")
    assert "modalities   adaptive optics 3, ct 45, mri 40, not stated 2, x-ray 60\n" in text
    assert "unknown      adaptive optics 3: no modality of the vocabulary, kept as they are\n" in text


def test_a_filter_leaves_no_row_of_a_modality_out(tmp_path: Path) -> None:
    prepared(tmp_path)
    assert len(corpus.load(tmp_path / "corpus", modality=("x-ray",))) == 60


def test_a_selection_balanced_over_modalities_takes_as_many_of_each(tmp_path: Path) -> None:
    """Three spellings were three modalities, and had three parts."""
    prepared(tmp_path)
    found = corpus.load(tmp_path / "corpus", modality=("x-ray", "ct", "mri"))
    wanted = Selection(size=90, balance=("modality",))
    chosen = selected.choose(tmp_path, [found], wanted, seed=0, where="selection")
    counts = Counter(found.sample(int(row)).modality for row in chosen.rows)
    assert counts == {"x-ray": 30, "ct": 30, "mri": 30}


def test_a_corpus_with_the_spellings_of_an_older_version_is_not_read(tmp_path: Path) -> None:
    prepared(tmp_path)
    path = tmp_path / "corpus" / SUMMARY
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"modalities": {"X-Ray": 30, "x-ray": 30}}))
    with pytest.raises(
        DataError, match=r"'X-Ray' is spelt 'x-ray' here; move .* away and prepare the corpus again"
    ):
        corpus.load(tmp_path / "corpus", modality=("x-ray",))
