"""Questions on pictures, as their publishers serve them. All rows are made up."""

from __future__ import annotations

import shutil

from published.tree import Row, Served, Tree, picture

SLAKE = "BoKelvin/SLAKE"


def _slake_row(qid: int, case: str, language: str, question: str, answer: str, kind: str) -> Row:
    return {
        "img_id": int(case.removeprefix("xmlab")),
        "img_name": f"{case}/source.jpg",
        "question": question,
        "answer": answer,
        "q_lang": language,
        "location": "Abdomen",
        "modality": "CT",
        "answer_type": kind,
        "base_type": "vqa",
        "content_type": "Organ",
        "triple": ["vhead", "_", "_"],
        "qid": qid,
    }


def _slake(served: Served) -> None:
    """The two languages are divided independently: case 1 is in train in Chinese and in test in English, case 2 in train and in
    validation, case 3 in train alone, case 4 in test alone, case 5 in validation alone; one row of train has no answer."""
    hub = served.hub(SLAKE)
    train = [
        _slake_row(0, "xmlab1", "zh", "图片中包含肝脏吗?", "包含", "CLOSED"),
        _slake_row(1, "xmlab2", "en", "Which organ is the largest?", "Liver", "OPEN"),
        _slake_row(2, "xmlab3", "en", "How many kidneys are in this image?", "2", "OPEN"),
        _slake_row(1622, "xmlab3", "en", "Does the picture contain liver?", "", "CLOSED"),
    ]
    validation = [
        _slake_row(10, "xmlab2", "zh", "图中最大的器官是什么?", "肝脏", "OPEN"),
        _slake_row(11, "xmlab5", "en", "Is the spleen shown?", "Yes", "CLOSED"),
    ]
    test = [
        _slake_row(20, "xmlab1", "en", "Does the picture contain liver?", "Yes", "CLOSED"),
        _slake_row(21, "xmlab4", "en", "What modality is used?", "CT", "OPEN"),
    ]
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        hub.json(f"{name}.json", rows)
    cases = {f"imgs/xmlab{case}/source.jpg": picture(case) for case in range(1, 6)}
    hub.zip("imgs.zip", {**cases, "imgs/xmlab1/question.json": b"[]", "imgs/xmlab1/mask.png": b"none"})
    hub.bytes("KG.zip", b"none")


def slake(served: Served) -> None:
    """Both languages, train and validation."""
    _slake(served)


def slake__original(served: Served) -> None:
    """The archive of the set's own page, unpacked: the validation rows under another name."""
    _slake(served)
    hub, hand = served.hub(SLAKE), served.by_hand()
    for name, own in (("train", "train"), ("validation", "validate"), ("test", "test")):
        hand.bytes(f"{own}.json", (hub.root / f"{name}.json").read_bytes())
    for case in range(1, 6):
        hand.picture(f"imgs/xmlab{case}/source.jpg", case)
    shutil.rmtree(hub.root)


def slake_test(served: Served) -> None:
    """The test file of the same repository."""
    _slake(served)


def slake_clean(served: Served) -> None:
    """The same repository, of which the rows on the test's pictures are left out."""
    _slake(served)


def slake_unseen_test(served: Served) -> None:
    """The same repository, of which the test rows on training pictures are left out."""
    _slake(served)


def _asked(seed: int, name: str | None, question: str, answer: str, **more: object) -> Row:
    """A row of a hub copy whose pictures stand in the Parquet file."""
    image = {"bytes": picture(seed), "path": name}
    return {"image": image, "question": question, "answer": answer, **more}


def _vqa_rad(served: Served) -> None:
    hub = served.hub("flaviagiammarino/vqa-rad")
    shared = _asked(1, None, "is there a mass in the left lobe?", "yes")
    hub.parquet(
        "data/train-00000-of-00001-eb8844602202be60.parquet",
        [shared, _asked(2, None, "which organ system is imaged?", "gastrointestinal")],
    )
    hub.parquet(
        "data/test-00000-of-00001-e5bc3d208bb4deeb.parquet",
        [
            _asked(1, None, "how many lesions are seen?", "2"),
            _asked(3, None, "is the heart enlarged?", "no "),
        ],
    )
    hub.text("README.md", "made up")


def vqa_rad(served: Served) -> None:
    """Train and test in two files; a picture of train is in test too."""
    _vqa_rad(served)


def vqa_rad_test(served: Served) -> None:
    """The other file."""
    _vqa_rad(served)


def _path_vqa(served: Served) -> None:
    hub = served.hub("flaviagiammarino/path-vqa")
    for split, shards, seed in (("train", 7, 10), ("validation", 3, 20), ("test", 3, 30)):
        for shard in range(shards):
            rows = [
                _asked(seed + shard, f"{split}_{shard:04}.jpg", "is the nucleus enlarged?", "yes"),
                _asked(seed + shard, f"{split}_{shard:04}.jpg", "what is present?", "gastrointestinal"),
            ]
            hub.parquet(f"data/{split}-{shard:05}-of-{shards:05}-{seed + shard:016x}.parquet", rows)


