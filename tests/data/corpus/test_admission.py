"""What preparing accepts, training takes: each limit of a later stage costs one row here, named and counted."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_model
from corpora import specification
from format_files import card_of, put, put_parquet
from pictures import noise, write_dicom
from PIL import Image

from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.data.rows import formats
from lingshu_train.errors import DataError

LAYOUT = '''
"""Samples as they stand in JSON lines, each with the names of its pictures."""

from lingshu_train.data.rows import embedded, published
from lingshu_train.data.rows.row import Row, SplitFiles, Turn
from lingshu_train.record import Sample


class Fields(SplitFiles):
    pass


lines = published.table_lines


def rows(line, fields, origin):
    values = dict(line.values)
    if "left out" in values:
        return
    turns = tuple(Turn(question=one, answer=two) for one, two in values.pop("turns", ()))
    names = values.pop("images", ["good.png"])
    images = tuple(embedded.file(line, "images", origin.root, name=name) for name in names)
    given = {"id": "", "card": origin.card, "split": origin.split, "task": "asked", "question": "What is it?",
             "question_type": "free", "answer": "A scan."}
    values = {key: tuple(value) if key == "aliases" else value for key, value in values.items()}
    yield Row(sample=Sample(**{**given, **values}), images=images, turns=turns)
'''
CHOICE = {"question_type": "mcq", "options": {"A": "a bone", "B": "a lung"}, "answer": "B"}
BOX = {"question_type": "bbox", "answer": "[1, 2, 30, 20]"}
LABELS = {
    "question_type": "label_set",
    "answer": "edema, effusion",
    "options": {"A": "edema", "B": "effusion", "C": "mass"},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "wide": ({"images": ["thin.jpg"]}, "image: proportions that the model does not take"),
    "tall": ({"images": ["tall.png"]}, "image: proportions that the model does not take"),
    "tall and large": ({"images": ["tall.tif"]}, "image: proportions that the model does not take"),
    "tall by its spacing": ({"images": ["tall.dcm"]}, "image: proportions that the model does not take"),
    "one of two": ({"images": ["good.png", "thin.jpg"]}, "image: proportions that the model does not take"),
    "many": ({"images": ["large.png"] * 2100}, "image: more than the 32,768 tokens of the model's context"),
    "small": ({"images": ["small.png"]}, "image: a side under 8 pixels"),
    "video": ({"question": "What is <|video_pad|>?"}, "question: a control token"),
    "picture mark": ({"answer": "It is <|image_pad|> here."}, "answer: a control token"),
    "end of a turn": ({"answer": "A token <|im_end|> there."}, "answer: a control token"),
    "in a turn": ({"turns": [["Q", "<|im_start|>"]]}, "turn: a control token"),
    "in an option": (
        {**CHOICE, "options": {"A": "<|im_end|>", "B": "a lung"}},
        "option: a control token",
    ),
    "in a trace": ({**CHOICE, "reasoning": "So <|im_end|>"}, "reasoning: a control token"),
    "no question": ({"question": "\u200b\ufeff"}, "question: nothing to be seen"),
    "no answer": ({"answer": " \u200b\n"}, "answer: nothing to be seen"),
    "an empty turn": ({"turns": [["What?", "\u2060"]]}, "turn: nothing to be seen"),
    "no such letter": ({**CHOICE, "answer": "D"}, "asked: "),
    "no number": ({"question_type": "numeric", "answer": "a few"}, "asked: "),
    "no yes": ({"question_type": "yes_no", "answer": "perhaps"}, "asked: "),
    "no box": ({**BOX, "answer": "[30, 20, 1, 2]"}, "asked: "),
    "right of it": ({**BOX, "answer": "[1, 2, 61, 20]"}, "answer: a box outside its picture"),
    "left of it": ({**BOX, "answer": "[-1, 2, 30, 20]"}, "answer: a box outside its picture"),
    "turned": ({**BOX, "images": ["turned.jpg"]}, "answer: a box on a picture that was turned or stretched"),
    "stretched": ({**BOX, "images": ["flat.png"]}, "answer: a box on a picture that was turned or stretched"),
    "mirrored": ({**BOX, "images": ["feet.dcm"]}, "answer: a box on a picture that was turned or stretched"),
    "not in the set": ({**LABELS, "answer": "edema, cyst"}, "answer: a label that is not among the options"),
    "twice in the set": ({**LABELS, "answer": "edema, edema"}, "asked: "),
}
ACCEPTED: dict[str, dict[str, Any]] = {
    "just wide enough": {"images": ["ratio200.png"]},
    "a box at the edges": {**BOX, "answer": "[0, 0, 60, 60]"},
    "a box in a picture that is stored smaller": {
        **BOX,
        "answer": "[0, 0, 400, 300]",
        "images": ["large.png"],
    },
    "labels": LABELS,
    "a choice": CHOICE,
    "text alone": {"images": []},
    "angles that are no token": {"question": "Is p <|x| or |y|> q?"},
    "marks of other scripts": {"question": "这是什么？", "answer": "肺"},
}


def pictures(root: Path) -> None:
    root.mkdir(parents=True)

    def save(name: str, width: int, height: int, **options: Any) -> None:
        Image.fromarray(noise(height, width).reshape(height, width, 3)).save(root / name, **options)

    save("good.png", 60, 60)
    save("thin.jpg", 300, 1)
    save("tall.png", 2, 500)
    save("tall.tif", 20, 5000)
    save("ratio200.png", 400, 2)
    save("large.png", 400, 300)
    save("small.png", 7, 60)
    save("flat.png", 60, 60, dpi=(100, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", 60, 60, exif=exif)
    scan = np.zeros((60, 60), np.uint8)
    write_dicom(root / "feet.dcm", scan, ImageOrientationPatient=[1, 0, 0, 0, -1, 0])
    write_dicom(root / "tall.dcm", np.zeros((600, 10), np.uint8), PixelSpacing=[0.9, 0.1])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card of a layout whose rows are samples, and its pictures."""
    pytest.importorskip("pydicom")
    put(tmp_path / "layouts" / "samples.py", LAYOUT)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "layouts")])
    card = card_of("samples", {"files": {"train": "t.jsonl"}}).model_copy(update={"name": "samples"})
    monkeypatch.setattr(cards, "load", lambda name, **_: card)
    monkeypatch.setattr(cards, "root", lambda card, data_root: tmp_path / "samples")
    pictures(tmp_path / "samples")
    return tmp_path


