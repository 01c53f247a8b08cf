"""What steps measure of a row: the same bytes for rows together and alone, and from one version of the code to the next."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from curating import Row, caption, row
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train.curate import _steps, _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._steps import Loaded, StepChoice

REPORT = "There is a 3 mm nodule in the patient's right lower lobe, T1-weighted, -3.5 °C; no calcification (≥ 2 cm). "
ROWS = (
    caption("long", REPORT * 4),
    caption("short", "Two words"),
    caption("empty", "..."),
    caption("chinese", "右肺下叶可见一枚3 mm结节，未见钙化。"),
    caption("other split", REPORT, split="test"),
    row(
        "asked",
        turns=(("Is it large?", "No, it isn’t."),),
        options={"A": "CT", "B": "MRI"},
        reasoning="Dark bone.",
    ),
    row("again", question="Which modality ?", answer="ct."),
)
OF_VERSION = {
    "near_text": (1, "a931114592f197fa"),
    "contradictions": (1, "6f61cf0c2991cc1a"),
    "exact_duplicates": (1, "d732b69c39df6771"),
    "near_pictures": (1, "6eb69e26de2a26ed"),
}


def loaded(name: str) -> Loaded:
    return _steps.load([StepChoice(name=name)], where="steps")[0]


def candidates(rows: tuple[Row, ...] = ROWS) -> list[Candidate]:
    return [Candidate(number=number, sample=each[0], pictures=()) for number, each in enumerate(rows)]


@pytest.mark.parametrize("name", OF_VERSION)
def test_what_a_version_of_a_step_measures_stays_as_it_is(name: str) -> None:
    """Where this fails, decisions are others than those of measurements that lie beside corpora: raise the step's VERSION."""
    step = loaded(name)
    found = step.measured(candidates())
    assert (step.version, hashlib.sha256(found.tobytes()).hexdigest()[:16]) == OF_VERSION[name]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(len(ROWS))), st.integers(1, 12))
def test_a_row_is_measured_the_same_beside_any_others(order: list[int], words: int) -> None:
    rows = candidates()
    step = _steps.load([StepChoice(name="near_text", params={"words": words})], where="steps")[0]
    assert step.measuring is not None
    together = step.measured([rows[number] for number in order])
    alone = np.array([step.measuring.measure(rows[number], step.params) for number in order])
    assert np.array_equal(together, alone)
    assert not len(step.measured([]))


@settings(deadline=None)
@given(st.text("abzßK09 '’_-.,:/<>%=+\n(≥心\u0130", max_size=30))
def test_words_of_plain_texts_are_those_that_the_rule_for_all_texts_finds(text: str) -> None:
    every = _words.words(f"{text} é")
    assert every == (*_words.words(text), "é")
    assert _words.words_of([text, "", "a-b"]) == list(_words.words(f"{text} a-b"))
