"""Two questions of each of the paper's benchmarks in the files that their publishers share, made from nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from format_files import png, put, put_csv, put_parquet

LETTERS = "ABCDEFGHIJ"
MMLU = ("anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics",
        "professional_medicine", "nutrition", "virology", "high_school_biology")  # fmt: skip
MMMU = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)
REPORT = {"findings": "The lungs are clear.", "impression": "No acute disease."}


def build(root: Path) -> None:
    """All that `lingshu eval --benchmarks paper` reads below a data folder."""
    _pictures(root)
    _texts(root)
    _reports(root)


def _options(n: int) -> dict[str, str]:
    return {letter: f"choice {letter.lower()}" for letter in LETTERS[:n]}


def _pictures(root: Path) -> None:
    for place, folder in enumerate(("vqa_rad", "path_vqa")):
        rows = [
            {
                "image": {"bytes": png(40 + place), "path": None},
                "question": "Is a mass seen?",
                "answer": "yes",
            },
            {
                "image": {"bytes": png(50 + place), "path": None},
                "question": "What is shown?",
                "answer": "liver",
            },
        ]
        put_parquet(root / folder / "data" / "test-00000-of-00001-0a.parquet", rows)
    slake = {
        "img_name": "x1/source.jpg",
        "location": "Lung",
        "modality": "X-Ray",
        "base_type": "vqa",
        "img_id": 1,
    }
    asked = [("Is the heart enlarged?", "Yes", "en", "CLOSED"), ("图中有几个肾脏？", "2", "zh", "OPEN")]
    put(root / "slake" / "test.json", json.dumps([
        {**slake, "question": question, "answer": answer, "q_lang": language, "answer_type": kind, "qid": n,
         "content_type": "Organ", "triple": ["vhead", "_", "_"]}
        for n, (question, answer, language, kind) in enumerate(asked)
    ]))  # fmt: skip
    put(root / "slake" / "imgs" / "x1" / "source.jpg", png(60))
    head = [
        "index",
        "Figure_path",
        "Caption",
        "Question",
        *(f"Choice {x}" for x in "ABCD"),
        "Answer",
        "split",
    ]
    put_csv(root / "pmc_vqa" / "test_2.csv", [
        head, *([str(n), "PMC9_Fig1.jpg", "A disc", "Which shape?", *(f" {x}:shape {n}{x} " for x in "ABCD"), "A", "test"] for n in (0, 1)),
    ])  # fmt: skip
    put(root / "pmc_vqa" / "figures" / "PMC9_Fig1.jpg", png(70))
    omni = {"dataset": "One", "question_type": "Modality Recognition", "modality_type": "X-Ray", "image_path": "Images/One/a.png",
            "question": "Which modality?", "gt_answer": "CT", "option_A": "MRI", "option_B": "CT"}  # fmt: skip
    put(root / "omnimedvqa" / "QA_information" / "Open-access" / "One.json", json.dumps([
        {**omni, "question_id": f"One_{n}"} for n in (0, 1)]))  # fmt: skip
    put(root / "omnimedvqa" / "Images" / "One" / "a.png", png(80))
    expert = {
        "options": _options(5),
        "label": "E",
        "medical_task": "Diagnosis",
        "body_system": "Skeletal",
        "question_type": "Reasoning",
    }
    _lines(root / "medxpertqa_mm" / "MM" / "test.jsonl", [
        {**expert, "id": f"MM-{n}", "question": "Which bone is broken?", "images": ["a.jpeg"]} for n in (1, 2)])  # fmt: skip
    put(root / "medxpertqa_mm" / "images" / "a.jpeg", png(90))
    for subject in MMMU:
        rows = [{"id": f"test_{subject}_{n}", "question": "<image 1> Which is larger?", "options": "['the first', 'both']",
                 "answer": "A", "question_type": "multiple-choice", "image_1": {"bytes": png(100 + n), "path": None},
                 **{f"image_{k}": None for k in range(2, 8)}, "subfield": "Anatomy", "explanation": "", "img_type": "['Drawing']",
                 "topic_difficulty": "Easy"} for n in (1, 2)]  # fmt: skip
        put_parquet(root / "mmmu_med" / subject / "test-00000-of-00001.parquet", rows)
    # Without the public file of answers, the test split's own are read.


def _texts(root: Path) -> None:
    for subject in MMLU:
        rows = [
            {
                "question": "Which?",
                "subject": subject,
                "choices": ["one", "two", "three", "four"],
                "answer": 2,
            }
        ]
        put_parquet(root / "mmlu_med" / subject / "test-00000-of-00001.parquet", rows)
    read = {"Question": "Does it help?", "Options": {"A": "yes", "B": "no", "C": "maybe"}, "Correct Answer": "yes",
            "Correct Option": "A", "Context": ["Forty patients."], "Long Answer": "It did."}  # fmt: skip
    put_parquet(root / "pubmedqa" / "data" / "test-00000-of-00001.parquet",
                [{"id": str(n), "data": read, "subject_name": ""} for n in (1, 2)])  # fmt: skip
    four = {"opa": "one", "opb": "two", "opc": "three", "opd": "all of the above"}
    put_parquet(root / "medmcqa" / "data" / "validation-00000-of-00001.parquet",
                [{"id": str(n), "question": "Which one?", **four, "cop": 3, "choice_type": "single", "exp": None,
                  "subject_name": "Anatomy", "topic_name": None} for n in (1, 2)])  # fmt: skip
    _lines(root / "medqa" / "phrases_no_exclude_test.jsonl", [
        {"question": f"Case {n}", "answer": "choice b", "options": _options(4), "meta_info": "step1", "answer_idx": "B"}
        for n in (1, 2)])  # fmt: skip
    put_parquet(root / "medbullets_op4" / "data" / "train-00000-of-00001.parquet",
                [{"question": f"Case {n}", "options": _options(4), "answer": "choice b", "answer_idx": "B"} for n in (1, 2)])  # fmt: skip
    put_parquet(root / "medbullets_op5" / "data" / "train-00000-of-00001.parquet",
                [{"question": f"Case {n}", **four, "ope": "five", "answer_idx": "E", "answer": "five"} for n in (1, 2)])  # fmt: skip
    expert = {
        "options": _options(10),
        "label": "J",
        "medical_task": "Diagnosis",
        "body_system": "Skeletal",
        "question_type": "Reasoning",
    }
    _lines(root / "medxpertqa_mm" / "Text" / "test.jsonl",
           [{**expert, "id": f"Text-{n}", "question": "A long case."} for n in (1, 2)])  # fmt: skip
    _lines(root / "supergpqa_med" / "SuperGPQA-all.jsonl", [
        {"uuid": f"u{n}", "question": "Which?", "options": list(_options(10).values()), "answer": "choice j", "answer_letter": "J",
         "discipline": discipline, "field": "Clinical Medicine", "subfield": "Surgery", "difficulty": "hard"}
        for n, discipline in enumerate(("Medicine", "Medicine", "Law"))])  # fmt: skip


def _reports(root: Path) -> None:
    for folder, name, several in (
        ("iu_xray", "CXR1.png", True),
        ("mimic_cxr", "p10/p10000001/s50000001/a.jpg", True),
        ("chexpert_plus", "valid/patient64541/study1/view1_frontal.png", False),
    ):
        rows = [{"id": f"{folder}_{n}", "image": [name] if several else name, **REPORT} for n in (1, 2)]
        put(root / folder / "test.json", json.dumps(rows))
        put(root / folder / "images" / name, png(120))


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    put(path, "".join(json.dumps(row) + "\n" for row in rows))