def prepare(root: Path, *rows: dict[str, Any], most: float = 1.0) -> Summary:
    put(root / "samples" / "t.jsonl", "\n".join(json.dumps(row) for row in rows))
    wanted = specification(root, cards=("samples",), least_side=1 if _thin(rows) else 8)
    return preparing.prepare(root / "data" / "corpus", wanted, workers=1, most_refused=most)


def _thin(rows: tuple[dict[str, Any], ...]) -> bool:
    """Strips have a small side, which is another reason."""
    thin = {"thin.jpg", "tall.png", "tall.tif", "tall.dcm", "ratio200.png"}
    return any(thin & set(row.get("images", ())) for row in rows)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_later_stage_cannot_take_is_one_refused_row(root: Path, name: str) -> None:
    row, kind = REFUSED[name]
    summary = prepare(root, {}, row, {})
    assert summary.samples == 2
    (counted,) = summary.refused.items()
    assert counted[0].startswith(kind) and counted[1] == 1
    (line,) = (root / "data" / "corpus" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] and "t.jsonl" in json.loads(line)["where"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_within_a_limit_is_kept(root: Path, name: str) -> None:
    summary = prepare(root, {}, ACCEPTED[name])
    assert (summary.samples, summary.refused) == (2, {})


def test_training_reads_all_that_preparing_has_left(root: Path) -> None:
    from stock import collated

    summary = prepare(root, {}, *(row for row, _ in REFUSED.values()), *ACCEPTED.values())
    # Where strips are told from small pictures, no side is too small.
    assert (summary.samples, sum(summary.refused.values())) == (2 + len(ACCEPTED), len(REFUSED) - 1)
    tiny.finish(
        tiny.make_stage(root, "data", {"kind": "prepare", "cards": ["samples"]}, parents={}),
        outputs=["corpus"],
    )
    source = tiny_model.build(root / "model")
    stage = tiny.make_stage(root, "sft", tiny.sft(), parents={"data": root / "data"})
    rows = tiny.rows(stage, source, tokens=4096)
    data = rows.dataset(system="", whole=True)
    text = tiny.processor(source)
    for row in range(len(rows)):
        batch = collated(text, [data[row]])
        assert batch["attention_mask"].sum().item() == rows.tokens([row])[0], rows.sample(row)
    assert len(rows) == summary.samples == corpus.load(root / "data" / "corpus").total


@pytest.mark.parametrize(("rows", "bad", "most"), [(6, 1, 0.01), (6, 2, 0.01), (6, 1, 0.0)])
def test_one_bad_row_of_a_few_does_not_cost_the_others(root: Path, rows: int, bad: int, most: float) -> None:
    thin = {"images": ["thin.jpg"]}
    if most and bad == 1:
        assert prepare(root, *[{}] * rows, *[thin] * bad, most=most).samples == rows
        return
    with pytest.raises(
        DataError, match=rf"{bad} of {rows + bad} rows refused, more than most_refused={most:g}"
    ):
        prepare(root, *[{}] * rows, *[thin] * bad, most=most)


def test_a_card_without_a_row_is_an_error_here_and_not_in_training(root: Path) -> None:
    with pytest.raises(DataError, match=r"samples: no row in split train: its files hold none"):
        prepare(root, {"left out": "by a filter of the card"})


def test_bytes_in_a_row_meet_the_same_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(1, 300).reshape(1, 300, 3)).save(stream, "JPEG")
    card = card_of("vqa_parquet", {"files": {"train": "t.parquet"}}).model_copy(update={"name": "made"})
    monkeypatch.setattr(cards, "load", lambda name, **_: card)
    monkeypatch.setattr(cards, "root", lambda card, data_root: tmp_path)
    good = io.BytesIO()
    Image.fromarray(noise(60, 60)).save(good, "PNG")
    rows = [
        {"image": {"bytes": one.getvalue(), "path": None}, "question": "Q?", "answer": "lung"}
        for one in (good, stream)
    ]
    put_parquet(tmp_path / "t.parquet", rows)
    wanted = specification(tmp_path, cards=("made",))
    summary = preparing.prepare(tmp_path / "out", wanted, workers=1, most_refused=1.0)
    assert summary.samples == 1
    assert summary.refused == {"image: proportions that the model does not take": 1}


def test_check_refuses_the_same_rows_with_the_same_words(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from corpora import BUDGET

    from lingshu_train.data.checks import check as checking
    from lingshu_train.data.checks import findings

    monkeypatch.setattr(findings, "SHOWN", 10_000)
    rows = [row for row, _ in REFUSED.values()]
    prepare(root, {}, *rows, *ACCEPTED.values(), {})
    quarantined = (root / "data" / "corpus" / "quarantine.jsonl").read_text().splitlines()
    terms = checking.Terms(budget=BUDGET, most_refused=1.0)
    report = checking.check(cards.load("samples"), root, folder=root / "none", terms=terms)
    told = [line.partition(": ") for line in report.refused]
    assert [(where, reason) for where, _, reason in told] == [
        (line["where"], line["reason"].removeprefix(f"{line['where']}: "))
        for line in map(json.loads, quarantined)
    ]
