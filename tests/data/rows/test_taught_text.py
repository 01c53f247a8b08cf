"""What is given and what is taught of a row of each set of text alone, in words. The trees are those of `support/published/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from published import text, text_benchmarks
from published.tree import Served

from lingshu_train.data import chat
from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row

Writes = Callable[[Served], None]


def rows(folder: Path, tree: Writes, split: str = "") -> list[Row]:
    """The rows that the card of a tree reads of a split, by default its only one."""
    served = Served(folder)
    tree(served)
    card = cards.load(tree.__name__.partition("__")[0])
    root = served.by_hand().root
    if not root.is_dir():
        root = served.hub(card.lingshu.source.name).root
    return list(reading.open(card, root, split=split or next(iter(card.files))))


def said(row: Row) -> str:
    turns = tuple((turn.question, turn.answer) for turn in row.turns)
    return chat.taught(replace(row.sample, turns=turns))


def first(folder: Path, tree: Writes) -> str:
    return said(rows(folder, tree)[0])


@pytest.mark.parametrize(
    ("tree", "taught"),
    [
        (text.medical_o1_reasoning, "<think>Hmm, the extensors. That is radial.</think><answer>The radial nerve is injured.</answer>"),
        (text.medical_r1_distill, "<think>Okay, bile is made by hepatocytes.</think><answer>**The liver** makes bile.</answer>"),
        (text.synth_text_reasoning, "<think>Anaemia.</think><answer>To make blood.</answer>"),
    ],
)  # fmt: skip
def test_the_thinking_and_then_the_answer_of_a_free_question_are_taught(
    tmp_path: Path, tree: Writes, taught: str
) -> None:
    assert first(tmp_path, tree).endswith(f"\ntaught assistant: {taught}")


def test_medreason_asks_with_its_options_and_teaches_the_reasoning_and_the_answer_with_its_explanation(
    tmp_path: Path,
) -> None:
    with_options, without = rows(tmp_path, text.medreason)
    asked, taught = said(with_options).split("\ntaught assistant: ")
    assert asked == "given user: Which drug slows the heart?\n\nAnswer Choices:\nA. metoprolol\nB. caffeine"
    assert taught.endswith("</think><answer>metoprolol. Explanation: it blocks beta receptors.</answer>")
    assert said(without) == (
        "given user: What is a stent?\ntaught assistant: <think>It holds.</think><answer>A tube.</answer>"
    )


def test_medthoughts_asks_with_five_options_and_teaches_the_thinking_and_the_letter_and_no_answer_in_words(
    tmp_path: Path,
) -> None:
    text_of_it = first(tmp_path, text.medthoughts_8k)
    assert "\nE. gout\n" in text_of_it and "The answer is" not in text_of_it
    assert text_of_it.endswith("taught assistant: <think>Barking means the larynx.</think><answer>A</answer>")


def test_of_medical_o1_reasoning_the_english_and_the_chinese_rows_are_taught_once_and_no_general_ones(
    tmp_path: Path,
) -> None:
    found = [row.sample.question for row in rows(tmp_path, text.medical_o1_reasoning)]
    assert found == ["A man cannot lift his wrist. Which nerve?", "头痛怎么办？"]


def test_medquad_teaches_what_has_an_answer_and_no_question_without_one(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, text.medquad)
    assert said(row) == "given user: What is a wen ?\ntaught assistant: A wen is a cyst of the skin."


def test_medical_o1_verifiable_teaches_the_short_answer_to_the_open_question(tmp_path: Path) -> None:
    assert first(tmp_path, text.medical_o1_verifiable) == (
        "given user: Which vitamin is lacking in a sailor with bleeding gums?\ntaught assistant: Vitamin C"
    )


def test_alpacare_joins_instruction_and_input_and_leaves_out_noinput(tmp_path: Path) -> None:
    assert [said(row) for row in rows(tmp_path, text.alpacare_52k)] == [
        "given user: Explain fever.\ntaught assistant: Fever is a raised temperature.",
        "given user: Shorten it.\n\nThe heart, a muscle, beats.\ntaught assistant: The heart beats.",
    ]


def test_healthcaremagic_and_pmc_llama_give_instruction_and_input_and_teach_the_output(
    tmp_path: Path,
) -> None:
    assert first(tmp_path / "a", text.healthcaremagic_100k).endswith(
        "\n\nMy ear itches.\ntaught assistant: Hi, keep it dry."
    )
    assert first(tmp_path / "b", text.pmc_llama_instructions).endswith(
        "taught assistant: ###Rationale: The cava brings blood back. ###Answer: OPTION A IS CORRECT."
    )


def test_icliniq_teaches_the_doctors_reply_and_none_of_the_machines(tmp_path: Path) -> None:
    assert first(tmp_path, text.icliniq_10k) == (
        "given user: Hello doctor, I sneeze in spring.\ntaught assistant: Hello, it may be pollen."
    )


def test_huatuogpt2_teaches_every_reply_of_a_conversation(tmp_path: Path) -> None:
    longer, shorter = rows(tmp_path, text.huatuogpt2_sft)
    assert said(longer).count("taught assistant: ") == 2
    assert said(shorter) == "given user: 咳嗽怎么办？\ntaught assistant: 多喝温水。"


def test_huatuogpt2_in_its_older_layout_teaches_the_same_without_the_speakers_marks(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, text.huatuogpt2_sft__texts)
    assert said(row) == "given user: 咳嗽怎么办？\ntaught assistant: 多喝温水。"


def test_apollo_teaches_every_answer_of_books_exams_and_patients_talk_and_leaves_plain_text_and_general_talk(
    tmp_path: Path,
) -> None:
    book, exam, talk = rows(tmp_path, text.apollo_corpus)
    assert said(book).endswith("taught assistant: The stomach's outlet.")
    assert said(exam).endswith("taught assistant: A. ulna")
    assert said(talk).split("\n") == [
        "given user: My knee hurts.",
        "taught assistant: Since when?",
        "given user: Since May.",
        "taught assistant: Rest it.",
    ]


def test_medqa_teaches_the_letter_of_one_of_four_options(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, text_benchmarks.medqa)
    assert said(row).endswith(
        "\nB. Measure his glucose\nC. Operate\nD. Discharge him\ntaught assistant: <answer>B</answer>"
    )


@pytest.mark.parametrize(
    ("tree", "asked", "letter"),
    [
        (text_benchmarks.mmlu_med, "What is first in anatomy?\nA. one\nB. two\nC. three\nD. four", "A"),
        (text_benchmarks.pubmedqa, "Context: Forty adults slept.\nThey recalled more.\nDoes sleep help memory?\nA. yes\nB. no\nC. maybe", "A"),
        (text_benchmarks.medmcqa, "Longest bone?\nA. femur\nB. tibia\nC. ulna\nD. rib", "A"),
        (text_benchmarks.medqa_test, "Case 70: a man of 70 years faints. What is next?\nA. Wait\nB. Measure his glucose\nC. Operate\nD. Discharge him", "B"),
        (text_benchmarks.medbullets_op4, "A runner limps. What is it?\nA. fracture\nB. cramp\nC. gout\nD. sprain", "B"),
        (text_benchmarks.medbullets_op5, "A runner limps. What is it?\nA. fracture\nB. cramp\nC. gout\nD. sprain\nE. palsy", "E"),
        (text_benchmarks.supergpqa_med, "Which nerve moves the tongue?\nA. vagus\nB. hypoglossal\nC. facial", "B"),
    ],
)  # fmt: skip
def test_a_benchmark_asks_its_question_with_lettered_options_and_its_right_answer_is_the_letter(
    tmp_path: Path, tree: Writes, asked: str, letter: str
) -> None:
    assert first(tmp_path, tree) == f"given user: {asked}\ntaught assistant: <answer>{letter}</answer>"


def test_medxpertqa_shows_its_ten_options_twice_because_they_stand_in_its_question_too(
    tmp_path: Path,
) -> None:
    found = first(tmp_path, text_benchmarks.medxpertqa_text)
    assert found.count("drug j") == 2 and found.endswith("<answer>J</answer>")
