"""Every gold of every card, and every text that a question offers, is right in every form that a prompt allows.

The rows are those that each card's reader makes of its publisher's files as the tests write them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from published import library, serving

from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import layouts, reading
from lingshu_train.data.rows.layouts import SplitFiles
from lingshu_train.errors import DataError
from lingshu_train.record import Sample
from lingshu_train.verify import Item, Policy, gold_problem, verify

CARDS = sorted({one.name for one in serving.publishers()}.intersection(cards.names()))
FORMS = (
    "<answer>{}</answer>",
    "\\boxed{{{}}}",
    "### Final Answer: {}",
    "<think>I look.</think>\n<answer>\n{}\n</answer>",
)


def samples(name: str, root: Path, patch: pytest.MonkeyPatch) -> list[Sample]:
    """What a card's reader makes of its publisher's files; a line that it refuses is left out."""
    data = library.stocked([name], root, patch)
    card = cards.load(name)
    fields = layouts.fields(card, card.folder(data))
    if not isinstance(fields, SplitFiles):
        return []
    found: list[Sample] = []
    for split in fields.files:
        reader = reading.open(card, card.folder(data), split=split)
        for line in reader.lines():
            with suppress(DataError):
                found.extend(row.sample for row in reader.rows(line))
    return found


@pytest.mark.parametrize("name", CARDS)
def test_golds_and_options_are_right_in_every_form(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sample in samples(name, tmp_path, monkeypatch):
        one = Item(
            question=sample.question,
            question_type=sample.question_type,
            answer=sample.answer,
            options=sample.options,
            aliases=sample.aliases,
            tol=sample.tol,
        )
        if sample.question_type == "free" or gold_problem(one) is not None:
            # No rule judges it, or preparing refuses it and says why.
            continue
        for letter in sample.options if sample.question_type == "mcq" else ():
            assert gold_problem(replace(one, answer=letter)) is None, (sample.question, letter)
        for form in FORMS:
            for policy in Policy:
                assert verify(form.format(one.answer), one, policy).correct, (sample.question, form)
        assert verify(one.answer, one, Policy.lenient).correct, sample.question
