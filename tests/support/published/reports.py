"""Radiology reports with their films, as their publishers serve them. All rows are made up."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping

from published.tree import Served, picture

KIT = "https://raw.githubusercontent.com/alibaba-damo-academy/MedEvalKit/9b12e3b34232a8779cc1275417bf4f72f03d28e0"
OPEN_I = "https://openi.nlm.nih.gov/imgs/collections"

WHOLE = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 FINDINGS:

 The lungs are clear.
 No effusion.

 IMPRESSION:
 No acute process.
"""
IMPRESSION = "                                 FINAL REPORT\n\n IMPRESSION: No change.\n"
NEITHER = "                                 FINAL REPORT\n A single line without a heading.\n"
STUDIES = (
    ("10000032", "50414267", "train", WHOLE),
    ("10000764", "57375967", "train", IMPRESSION),
    ("10000898", "50771383", "train", NEITHER),
    ("10000935", "50578979", "validate", WHOLE),
    ("11000011", "51029426", "test", WHOLE),
)


def _mimic(served: Served, *, above: str = "") -> None:
    """The reports and DICOM project, and the JPEG project, whose files are all in one tree; `above`: a folder round the reports'
    own in their archive."""
    reports = {
        f"{above}files/p{subject[:2]}/p{subject}/s{study}.txt": text.encode()
        for subject, study, _, text in STUDIES
    }
    notes = served.physionet("mimic-cxr/2.1.0")
    notes.zip("mimic-cxr-reports.zip", reports)
    notes.bytes("cxr-study-list.csv.gz", gzip.compress(b"subject_id,study_id,path\n", mtime=0))
    films, table = served.physionet("mimic-cxr-jpg/2.1.0"), ["dicom_id,study_id,subject_id,split"]
    for number, (subject, study, split, _) in enumerate(STUDIES):
        for film in range(1 + (number == 0)):
            name = f"{study[:8]}-{film:08x}"
            table.append(f"{name},{study},{subject},{split}")
            films.picture(f"files/p{subject[:2]}/p{subject}/s{study}/{name}.jpg", 100 + 2 * number + film)
    films.bytes("mimic-cxr-2.0.0-split.csv.gz", gzip.compress("\n".join(table).encode(), mtime=0))
    films.bytes("mimic-cxr-2.0.0-metadata.csv.gz", gzip.compress(b"dicom_id,subject_id\n", mtime=0))
    films.text("README", "made up")


def mimic_cxr(served: Served) -> None:
    """Films and reports in two projects; reports without sections; the split's words are PhysioNet's."""
    _mimic(served)


def mimic_cxr__reports_in_a_folder(served: Served) -> None:
    """The reports in a folder of their archive's name."""
    _mimic(served, above="mimic-cxr-reports/")


def mimic_cxr_findings(served: Served) -> None:
    """The same."""
    _mimic(served)


def mimic_cxr_test(served: Served) -> None:
    """The same."""
    _mimic(served)


def _kit_list(served: Served, film: str) -> None:
    """MedEvalKit's layout: a list and a folder of films beside it; one report of nothing."""
    hand = served.by_hand()
    row = {"image": [film], "findings": "The lungs are clear.", "impression": ""}
    hand.json("test.json", [row, {**row, "findings": "", "impression": ""}])
    hand.picture(f"images/{film}", 120)


def mimic_cxr_test__kit(served: Served) -> None:
    """As the evaluation kit has it."""
    _kit_list(served, "p10/p10000032/s50414267/02aa804e.jpg")


def mimic_ext_cxr_vqa(served: Served) -> None:
    """Questions alone; the films are those of MIMIC-CXR, in the folder beside it."""
    project = served.physionet("mimic-ext-mimic-cxr-vqa/1.0.0")
    films = served.beside("mimic_cxr")
    for number, (split, kind, answer) in enumerate(
        (("train", "verify", ["yes"]), ("valid", "query", []), ("test", "query", ["edema", "effusion"]))
    ):
        image = f"p10/p1000003{number}/s5041426{number}/02aa804{number}.jpg"
        row = {
            "split": split,
            "idx": number,
            "subject_id": f"1000003{number}",
            "study_id": f"5041426{number}",
            "image_id": f"02aa804{number}",
            "image_path": image,
            "question": "Is there edema?" if kind == "verify" else "Which findings are seen?",
            "semantic_type": kind,
            "content_type": "presence",
            "template": "made up",
            "template_program": "program_1",
            "template_arguments": {},
            "answer": answer,
        }
        project.json(f"MIMIC-Ext-MIMIC-CXR-VQA/dataset/{split}.json", [row])
        films.picture(f"files/{image}", 130 + number)
    project.text("LICENSE.txt", "made up")


