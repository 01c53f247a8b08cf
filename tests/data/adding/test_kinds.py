"""Every kind of file that people have becomes a card that `check` calls whole and a recipe that plans, with one command."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import strangers
from pictures import write_dicom

from lingshu_train import cli
from lingshu_train.data.cards.card import Card

Cards = Callable[[str], Card]


def table(folder: Path, suffix: str, **options: Any) -> Path:
    found = strangers.rows()
    strangers.pictures(folder, found)
    return strangers.write_csv(folder / f"pairs{suffix}", found, **options)


def as_json(folder: Path, suffix: str) -> Path:
    found = strangers.rows()
    strangers.pictures(folder, found)
    return strangers.write_json(folder / f"pairs{suffix}", found)


def as_parquet(folder: Path) -> Path:
    """As the hub keeps them: bytes and a path in a record."""
    found = [
        {**row, "image": {"bytes": strangers.png(n), "path": None}} for n, row in enumerate(strangers.rows())
    ]
    folder.mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(found), folder / "pairs.parquet")
    return folder / "pairs.parquet"


def as_saved(folder: Path) -> Path:
    from datasets import ClassLabel, Dataset, Features, Image, Value

    features = Features(
        {
            "image": Image(),
            "question": Value("string"),
            "answer": ClassLabel(names=["no", "yes"]),
            "patient_id": Value("string"),
        }
    )
    found = [
        {**row, "answer": n % 2, "image": {"bytes": strangers.png(n), "path": None}}
        for n, row in enumerate(strangers.rows())
    ]
    Dataset.from_list(found, features=features).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def as_saved_splits(folder: Path) -> Path:
    from datasets import Dataset, DatasetDict

    found = [{**row, "image": strangers.png(n)} for n, row in enumerate(strangers.rows())]
    split = {"train": Dataset.from_list(found[:24]), "validation": Dataset.from_list(found[24:])}
    DatasetDict(split).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def as_chats(folder: Path, make: Callable[[dict[str, Any]], dict[str, Any]], suffix: str = ".json") -> Path:
    found = strangers.rows()
    strangers.pictures(folder, found)
    return strangers.write_json(folder / f"pairs{suffix}", [make(row) for row in found])


def llava(row: dict[str, Any]) -> dict[str, Any]:
    turns = [
        {"from": "human", "value": f"<image>\n{row['question']}"},
        {"from": "gpt", "value": row["answer"]},
    ]
    return {"id": row["image"], "image": row["image"], "conversations": turns}


def openai(row: dict[str, Any]) -> dict[str, Any]:
    parts = [{"type": "image"}, {"type": "text", "text": row["question"]}]
    return {
        "images": [row["image"]],
        "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": row["answer"]}],
    }


def openai_inside(row: dict[str, Any]) -> dict[str, Any]:
    """With the picture itself in the message."""
    parts = [
        {"type": "image_url", "image_url": {"url": row["image"]}},
        {"type": "text", "text": row["question"]},
    ]
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": row["answer"]}]}


def openai_bytes(row: dict[str, Any]) -> dict[str, Any]:
    address = "data:image/png;base64," + base64.b64encode(strangers.png(int(row["image"][5:-4]))).decode()
    return openai_inside({**row, "image": address})


def llama_factory(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"<image>{row['question']}"},
            {"role": "assistant", "content": row["answer"]},
        ],
        "images": [row["image"]],
    }


def ms_swift(row: dict[str, Any]) -> dict[str, Any]:
    return {**llama_factory(row), "images": [{"path": row["image"], "bytes": None}]}


def classes(folder: Path, *, deep: bool = False, splits: tuple[str, ...] = ("",)) -> Path:
    for split in splits:
        for label, start in (("normal", 0), ("pneumonia", 100)):
            for n in range(12):
                patient = f"p{n // 2}" if deep else ""
                strangers.picture(
                    folder / "set" / split / label / patient / f"{n}.png", start + n + len(split) * 500
                )
    return folder / "set"


def labels(folder: Path) -> Path:
    """Pictures in a folder, and a table of labels."""
    found = [{"filename": f"{n}.png", "label": ("normal", "pneumonia")[n % 2]} for n in range(24)]
    strangers.pictures(folder / "pics", found, column="filename")
    return strangers.write_csv(folder / "pics" / "labels.csv", found).parent


def reports(folder: Path) -> Path:
    found = [
        {"image": f"{n}.png", "report": f"The lungs are clear. The heart is normal in size. Case {n}."}
        for n in range(24)
    ]
    strangers.pictures(folder, found)
    return strangers.write_csv(folder / "pairs.csv", found)


def dicoms(folder: Path, **values: Any) -> Path:
    for n in range(16):
        pixels = np.random.default_rng(n).integers(0, 4095, (32, 40), dtype=np.uint16)
        place = folder / "set" / ("normal", "fracture")[n % 2]
        place.mkdir(parents=True, exist_ok=True)
        write_dicom(
            place / f"IM{n}",
            pixels,
            Modality="DX",
            BitsStored=12,
            HighBit=11,
            PatientID=f"P{n // 2}",
            **values,
        )
    return folder / "set"


def dicom_table(folder: Path) -> Path:
    found = strangers.rows(24, names="IM{}")
    for n, row in enumerate(found):
        pixels = np.random.default_rng(n).integers(0, 4095, (32, 40), dtype=np.uint16)
        (folder / "dicom").mkdir(parents=True, exist_ok=True)
        write_dicom(folder / "dicom" / row["image"], pixels, Modality="MR", BitsStored=12, HighBit=11)
    return strangers.write_csv(folder / "pairs.csv", found)


KINDS: dict[str, tuple[Callable[[Path], Path], int]] = {
    "csv": (lambda folder: table(folder, ".csv"), 30),
    "tsv": (lambda folder: table(folder, ".tsv", delimiter="\t"), 30),
    "csv_semicolons_latin1": (lambda folder: table(folder, ".csv", delimiter=";", encoding="latin-1"), 30),
    "csv_bars": (lambda folder: table(folder, ".csv", delimiter="|"), 30),
    "json": (lambda folder: as_json(folder, ".json"), 30),
    "jsonl": (lambda folder: as_json(folder, ".jsonl"), 30),
    "parquet": (as_parquet, 30),
    "saved": (as_saved, 30),
    "saved_splits": (as_saved_splits, 30),
    "llava": (lambda folder: as_chats(folder, llava), 30),
    "openai": (lambda folder: as_chats(folder, openai, ".jsonl"), 30),
    "openai_inside": (lambda folder: as_chats(folder, openai_inside), 30),
    "openai_bytes": (lambda folder: as_chats(folder, openai_bytes, ".jsonl"), 30),
    "llama_factory": (lambda folder: as_chats(folder, llama_factory), 30),
    "ms_swift": (lambda folder: as_chats(folder, ms_swift, ".jsonl"), 30),
    "classes": (classes, 0),
    "classes_with_patients": (lambda folder: classes(folder, deep=True), 0),
    "classes_with_splits": (lambda folder: classes(folder, splits=("train", "val")), 0),
    "labels": (labels, 24),
    "reports": (reports, 24),
    "dicoms": (dicoms, 0),
    "dicom_table": (dicom_table, 24),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_becomes_a_checked_card_and_a_recipe(
    kind: str, tmp_path: Path, add: Callable[..., Any], card: Cards, capsys: pytest.CaptureFixture[str]
) -> None:
    make, count = KINDS[kind]
    done = add(make(tmp_path / "in"), "--name", "mine", "--recipe", "tiny", "--yes")
    assert done.code == 0, done.err
    assert "check      mine: " in done.out
    assert done.out.splitlines()[-2].endswith(", whole")
    assert done.out.splitlines()[-1] == "next       lingshu run mine.yaml"
    found = card("mine")
    states = {split: one.rows for split, one in found.lingshu.splits.items()}
    assert set(states) == {"train", "held_out"}
    assert all(states.values())
    assert not count or sum(filter(None, states.values())) == count
    assert found.lingshu.access == "local"
    assert cli.main(["data", "check", "mine"]) == 0
    assert cli.main(["plan", "mine.yaml"]) == 0
    assert "cards    mine (here)" in capsys.readouterr().out


def test_nothing_is_copied_and_nothing_of_the_users_is_changed(
    tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    path = table(tmp_path / "in", ".csv")
    before = {file: file.read_bytes() for file in sorted((tmp_path / "in").rglob("*")) if file.is_file()}
    assert add(path, "--yes").code == 0
    after = {file: file.read_bytes() for file in sorted((tmp_path / "in").rglob("*")) if file.is_file()}
    assert before == after
    made = {path.relative_to(Path.cwd()).as_posix() for path in Path.cwd().rglob("*") if path.is_file()}
    assert made == {"data_cards/pairs.md", "pairs.yaml"}
    assert card("pairs").folder(Path("data")) == tmp_path / "in"


def test_whole_patients_are_held_out(tmp_path: Path, add: Callable[..., Any], card: Cards) -> None:
    from lingshu_train.data.rows import reading

    done = add(table(tmp_path / "in", ".csv"), "--yes")
    assert done.said("patient") == "patient_id: 10 of them, and none is in two splits"
    found = card("pairs")
    groups = {
        split: {row.sample.group for row in reading.open(found, tmp_path / "in", split=split)}
        for split in ("train", "held_out")
    }
    assert groups["train"].isdisjoint(groups["held_out"])
    assert len(groups["train"] | groups["held_out"]) == 10
    assert found.lingshu.splits["held_out"].rows == 6, "a fifth of 30, in threes"


def test_without_a_patient_it_is_said_what_that_means(tmp_path: Path, add: Callable[..., Any]) -> None:
    found = [{key: row[key] for key in ("image", "question", "answer")} for row in strangers.rows()]
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.said("patient") == (
        "not known: near-identical pictures of one patient may lie in two splits (--patient)"
    )


def test_a_column_of_splits_is_taken_as_it_stands(
    tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    words = ("Train", "Train", "Train", "Test")
    found = [{**row, "set": words[n // 3 % 4]} for n, row in enumerate(strangers.rows(36))]
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.said("splits") == "train 27, held_out 9 (as the data says)"
    assert card("pairs").lingshu.fields["split_values"] == {"Test": "held_out", "Train": "train"}


def test_files_of_splits_are_taken_as_they_stand(tmp_path: Path, add: Callable[..., Any]) -> None:
    found = strangers.rows(30)
    strangers.pictures(tmp_path / "in", found)
    strangers.write_csv(tmp_path / "in" / "train.csv", found[:24])
    strangers.write_csv(tmp_path / "in" / "test.csv", found[24:])
    done = add(tmp_path / "in", "--name", "mine", "--yes")
    assert done.said("splits") == "train 24, held_out 6 (as the data says)"


def test_a_patient_in_two_of_the_users_own_splits_is_refused(tmp_path: Path, add: Callable[..., Any]) -> None:
    found = [{**row, "split": ("train", "test")[n % 2]} for n, row in enumerate(strangers.rows(12))]
    strangers.pictures(tmp_path, found)
    path = strangers.write_csv(tmp_path / "pairs.csv", found)
    done = add(path, "--yes")
    assert done.code == 65
    assert (
        "of a patient or picture that is in another split too, such as P0; --split none divides" in done.line
    )
    assert not Path("pairs.yaml").exists()
    assert add(path, "--split", "none", "--yes").code == 0


def test_a_window_is_proposed_where_more_than_8_bits_have_none(
    tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    done = add(dicoms(tmp_path / "in"), "--name", "mine", "--yes")
    assert done.said("window").startswith("spread, since 16 have more than 8 bits and state none")
    assert "16 x 12-bit grey DICOM" in done.said("pictures")
    assert card("mine").lingshu.fields["window"] == "spread"
    assert card("mine").lingshu.modality == ("x-ray",), "as the files say"


def test_a_window_of_the_files_own_is_left_alone(
    tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    path = dicoms(tmp_path / "in", WindowCenter=2048, WindowWidth=4096)
    assert add(path, "--name", "mine", "--yes").code == 0
    assert "window" not in card("mine").lingshu.fields
    assert add(path, "--name", "wide", "--window", "1000,500", "--yes").code == 0
    assert card("wide").lingshu.fields["window"] == [1000.0, 500.0]


def test_the_licence_nobody_states_lets_nothing_leave(
    tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    from lingshu_train.data.cards import licences
    from lingshu_train.errors import NotPermitted

    path = table(tmp_path / "in", ".csv")
    assert add(path, "--yes").code == 0
    found = card("pairs")
    assert licences.unshareable(found) == "is local"
    assert licences.unsendable([found])
    with pytest.raises(NotPermitted, match="internal"):
        licences.terms([found]).check()
    assert add(path, "--name", "open", "--licence", "CC-BY-4.0", "--yes").code == 0
    terms = licences.terms([card("open")])
    terms.check()
    assert terms.private, "local data: the owner alone sees the weights"


def test_options_in_columns_make_choices(tmp_path: Path, add: Callable[..., Any], card: Cards) -> None:
    found = [
        {
            "image": f"{n}.png",
            "question": "What is shown?",
            "A": "lung",
            "B": "liver",
            "C": "brain",
            "answer": "ABC"[n % 3],
        }
        for n in range(24)
    ]
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 0, done.err
    assert done.said("answers").startswith("24: mcq 24")
    assert card("pairs").lingshu.fields["options"] == {"A": "A", "B": "B", "C": "C"}


def test_free_text_alone_is_trained_on_and_not_evaluated(
    tmp_path: Path, add: Callable[..., Any], capsys: Any
) -> None:
    done = add(reports(tmp_path / "in"), "--yes")
    assert done.said("question").startswith("'Describe this image.' of every row")
    assert "no rule can judge it" in done.out
    cli.main(["plan", "pairs.yaml"])
    assert "(evaluate)" not in capsys.readouterr().out


def test_without_a_terminal_nothing_is_written_until_it_is_said(
    tmp_path: Path, add: Callable[..., Any]
) -> None:
    done = add(table(tmp_path / "in", ".csv"))
    assert done.code == 0
    assert done.out.splitlines()[-1] == (
        "nothing was written; add --yes to write data_cards/pairs.md and pairs.yaml"
    )
    assert list(Path.cwd().iterdir()) == []


def test_the_sniffed_writing_is_said(tmp_path: Path, add: Callable[..., Any]) -> None:
    found = strangers.renamed(
        strangers.rows(), question="Frage", answer="Größe", image="Bilddatei", patient_id="Pat.-Nr."
    )
    strangers.pictures(tmp_path, found, column="Bilddatei")
    path = strangers.write_csv(tmp_path / "pairs.csv", found, delimiter=";", encoding="latin-1")
    done = add(path, "--answer", "Größe")
    assert done.said("table") == "pairs.csv: 4 columns; ';' between cells, encoding cp1252 (as in Größe)"
    assert done.said("patient").startswith("Pat.-Nr.: 10 of them")


NAMES = {
    "en": ("image_path", "Question", "answer", "subject_id"),
    "de": ("Bilddatei", "Frage", "Antwort", "Patientennummer"),
    "fr": ("Nom du fichier", "Question", "Réponse", "N° dossier"),
    "es": ("Archivo", "Pregunta", "Respuesta", "Paciente"),
    "zh": ("图像路径", "问题", "答案", "患者编号"),
}


@pytest.mark.parametrize("tongue", NAMES)
def test_columns_are_found_by_their_names_in_several_languages(
    tongue: str, tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    image, question, answer, patient = NAMES[tongue]
    found = strangers.renamed(
        strangers.rows(), image=image, question=question, answer=answer, patient_id=patient
    )
    strangers.pictures(tmp_path, found, column=image)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 0, done.err
    fields = card("pairs").lingshu.fields
    assert (fields["image"], fields["question"], fields["answer"], fields["group"]) == NAMES[tongue]


def test_a_picture_column_is_found_by_what_lies_on_disk(
    tmp_path: Path, add: Callable[..., Any], card: Cards
) -> None:
    found = strangers.renamed(strangers.rows(names="s{}.png"), image="xq7")
    strangers.pictures(tmp_path / "a" / "b", found, column="xq7")
    assert add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes").code == 0
    assert card("pairs").lingshu.fields["image"] == "xq7"
    assert card("pairs").lingshu.fields["images"] == "a/b"


def test_pictures_may_lie_far_from_the_table(tmp_path: Path, add: Callable[..., Any], card: Cards) -> None:
    found = strangers.rows()
    strangers.pictures(tmp_path / "archive" / "2024", found)
    path = strangers.write_csv(tmp_path / "desk" / "pairs.csv", found)
    assert add(path, "--images", tmp_path / "archive" / "2024", "--yes").code == 0
    assert card("pairs").folder(Path("data")) == tmp_path
    assert card("pairs").lingshu.fields["images"] == "archive/2024"


def test_a_card_folder_of_ones_own_is_part_of_the_next_command(
    tmp_path: Path, add: Callable[..., Any]
) -> None:
    done = add(table(tmp_path / "in", ".csv"), "--cards", tmp_path / "mine", "--yes")
    assert done.code == 0, done.err
    assert (tmp_path / "mine" / "pairs.md").is_file()
    assert done.out.splitlines()[-1] == f"next       lingshu run pairs.yaml --cards {tmp_path / 'mine'}"


def test_bytes_of_a_table_may_be_json_lines_of_any_length(tmp_path: Path, add: Callable[..., Any]) -> None:
    found = [{**row, "note": "x" * 200_000} for row in strangers.rows(20)]
    strangers.pictures(tmp_path, found)
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, found)))
    assert add(path, "--yes").code == 0
    assert io.BytesIO(path.read_bytes()).readline()
