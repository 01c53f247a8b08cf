"""Each pipeline makes what it says of a teacher that is right, and each of its checks finds what it is there for."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import curating
import pytest
import teaching
import tiny
from PIL import Image
from teaching import Asked, Fault, Reply

from lingshu_train import naming
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError
from lingshu_train.record import Sample
from lingshu_train.synthesize import _client, _page, _phrases, _pipelines, _words

Rows = list[curating.Row]
MCQ = {
    "question": "Which organ makes insulin?",
    "question_type": "mcq",
    "options": {"A": "the liver", "B": "the pancreas", "C": "the spleen"},
    "answer": "B",
    "task": "exam",
    "card": "medqa",
    "modality": "",
}
LONG = (
    "The image shows a round bright lesion in the left upper lobe of the lung with a smooth border, while the heart, the "
    "mediastinum and the other lobes look normal in size and shape and no fluid is seen in either of the pleural spaces. "
    "It lies close to the chest wall and does not reach it, and no second lesion is seen anywhere else in this image."
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_client, "_FIRST_WAIT_S", 0.01)


def by_step(said: Mapping[str, Reply], **more: Reply) -> Callable[[Asked], Reply]:
    """A teacher that says the same to each request of a step, told by the name of the form it is asked for."""

    def rule(asked: Asked) -> Reply:
        step = asked.body.get("response_format", {}).get("json_schema", {}).get("name", "text")
        return {**said, **more}[step]

    return rule


def made(
    root: Path, rows: Rows, pipeline: str, rule: Callable[[Asked], Reply], **keys: Any
) -> tuple[tuple[Sample, ...], Mapping[str, Any]]:
    """What was made of the rows, and what the stage told; no rows where all were dropped."""
    parent = curating.corpus(root / "raw", rows)
    with teaching.teaching(rule) as teacher:
        stage = teaching.stage(root, parent, teacher, pipeline, **keys)
        try:
            facts = tiny.run_here(stage)
        except DataError as fault:
            return (), {"fault": str(fault)}
    return corpus.load(stage.path / "corpus").samples, facts  # type: ignore[return-value]


def dropped(root: Path, rows: Rows, pipeline: str, rule: Callable[[Asked], Reply], **keys: Any) -> str:
    """The check at which the only row was dropped."""
    found, facts = made(root, rows, pipeline, rule, **keys)
    assert not found, "the row was kept"
    return str(facts["fault"]).partition("dropped most by: ")[2].partition(" (")[0]


def reasoned(**changes: str) -> dict[str, Reply]:
    right = {"reasoning": teaching.GOOD, "answer": "CT", **changes}
    blank = {"reasoning": teaching.GOOD, "answer": "MRI"}
    return {"reason": json.dumps(right), "blank": json.dumps(blank), "blind": json.dumps({"answer": "CT"})}


SEEN = [curating.row("r", curating.scene(1, side=56), card="slake")]


@pytest.mark.parametrize(
    ("said", "check"),
    [
        (reasoned(answer="MRI"), "answer"),
        (reasoned(reasoning="It is CT."), "length"),
        (
            reasoned(
                reasoning="I'm sorry, but I cannot view the image, so that nothing can be said of what it shows."
            ),
            "refusal",
        ),
        (
            reasoned(
                reasoning="According to the provided answer this is a picture that was made by computed tomography."
            ),
            "leak",
        ),
        (
            reasoned(
                reasoning="The caption says that this is an axial slice of a scan that was made of the head."
            ),
            "leak",
        ),
        ({**reasoned(), "blind": json.dumps({"answer": "undecided"})}, "blind"),
        ({**reasoned(), "blank": reasoned()["reason"]}, "grounding"),
        ({**reasoned(), "reason": "no JSON at all"}, "form"),
    ],
)
def test_reasoning_that_fails_a_check_is_dropped_by_it(
    said: dict[str, Reply], check: str, tmp_path: Path
) -> None:
    assert dropped(tmp_path, SEEN, "vqa_reasoning", by_step(said)) == check


def test_too_few_right_draws_are_no_agreement(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Reply:
        said = reasoned() if asked.seed == 0 else reasoned(answer="MRI")
        return by_step(said)(asked)

    assert dropped(tmp_path, SEEN, "vqa_reasoning", rule) == "agreement"
    found, facts = made(tmp_path / "two", SEEN, "vqa_reasoning", rule, params={"agreement": 0.3})
    assert len(found) == 1
    assert facts["checks"]["agreement"] == {"rows": 1, "passed": 1, "share": 1.0}


def test_a_check_may_only_point_out(tmp_path: Path) -> None:
    said = {**reasoned(), "blank": reasoned()["reason"]}
    found, facts = made(tmp_path, SEEN, "vqa_reasoning", by_step(said), params={"grounding": "flag"})
    assert len(found) == 1
    assert facts["checks"]["grounding"]["passed"] == 0
    assert {each["step"]: each["flagged"] for each in facts["funnel"]}["grounding"] == 1


def test_a_reply_in_no_form_is_handed_back_once_with_what_is_wrong(tmp_path: Path) -> None:
    told = list[str]()

    def rule(asked: Asked) -> Reply:
        if asked.handed_back:
            told.append(asked.body["messages"][3]["content"])
            assert asked.body["messages"][2]["content"] == '{"reasoning": "only this"}'
            return by_step(reasoned())(asked)
        step = asked.body["response_format"]["json_schema"]["name"]
        return '{"reasoning": "only this"}' if step == "reason" else by_step(reasoned())(asked)

    found, facts = made(tmp_path, SEEN, "vqa_reasoning", rule, params={"draws": 1})
    assert len(found) == 1
    assert facts["handed_back"] == 1
    assert told == [
        "Your reply cannot be used: answer: Field required. Reply again with the JSON object alone."
    ]


def test_the_teacher_is_not_told_the_answer_unless_the_recipe_says_so(tmp_path: Path) -> None:
    asked = list[Asked]()

    def rule(one: Asked) -> Reply:
        asked.append(one)
        return by_step(reasoned())(one)

    row = [curating.row("r", curating.scene(1, side=56), card="slake", question="Which one?")]
    made(tmp_path / "a", row, "vqa_reasoning", rule)
    assert not any("CT" in one.text for one in asked)
    asked.clear()
    made(tmp_path / "b", row, "vqa_reasoning", rule, params={"told": True})
    assert any("The reader's answer: CT" in one.text for one in asked)
    assert not any("CT" in one.text for one in asked if not one.pictures), "the blind pass sees no answer"


def test_a_server_without_schemas_is_asked_in_words(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Reply:
        form = asked.body.get("response_format", {}).get("type")
        if form:
            return Fault(
                400, text=json.dumps({"error": {"message": f"response_format {form} is not supported"}})
            )
        return reasoned()["blank" if teaching.is_blank(asked) else "reason"]

    found, _ = made(tmp_path, SEEN, "vqa_reasoning", rule, params={"blind": "off"})
    assert len(found) == 1


def test_reasoning_in_words_is_distilled_without_the_answer(tmp_path: Path) -> None:
    rows = [curating.row("q", **MCQ)]
    trace = {"reasoning": f"{teaching.GOOD} Insulin is made by the islets.", "answer": "B"}
    said = {"reason": json.dumps(trace), "blind": json.dumps({"answer": "B"})}
    found, _ = made(tmp_path / "a", rows, "text_reasoning", by_step(said), card="synth_text_reasoning")
    assert (found[0].answer, found[0].options["B"], found[0].images) == ("B", "the pancreas", ())
    assert found[0].reasoning.endswith("islets.")
    wrong = by_step(said, blind=json.dumps({"answer": "A"}))
    assert dropped(tmp_path / "b", rows, "text_reasoning", wrong, card="synth_text_reasoning") == "blind"


def solved(**changes: str) -> str:
    options = "\n".join(f"{letter}. {text}" for letter, text in MCQ["options"].items())  # type: ignore[attr-defined]
    read = f"{MCQ['question']}\n{options}"
    return json.dumps({"question_read": read, "reasoning": teaching.GOOD, "answer": "B", **changes})


def test_an_exam_question_is_drawn_read_and_solved(tmp_path: Path) -> None:
    rows, shown = [curating.row("q", **MCQ)], list[Image.Image]()

    def rule(asked: Asked) -> Reply:
        shown.append(Image.open(io.BytesIO(base64.b64decode(asked.pictures[0].partition(",")[2]))))
        return solved()

    found, _ = made(tmp_path / "a", rows, "ocr", rule, card="synth_ocr")
    assert found[0].answer == f"{teaching.GOOD}\n\nFinal answer: B. the pancreas"
    assert (found[0].question_type, found[0].modality, len(found[0].images)) == ("free", "document", 1)
    assert "insulin" not in found[0].question
    dark = sum(shown[0].convert("L").histogram()[:128])
    assert dark > 300, "nothing is written on the page"
    assert dropped(tmp_path / "b", rows, "ocr", lambda _: solved(answer="C"), card="synth_ocr") == "answer"
    other = solved(question_read="Which bone is the longest of the body?")
    assert dropped(tmp_path / "c", rows, "ocr", lambda _: other, card="synth_ocr") == "read"


def test_pages_look_different_and_each_always_the_same() -> None:
    first = _page.drawn_of("What is seen?\nA. this\nB. that", seed="one", width=300)
    again = _page.drawn_of("What is seen?\nA. this\nB. that", seed="one", width=300)
    other = _page.drawn_of("What is seen?\nA. this\nB. that", seed="other", width=300)
    assert (first.ref, first.load()) == (again.ref, again.load())
    assert other.load() != first.load()
    with Image.open(io.BytesIO(first.load())) as page:
        assert page.size == (first.width, first.height)


CAPTION = [
    curating.caption(
        "c",
        "An axial slice of the head shows a bright lesion in the left thalamus.",
        curating.scene(2, side=56),
        card="slake",
    )
]
ASK = {
    "mismatch": False,
    "question": "Where does the lesion lie?",
    "answer": "left thalamus",
    "wrong": ["right thalamus", "left cortex"],
}


def chooser(asked: Asked, text: str) -> str:
    """The letter of an option."""
    line = next(line for line in asked.text.splitlines() if line.endswith(f". {text}"))
    return json.dumps({"answer": line[0]})


def instructed(asked: Asked, *, ask: Mapping[str, Any] = ASK, guess: str = "right thalamus") -> Reply:
    match asked.body["response_format"]["json_schema"]["name"]:
        case "ask":
            return json.dumps(ask)
        case "solve":
            return chooser(asked, "left thalamus")
        case _:
            return chooser(asked, guess)


def test_a_caption_becomes_a_question_that_needs_the_picture(tmp_path: Path) -> None:
    found, _ = made(tmp_path / "a", CAPTION, "vqa_instruct", instructed, card="synth_vqa")
    assert (found[0].question, found[0].question_type) == ("Where does the lesion lie?", "mcq")
    assert found[0].options[found[0].answer] == "left thalamus"
    assert dict(found[0].options).keys() == {"A", "B", "C"}

    def lucky(asked: Asked) -> Reply:
        return instructed(asked, guess="left thalamus")

    assert dropped(tmp_path / "b", CAPTION, "vqa_instruct", lucky, card="synth_vqa") == "guessed"


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"mismatch": True}, "mismatch"),
        ({"wrong": []}, "options"),
        ({"wrong": ["Left thalamus."]}, "options"),
        ({"question": "What does the caption say of the lesion?"}, "leak"),
        ({"question": "Is the left thalamus where the lesion lies?"}, "giveaway"),
    ],
)
def test_a_question_that_is_none_is_dropped(change: dict[str, Any], check: str, tmp_path: Path) -> None:
    def rule(asked: Asked) -> Reply:
        return instructed(asked, ask={**ASK, **change})

    assert dropped(tmp_path, CAPTION, "vqa_instruct", rule, card="synth_vqa") == check


REPLY = "Dear Tom, you have the flu, take 400 mg of ibuprofen. Regards, Dr. Who"
REVISED = (
    "This may be an infection of the airways. A family doctor can examine you and say which drug suits you, and you should go at "
    "once if breathing becomes hard. This is no definite diagnosis and replaces no visit."
)
SAFE = {"contradicts": False, "diagnoses": False, "prescribes": False, "refers": True, "disclaims": True}


@pytest.mark.parametrize(
    ("reply", "judged", "check"),
    [
        (REVISED, SAFE, ""),
        (REVISED, {**SAFE, "prescribes": True}, "prescribes"),
        (REVISED, {**SAFE, "disclaims": False}, "disclaims"),
        (f"{REVISED} Take 600 mg of it.", SAFE, "numbers"),
        ("See a doctor.", SAFE, "length"),
    ],
)
def test_a_reply_is_rewritten_safely(reply: str, judged: dict[str, bool], check: str, tmp_path: Path) -> None:
    rows = [curating.caption("d", REPLY, card="healthcaremagic_100k", modality="text")]
    rule = by_step({"revise": json.dumps({"reply": reply}), "judge": json.dumps(judged)})
    if check:
        assert dropped(tmp_path, rows, "dialogue_cleaning", rule, card="synth_text_reasoning") == check
    else:
        found, _ = made(tmp_path, rows, "dialogue_cleaning", rule, card="synth_text_reasoning")
        assert [one.answer for one in found] == [REVISED]


def labelled() -> Rows:
    """Rows of one picture: a label, a box, and a row of another picture between them."""
    about = {"card": "chexpert", "modality": "x-ray"}
    lung = curating.scene(3, side=56)
    return [
        curating.row(
            "label", lung, question="What is seen?", answer="a nodule in the left upper lobe", **about
        ),
        curating.row("else", curating.scene(4, side=56), question="What is seen?", answer="nothing", **about),
        curating.row(
            "box", lung, question="Where?", question_type="bbox", answer="[10, 10, 30, 30]", **about
        ),
    ]


def captions(**changes: Any) -> dict[str, Reply]:
    text = json.dumps({"caption": LONG})
    compared = {"contradicts": False, "complete": True, **changes}
    return {"facts": text, "preference": text, "merge": text, "compare": json.dumps(compared)}


def test_a_long_caption_is_made_of_all_rows_of_a_picture_with_its_boxes_drawn(tmp_path: Path) -> None:
    asked = dict[str, Asked]()

    def rule(one: Asked) -> Reply:
        asked.setdefault(one.body["response_format"]["json_schema"]["name"], one)
        return by_step(captions())(one)

    found, facts = made(tmp_path, labelled(), "long_captions", rule, card="synth_long_captions", most_rows=1)
    assert [one.parents for one in found] == [("label", "box")]
    assert (found[0].answer, found[0].question_type, facts["rows_before"]) == (LONG, "free", 1)
    assert "- What is seen? a nodule in the left upper lobe" in asked["facts"].text
    assert "projection" in asked["preference"].text, "the checklist of radiographs"
    plain, boxed = (
        Image.open(io.BytesIO(base64.b64decode(asked[step].pictures[0].partition(",")[2]))).convert("RGB")
        for step in ("preference", "facts")
    )
    assert boxed.getpixel((10, 20)) == (255, 0, 0)
    assert plain.getpixel((10, 20)) != (255, 0, 0)
    assert not asked["merge"].pictures
    assert found[0].images == corpus.load(tmp_path / "raw" / "corpus").sample(0).images, (
        "the stored picture has no box"
    )


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"merge": json.dumps({"caption": f"{LONG} It measures 3 mm."})}, "numbers"),
        ({"merge": json.dumps({"caption": f"{LONG} A second one lies on the right."})}, "sides"),
        ({"merge": json.dumps({"caption": f"{LONG} The bounding box shows it."})}, "leak"),
        ({"compare": json.dumps({"contradicts": True, "complete": True})}, "contradicts"),
        ({"compare": json.dumps({"contradicts": False, "complete": False})}, "complete"),
    ],
)
def test_a_merged_caption_that_adds_or_loses_something_is_dropped(
    change: dict[str, Reply], check: str, tmp_path: Path
) -> None:
    rule = by_step({**captions(), **change})
    rows = labelled()[:1]
    assert dropped(tmp_path, rows, "long_captions", rule, card="synth_long_captions") == check


@pytest.mark.parametrize(
    "text",
    [
        "The label of the hip joint capsule is seen.",
        "There is a box-shaped heart and the answer is pneumonia.",
        "Based on the signal this is fat.",
        "The left kidney cannot be seen because of gas.",
        "I am sorry to hear that your head hurts; please see a neurologist.",
        "I'm sorry that you had to wait for so long.",
    ],
)
def test_plain_findings_are_neither_leaks_nor_refusals(text: str) -> None:
    assert not _phrases.refuses(text)
    assert text.startswith("The label") or not _phrases.leaks(text)


def test_numbers_count_with_their_units() -> None:
    assert _words.invented("a lesion of 3 mm and 2 others", "2 and more, one of 3mm") == ""
    assert _words.invented("a lesion of 3 mm", "a lesion of 3 cm") == "3cm"


@pytest.mark.parametrize("name", naming.components(_pipelines.PACKAGE))
def test_every_pipeline_keeps_to_the_protocol(name: str) -> None:
    found = _pipelines.load(_pipelines.PipelineChoice(name=name), where="pipeline")
    assert found.file.TASK
    assert found.file.UNIT in ("row", "picture")
    assert found.file.PROMPTS.name == name
    assert found.file.PROMPTS.version >= 1
