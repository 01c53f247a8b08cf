"""The strict door: the answer alone is right in every form a prompt allows, and with anything beside it, it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lingshu_train.verify import Item, Policy, gold_problem, verify
from lingshu_train.verify.lexicon import words

ROUNDS = sorted((Path(__file__).parent / "stress_rounds").glob("*.jsonl"))
FORMS = (
    "<answer>{}</answer>",
    "\\boxed{{{}}}",
    "### Final Answer: {}",
    "<think>I look.</think>\n<answer>\n{}\n</answer>",
)
BESIDE = [
    "{} because it is so",
    "{}, as seen here",
    "{}. The finding is clear.",
    "{}\nThe finding is clear.",
    "{} (see the image)",
    "I see that {}",
    "{}, not the other",
    "{} or another",
    "not {}",
    "{}, maybe",
    "{}，因为可见",
    "{}。图像清晰。",
]
BEHIND = [
    " The picture shows it.",
    " So it is.",
    " Actually no.",
    "\n\nThis is clear.",
    " 因为可见。",
    " Wait, no.",
]
TEXTS = ["A well defined cyst", "A beta blocker", "E. coli", "B cells", "C-reactive protein", "All of the above", "I-131",
         "None of these", "Yes", "No", "> 3 cm", "2.5 cm", "Type II", "Vitamin A", "A and B", "H&E", "Both A and C"]  # fmt: skip


def items() -> dict[tuple[str, str], Item]:
    rows = [json.loads(line) for path in ROUNDS for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        (row["question"], row["answer"]): Item(
            question=row["question"],
            question_type=row["question_type"],
            answer=row["answer"],
            options=row.get("options") or {},
            aliases=tuple(row.get("aliases") or ()),
            tol=row.get("tol"),
        )
        for row in rows
    }


@pytest.mark.parametrize("form", FORMS)
def test_every_gold_is_right_alone_in_every_form(form: str) -> None:
    refused = [one.question for one in items().values() if not verify(form.format(one.answer), one).correct]
    assert not refused


@pytest.mark.parametrize("beside", BESIDE)
def test_whatever_stands_beside_the_answer_inside_its_mark_makes_it_unreadable(beside: str) -> None:
    accepted = [
        (one.question, beside.format(one.answer))
        for one in items().values()
        for form in FORMS[:2]
        if "maybe" not in one.options.values() and verify(form.format(beside.format(one.answer)), one).correct
    ]
    assert not accepted


@pytest.mark.parametrize("behind", BEHIND)
def test_behind_the_mark_stands_nothing_but_courtesy(behind: str) -> None:
    for one in items().values():
        assert not verify(f"<answer>{one.answer}</answer>{behind}", one).correct
    polite = "\n\nPlease note that this is not medical advice."
    assert all(verify(f"<answer>{one.answer}</answer>{polite}", one).correct for one in items().values())


@pytest.mark.parametrize(
    ("before", "right"),
    [
        ("The fluid is bright. ", True),
        ("The fluid is bright, so the answer is ", False),
        ("The final answer is ", True),
        ("The modality is ", True),
        ("I would never choose ", False),
        ("Nobody would say ", False),
        ("It is not ", False),
        ("If it were dark, the answer would be ", False),
        ("The answer is A. ", False),
        ("因此，答案是", True),
        ("答案不是", False),
        ("很难说是", False),
    ],
)
def test_the_sentence_that_leads_to_the_mark_only_announces(before: str, right: bool) -> None:
    one = Item(
        question="Which modality is shown?", question_type="mcq", answer="B", options={"A": "CT", "B": "MRI"}
    )
    for mark in ("\\boxed{B}", "<answer>B</answer>"):
        assert verify(f"{before}{mark}", one).correct is right


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("letter", ["A", "C"])
def test_every_text_of_an_option_is_right_in_every_form(text: str, letter: str) -> None:
    options = {"A": "Meningioma", "B": "Abscess", "C": "Glioma", "D": "Oedema"} | {letter: text}
    one = Item(question="Which one?", question_type="mcq", answer=letter, options=options)
    assert gold_problem(one) is None
    for said in (
        text,
        f"{letter}. {text}",
        f"({letter}) {text}",
        f"{letter}: {text}",
        letter,
        f"{letter}.",
        letter.lower(),
    ):
        for form in FORMS:
            assert verify(form.format(said), one).correct, said
            assert verify(said, one, Policy.lenient).correct, said
    other = Item(question="Which one?", question_type="mcq", answer="B", options=options)
    for said in (text, f"{letter}. {text}", f"B. {text}"):
        assert not verify(f"<answer>{said}</answer>", other).correct


def test_no_word_that_announces_an_answer_denies_or_doubts_one() -> None:
    announcing = words("leadins", "announcing")
    for name in ("negation", "hedge", "disowning", "retraction"):
        assert announcing.isdisjoint(words("words", name)), name
    cn = words("leadins", "announcing_cn")
    assert not [one for one in cn if any(mark in one for mark in words("words", "negation_cn"))]


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("How many ribs are fractured?", "4", "rib 4"),
        ("How many ribs are fractured?", "4", "Rib 4 is fractured"),
        ("How many lesions are visible?", "2", "lesion 2"),
        ("What percentage of the tubules is atrophic?", "60 %", "60 tubules"),
        ("What share of the cells is stained?", "60 %", "60 cells"),
    ],
)
@pytest.mark.parametrize("policy", list(Policy))
def test_a_name_is_no_count_and_a_count_no_share(
    question: str, answer: str, said: str, policy: Policy
) -> None:
    item = Item(question=question, question_type="numeric", answer=answer)
    assert verify(f"<answer>{answer}</answer>", item, policy).correct
    assert not verify(f"<answer>{said}</answer>", item, policy).correct
