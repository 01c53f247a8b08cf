"""Benchmarks without a training half, as their publishers serve them. All rows are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from published.tree import Row, Served, Tree, picture


def _omni_row(number: int, path: str, options: Sequence[str], gold: str, **more: object) -> Row:
    letters = {f"option_{letter}": text for letter, text in zip("ABCD", options, strict=False)}
    return {
        "dataset": path.split("/")[1],
        "question_id": f"{path.split('/')[1]}_{number:04}",
        "question_type": "Disease Diagnosis",
        "question": "What is shown in this picture?",
        "gt_answer": gold,
        "image_path": path,
        **letters,
        **more,
    }


def omnimedvqa(served: Served) -> None:
    """One archive of everything: a file of questions a source set, names with blanks, one key in another spelling, two equal
    options, and the part that is not openly shared."""
    kinds: Mapping[str, list[Row]] = {
        "Open-access/ACRIMA": [
            _omni_row(
                0, "Images/ACRIMA/Im1.png", ("Cataract", "Glaucoma"), "Glaucoma", modality_type="Fundus"
            ),
        ],
        "Open-access/Chest CT Scan": [
            _omni_row(0, "Images/Chest CT Scan/a (1).png", ("CT", "MRI", "PET", "CT"), "CT", modality="CT"),
        ],
        "Restricted-access/AIDA": [
            _omni_row(0, "Images/AIDA/x.png", ("Yes", "No"), "No", modality_type="Endoscopy"),
        ],
    }
    tree = Tree(served.root / "scratch")
    for name, rows in kinds.items():
        tree.json(f"{name}.json", rows)
    members = {
        f"OmniMedVQA/QA_information/{name}.json": (tree.root / f"{name}.json").read_bytes() for name in kinds
    }
    members |= {f"OmniMedVQA/Images/{name}": picture(70, suffix="png") for name in ("ACRIMA/Im1.png",)}
    members["OmniMedVQA/Images/Chest CT Scan/a (1).png"] = picture(71, suffix="png")
    hub = served.hub("foreverbeliever/OmniMedVQA")
    hub.zip("OmniMedVQA.zip", members)
    hub.text("README.md", "made up")


def medxpertqa_mm(served: Served) -> None:
    """Questions that hold their options a second time, some with several pictures; ten for development and the text half
    beside them."""
    hub = served.hub("TsinghuaC3I/MedXpertQA")
    options = {"A": "Femur", "B": "Tibia", "C": "Fibula", "D": "Patella", "E": "Talus"}
    written = " ".join(f"({letter}) {text}" for letter, text in options.items())

    def row(number: int, *films: str) -> Row:
        return {
            "id": f"MM-{number}",
            "question": f"Which bone is broken in the films?\nAnswer Choices: {written}",
            "options": options,
            "label": "E",
            "images": list(films),
            "medical_task": "Diagnosis",
            "body_system": "Skeletal",
            "question_type": "Reasoning",
        }

    hub.jsonl("MM/test.jsonl", [row(26, "MM-26-a.jpeg", "MM-26-b.jpeg"), row(27, "MM-27-a.jpeg")])
    hub.jsonl("MM/dev.jsonl", [row(1, "MM-1-a.jpeg")])
    hub.jsonl("Text/test.jsonl", [{**row(30), "id": "Text-30"}])
    names = ("MM-26-a.jpeg", "MM-26-b.jpeg", "MM-27-a.jpeg", "MM-1-a.jpeg")
    hub.zip("images.zip", {f"images/{name}": picture(80 + n) for n, name in enumerate(names)})


def _mmmu_row(id: str, *, answer: str, kind: str = "multiple-choice", pictures: int = 2) -> Row:
    images = {
        f"image_{n}": {"bytes": picture(90 + n, suffix="png"), "path": f"{id}_{n}.png"}
        if n <= pictures
        else None
        for n in range(1, 8)
    }
    return {
        "id": id,
        "question": "<image 1> Which of the films fits the finding?",
        "options": "['<image 2>', \"Raynaud's\", 'Neither']" if kind == "multiple-choice" else "[]",
        "explanation": "",
        **images,
        "img_type": "['Body Scans: MRI, CT scans, and X-rays']",
        "answer": answer,
        "topic_difficulty": "Medium",
        "question_type": kind,
        "subfield": "Clinical Radiology",
    }


SUBJECTS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)


def _mmmu(served: Served) -> None:
    hub = served.hub("MMMU/MMMU")
    for subject in SUBJECTS:
        rows = {
            "dev": [_mmmu_row(f"dev_{subject}_1", answer="B")],
            "validation": [_mmmu_row(f"validation_{subject}_1", answer="A")],
            "test": [_mmmu_row(f"test_{subject}_1", answer="?")],
        }
        if subject == "Pharmacy":
            rows["validation"] += [
                _mmmu_row(f"validation_{subject}_2", answer="['24/7', '3.43']", kind="open", pictures=1)
            ]
            rows["test"] += [_mmmu_row(f"test_{subject}_2", answer="?", kind="open", pictures=1)]
        for split, found in rows.items():
            hub.parquet(f"{subject}/{split}-00000-of-00001.parquet", found)
    hub.parquet("Art/validation-00000-of-00001.parquet", [_mmmu_row("validation_Art_1", answer="A")])


def mmmu_med(served: Served) -> None:
    """Five subjects among thirty, each with three files; the answers of the test files are kept back."""
    _mmmu(served)


def mmmu_med_all(served: Served) -> None:
    """The same, with the evaluation kit's answers from another place."""
    _mmmu(served)
    answers: dict[str, object] = {
        f"test_{subject}_1": {"question_type": "multiple-choice", "ground_truth": "C"} for subject in SUBJECTS
    }
    answers["test_Pharmacy_2"] = {"question_type": "open", "ground_truth": "10"}
    answers["test_Art_1"] = {"question_type": "multiple-choice", "ground_truth": "A"}
    tree = Tree(served.root / "scratch")
    tree.json("answer.json", answers)
    kit = "https://raw.githubusercontent.com/alibaba-damo-academy/MedEvalKit"
    commit = "9b12e3b34232a8779cc1275417bf4f72f03d28e0"
    served.web(f"{kit}/{commit}/utils/MMMU/answer.json", (tree.root / "answer.json").read_bytes())
