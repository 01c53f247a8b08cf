"""Rows that answer one question of one picture differently are pointed out, all of them, and captions are not."""

from __future__ import annotations

from pathlib import Path

from curating import caption, decided, named, row, scene
from hypothesis import given
from hypothesis import strategies as st

from lingshu_train.curate import contradictions
from lingshu_train.curate._candidate import Candidate


def test_both_sides_of_a_contradiction_are_pointed_out(tmp_path: Path) -> None:
    rows = [
        row("yes", scene(1), question="Is there a lesion?", question_type="yes_no", answer="yes"),
        row("no", scene(1), question="is there a LESION", question_type="yes_no", answer="No."),
        row("yes again", scene(1), question="Is there a lesion?", question_type="yes_no", answer="Yes"),
        row("other picture", scene(2), question="Is there a lesion?", question_type="yes_no", answer="no"),
        caption("caption", "a", scene(1)),
        caption("another caption", "b", scene(1)),
    ]
    found = decided(tmp_path, rows, {"name": "contradictions"})
    assert named(found, "flag") == {"yes": "no", "no": "yes", "yes again": "no"}


@given(st.text("abc ", min_size=1), st.text("abc ", min_size=1))
def test_case_spaces_and_points_make_no_contradiction(question: str, answer: str) -> None:
    def measured(asked: str, said: str) -> tuple[int, int]:
        sample = row("x", question=asked, answer=said)[0]
        return contradictions.measure(
            Candidate(number=0, sample=sample, pictures=()), contradictions.Params()
        )

    assert measured(question, answer) == measured(f" {question.upper()} ?", f"{answer.title()}.")