def path_vqa(served: Served) -> None:
    """Several files a split, each with a hash in its name."""
    _path_vqa(served)


def path_vqa_test(served: Served) -> None:
    """The files of the test."""
    _path_vqa(served)


def _pmc_row(index: int, figure: str, answer: str, split: str, *, lettered: bool) -> Row:
    texts = ("Diffuse uptake", "Focal uptake", "No uptake", "Free air")
    choices = {
        f"Choice {letter}": f" {letter}:{text} " if lettered else text
        for letter, text in zip("ABCD", texts, strict=True)
    }
    asked = {"Caption": "A made-up scan.", "Question": " What does the scan show? "}
    return {"index": index, "Figure_path": figure, **asked, **choices, "Answer": answer, "split": split}


def _pmc_vqa(served: Served) -> None:
    """Version 2 with its single-panel figures; version 1, whose answers are texts, lies beside it."""
    hub = served.hub("RadGenome/PMC-VQA")
    train = [_pmc_row(0, "PMC1_F1_1.jpg", "B", "train", lettered=True)]
    train += [_pmc_row(1, "PMC2_F2_1.jpg", "C", "train", lettered=False)]
    hub.csv("train_2.csv", train)
    hub.csv("test_2.csv", [_pmc_row(2, "PMC3_F1_3.jpg", "C", "test", lettered=True)])
    figures = ("PMC1_F1_1.jpg", "PMC2_F2_1.jpg", "PMC3_F1_3.jpg")
    hub.zip("images_2.zip", {f"figures/{name}": picture(40 + n) for n, name in enumerate(figures)})
    older = {**train[0], "Answer": "Focal uptake", "Answer_label": "B"}
    for name in ("train.csv", "test.csv"):
        hub.csv(name, [older])
    hub.bytes("images.zip", b"none")


def pmc_vqa(served: Served) -> None:
    """The training questions of version 2."""
    _pmc_vqa(served)


def pmc_vqa_test(served: Served) -> None:
    """Its large test."""
    _pmc_vqa(served)


def vqa_med_2019(served: Served) -> None:
    """Two archives of texts with bars, each with a folder of pictures and the same questions once more by category."""
    for part, short, folder, first in (
        ("Training", "train", "Train_images", 41),
        ("Validation", "val", "Val_images", 51),
    ):
        top = f"ImageClef-2019-VQA-Med-{part}"
        lines = [
            f"synpic{first}|what kind of image is this?|cta - ct angiography",
            f"synpic{first}|is this a t1 weighted image?|no",
            f"synpic{first + 1}|what is most alarming about this ct scan?|pulmonary embolism",
        ]
        text = "\r\n".join(lines).encode()
        members = {f"{top}/{folder}/synpic{n}.jpg": picture(n) for n in (first, first + 1)}
        members |= {f"{top}/All_QA_Pairs_{short}.txt": text, f"{top}/{short}_ImageIDs.txt": b"synpic"}
        members[f"{top}/QAPairsByCategory/C1_Modality_{short}.txt"] = text
        archive = Tree(served.root / "scratch")
        archive.zip(f"{top}.zip", members)
        served.web(
            f"https://zenodo.org/records/10499039/files/{top}.zip", (archive.root / f"{top}.zip").read_bytes()
        )


def kvasir_vqa(served: Served) -> None:
    """One split, `raw`, in several files; several questions about each picture."""
    hub = served.hub("SimulaMet-HOST/Kvasir-VQA")
    for shard in range(2):
        rows = [
            _asked(60 + shard, None, question, answer, source="Esophagitis", img_id=f"cl8k2u1p{shard}")
            for question, answer in (
                ("How many polyps are in the image?", "1"),
                ("Is there text?", "Yes"),
                ("Where in the image is the abnormality?", "Center; lower-left"),
            )
        ]
        hub.parquet(f"data/raw-{shard:05}-of-00002.parquet", rows)


def _synthesised(served: Served, row: Row) -> None:
    hand = served.by_hand()
    hand.jsonl("train.jsonl", [{"id": "made-1", "image": "a.jpg", **row}])
    hand.picture("images/a.jpg", 99)


def synth_vqa(served: Served) -> None:
    """Never published: as the card says that whoever makes it anew lays it out."""
    asked = {"question": "Which organ is shown?", "options": {"A": "Liver", "B": "Lung"}, "answer": "B"}
    _synthesised(served, asked)


def synth_cot(served: Served) -> None:
    """The same, with reasoning."""
    _synthesised(
        served, {"question": "Is the heart large?", "reasoning": "It fills the chest.", "answer": "Yes"}
    )


def synth_ocr(served: Served) -> None:
    """The same: a picture of a printed question, and its solution."""
    said = (("human", "<image>\nSolve the question in the picture."), ("gpt", "It divides twice. So: B."))
    _synthesised(served, {"conversations": [{"from": speaker, "value": text} for speaker, text in said]})
