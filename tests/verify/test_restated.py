"""A statement answers a yes/no question only by what the question asks of its subject, and an answer may be said in other words."""

from __future__ import annotations

import time

import pytest

from lingshu_train.verify import Item, Policy, verify

MAYBE = {"A": "yes", "B": "no", "C": "maybe"}
ORGANS = {"A": "Liver", "B": "Spleen", "C": "Left kidney", "D": "Stomach"}
SIZES = {"A": "3.2 cm", "B": "45 mm", "C": "5.8 cm", "D": "71 mm"}
FUNDUS = {"A": "Papilloedema", "B": "Retinal detachment", "C": "Drusen", "D": "Normal fundus"}
DEVICES = {"A": "Stent", "B": "Band", "C": "Filter", "D": "None of the above"}
TESTS = {"A": "Serum gastrin", "B": "Urinary 5-HIAA", "C": "Plasma renin", "I": "Serum insulin"}


def lenient(
    response: str, question: str, kind: str, answer: str, options: dict[str, str] | None = None
) -> bool:
    item = Item(question=question, question_type=kind, answer=answer, options=options or {})
    return verify(response, item, Policy.lenient).correct


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("Is the mass solid?", ["The mass is solid.", "Solid"], ["There is a mass", "The mass is seen.", "Yes, it is cystic"]),
        ("Is the lesion round?", ["The lesion is round."], ["It is a lesion", "Yes, the lesion is oval", "Yes, an oval lesion"]),
        ("Is the contrast phase arterial?", ["arterial"], ["Yes, it is venous.", "Yes, in the venous phase"]),
        ("Is this a normal ECG?", ["This is a normal ECG.", "Normal"], ["This is an ECG.", "It is an ECG"]),
        ("Is this a T2-weighted coronal image?", ["Yes"], ["This is a coronal image", "This is an image"]),
        ("Is the mass located in the left lung?", ["It is."], ["The mass is located.", "There is a mass"]),
        ("Is the catheter tip seen in the right atrium?", ["Yes, it is."], ["The catheter tip is seen."]),
        ("Is there a pneumothorax?", ["There is one.", "It is present."], ["It is absent.", "There is a nodule."]),
        ("Is the spleen enlarged?", ["There is splenomegaly."], ["There is hepatomegaly.", "Normal", "It is not."]),
        ("病变是圆形吗？", ["是的，呈圆形"], ["是的，呈椭圆形"]),
        ("该图像是T2加权像吗？", ["是的"], ["是的，T1加权像"]),
        ("图中可以看到心脏吗？", ["可以", "能"], ["不可以", "不能看到"]),
    ],
)  # fmt: skip
def test_a_statement_says_what_its_question_asks(question: str, right: list[str], wrong: list[str]) -> None:
    gold = "yes" if question.isascii() else "是"
    assert [one for one in right if not lenient(one, question, "yes_no", gold)] == []
    assert [one for one in wrong if lenient(one, question, "yes_no", gold)] == []


@pytest.mark.parametrize(
    ("question", "options", "gold", "right", "wrong"),
    [
        ("How wide is it?", SIZES, "C", ["58 mm", "About 5.8 cm."], ["58 cm", "> 5.8 cm", "58 mm or 71 mm", "45 mm"]),
        ("Does it lower mortality in ARDS?", MAYBE, "A", ["It does.", "Mortality was lower, so yes."], ["It does not."]),
        ("Is it better than before?", MAYBE, "C", ["It depends.", "The data are inconclusive"], ["I cannot tell.", "yes"]),
        ("Is it better than before?", MAYBE, "A", ["It is."], ["It depends.", "unclear"]),
        ("Which device is seen?", DEVICES, "D", ["None", "none of these"], ["None, but a stent", "No stent"]),
        ("What is the finding?", FUNDUS, "D", ["D. Normal fundus: no papilloedema, no detachment."],
         ["Normal fundus, no doubt drusen", "No normal fundus, no drusen", "Normal fundus, but drusen"]),
        ("Which organ is affected?", ORGANS, "B", ["The lesion lies in the spleen.", "Spleen, option B"],
         ["The lesion lies next to the spleen", "Spleen, option C", "The spleen is normal"]),
        ("Which organ does the star mark?", ORGANS, "B", ["A\n\nOn reflection the answer is B."],
         ["B\n\nOn reflection the answer is A.", "A\n\nOn reflection the answer is not B."]),
        ("Which test is it?", TESTS, "B", ["B. I would say so."], ["B. I would say A.", "B. I would say that it is A."]),
    ],
)  # fmt: skip
def test_an_option_in_other_words(
    question: str, options: dict[str, str], gold: str, right: list[str], wrong: list[str]
) -> None:
    assert [one for one in right if not lenient(one, question, "mcq", gold, options)] == []
    assert [one for one in wrong if lenient(one, question, "mcq", gold, options)] == []


@pytest.mark.parametrize(
    ("question", "gold", "right", "wrong"),
    [
        ("What is seen in the glomerulus?", "thickening of the basement membrane",
         ["The basement membrane is thickened."], ["The basement membrane is not thickened", "The mesangium is thickened"]),
        ("What abnormality is seen in the right kidney?", "renal cyst",
         ["a cyst in the kidney", "right renal cyst"], ["left renal cyst", "a cyst in the liver", "a cyst in the left kidney"]),
        ("Is this a chest X-ray or a chest CT?", "CT", ["a chest CT", "CT, not X-ray"], ["chest X-ray, not chest CT", "chest"]),
        ("What is the function of the organ?", "pumping blood", ["It pumps blood"], ["It pumps air", "not pumping blood"]),
        ("What is the most likely diagnosis?", "pulmonary embolism",
         ["The filling defect is consistent with pulmonary embolism."],
         ["The old scan is consistent with pulmonary embolism", "No finding suggests pulmonary embolism"]),
        ("Which artery is narrowed?", "left coronary artery", ["LCA"], ["RCA", "LCX"]),
        ("图中肺部正常吗？", "正常", ["双肺正常", "未见异常"], ["心脏正常", "不是", "正常，但有结节"]),
    ],
)  # fmt: skip
def test_a_phrase_in_other_words(question: str, gold: str, right: list[str], wrong: list[str]) -> None:
    assert [one for one in right if not lenient(one, question, "short", gold)] == []
    assert [one for one in wrong if lenient(one, question, "short", gold)] == []


@pytest.mark.parametrize("repeated", ["with no a, ", "的", "left ", "的可能性最大", "given the mass, "])
def test_words_that_are_cut_off_again_and_again_cost_no_more_than_their_length(repeated: str) -> None:
    text = (repeated * 400)[:399]
    asked = "What abnormality is seen in the left lower lobe?"
    for kind, gold, options in (("short", "pleural effusion", {}), ("mcq", "B", ORGANS)):
        item = Item(question=asked, question_type=kind, answer=gold, options=options)
        spent = []
        for end in ("", ".", "..", "..."):
            started = time.process_time()
            assert not verify(text + end, item, Policy.lenient).correct
            spent.append(time.process_time() - started)
        assert min(spent) < 0.05
