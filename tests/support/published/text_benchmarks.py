"""Benchmarks of text alone, and the training set that shares a folder with one, as their publishers serve them. All rows are
made up."""

from __future__ import annotations

from published.tree import Row, Served


def _usmle(number: int) -> Row:
    return {
        "question": f"Case {number}: a man of {number} years faints. What is next?",
        "answer": "Measure his glucose",
        "options": {"A": "Wait", "B": "Measure his glucose", "C": "Operate", "D": "Discharge him"},
        "meta_info": "step1",
        "answer_idx": "B",
        "metamap_phrases": ["man", "faints"],
    }


def medqa(served: Served) -> None:
    hub = served.hub("GBaker/MedQA-USMLE-4-options")
    hub.jsonl("phrases_no_exclude_train.jsonl", [_usmle(40)])
    hub.jsonl("phrases_no_exclude_test.jsonl", [_usmle(70)])


def medqa_test(served: Served) -> None:
    medqa(served)


def mmlu_med(served: Served) -> None:
    """A folder for each subject; those of other fields, and other splits, lie beside."""
    hub = served.hub("cais/mmlu")
    subjects = ("anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics")
    more = ("professional_medicine", "nutrition", "virology", "high_school_biology", "astronomy")
    for subject in (*subjects, *more):
        row = {
            "question": f"What is first in {subject}?",
            "subject": subject,
            "choices": ["one", "two", "three", "four"],
            "answer": 0,
        }
        for split in ("test", "validation", "dev"):
            hub.parquet(f"{subject}/{split}-00000-of-00001.parquet", [row])


def pubmedqa(served: Served) -> None:
    """All is nested in one record; the abstract is a list of paragraphs."""
    nested = {
        "Question": "Does sleep help memory?",
        "Context": ["Forty adults slept.", "They recalled more."],
        "Options": {"A": "yes", "B": "no", "C": "maybe"},
        "Correct Answer": "yes",
        "Correct Option": "A",
        "Long Answer": "It does.",
    }
    rows: list[Row] = [{"id": "21645374", "data": nested, "subject_name": None}]
    for split in ("train", "validation", "test"):
        served.hub("openlifescienceai/pubmedqa").parquet(f"data/{split}-00000-of-00001.parquet", rows)


def medmcqa(served: Served) -> None:
    """`cop` counts from 0. One row names an option twice."""
    told = {"choice_type": "single", "exp": "Because.", "subject_name": "Anatomy", "topic_name": None}
    rows: list[Row] = [
        {
            "id": "a1",
            "question": "Longest bone?",
            "opa": "femur",
            "opb": "tibia",
            "opc": "ulna",
            "opd": "rib",
            "cop": 0,
            **told,
        },
        {
            "id": "a2",
            "question": "Smallest?",
            "opa": "rib",
            "opb": "stapes",
            "opc": "rib",
            "opd": "hyoid",
            "cop": 1,
            **told,
        },
    ]
    hub = served.hub("openlifescienceai/medmcqa")
    for split in ("train", "validation"):
        hub.parquet(f"data/{split}-00000-of-00001.parquet", rows)
    hub.parquet("data/test-00000-of-00001.parquet", [{**row, "cop": -1} for row in rows])


def medbullets_op4(served: Served) -> None:
    """The fifth option's key stands there and is empty, as Arrow writes records."""
    row: Row = {
        "question": "A runner limps. What is it?",
        "options": {"A": "fracture", "B": "cramp", "C": "gout", "D": "sprain", "E": None},
        "answer": "cramp",
        "answer_idx": "B",
        "explanation": "It is a cramp.",
    }
    served.hub("tuenguyen/Medical-Eval-MedBullets_op4").parquet("data/train-00000-of-00001.parquet", [row])


def medbullets_op5(served: Served) -> None:
    row: Row = {
        "question": "A runner limps. What is it?",
        **{"opa": "fracture", "opb": "cramp", "opc": "gout", "opd": "sprain", "ope": "palsy"},
        "answer_idx": "E",
        "answer": "palsy",
        "explanation": "It is a palsy.",
    }
    served.hub("LangAGI-Lab/medbullets_op5").parquet("data/train-00000-of-00001.parquet", [row])


def medxpertqa_text(served: Served) -> None:
    """The options stand inside the question too. The other half of the set lies beside, with its pictures in an archive."""
    options = {letter: f"drug {letter.lower()}" for letter in "ABCDEFGHIJ"}
    choices = " ".join(f"({letter}) {text}" for letter, text in options.items())
    row: Row = {
        "id": "Text-0",
        "question": f"Which drug is given?\nAnswer Choices: {choices}",
        "options": options,
        "label": "J",
        "medical_task": "Treatment",
        "body_system": "Skin",
        "question_type": "Reasoning",
    }
    hub = served.hub("TsinghuaC3I/MedXpertQA")
    hub.jsonl("Text/test.jsonl", [row])
    hub.jsonl("Text/dev.jsonl", [row])
    hub.jsonl("MM/test.jsonl", [{**row, "id": "MM-0", "images": ["MM-0-a.jpeg"]}])


def supergpqa_med(served: Served) -> None:
    """Every discipline is in one file; the options are a list of up to ten."""
    told = {
        "uuid": "u1",
        "field": "Basic Medicine",
        "subfield": "Anatomy",
        "difficulty": "hard",
        "is_calculation": False,
    }
    row: Row = {
        **told,
        "question": "Which nerve moves the tongue?",
        "options": ["vagus", "hypoglossal", "facial"],
        "answer": "hypoglossal",
        "answer_letter": "B",
        "discipline": "Medicine",
    }
    law: Row = {**row, "uuid": "u2", "discipline": "Law", "question": "Which court?"}
    served.hub("m-a-p/SuperGPQA").jsonl("SuperGPQA-all.jsonl", [row, law])
