"""What may stand behind a chosen option: the others ruled out, courtesy; and what takes the option back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lingshu_train.verify import Item, Policy, verify
from lingshu_train.verify.text.courtesy import courteous

OPTIONS = {"A": "Meningioma", "B": "Abscess", "C": "Glioma", "D": "Normal brain"}
TUMOUR = Item(question="Which lesion is shown?", question_type="mcq", answer="C", options=OPTIONS)
CHINESE = Item(
    question="病变是什么？",
    question_type="mcq",
    answer="C",
    options={"A": "脑膜瘤", "B": "脓肿", "C": "胶质瘤", "D": "正常"},
)
SEVERAL = Item(question="Which are seen?", question_type="multi_select", answer="A,C", options=OPTIONS)
SHORT = Item(question="Which lesion is shown?", question_type="short", answer="glioma")
LENGTH = Item(question="How long is it?", question_type="numeric", answer="12 mm")

RULED_OUT = [
    "C. A is wrong because there is no dural tail.",
    "C. A, B and D are incorrect.",
    "C is the answer; the others can be ruled out.",
    "The answer is C rather than B, since no ring is seen.",
    "C. Glioma. Option A is unlikely: no dural tail. Option B is excluded: no ring.",
    "C\n\n- A is wrong: no dural tail.\n- B is wrong: no ring.",
    "C\n\n| Option | Verdict |\n|---|---|\n| A | incorrect |\n| B | incorrect |\n| D | incorrect |",
    "C\n\nWhy the other options are wrong:\nA) Meningioma: it arises from the dura.\nB) Abscess: it has a ring.",
    "C. Meningioma would show a dural tail. An abscess is not supported by the image.",
    "C. None of the other options fits.",
    "C. A and B are extra-axial and therefore wrong.",
    "C is correct because the mass is infiltrating; neither A nor B would infiltrate.",
    "C because it is infiltrating. A is wrong.",
    "C. A is incorrect. There is no dural tail. B is incorrect. There is no ring.",
    "The mass is infiltrating. The answer is C. A is wrong because there is no dural tail.",
    "Answer: C\n\nA is wrong because there is no dural tail.",
]
RULED_OUT_CN = [
    "C。A错误，因为没有脑膜尾征。",
    "答案是C。其他选项均不正确。",
    "选C，排除A和B。",
    "C\nA选项错误：无脑膜尾征。",
]

# {own} is the right letter, {other} and {third} are others; a text that one of them stands for is named {own_text} ...
TAKEN_BACK = [
    "{own}. {own} is wrong because the finding is absent.",
    "{own}. {other} is right because the finding is there.",
    "The answer is {own}. {own} is incorrect.",
    "{own}. {own_text} is ruled out.",
    "{own}. {own} and {other} are both incorrect.",
    "{own}. {other}, {own} and {third} are wrong.",
    "{own}. All of the options are wrong.",
    "{own}. None is correct.",
    "{own}. {other} is not wrong.",
    "{own}. {other} cannot be ruled out.",
    "{own}. {third} is wrong, {other} is right.",
    "{own}. {third} is wrong; the right one is {other}.",
    "{own}. {other_text} is more likely.",
    "{own}. {third_text} is unlikely, {other_text} is likely.",
    "{own}. {third} is wrong, and so is {own}.",
    "{own}. {third} is wrong because {other} is correct.",
    "{own}. {third} would be wrong, {other} would be right.",
    "{own}. I would say {other}.",
    "{own}. The others are right.",
    "{own}. The other options are better.",
    "{own}. {third} is wrong. It is {other}.",
    "{own}. {third} is wrong. Rather {other}.",
    "{own} is wrong, {other} is right.",
    "{own}. This is wrong.",
    "{own}. {third} is wrong. So is this.",
    "{own}. Not {own}.",
    "{own}. Not {third} but {other}.",
    "{own}, rather than {own}.",
    "{own}. {other} fits best.",
    "{own}. Only {other} fits.",
    "{own}. {third} is excluded, leaving {other}.",
    "{own}. {own_text} does not fit.",
    "{own}: {other_text}",
    "{own} ({other_text})",
    "{own}. {third} is ruled out. {other_text}.",
    "{own}. {third} is ruled out. The picture shows {other_text}.",
    "{own}。{other}正确。",
    "{own}。{own}错误。",
    "{own}。{third}错误，{other}正确。",
    "{own}。所有选项均错误。",
    "{own}。排除{own}。",
    "{own}。不能排除{other}。",
    "{own}。{third}不对，{own}也不对。",
    "{own}. Let me know if it is {other}.",
    "{own}. Please note that {other_text} is seen.",
    "{own}. I hope it is not {other}, though it looks so.",
    "{own}. {other} is wrong. Wait, {other} is right.",
    "{own}. {third} is not the answer, {other} is.",
    "{own}. Either {third} or {other}.",
    "{own}. Neither {own} nor {third}.",
    "{own}. {third} is incorrect, unlike {other}.",
    "{own}. {third} is as wrong as {own}.",
    "{own}. {third} is wrong, as is {own}.",
    "{own}\n\n{third}: wrong\n{other}: right",
    "{own}\n\n{own}: wrong\n{third}: wrong",
    "{own}\n\nWhy the others are wrong:\n{own}: it is normal.",
]
ROUNDS = sorted((Path(__file__).parent / "stress_rounds").glob("*.jsonl"))


@pytest.mark.parametrize("response", RULED_OUT)
def test_others_ruled_out_behind_a_letter_leave_it_right(response: str) -> None:
    assert verify(response, TUMOUR, Policy.lenient).correct
    assert not verify(response.replace("C", "D", 1), TUMOUR, Policy.lenient).correct


@pytest.mark.parametrize("response", RULED_OUT_CN)
def test_others_ruled_out_in_chinese_leave_the_letter_right(response: str) -> None:
    assert verify(response, CHINESE, Policy.lenient).correct


def test_others_may_be_ruled_out_in_a_block_and_behind_it() -> None:
    right = [
        ("<answer>C. A is wrong because there is no dural tail.</answer>", TUMOUR),
        ("<answer>C</answer>\n\nA is wrong because there is no dural tail.", TUMOUR),
        ("\\boxed{C}\n\nMeningioma, abscess and normal brain can be ruled out.", TUMOUR),
        ("<answer>A, C</answer>\n\nB and D are wrong.", SEVERAL),
        ("<answer>glioma</answer>\n\nAn abscess is ruled out because there is no ring.", SHORT),
    ]
    for response, one in right:
        assert verify(response, one, Policy.lenient).correct
        assert not verify(response, one).correct
    wrong = [
        ("<answer>A, C</answer>\n\nB and C are wrong.", SEVERAL),
        ("<answer>glioma</answer>\n\nA glioma is ruled out because it has a ring.", SHORT),
    ]
    for response, one in wrong:
        assert not verify(response, one, Policy.lenient).correct


def test_no_right_letter_that_is_taken_back_passes() -> None:
    rows = [json.loads(line) for path in ROUNDS for line in path.read_text(encoding="utf-8").splitlines()]
    items = {
        (row["question"], row["answer"]): Item(
            question=row["question"], question_type="mcq", answer=row["answer"], options=row["options"]
        )
        for row in rows
        if row["question_type"] == "mcq" and len(row["answer"]) == 1 and len(row["options"]) > 2
    }
    # One in some of all rounds' questions: the sentence decides, not the question.
    chosen = [items[key] for key in sorted(items)][:: len(items) // 40]
    assert len(chosen) >= 40
    accepted = []
    for one in chosen:
        other, third = [letter for letter in one.options if letter != one.answer][:2]
        for template in TAKEN_BACK:
            text = template.format(
                own=one.answer,
                other=other,
                third=third,
                own_text=one.options[one.answer],
                other_text=one.options[other],
                third_text=one.options[third],
            )
            tail = text.removeprefix(one.answer).lstrip(".。 \n")
            for response in (text, f"<answer>{text}</answer>", f"<answer>{one.answer}</answer>\n\n{tail}"):
                if verify(response, one, Policy.lenient).correct:
                    accepted.append((response, one.options))
    assert not accepted


@pytest.mark.parametrize(
    "remark",
    [
        "Let me know if you need more.",
        "Please note that this is not medical advice.",
        "Disclaimer: I am an AI and this is not a diagnosis.",
        "It is important to consult a radiologist for confirmation.",
        "If you have further images, feel free to share them.",
        "Would you like me to explain why the other options are incorrect?",
        "Clinical correlation is recommended.",
        "Thank you for your question!",
        "希望对您有帮助！",
        "以上内容仅供参考，不能代替医生的诊断。",
    ],
)
def test_courtesy_behind_an_answer_leaves_it_right(remark: str) -> None:
    for one, answer in ((TUMOUR, "C"), (SHORT, "glioma"), (LENGTH, "12 mm"), (SEVERAL, "A, C")):
        for form in ("<answer>{}</answer>", "\\boxed{{{}}}", "### Final Answer: {}"):
            assert verify(f"{form.format(answer)}\n\n{remark}", one).correct
        assert verify(f"The answer is {answer}.\n\n{remark}", one, Policy.lenient).correct


@pytest.mark.parametrize(
    "remark",
    [
        "Let me know if you think it is B",
        "Let me know if it is no",
        "Please note that this is not the answer",
        "I would like to change my answer",
        "Please note that it may be 15 mm",
        "Please consider the other option",
        "I hope this is not the diagnosis",
        "请结合临床，不是",
        "抱歉，应该是C",
    ],
)
def test_courtesy_says_nothing_of_the_answer(remark: str) -> None:
    assert not courteous(remark)
    assert not verify(f"<answer>C</answer>\n\n{remark.replace('C', 'B')}", TUMOUR).correct


def test_a_first_paragraph_that_is_the_answer_is_read_in_training_and_a_bare_line_is_not() -> None:
    assert verify("Answer: C\n\nThank you for your question!", TUMOUR).rule == "heading:mcq.letter"
    reasoned = "Answer: C\n\nThe mass is infiltrating the brain."
    assert verify(reasoned, TUMOUR).status == "trailing_revision"
    assert verify(reasoned, TUMOUR, Policy.lenient).correct
    assert not verify("Answer: C\n\nThe answer is B.", TUMOUR, Policy.lenient).correct
    assert verify("Answer: C", TUMOUR).status == "unmarked"
    assert verify("The mass is infiltrating.\n\nAnswer: C", TUMOUR).status == "unmarked"


LED_TO = [
    "The infiltrating mass without a capsule, hmm, is a glioma.",
    "The infiltrating mass would suggest a glioma.",
    "The previous mass was consistent with a glioma.",
    "A ring speaks against this, which suggests a meningioma, not a glioma.",
    "In the other patient, the mass suggests a glioma.",
    "The mass is less consistent with a glioma.",
    "The least likely diagnosis is C.",
    "The second most likely diagnosis is C.",
    "C\n\nOn closer inspection there is a dural tail.",
    "The glioma was in the frontal lobe.",
    "C not (glioma)",
    "C, not (C)",
]


@pytest.mark.parametrize(
    "response",
    [
        "The infiltrating mass is most consistent with a glioma.",
        "Based on the axial MRI scan, the lesion is a glioma.",
        "The mass infiltrates the white matter, which suggests glioma.",
        "Glioma of the brain",
        "C, namely glioma.",
        "After reviewing the image, I would choose C.",
    ],
)
def test_a_finding_or_a_picture_named_before_the_option_leads_to_it(response: str) -> None:
    assert verify(response, TUMOUR, Policy.lenient).correct
    assert not verify(response, TUMOUR).correct


@pytest.mark.parametrize("response", LED_TO)
def test_a_finding_of_another_time_or_case_or_an_alternative_leads_to_no_option(response: str) -> None:
    assert not verify(response, TUMOUR, Policy.lenient).correct


@pytest.mark.parametrize(
    ("question", "answer", "response", "right"),
    [
        ("Which organ contains the stone?", "left kidney", "The left kidney contains the stone.", True),
        ("Which organ contains the stone?", "left kidney", "The stone has left the kidney.", False),
        ("Which organ contains the stone?", "left kidney", "The stone was in the left kidney.", False),
        ("Which drug should be avoided?", "aspirin", "Aspirin should be avoided.", True),
        ("Which drug should be avoided?", "aspirin", "Aspirin should be given.", False),
        ("Which structure is not seen?", "spleen", "The spleen is not seen.", True),
        ("Which structure is not seen?", "spleen", "The spleen is seen.", False),
    ],
)
def test_the_questions_own_words_carry_the_answer_and_no_other_do(
    question: str, answer: str, response: str, right: bool
) -> None:
    item = Item(question=question, question_type="short", answer=answer)
    assert verify(response, item, Policy.lenient).correct == right
