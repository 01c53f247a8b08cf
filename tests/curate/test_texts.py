"""Steps that read a row's text: its length, its language, whom it may name, which modality it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from curating import caption, decided, named, row, scene
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train.curate import caption_length, identifiers, language, modality_words
from lingshu_train.curate._candidate import Candidate

ENGLISH = "The heart is of usual size and there is no effusion on the left side of the chest in this patient."
GERMAN = "Das Herz ist nicht vergrößert und es zeigt sich kein Erguss auf der linken Seite bei dem Patienten."
FRENCH = "Le coeur est de taille normale et il ne se trouve pas de liquide dans la plèvre pour ce patient avec une toux."
CHINESE = "心影大小正常，双肺未见实变，左侧无胸腔积液。"


def candidate(text: str, **fields: str) -> Candidate:
    return Candidate(number=0, sample=caption("a", text, **fields)[0], pictures=())


@given(st.integers(0, 40), st.integers(0, 12), st.integers(0, 20))
def test_captions_go_by_the_number_of_their_words_alone(count: int, least: int, more: int) -> None:
    params = caption_length.Params(least=least, most=least + more + 1)
    found = list(caption_length.judge(candidate(" ".join(["lung"] * count)), params))
    assert bool(found) == (not least <= count <= params.most)
    assert all(one.value == str(count) for one in found)


def test_short_answers_to_questions_are_no_short_captions(tmp_path: Path) -> None:
    rows = [
        row("question"),
        caption("short", "A scan."),
        caption("report", ENGLISH),
        caption("chinese", CHINESE),
    ]
    assert set(named(decided(tmp_path, rows, {"name": "caption_length"}))) == {"short"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        (FRENCH, "fr"),
        (CHINESE, "zh"),
        ("心臓の大きさは正常で、左側に胸水は認められません。", "ja"),
        ("심장 크기는 정상이며 왼쪽에 흉수가 없습니다.", "ko"),
        ("Сердце нормальных размеров, выпота слева нет.", "ru"),
        ("MRI", ""),
        (
            "Adenocarcinoma, glioblastoma multiforme, pneumothorax, cardiomegaly, effusion, oedema, nodule, mass",
            "",
        ),
    ],
)
def test_a_language_is_told_where_it_is_clear(text: str, code: str) -> None:
    assert language.detected(text) == code


def test_rows_in_another_language_than_their_card_states_are_pointed_out(tmp_path: Path) -> None:
    rows = [
        caption("english", ENGLISH, card="roco"),
        caption("german", GERMAN, card="roco"),
        caption("of no card", GERMAN),
    ]
    found = decided(tmp_path, rows, {"name": "language"})
    assert [(line["sample"], line["action"], line["value"]) for line in found] == [("german", "flag", "de")]
    some = {"name": "language", "params": {"languages": ["de"], "action": "drop"}}
    assert set(named(decided(tmp_path / "german", rows, some))) == {"english"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Seen on 12/03/2019 in clinic", "a day"),
        ("Compared with the film of March 3rd, 2018", "a day"),
        ("检查日期 2019年3月12日", "a day"),
        ("Reviewed with Dr. Miller by phone", "a name"),
        ("Patient name: Jane Doe", "a name"),
        ("姓名：王小明 男", "a name"),
        ("MRN: 00482913", "a number of a person"),
        ("Accession # A-2231944", "a number of a person"),
        ("Questions to anna.k@hospital.org", "an address"),
        ("Call 555-201-4477 with questions", "an address"),
    ],
)
def test_what_may_name_a_person_is_pointed_out_and_not_repeated(text: str, kind: str) -> None:
    found = list(identifiers.judge(candidate(text), identifiers.Params()))
    assert [(one.reason, one.action, one.value, one.evidence) for one in found] == [
        (kind, "flag", "answer", "")
    ]


PIECES = (
    *(
        "12/03/2019",
        "3 Mar 2018",
        "March 3rd, 2018",
        "born on 4",
        "2019 年 3 月 12 日",
        "Dr. Miller",
        "Miss",
        "Jane Doe",
    ),
    *(
        "Patient's name is",
        "patient",
        "Signed by:",
        "Dictated By :",
        "患者：",
        "王小明",
        "MRN",
        "nhs number",
        "A-2231944",
    ),
    *(
        "555-20-1444",
        "(555) 201-4477",
        "tel",
        "a@b.org",
        "@",
        "12 High Street",
        "\u0663",
        ":",
        ".",
        " ",
        "\n",
        "x",
        "_",
    ),
)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.lists(st.sampled_from(PIECES), max_size=4)
)
def test_every_text_in_which_a_rule_finds_a_person_is_asked_of_that_rule(one: str, other: list[str]) -> None:
    text = one + " ".join(other)
    found = [each.reason for each in identifiers.judge(candidate(text), identifiers.Params())]
    assert found == [
        kind for kind, rules in identifiers.RULES.items() if any(rule.search(text) for rule in rules)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Seen on ___ by Dr. ___ , compared with [**2019-3-12**]".replace("2019-3-12", "date"),
        "A 3 x 4 cm mass, 12/15 nodes positive, grade 2/3, T1/T2 weighted",
        "Ratio 1.2.3 of the study, level L4-5, Gleason 3+4=7, 2019 guideline",
        "Crohn disease, Hodgkin lymphoma, Dr consultation advised",
        "患者，男，45岁，咳嗽3天",
    ],
)
def test_what_names_nobody_is_left_alone(text: str) -> None:
    assert list(identifiers.judge(candidate(text), identifiers.Params())) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Axial CT of the chest", ["ct"]),
        ("Chest radiograph, posteroanterior view", ["x-ray"]),
        ("T2-weighted image of the brain", ["mri"]),
        ("Follow-up CT is recommended", []),
        ("The oct of the month, we ct it", []),
        ("PET/CT of the pelvis", ["ct", "pet"]),
        ("腹部超声", ["ultrasound"]),
        ("Echocardiogram", ["ultrasound"]),
    ],
)
def test_a_modality_is_told_by_its_words(text: str, words: list[str]) -> None:
    assert modality_words.named(text) == words


def test_only_rows_that_state_none_are_tagged_and_others_are_compared(tmp_path: Path) -> None:
    rows = [
        caption("tagged", "Axial CT of the chest", scene(1), modality=""),
        caption("two", "PET/CT of the chest", scene(1), modality=""),
        caption("right", "Axial CT of the chest", scene(1)),
        caption("wrong", "Ultrasound of the liver", scene(1)),
        row("asked", scene(1), question="Is this an MRI?", question_type="yes_no", answer="no", modality=""),
        caption("text", "CT is computed tomography", modality=""),
    ]
    found = decided(tmp_path, rows, {"name": "modality_words"})
    assert [(line["sample"], line["action"], line["value"]) for line in found] == [
        ("tagged", "tag", "ct"),
        ("wrong", "flag", "ultrasound"),
    ]
