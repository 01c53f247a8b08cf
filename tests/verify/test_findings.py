"""A yes or no whose reason says the opposite of the finding that was asked for is never right; one that agrees is."""

from __future__ import annotations

import pytest

from lingshu_train.verify import Item, Policy, verify

LEAST_READ = 0.6
QUESTIONS = [
    "Is there a {}?",
    "Is there evidence of {}?",
    "Does the image show a {}?",
    "Is a {} present?",
    "Are there signs of {}?",
    "Is a {} seen in the left lung?",
    "Can you see any {}?",
    "Does the patient have {}?",
    "Is {} visible on this CT?",
    "Is there {} on the left?",
]
FINDINGS = ("effusion", "fracture", "pulmonary nodule", "bowel obstruction", "pneumonia")
DENIALS = [
    "without {}",
    "without evidence of {}",
    "no {} is seen",
    "free of {}",
    "the chest is free of {}",
    "{}-free",
    "the {} has resolved",
    "the {} is gone",
    "the {} has cleared",
    "{} is absent",
    "{} was excluded",
    "{} is ruled out",
    "negative for {}",
    "absence of {}",
    "no signs of {}",
    "normal without {}",
    "{} cannot be seen",
    "the {} is no longer seen",
    "no longer any {}",
    "devoid of {}",
    "the {} has been removed",
    "it does not show {}",
    "there is complete resolution of the {}",
    "it has resolved",
    "the {} seen before is gone",
    "the findings rule out {}",
    "neither mass effect nor {}",
    "clear lungs, no {}",
    "there isn't any {}",
    "the film lacks {}",
    "{}: none",
]
ASSERTIONS = [
    "there is a {}",
    "a {} is present",
    "a small {} is seen",
    "the {} persists",
    "the {} has not resolved",
    "positive for {}",
    "it shows a {}",
    "not free of {}",
    "{} is noted",
    "the {} is unresolved",
    "evidence of {} is seen",
    "I see a {}",
]
AGREEING_YES = [
    "there is a {}",
    "without doubt",
    "the {} has not resolved",
    "a {} without complications",
    "a {}, no calcification",
    "the {} is not small",
    "a large {} with no abscess",
    "a {} is seen and the heart is normal",
    "a {}; the bones are free of lesions",
    "unchanged",
    "the {} is only partially resolved",
    "free fluid is seen",
]
AGREEING_NO = [
    "there is no {}",
    "the {} has resolved",
    "free of {}",
    "a {} would look different",
    "the lungs are clear",
    "without {}",
    "resolved",
    "this is an artefact, not a {}",
    "a {} is not seen",
    "negative",
]


@pytest.mark.parametrize(
    ("sign", "reasons", "right"),
    [
        ("yes", DENIALS, False),
        ("no", ASSERTIONS, False),
        ("yes", AGREEING_YES, True),
        ("no", AGREEING_NO, True),
    ],
    ids=["yes that denies", "no that asserts", "yes that agrees", "no that agrees"],
)
def test_a_reason_must_agree_with_its_yes_or_no(sign: str, reasons: list[str], right: bool) -> None:
    judged = [
        (question.format(finding), f"{sign}, {reason.format(finding)}")
        for question in QUESTIONS
        for finding in FINDINGS
        for reason in reasons
    ]
    accepted = []
    for question, text in judged:
        one = Item(question=question, question_type="yes_no", answer=sign)
        tagged = verify(f"<answer>{text}</answer>", one, Policy.lenient).correct
        assert tagged == verify(text, one, Policy.lenient).correct
        assert not verify(f"<answer>{text}</answer>", one).correct
        accepted += [text] if tagged else []
    if not right:
        assert not accepted
    else:
        # A reason with a word that no list has is not read: unreadable, and not right.
        assert len(accepted) >= LEAST_READ * len(judged)


@pytest.mark.parametrize(
    ("question", "agrees", "contradicts"),
    [
        ("Has the pneumonia resolved?", "Yes, the pneumonia is gone", "Yes, the pneumonia persists"),
        ("Has the pneumonia resolved?", "Yes, resolved", "Yes, it has not resolved"),
        ("Is the spleen absent?", "Yes, the spleen is absent", "Yes, the spleen is present"),
        ("Is the chest free of effusion?", "Yes, without effusion", "Yes, there is an effusion"),
        ("Is the heart enlarged?", "Yes, it exceeds normal limits", "Yes, the heart size is within normal limits"),
        ("Are the ventricles dilated?", "Yes, they are dilated", "Yes, normal in size without dilatation"),
        ("Is the heart size normal?", "Yes, within normal limits", "Yes, but it exceeds normal limits"),
        ("Is there a left effusion?", "Yes, and no right effusion", "Yes, no left effusion"),
        ("Is there a pleural effusion?", "Yes, a pleural effusion is seen", "Yes, no effusion"),
        ("图中是否有胸腔积液？", "有，积液未吸收", "有，胸腔积液已吸收"),
        ("图中是否有胸腔积液？", "有，左侧积液，无气胸", "有，双肺清晰，无胸腔积液"),
    ],
)  # fmt: skip
def test_what_a_yes_means_depends_on_the_question(question: str, agrees: str, contradicts: str) -> None:
    one = Item(question=question, question_type="yes_no", answer="yes")
    assert verify(f"<answer>{agrees}</answer>", one, Policy.lenient).correct
    assert not verify(f"<answer>{contradicts}</answer>", one, Policy.lenient).correct


@pytest.mark.parametrize(
    ("question", "agrees", "contradicts"),
    [
        ("Is there a mass in the liver?", "No, the mass is in the spleen", "No, the liver contains a mass"),
        ("Is there a left effusion?", "No, the effusion is on the right", "No, there is a left effusion"),
        ("Is there a pleural effusion?", "No, a pericardial effusion is seen", "No, a small effusion is seen"),
        ("Has the hematoma resolved?", "No, the hematoma is still present", "No, the hematoma is gone"),
        ("图中是否有胸腔积液？", "没有，可见心包积液", "没有，可见少量积液"),
        ("左侧有胸腔积液吗？", "没有，右侧有胸腔积液", "没有，左侧有胸腔积液"),
    ],
)  # fmt: skip
def test_what_a_no_means_depends_on_the_question(question: str, agrees: str, contradicts: str) -> None:
    one = Item(question=question, question_type="yes_no", answer="no")
    assert verify(f"<answer>{agrees}</answer>", one, Policy.lenient).correct
    assert not verify(f"<answer>{contradicts}</answer>", one, Policy.lenient).correct


def test_a_remark_behind_the_block_is_read_as_a_reason_too() -> None:
    one = Item(question="Is there a pneumothorax?", question_type="yes_no", answer="no")
    assert not verify("<answer>No</answer>\n\nThere is a pneumothorax.", one, Policy.lenient).correct
    assert verify("<answer>No</answer>\n\nThe lungs are clear and expanded.", one, Policy.lenient).correct
    assert not verify("<answer>No</answer>\n\nThe lungs are clear and expanded.", one).correct
