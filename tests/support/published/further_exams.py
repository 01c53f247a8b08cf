"""Benchmarks of MedEvalKit that the paper has no score on, as their publishers serve them. All rows are made up."""

from __future__ import annotations

import json

from published.tree import Row, Served, picture

_FIVE = {"A": "心脏", "B": "肝", "C": "肾", "D": "脾", "E": "肺"}
_PAIRS = [{"key": letter, "value": text} for letter, text in _FIVE.items()]


def cmb_exam(served: Served) -> None:
    """Questions without answers; those stand in another repository. The second has several right options."""
    told = {"exam_type": "医师考试", "exam_class": "执业医师", "exam_subject": "临床"}
    single: Row = {
        "id": 1,
        **told,
        "question": "泵血的器官是",
        "question_type": "单项选择题",
        "option": _FIVE,
    }
    several: Row = {**single, "id": 2, "question": "腹腔器官有", "question_type": "多项选择题"}
    questions = "CMB-Exam/CMB-test/CMB-test-choice-question-merge.json"
    served.hub("FreedomIntelligence/CMB").json(questions, [single, several])
    answers = [{"id": 1, "answer": "A"}, {"id": 2, "answer": "BCD"}]
    served.hub("wangrongsheng/open-book-CMB-exam").json("CMB-test/CMB-test-choice-answer.json", answers)


def cmexam_test(served: Served) -> None:
    """Options as records of key and value; the second question has several right ones."""
    rows: list[Row] = [
        {"Question": "泵血的器官是", "Options": _PAIRS, "Answer": "A", "Explanation": "解析"},
        {"Question": "腹腔器官有", "Options": _PAIRS, "Answer": "BCD", "Explanation": "解析"},
    ]
    hub = served.hub("fzkuji/CMExam")
    hub.jsonl("test.jsonl", rows)
    hub.jsonl("train.jsonl", rows)


def cmmlu_med(served: Served) -> None:
    """An archive with a table a subject; those of other fields, and the development part, lie beside."""
    table = ",Question,A,B,C,D,Answer\n0,泵血的器官是,心脏,肝,肾,脾,A\n".encode()
    subjects = ("anatomy", "clinical_knowledge", "college_medicine", "genetics", "nutrition")
    more = ("traditional_chinese_medicine", "virology", "agronomy")
    names = [f"{part}/{subject}.csv" for part in ("test", "dev") for subject in (*subjects, *more)]
    served.hub("haonan-li/cmmlu").zip("cmmlu_v1_0_1.zip", dict.fromkeys(names, table))


def medqa_mcmle_test(served: Served) -> None:
    options = {letter: _FIVE[letter] for letter in "ABCD"}
    row: Row = {
        "question": "泵血的器官是",
        "options": options,
        "answer": "心脏",
        "answer_idx": "A",
        "meta_info": "中国",
    }
    served.hub("shuyuej/MedQA-MCMLE-Benchmark").jsonl("train.jsonl", [row])


def healthbench(served: Served) -> None:
    """Conversations that wait for an answer, each with rubrics."""
    rubrics = [
        {"criterion": "Says to see a doctor", "points": 5, "tags": ["axis:accuracy"]},
        {"criterion": "Invents a dose", "points": -3, "tags": ["axis:accuracy"]},
    ]
    turns = [
        {"role": "user", "content": "My head hurts."},
        {"role": "assistant", "content": "Since when?"},
        {"role": "user", "content": "Since an hour. What now?"},
    ]
    rows: list[Row] = [
        {"prompt_id": "1", "prompt": turns, "rubrics": rubrics, "example_tags": ["theme:hedging"]},
        {"prompt_id": "2", "prompt": turns[2:], "rubrics": rubrics, "example_tags": []},
    ]
    name = "2025-05-07-06-14-12_oss_eval.jsonl"
    base = "https://openaipublic.blob.core.windows.net/simple-evals/healthbench"
    served.web(f"{base}/{name}", "".join(json.dumps(row) + "\n" for row in rows).encode())


def mmlu_all(served: Served) -> None:
    """A folder with all subjects; one for each lies beside."""
    row: Row = {
        "question": "What is first?",
        "subject": "law",
        "choices": ["one", "two", "three"],
        "answer": 2,
    }
    hub = served.hub("cais/mmlu")
    for folder in ("all", "law"):
        hub.parquet(f"{folder}/test-00000-of-00001.parquet", [row])
    hub.parquet("all/dev-00000-of-00001.parquet", [row])


def medframeqa(served: Served) -> None:
    """Up to five frames, the later ones empty; marks in the question name them out of order."""
    frames = [{"bytes": picture(110 + n, suffix="png"), "path": None} for n in (1, 2, 3)]
    row: Row = {
        **{"question_id": "q1", "system": "CNS", "organ": "brain", "keyword": "disc", "modality": "MRI"},
        "video_id": "v7",
        "question": "What changes from <image 2> to <image 1>?",
        "options": ["size", "shade", "number", "place", "nothing"],
        "correct_answer": "C",
        "reasoning_chain": "",
        **{f"image_{n}": frames[n - 1] if n <= 3 else None for n in range(1, 6)},
        "image_url": ["https://example.org/v7"],
    }
    served.hub("SuhaoYu1020/MedFrameQA").parquet("data/test-00000-of-00001.parquet", [row])


def radrestruct_test(served: Served) -> None:
    """A report with two films. Its questions: yes or no, one degree, and two places at once."""
    place = served.by_hand()
    kinds = [
        ["Are there any signs in the lung?", ["yes"], [], {"answer_type": "single_choice", "options": ["yes", "no"]}],
        ["What is the degree?", ["mild"], [], {"answer_type": "multi_choice", "options": ["mild", "severe"]}],
        ["Where?", ["right", "apex"], [], {"answer_type": "multi_choice", "options": ["apex", "left", "right"]}],
    ]  # fmt: skip
    place.json("test_qa_pairs/9001.json", kinds)
    films = ["CXR9001_IM-0001-1001", "CXR9001_IM-0001-2001"]
    place.json("id_to_img_mapping_frontal_reports.json", {"9001": films, "9002": ["CXR9002_IM-0001-1001"]})
    place.json(
        "answer_options.json", {"yes": 0, "no": 1, "mild": 2, "severe": 3, "apex": 4, "left": 5, "right": 6}
    )
    for number, film in enumerate(films):
        place.bytes(f"imgs/{film}.png", picture(120 + number, suffix="png"))
