"""The verifier on cases written for it: what is right however it is dressed, and what no dress makes right."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lingshu_train.record import Sample
from lingshu_train.verify import Item, Policy, gold_problem, stated_answer, verify
from lingshu_train.verify.types import label_set

EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "verifier_examples.jsonl"

VIEWS = {"A": "Apical view", "B": "Basal view", "C": "Coronal view", "D": "None of these"}
TYPES = {"A": "Type B", "B": "Type A", "C": "Type AB"}
ORGANS = {"A": "Liver", "B": "Kidney", "C": "Heart", "D": "Spleen"}


def item(question_type: str, answer: str, question: str = "What is shown?", **fields: object) -> Item:
    return Item(question=question, question_type=question_type, answer=answer, **fields)  # type: ignore[arg-type]


VIEW = item("mcq", "B", "Which view is this?", options=VIEWS)
DISSECTION = item("mcq", "B", "Which dissection is this?", options=TYPES)
LYMPHOMA = item("mcq", "A", options={"A": "Non-Hodgkin lymphoma", "B": "Hodgkin lymphoma", "C": "Normal"})
TENTH = item(
    "mcq", "I", options={name: f"Finding {number}" for number, name in enumerate("ABCDEFGHIJ", start=20)}
)
STONE = item("yes_no", "no", "Is there a stone in the left kidney?")
CLEAR = item("yes_no", "yes", "Are the lungs normal?")
CHINESE = item("yes_no", "不正常", "该患者的肝脏正常吗？")
EFFUSION = item("yes_no", "有", "图中是否有心包积液？")
VITAMIN = item("short", "vitamin A deficiency")
TUMOUR = item("short", "renal cell carcinoma", "What tumour is shown?")
SIDE = item("short", "right", "Which side is affected?")
ORGAN_LIST = item("short", "liver, spleen and kidneys", "Which organs are enlarged?")
HEART = item("short", "myocardial infarction", aliases=("heart attack",))
LENGTH = item("numeric", "1.8 cm", "What is the lesion's diameter?")
DOSE = item("numeric", "0.25 mg", "What dose was given?")
PRESSURE = item("numeric", "130/85 mmHg", "What is the blood pressure?")
RANGE = item("numeric", "12-16 g/dL", "What is the normal range of haemoglobin?")
LIMIT = item("numeric", "<7 mm", "What is the upper limit?")
COUNT = item("numeric", "4", "How many ribs are fractured?")
CELLS = item("numeric", "7 x 10^9/L", "What is the leukocyte count?")
SHARE = item("numeric", "60%", "What is the ejection fraction?")
SIZE = item("numeric", "2 x 5 cm", "What are the dimensions of the mass?")
SEEN = item("multi_select", "A,B,D", "Which organs are seen?", options=ORGANS)
BOX = item("bbox", "[10, 10, 110, 110]")
LABELS = item("label_set", "Edema, Cardiomegaly")

RIGHT = [
    (
        VIEW,
        "B|b|(B)|B.|b)|[B]|**B**|`B`|$B$|\\text{B}|\\boxed{B}|Ｂ|B。|Option B|Answer: B|The correct answer is B.",
    ),
    (
        VIEW,
        "I think it is B|B. Basal view|B: basal view|(B) Basal view|B Basal view|the basal view|Basal view (B)",
    ),
    (
        VIEW,
        "B because the valves lie low|B, not A|B. Basal view, since the base is cut|B is the correct answer",
    ),
    (VIEW, "答案是B|选B|正确答案：B|B，因为切面很低|The answer is \\boxed{B}|So the final answer is (B)"),
    (DISSECTION, "B|Type A|B. Type A|(B) Type A|type A (B)"),
    (
        LYMPHOMA,
        "A|Non-Hodgkin lymphoma|non-Hodgkin's lymphoma|A. NonHodgkin lymphomas|A, not Hodgkin lymphoma",
    ),
    (TENTH, "I|(I)|I.|I think it is I|I choose I|The answer is I|I would say I|I. Finding 28"),
    (STONE, "no|No.|NO|n|No, the kidney is clear|There is no stone|No stone in the left kidney|否|No; clear"),
    (
        STONE,
        "No, it is on the right|No stone is seen|The answer is no.|\\boxed{No}|No, there is no stone|Absent",
    ),
    (CLEAR, "yes|Yes, both lungs are clear|normal|The lungs are normal|Yes, no consolidation|是的|true"),
    (CHINESE, "不正常|不正常。|异常|否|No|肝脏不正常|不正常，可见低密度灶|答案：不正常"),
    (EFFUSION, "有|有。|是|是的|有心包积液|可见心包积液|存在"),
    (
        VITAMIN,
        "Vitamin A deficiency|a vitamin A deficiency|vitamin-A deficiency|The diagnosis is vitamin A deficiency",
    ),
    (TUMOUR, "RCC|Renal-cell carcinoma|renal cell carcinomas|The tumor is renal cell carcinoma"),
    (TUMOUR, "renal cell carcinoma (RCC)|“Renal cell carcinoma”|It is a renal cell carcinoma."),
    (SIDE, "Right|the right|right side|The right side.|It is the right side"),
    (ORGAN_LIST, "kidneys, liver and spleen|spleen, kidney, liver|liver and kidneys and spleen"),
    (HEART, "heart attack|Heart attack.|myocardial infarction (heart attack)"),
    (item("short", "oedema"), "edema|Oedema."),
    (item("short", "hypertension"), "Hyper-tension|hypertension"),
    (item("short", "stage IIIA"), "stage 3A|Stage IIIa"),
    (item("short", "右肾", "病变位于哪一侧肾？"), "右肾|右肾。|右侧肾|病变位于右肾|答案：右肾"),
    (
        LENGTH,
        "1.8 cm|18 mm|1.80 cm|1.8厘米|about 1.8 cm|0.018 m|1.8 cm (18 mm)|18 millimetres|$1.8\\,\\text{cm}$",
    ),
    (DOSE, "0.25 mg|250 mcg|250 µg|250 μg|1/4 mg|2.5e-4 g|The dose was 0.25 mg"),
    (PRESSURE, "130/85|130/85 mmHg|130 over 85|BP 130/85 mm Hg|血压130/85毫米汞柱"),
    (RANGE, "12-16 g/dL|12 to 16 g/dL|between 12 and 16 g/dL|120–160 g/L|12~16 g/dL"),
    (LIMIT, "<7 mm|less than 7 mm|below 0.7 cm|小于7毫米|＜7 mm"),
    (COUNT, "4|four|4 ribs|Four ribs are fractured|There are 4|四根|4.0"),
    (CELLS, "7×10⁹/L|7e9/L|7 x 10^9 cells per litre|7000/µL|7,000 cells/mm^3|$7 \\times 10^{9}$/L"),
    (SHARE, "60%|60|sixty percent|EF = 60 %|60 per cent|百分之六十"),
    (SIZE, "2 x 5 cm|2 cm × 5 cm|20 by 50 mm|2*5 cm"),
    (item("numeric", "0.25", "What fraction is affected?"), "25%|1/4|one quarter|0.250"),
    (item("numeric", "20", "What is the width in mm?"), "20|20 mm|2 cm"),
    (SEEN, "A,B,D|ABD|D, B and A|A、B、D|(A)(B)(D)|A. Liver, B. Kidney, D. Spleen|liver, kidneys and spleen"),
    (SEEN, '["A", "B", "D"]|The answers are A, B, and D|答案：A，B，D|A; B; D|A & B & D|- A\n- B\n- D'),
    (BOX, '[10,10,110,110]|(12, 8), (108, 112)|{"bbox_2d": [10, 10, 110, 110]}|10, 10, 110, 110'),
    (LABELS, 'cardiomegaly, edema|oedema and cardiomegaly|["Edema", "Cardiomegaly"]'),
]

WRONG = [
    (VIEW, "B – A Basal view|A Basal view (B)|B because of the base?|B，因为是Apical view"),
    (LENGTH, "> about 1.8 cm|> eighteen mm|0 018 mm"),
    (STONE, "No.1|No. 2|No, there is a stone|No - a stone is seen|a stone is seen, no|No stone & a stone"),
    (EFFUSION, "否有心包积液|是，但没有|有，应该是没有|没有但有心包积液"),
    (
        VIEW,
        "A|A or B|B or C|A/B|B and C|A, B|AB|BB|not B|B is wrong|anything but B|maybe B|B?|B, maybe|B; C|B A|view",
    ),
    (
        VIEW,
        "B. Apical view|A. Basal view|Basal view (A)|B (not sure)|the basal view or the apical view|not the basal view",
    ),
    (
        VIEW,
        "all of the above|I don't know|...|:|Solution|Thought process:|B unless C|B. Actually C|B because C is nicer",
    ),
    (
        VIEW,
        "不是B|B或C|可能是B|B错误|\\boxed{B}\\boxed{C}|\\boxed{B} or C|\\boxed{B|B <!-- A -->|В|B as well as C|A-D",
    ),
    (VIEW, "A. Apical view B. Basal view C. Coronal view D. None of these|A) B) C) D)|B is the wrong answer"),
    (DISSECTION, "A. Type A|A Type A|Type B|Type AB|A|AB|Type A or B|Type|C. Type A"),
    (
        LYMPHOMA,
        "Hodgkin lymphoma|lymphoma|B|Hodgkin lymphoma (A)|Non-Hodgkin|A. Hodgkin lymphoma|not Hodgkin lymphoma",
    ),
    (
        TENTH,
        "I don't know|I think it is C|I would say H|I give up|I agree|I am unsure|II|I or H|I as a doctor refuse",
    ),
    (
        STONE,
        "yes|not sure|unknown|Normal|Diagnosis|yes or no|no, yes|No. Yes.|No, wait, yes|no?|maybe no|No idea|Nodule",
    ),
    (
        STONE,
        "No, there is a stone|There is a stone|no stones or yes|Probably not|No stone in the right kidney|是|不确定",
    ),
    (
        CLEAR,
        "no|abnormal|Yes, the lungs are not normal|No, the lungs are normal|Yes and no|Yes, but no|not normal|yes?",
    ),
    (CHINESE, "正常|是|不确定|可能不正常|不正常或正常|否，正常|不是不正常|未见异常|是，不正常"),
    (EFFUSION, "没有|无|否|有没有|是否|有，没有|有，未见心包积液|有气胸|可能有|不确定|有无"),
    (
        VITAMIN,
        "vitamin deficiency|a vitamin deficiency|vitamin D deficiency|deficiency|not vitamin A deficiency",
    ),
    (
        TUMOUR,
        "carcinoma|renal carcinoma|RCC or oncocytoma|RCC, oncocytoma|no renal cell carcinoma|basal cell carcinoma",
    ),
    (
        TUMOUR,
        "renal cell carcinoma (SCC)|renal cell carcinoma?|possible renal cell carcinoma|RCC and cyst|RCC vs cyst",
    ),
    (
        SIDE,
        "left|right or left|left/right|not right|bilateral|right and left|right, not left|the opposite of left",
    ),
    (ORGAN_LIST, "liver and spleen|liver, spleen, kidneys, pancreas|liver, spleen or kidneys|liver"),
    (HEART, "heart|infarction|stroke|heart attack or angina"),
    (item("short", "hypertension"), "hypotension|hyper|normotension|hypertension or hypotension"),
    (item("short", "hepatitis A"), "hepatitis|a hepatitis|hepatitis B|A|hepatitis A and B"),
    (item("short", "C-section"), "C|section"),
    (item("short", "右肾", "病变位于哪一侧肾？"), "左肾|右肾和左肾|双肾|不是右肾|右|肾|右肾或左肾"),
    (
        LENGTH,
        "1.8|18|1.8 mm|18 cm|1.8-2 cm|1.8 cm or 2 cm|-1.8 cm|1.8 cm^2|up to 1.8 cm|1.8 inches|not 1.8 cm",
    ),
    (DOSE, "0.25|0.25 g|0.25 mL|25 mcg|0.25 mg, 2.5 mg|0.25 mg/kg|float('0.25')|0.25 mg?|0.20+0.05 mg"),
    (PRESSURE, "130|85/130|130-85|1.53|26/17|120/80|130/85 kPa|130 x 85"),
    (RANGE, "14 g/dL|12 g/dL|-4|12-16|12-16 mg/dL|16-12 g/dL|12 or 16 g/dL"),
    (LIMIT, "7 mm|>7 mm|<=7 mm|at least 7 mm|<7|<7 cm"),
    (COUNT, "3|five|4 or 5|4-5|at least 4|14|40|4 livers|4 mm|not 4|1, 2, 3, 4|9^{9^{9^{9}}}|99999999!"),
    (CELLS, "7 x 10^6/L|7 x 10^9|7×109/L|7/L|7 x 10^9/mL|7 x 10^9/L or 5|7e99999/L"),
    (SHARE, "0.6%|6%|60-65%|>60%|60% or 65%|60 mL|not 60%"),
    (SIZE, "2 x 5 mm|10 cm|10 cm^2|2-5 cm|2/5 cm|2 x 5 x 1 cm|2 cm"),
    (SEEN, "A,B|A,B,C,D|ABDC|A,B,D,D|A-D|all|all except C|A, B, maybe D|A, B, not C|A, B or D|liver|bad"),
    (SEEN, "A. Kidney, B. Liver, D. Spleen|A, B and D are not correct|A、B、C、D|可能ABD|not A, B, D|1,2,4"),
    (BOX, "[0,0,5,5]|[10,10,110]|[10,10,110,110],[0,0,1,1]|[110,110,10,10]|[0,0,2000,2000]|B"),
    (
        LABELS,
        "edema|edema, cardiomegaly, mass|no edema, cardiomegaly|possible edema, cardiomegaly|edema, edema",
    ),
]


def tagged(text: str) -> str:
    return f"<think>Some reasoning that names A, B and C.</think>\n<answer>{text}</answer>"


def cases(groups: list[tuple[Item, str]]) -> list[tuple[Item, str]]:
    return [(one, text) for one, texts in groups for text in texts.split("|")]


@pytest.mark.parametrize(("one", "text"), cases(RIGHT))
def test_the_right_answer_is_right_in_any_dress(one: Item, text: str) -> None:
    verdict = verify(tagged(text), one, Policy.lenient)
    assert verdict.correct, verdict
    assert verdict.status == "right"


@pytest.mark.parametrize(("one", "text"), cases(WRONG))
@pytest.mark.parametrize("policy", list(Policy))
def test_nothing_but_the_right_answer_is_right(one: Item, text: str, policy: Policy) -> None:
    for response in (tagged(text), text):
        verdict = verify(response, one, policy)
        assert not verdict.correct, verdict
        assert verdict.status != "right"


STATUSES = {
    "": "empty",
    "<think>no end": "truncated",
    "<think>x</think>": "empty",
    "<think>x <answer>B</answer></think>": "empty",
    "<think>x</think><answer> </answer>": "empty",
    "<think>x</think><answer>B": "malformed",
    "<think>x</think>B</answer>": "malformed",
    "<think>x</think><answer>B</answer><answer>B</answer>": "several_blocks",
    "<think>x</think><answer>A</answer><answer>B</answer>": "several_blocks",
    "<think>x</think><answer><answer>B</answer></answer>": "several_blocks",
    "<think>x</think><answer>B</answer> Actually, A.": "trailing_revision",
    "<think>x</think><answer>B</answer> 更正：A": "trailing_revision",
    "<think>x</think><answer>B</answer> Apical view": "trailing_revision",
    "<think>x</think><answer>B</answer><!-- A -->": "hidden_text",
    "<answer>B</answer><think>x</think>": "misplaced_block",
    "<think>x</think><answer>A</answer><think>y</think><answer>B</answer>": "misplaced_block",
    "<think>x</think>The answer is A. <answer>B</answer>": "conflicting",
    "<think>x</think><answer>A. Basal view</answer>": "conflicting",
    "<think>x</think>\\boxed{A} \\boxed{B}": "several_boxes",
    "<think>x</think>\\boxed{B": "malformed",
    "<think>x</think><answer>A or B</answer>": "hedged",
    "<think>x</think><answer>not B</answer>": "negated",
    "<think>x</think><answer>the view</answer>": "unreadable",
    "<think>x</think><answer>" + "B " * 300 + "</answer>": "too_long",
    "<think>x</think><answer>A</answer>": "wrong",
}


@pytest.mark.parametrize(("response", "status"), STATUSES.items())
def test_every_way_of_being_unreadable_has_a_name(response: str, status: str) -> None:
    for policy in Policy:
        verdict = verify(response, VIEW, policy)
        assert (verdict.correct, verdict.status) == (False, status)


@pytest.mark.parametrize(
    "response",
    [
        "<answer>B</answer>",
        "<think>A?</think>\n\n<answer>\nB\n</answer>\n",
        "prefilled thinking, maybe A</think><answer>B</answer>",
        "<think>draft <answer>A</answer></think><answer>B</answer>",
        "<think>x</think>< ANSWER >B</ Answer >",
        "<think>x</think>The answer is \\boxed{B}.",
        "The base of the heart is cut.\n\n### Final Answer: B",
        "<think>x</think>**Final Answer:** B. Basal view",
        "<think>x</think><answer>B</answer><|im_end|>",
        "<think>x</think><answer>B</answer>\nI hope this helps!",
        "So the answer is B. <answer>B</answer>",
    ],
)
def test_marked_answers_are_found_under_both_policies(response: str) -> None:
    assert verify(response, VIEW, Policy.strict).correct
    assert verify(response, VIEW, Policy.lenient).correct


@pytest.mark.parametrize(
    "response",
    ["B", "B. Basal view", "The base is cut, so it is low. The answer is B.", "Answer: B", "答案：B"],
)
def test_plain_text_is_read_in_evaluation_only(response: str) -> None:
    assert verify(response, VIEW, Policy.lenient).correct
    assert verify(response, VIEW, Policy.strict).status == "unmarked"


@pytest.mark.parametrize(
    "response",
    [
        "The answer is B. Wait, it is C.",
        "The answer is A. The answer is B.",
        "The answer is not B",
        "A. The answer is B",
    ],
)
def test_plain_text_that_changes_its_mind_is_not_right(response: str) -> None:
    assert not verify(response, VIEW, Policy.lenient).correct


def test_a_unit_behind_the_box_belongs_to_the_answer() -> None:
    assert verify("\\boxed{1.8} cm", LENGTH).correct
    assert not verify("\\boxed{1.8} mm", LENGTH).correct
    assert not verify("\\boxed{1.8}", LENGTH).correct


def test_a_tolerance_holds_in_the_golds_unit() -> None:
    one = item("numeric", "1.8 cm", tol=0.1)
    assert verify(tagged("19 mm"), one).correct
    assert not verify(tagged("2.0 cm"), one).correct


def test_a_box_threshold_is_the_items_tolerance() -> None:
    half = tagged("[10, 10, 110, 60]")
    assert verify(half, item("bbox", "[10, 10, 110, 110]", tol=0.5)).correct
    assert not verify(half, item("bbox", "[10, 10, 110, 110]", tol=0.75)).correct


def test_shuffled_options_with_their_letters_change_nothing() -> None:
    shuffled = Item(
        question="q", question_type="mcq", answer="D", options={"A": "x", "D": "Basal view", "C": "y"}
    )
    assert verify(tagged("basal view"), shuffled).correct
    assert verify(tagged("D. Basal view"), shuffled).correct
    assert not verify(tagged("B"), shuffled).correct


@pytest.mark.parametrize("place", range(len(RIGHT)))
def test_every_gold_of_this_file_verifies_as_itself(place: int) -> None:
    assert gold_problem(RIGHT[place][0]) is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (item("mcq", "E", options=VIEWS), "neither a letter nor the text"),
        (item("mcq", "A"), "at least two options"),
        (item("yes_no", "perhaps"), "neither yes nor no"),
        (item("numeric", "about five or six"), "not one quantity"),
        (item("multi_select", "all", options=ORGANS), "not a list"),
        (item("short", "..."), "no word"),
        (item("bbox", "[5, 5, 1, 1]"), "x1 < x2"),
        (item("label_set", "a, a"), "different labels"),
        (item("free", "a long report"), "no rule judges"),
        (item("short", "possibly oedema</answer>"), "malformed|several"),
    ],
)
def test_a_gold_that_cannot_be_judged_says_why(one: Item, why: str) -> None:
    problem = gold_problem(one)
    assert problem is not None
    assert any(part in problem for part in why.split("|"))


def test_an_item_with_a_bad_gold_is_never_right() -> None:
    assert verify("<answer>E</answer>", item("mcq", "E", options=VIEWS)).status == "invalid_gold"


def test_a_sample_of_a_corpus_is_an_item() -> None:
    sample = Sample(
        id="1", card="c", split="train", task="vqa", question="q", question_type="yes_no", answer="yes"
    )
    assert verify("<answer>Yes</answer>", sample).correct


def test_the_last_commitment_of_a_trace_is_read() -> None:
    stated = stated_answer("At first the answer is A. But the base is cut, so the answer is B.", VIEW)
    assert stated is not None and stated.normalized == "B"
    assert stated_answer("The valves are low.", VIEW) is None
    chinese = stated_answer("切面较低，因此答案是C。", VIEW)
    assert chinese is not None and chinese.normalized == "C"


EFFUSION = item("yes_no", "yes", "Is there a pleural effusion?")
MIDLINE = item("yes_no", "yes", "Is the trachea midline?")
SMALL_HEART = item("yes_no", "no", "Does the image show cardiomegaly?")
LEFT = item("yes_no", "yes", "病变在左肺吗？")
BIOPSY = item("yes_no", "no", "Does this biopsy show malignancy?")
NATURE = item("yes_no", "不是", "该病变是恶性的吗？")
NORMAL = item("yes_no", "正常", "肺部正常吗？")
ABNORMAL = item("yes_no", "不正常", "肺部正常吗？")
TUMOURS = item("mcq", "B", "该病变是什么？", options={"A": "肺炎", "B": "肺结核", "C": "肺癌"})


@pytest.mark.parametrize(
    ("one", "text"),
    [(EFFUSION, "Yes, it isn't"), (EFFUSION, "Yes, not really"), (EFFUSION, "Yes (unlikely)"),
     (EFFUSION, "Yes, effusion is ruled out"), (EFFUSION, "Yes (50%)"), (EFFUSION, "Yes, which is not yes"),
     (EFFUSION, "Yes, on second thought 没有"), (MIDLINE, "Yes, the trachea is deviated"),
     (MIDLINE, "Yes, it is shifted to the left"), (SMALL_HEART, "No, the heart is enlarged"),
     (SMALL_HEART, "No, there is"), (BIOPSY, "No; malignant glands"), (NATURE, "不是，恶性肿瘤"), (NATURE, "良性或恶性"),
     (NATURE, "不能"), (NORMAL, "正常，有异常"), (ABNORMAL, "不正常，未见异常"), (ABNORMAL, "正常不"), (LEFT, "是，在右肺"), (LYMPHOMA, "A because it is Hodgkin lymphoma"),
     (LYMPHOMA, "Non-Hodgkin lymphoma as well as Hodgkin lymphoma"), (VIEW, "Basal view (unlikely)"),
     (VIEW, "B, which is false"),
     (VIEW, "B because it is excluded"), (VIEW, "Basal view (rejected)"), (TUMOURS, "B因为不是肺结核"),
     (TUMOURS, "肺结核（排除）"), (TUMOURS, "B，因为不考虑"), (VIEW, "B. Basal view (50%)")],
)  # fmt: skip
def test_a_reason_that_takes_the_answer_back_is_refused(one: Item, text: str) -> None:
    for policy in Policy:
        assert not verify(f"<answer>{text}</answer>", one, policy).correct


@pytest.mark.parametrize(
    ("one", "text"),
    [(EFFUSION, "Yes, it is not small"), (EFFUSION, "Yes, the left effusion is large"), (EFFUSION, "Yes, there is"),
     (MIDLINE, "Yes, it is not deviated"), (SMALL_HEART, "No, the heart is not enlarged"),
     (SMALL_HEART, "No, the heart size is normal"), (BIOPSY, "No; benign glands only"), (NATURE, "不是，良性肿瘤"),
     (NORMAL, "正常，未见异常"), (ABNORMAL, "不正常，有异常"),
     (LYMPHOMA, "A because it is not Hodgkin lymphoma"), (VIEW, "Basal view (from below)"), (VIEW, "B, because a false lumen is seen"),
     (VIEW, "B because the apex is excluded"), (TUMOURS, "B，因为不是肺癌"), (TUMOURS, "B，因为有空洞")],
)  # fmt: skip
def test_a_reason_in_opposite_words_that_agrees_is_right(one: Item, text: str) -> None:
    assert verify(f"<answer>{text}</answer>", one, Policy.lenient).correct
    assert not verify(f"<answer>{text}</answer>", one).correct


@pytest.mark.parametrize(
    "response",
    ["The answer is not \\boxed{B}", "It may be A or \\boxed{B}", "答案不是\\boxed{B}"],
)  # fmt: skip
def test_a_box_behind_a_denial_is_no_answer(response: str) -> None:
    assert not verify(response, VIEW).correct
    said = response.replace("not ", "").replace("may be A or", "is").replace("不", "")
    assert verify(said, VIEW).correct


def test_a_few_words_before_the_block_that_are_another_answer_are_a_conflict() -> None:
    modality = item("short", "MRI", "Which modality is this?")
    assert verify("CT\n<answer>MRI</answer>", modality).status == "conflicting"
    assert verify("Modality:\n<answer>MRI</answer>", modality).correct
    assert (
        verify("<answer>MRI</answer> I take that back: ultrasound.", modality).status == "trailing_revision"
    )


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "pattern",
    ["a", "9", " ", "<", "<answer>", "</think>", "\\boxed{", "\\boxed{B}", "answer is ", "答案是", "#", "(", "B, ",
     "1,234,", "<|", "\ud800", "\0", "\u200b", "\ufdfa", "¹", "\\frac{1}{2}", "the final correct best "],
)  # fmt: skip
def test_no_input_of_32_kb_takes_long(pattern: str) -> None:
    text = (pattern * (32_768 // len(pattern) + 1))[:32_768]
    for one in (VIEW, STONE, TUMOUR, LENGTH, SEEN, BOX, LABELS):
        # Processor time without collections: a busy machine and the other tests' objects must not decide.
        with without_garbage_collection():
            started = time.process_time()
            verify(text, one, Policy.lenient)
            verify(f"<answer>{text[:390]}</answer>", one, Policy.strict)
            assert time.process_time() - started < 2 * 0.05


def test_label_sets_overlap_by_the_f1_of_whole_labels() -> None:
    assert label_set.overlap("edema; cardiomegaly", "Edema, Cardiomegaly") == 1.0
    assert label_set.overlap("edema, nodule", "Edema, Cardiomegaly") == 0.5
    assert label_set.overlap("edema, edema", "Edema") == 0.0
    assert label_set.overlap("", "Edema") == 0.0


@pytest.mark.skipif(not EXAMPLES.is_file(), reason="the labelled examples are not part of a clone")
def test_the_labelled_examples_are_judged_as_labelled() -> None:
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    missed = []
    for row in rows:
        one = item(row["question_type"], row["answer"], row["question"], options=row["options"] or {})
        if verify(row["response"], one, Policy.lenient).correct != row["correct"]:
            missed.append(row["id"])
    assert missed == []