def _chexpert(served: Served, films: str) -> None:
    """One table of films, and the films where the publisher's chunks were unpacked to."""
    hand = served.by_hand()
    rows = []
    for number, (split, study, views, findings, impression) in enumerate(
        (
            ("train", "patient00001/study1", 1, "Lines in place.", "Stable."),
            ("train", "patient00002/study1", 2, "", "No acute disease."),
            ("train", "patient00003/study1", 1, "", ""),
            ("valid", "patient64541/study1", 1, "Clear.", ""),
        )
    ):
        for view in range(1, views + 1):
            path = f"{split}/{study}/view{view}_{'frontal' if view == 1 else 'lateral'}"
            row = {
                "path_to_image": f"{path}.jpg",
                "path_to_dcm": f"{path}.dcm",
                "frontal_lateral": "Frontal" if view == 1 else "Lateral",
                "deid_patient_id": study.partition("/")[0],
                "split": split,
                "report": f"NARRATIVE: {findings} {impression}",
                "section_findings": findings,
                "section_impression": impression,
            }
            rows.append(row)
            hand.picture(f"{films}{path}.png", 140 + 2 * number + view)
    hand.csv("df_chexpert_plus_240401.csv", rows)


def chexpert_plus(served: Served) -> None:
    """The films in `PNG`."""
    _chexpert(served, "PNG/")


def chexpert_plus__png_in_png(served: Served) -> None:
    """The films in `PNG/PNG`, as others have them."""
    _chexpert(served, "PNG/PNG/")


def chexpert_plus_test(served: Served) -> None:
    """The validation films of the same table."""
    _chexpert(served, "PNG/")


def chexpert_plus_test__kit(served: Served) -> None:
    """As the evaluation kit has it."""
    _kit_list(served, "valid/patient64541/study1/view1_frontal.png")


def _tgz(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _openi(number: int, findings: str, impression: str, films: int) -> bytes:
    shown = "".join(
        f'<parentImage id="CXR{number}_IM-000{number}-{film}001"><figureId>F{film}</figureId></parentImage>'
        for film in range(1, films + 1)
    )
    return (
        f'<?xml version="1.0"?><eCitation><uId id="CXR{number}"/><MedlineCitation><Article><Abstract>'
        f'<AbstractText Label="COMPARISON">None.</AbstractText><AbstractText Label="INDICATION">XXXX</AbstractText>'
        f'<AbstractText Label="FINDINGS">{findings}</AbstractText>'
        f'<AbstractText Label="IMPRESSION">{impression}</AbstractText>'
        f"</Abstract></Article></MedlineCitation>{shown}</eCitation>"
    ).encode()


def _iu_xray(served: Served) -> None:
    """Films side by side, reports as XML, and MedEvalKit's list of test examinations."""
    reports = {
        1: _openi(1, "Heart size normal. XXXX clear.", "No acute disease.", 2),
        2: _openi(2, "Clear.", "", 1),
        3: _openi(3, "Clear.", "Normal.", 0),
        4: _openi(4, "", "", 1),
    }
    films = {f"CXR{n}_IM-000{n}-{film}001.png": n * 10 + film for n, film in ((1, 1), (1, 2), (2, 1), (4, 1))}
    pictures = {name: picture(150 + seed, suffix="png") for name, seed in films.items()}
    served.web(f"{OPEN_I}/NLMCXR_png.tgz", _tgz(pictures))
    served.web(
        f"{OPEN_I}/NLMCXR_reports.tgz", _tgz({f"ecgen-radiology/{n}.xml": xml for n, xml in reports.items()})
    )
    held = [
        {"id": "open_i_2", "image": ["CXR2_IM-0002-1001.png"], "findings": "Clear.", "impression": ""},
        {"id": "open_i_9", "image": ["CXR2_IM-0002-1001.png"], "findings": "", "impression": ""},
    ]
    served.web(f"{KIT}/datas/IU_XRAY/test.json", json.dumps(held).encode())


def iu_xray(served: Served) -> None:
    """Of four reports one is of the test, one has no film and one has no text."""
    _iu_xray(served)


def iu_xray_test(served: Served) -> None:
    """The list itself, in which a report of nothing stands."""
    _iu_xray(served)
