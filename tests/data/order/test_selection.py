"""The rows that reinforcement learning sees: shares and balances met wherever they can be, questions opened when fit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train.data.order.selection import Chosen, Selection, Strata, select
from lingshu_train.data.questions.opened import openable, opened
from lingshu_train.record import ANSWER_TYPES, Sample
from lingshu_train.verify import gold_problem, verify

YES_NO, MCQ, SHORT = (ANSWER_TYPES.index(name) for name in ("yes_no", "mcq", "short"))


def strata(**rows: int) -> Strata:
    """Rows by `modality_type=count`; type "words" is an mcq that can be opened."""
    types, modalities, words = [], [], []
    names = sorted({key.partition("_")[0] for key in rows})
    for key, count in rows.items():
        modality, _, kind = key.partition("_")
        types += [MCQ if kind == "words" else ANSWER_TYPES.index(kind)] * count
        modalities += [names.index(modality)] * count
        words += [kind == "words"] * count
    return Strata(
        question_type=np.array(types, np.int64), modality=np.array(modalities), openable=np.array(words, bool)
    )


def formats(data: Strata, chosen: Chosen) -> Counter[str]:
    names = (ANSWER_TYPES[code] for code in data.question_type[chosen.rows])
    return Counter(
        "open" if turned or name == "short" else name
        for name, turned in zip(names, chosen.opened, strict=True)
    )


def modalities(data: Strata, chosen: Chosen) -> list[int]:
    return np.bincount(data.modality[chosen.rows]).tolist()


def test_the_paper_s_aim_is_met_where_there_are_rows_enough() -> None:
    data = strata(
        ct_words=4000, ct_mcq=900, ct_yes_no=3000, xray_short=2500, xray_words=1000, xray_yes_no=900
    )
    chosen = select(data, Selection(size=4000), seed=0)
    assert formats(data, chosen) == {"yes_no": 200, "mcq": 1900, "open": 1900}
    assert modalities(data, chosen) == [2000, 2000]


def test_what_a_small_modality_lacks_is_spread_over_the_others() -> None:
    data = strata(a_mcq=10, a_short=10, b_mcq=300, b_short=300, c_mcq=500, c_short=500)
    chosen = select(data, Selection(size=420), seed=0)
    assert modalities(data, chosen) == [20, 200, 200]
    assert formats(data, chosen) == {"mcq": 210, "open": 210}


def test_a_modality_of_one_format_is_made_up_for_by_the_others() -> None:
    data = strata(a_short=100, b_mcq=100, b_short=100)
    chosen = select(data, Selection(size=200), seed=0)
    assert modalities(data, chosen) == [100, 100]
    assert formats(data, chosen) == {"mcq": 100, "open": 100}


def test_no_more_questions_are_opened_than_lack() -> None:
    data = strata(a_words=100, a_short=30)
    chosen = select(data, Selection(size=100), seed=0)
    assert formats(data, chosen) == {"mcq": 50, "open": 50}
    assert chosen.opened.sum() == 20
    enough = strata(a_words=100, a_short=70)
    assert not select(enough, Selection(size=100), seed=0).opened.any()


def test_nothing_is_opened_where_the_recipe_says_so() -> None:
    data = strata(a_words=100, a_short=30)
    chosen = select(data, Selection(size=100, open_words=False), seed=0)
    assert formats(data, chosen) == {"mcq": 70, "open": 30}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_without_a_size_all_is_taken_but_surplus_yes_no_questions(share: float) -> None:
    data = strata(a_mcq=95, a_short=95, b_yes_no=500)
    chosen = select(data, Selection(yes_no_share=share), seed=0)
    found = formats(data, chosen)
    assert found["mcq"] == found["open"] == 95
    assert found["yes_no"] == int(190 * share / (1 - share))


def test_without_a_share_yes_no_questions_are_a_format_of_three() -> None:
    data = strata(a_mcq=100, a_short=100, a_yes_no=100)
    chosen = select(data, Selection(size=90, yes_no_share=None), seed=0)
    assert formats(data, chosen) == {"mcq": 30, "open": 30, "yes_no": 30}


def test_without_a_balance_rows_are_drawn_as_they_come() -> None:
    data = strata(a_mcq=3000, b_short=1000)
    chosen = select(data, Selection(size=1000, balance=()), seed=0)
    assert 700 < formats(data, chosen)["mcq"] < 800
    assert 700 < modalities(data, chosen)[0] < 800


def test_drawn_as_they_come_choices_are_still_opened_to_balance() -> None:
    data = strata(a_words=3000, b_short=1000)
    chosen = select(data, Selection(size=1000, balance=("modality",)), seed=0)
    assert modalities(data, chosen) == [500, 500]
    chosen = select(data, Selection(size=1000, balance=()), seed=0)
    assert formats(data, chosen) == {"mcq": 500, "open": 500}


def test_no_rows_give_no_selection() -> None:
    empty = np.array([], np.int64)
    chosen = select(
        Strata(question_type=empty, modality=empty, openable=empty.astype(bool)), Selection(), seed=0
    )
    assert len(chosen.rows) == len(chosen.opened) == 0


ROWS = st.lists(
    st.tuples(st.sampled_from(range(len(ANSWER_TYPES))), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=120,
)
SELECTIONS = st.builds(
    Selection,
    size=st.none() | st.integers(1, 150),
    yes_no_share=st.none() | st.sampled_from([0.0, 0.05, 0.3]),
    open_words=st.booleans(),
    balance=st.sampled_from([(), ("modality",), ("question_type",), ("modality", "question_type")]),
)


@given(rows=ROWS, selection=SELECTIONS, seed=st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_a_selection_keeps_to_its_size_its_share_and_what_can_be_opened(
    rows: list[tuple[int, int, bool]], selection: Selection, seed: int
) -> None:
    types, groups, words = (np.array(column) for column in zip(*rows, strict=True))
    chosen = select(Strata(question_type=types, modality=groups, openable=words), selection, seed=seed)
    assert np.all(np.diff(chosen.rows) > 0)
    assert np.all(words[chosen.rows][chosen.opened] & (types[chosen.rows][chosen.opened] == MCQ))
    assert selection.open_words or not chosen.opened.any()
    polar, others = int((types == YES_NO).sum()), int((types != YES_NO).sum())
    found = int((types[chosen.rows] == YES_NO).sum())
    size = min(selection.size or len(types), len(types))
    if selection.yes_no_share is None:
        assert len(chosen.rows) == size
    else:
        assert len(chosen.rows) <= size
        assert found <= selection.yes_no_share * len(chosen.rows) + 0.5
        assert len(chosen.rows) - found == min(others, size - found) or found == polar
    if selection.size is None and selection.yes_no_share is not None:
        assert len(chosen.rows) - found == others


@given(rows=ROWS, size=st.integers(1, 120))
@settings(max_examples=200, deadline=None)
def test_no_other_choice_of_the_same_rows_per_modality_is_nearer_to_half_choices_half_open(
    rows: list[tuple[int, int, bool]], size: int
) -> None:
    rows = [row for row in rows if row[0] != YES_NO] or [(SHORT, 0, False)]
    types, groups, words = (np.array(column) for column in zip(*rows, strict=True))
    chosen = select(
        Strata(question_type=types, modality=groups, openable=words), Selection(size=size), seed=0
    )
    choice = np.isin(types, [MCQ, ANSWER_TYPES.index("multi_select")])
    fewest = most = 0
    for group in range(4):
        quota = int((groups[chosen.rows] == group).sum())
        turnable = int(((types == MCQ) & words & (groups == group)).sum())
        fewest += max(0, quota - int((~choice & (groups == group)).sum()) - turnable)
        most += min(quota, int((choice & (groups == group)).sum()))
    kept = int(choice[chosen.rows].sum() - chosen.opened.sum())
    assert kept == min(max(len(chosen.rows) // 2, fewest), most)


def test_a_selection_is_the_same_for_a_seed_and_another_for_another() -> None:
    data = strata(a_words=300, a_short=100, b_yes_no=300)
    one, again, other = (select(data, Selection(size=200), seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.rows, again.rows)
    assert np.array_equal(one.opened, again.opened)
    assert not np.array_equal(one.rows, other.rows)


def choice(question: str = "Which organ is enlarged?", answer: str = "B", **options: str) -> Sample:
    return Sample(
        id="x", card="slake", split="train", task="vqa", question=question, question_type="mcq", answer=answer,
        options=options or {"A": "Spleen", "B": "Liver", "C": "Left kidney"}, reasoning="B, since A is small.",
        images=("ab",), aliases=("B", "hepar"), modality="CT", group="patient 1",
    )  # fmt: skip


def test_an_opened_question_has_no_options_and_is_judged_by_the_text_of_the_right_one() -> None:
    sample = opened(choice())
    assert (sample.question_type, sample.answer, sample.options, sample.reasoning) == (
        "short",
        "Liver",
        {},
        "",
    )
    assert (sample.id, sample.images, sample.modality, sample.group) == ("x", ("ab",), "CT", "patient 1")
    assert sample.aliases == ("hepar",)
    assert gold_problem(sample) is None
    assert verify("<answer>liver</answer>", sample).correct
    assert not verify("<answer>B</answer>", sample).correct


@pytest.mark.parametrize(
    "sample",
    [
        choice(),
        choice(answer="Liver"),
        choice("What is the most likely diagnosis?", "A", A="Type 2 diabetes", B="Gout"),
        choice("图中哪个器官肿大？", "A", A="肝脏", B="脾脏"),
        choice("图中是哪种成像方式？", "A", A="超声", B="磁共振成像"),
        choice("What modality is shown?", "A", A="T2-weighted MRI", B="CT"),
    ],
)
def test_a_question_that_stands_alone_can_be_opened(sample: Sample) -> None:
    assert openable(sample)


@pytest.mark.parametrize(
    "sample",
    [
        choice("Which of the following organs is enlarged?"),
        choice("Which one is enlarged?"),
        choice("Which statement is true?"),
        choice("Which of these is enlarged?"),
        choice("All organs are normal except"),
        choice("Which organ is NOT enlarged?"),
        choice("Which organ isn't enlarged?"),
        choice("以下哪项正确？", "A", A="肝脏", B="脾脏"),
        choice("下列器官中哪个肿大？", "A", A="肝脏", B="脾脏"),
        choice("不属于腹部器官的是", "A", A="肺", B="脾脏"),
        choice(answer="C", A="Spleen", B="Liver", C="All of the above"),
        choice(answer="A", A="Spleen", B="Liver", C="None of these"),
        choice(answer="A", A="Spleen", B="Liver", C="Both A and B"),
        choice(answer="A", A="脾脏", B="肝脏", C="以上都是"),
        choice("Is it enlarged?", "A", A="Yes", B="No"),
        choice("How many?", "A", A="3", B="4"),
        choice("How large?", "A", A="3 cm", B="4 cm"),
        choice(
            "What is seen?",
            "A",
            A="The left lung shows a large consolidation with air bronchograms",
            B="Nothing",
        ),
        choice(answer="D"),
        Sample(
            id="x", card="c", split="train", task="t", question="What?", question_type="short", answer="Liver"
        ),
    ],
)
def test_a_question_that_needs_its_options_or_has_no_phrase_for_an_answer_is_left_alone(
    sample: Sample,
) -> None:
    assert not openable(sample)
    with pytest.raises(AssertionError, match="sample x cannot be asked"):
        opened(sample)
