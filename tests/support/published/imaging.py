"""Labelled films and scans as their publishers serve them: folders of classes, and tables of findings. All is made up."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from PIL import Image

from published.tree import Served, Tree, picture


def brain_tumor_mri(served: Served) -> None:
    """Folders of classes, `notumor` among them."""
    tree, seed = served.by_hand(), 0
    for part, short in (("Training", "Tr"), ("Testing", "Te")):
        for label, name in (("glioma", "gl"), ("meningioma", "me"), ("notumor", "no"), ("pituitary", "pi")):
            seed += 1
            tree.picture(f"{part}/{label}/{short}-{name}_0010.jpg", seed)


def chest_ctscan(served: Served) -> None:
    """Long names of the classes in train and valid, short ones in test; some pictures are JPEG."""
    _chest(served.by_hand(), "Data/")


def chest_ctscan__without_data(served: Served) -> None:
    """As a person has it who unpacked the inner folder alone."""
    _chest(served.by_hand(), "")


def _chest(tree: Tree, top: str) -> None:
    stages = {
        "adenocarcinoma": "_left.lower.lobe_T2_N0_M0_Ib",
        "squamous.cell.carcinoma": "_left.hilum_T1_N2_M0_IIIa",
    }
    for place, part in enumerate(("train", "valid", "test")):
        for number, (label, stage) in enumerate(stages.items()):
            folder = f"{top}{part}/{label}{'' if part == 'test' else stage}"
            tree.picture(f"{folder}/00000{number} (2).png", 10 * place + number)
        tree.picture(f"{top}{part}/normal/{place + 3}.{'jpg' if part == 'test' else 'png'}", 10 * place + 7)


def covid19_radiography(served: Served) -> None:
    """Version 5: pictures and lung outlines side by side, a spreadsheet for each class."""
    tree = served.by_hand()
    for seed, label in enumerate(("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")):
        top = "COVID-19_Radiography_Dataset"
        tree.picture(f"{top}/{label}/images/{label}-1.png", seed)
        tree.picture(f"{top}/{label}/masks/{label}-1.png", 20 + seed)
        tree.bytes(f"{top}/{label}.metadata.xlsx", b"PK")


def covid19_radiography__older(served: Served) -> None:
    """Before version 4: pictures in the classes' own folders, two of them called otherwise."""
    tree = served.by_hand()
    for seed, label in enumerate(("COVID-19", "NORMAL", "Viral Pneumonia")):
        tree.picture(f"COVID-19 Radiography Database/{label}/{label} (1).png", seed)


def covid19_radiography__version_3(served: Served) -> None:
    """The same, the first class called otherwise and a spreadsheet for each."""
    tree = served.by_hand()
    for seed, label in enumerate(("COVID", "NORMAL", "Viral Pneumonia")):
        tree.picture(f"COVID-19 Radiography Database/{label}/{label} (1).png", seed)
        tree.bytes(f"COVID-19 Radiography Database/{label}.metadata.xlsx", b"PK")


def knee_xray(served: Served) -> None:
    """Two experts' folders; the grades stand in the folders' names."""
    tree = served.by_hand()
    for seed, (label, name) in enumerate(
        (("0Normal", "NormalG0"), ("2Mild", "MildG2"), ("4Severe", "SevereG4"))
    ):
        for expert in ("I", "II"):
            tree.picture(f"Knee X-ray Images/MedicalExpert-{expert}/{label}/{name} (1).png", seed)


def radimagenet_us(served: Served) -> None:
    """The ultrasound part beside the others; a folder a finding."""
    tree = served.by_hand()
    for seed, place in enumerate(
        ("US/gb", "US/liver", "US/thyroid_nodule", "CT/lung/nodule", "MR/brain/normal")
    ):
        tree.picture(f"radiology_ai/{place}/usn00000{seed}.png", seed)


def biomeditech_rpe(served: Served) -> None:
    """Sorted by hand into folders of classes, as the card asks; the publisher's own folders still there."""
    tree = served.by_hand()
    for seed, label in enumerate(("Fusiform", "Cobblestone")):
        name = f"1_0000{seed}_001_1_1.tif"
        stream = io.BytesIO()
        Image.open(io.BytesIO(picture(seed))).save(stream, "TIFF")
        for folder in (label, "RPE_dataset/Subwindows"):
            tree.bytes(f"{folder}/{name}", stream.getvalue())
    tree.bytes("RPE_dataset/Description.pdf", b"%PDF")


def breast_cancer(served: Served) -> None:
    """The set is not identified: folders of classes."""
    for seed, label in enumerate(("benign", "malignant")):
        served.by_hand().picture(f"{label}/{seed}.png", seed)


def cpd(served: Served) -> None:
    """The set is not identified: folders of classes."""
    for seed, label in enumerate(("tumour", "stroma")):
        served.by_hand().picture(f"{label}/{seed}.png", seed)


CHEXPERT = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other"),
    *("Fracture", "Support Devices"),
)


def _chexpert(top: str) -> list[dict[str, object]]:
    """Present, absent, uncertain and not mentioned, in the table's spelling."""
    cells = (("1.0", "0.0", "-1.0", ""), ("0.0", "1.0", "", "-1.0"))
    return [
        {
            "Path": f"{top}/patient0000{number + 1}/study1/view1_frontal.jpg",
            **{"Sex": "Female", "Age": 68, "Frontal/Lateral": "Frontal", "AP/PA": "AP"},
            **{name: cells[number][place % 4] for place, name in enumerate(CHEXPERT)},
        }
        for number in (0, 1)
    ]


def chexpert(served: Served) -> None:
    """The older layout: one folder, which the table's paths begin with."""
    tree = served.by_hand()
    for part, seed in (("train", 0), ("valid", 5)):
        tree.csv(f"CheXpert-v1.0/{part}.csv", rows := _chexpert(f"CheXpert-v1.0/{part}"))
        for number, row in enumerate(rows):
            tree.picture(str(row["Path"]), seed + number)


def chexpert__batches(served: Served) -> None:
    """Today's: a folder an archive, in which patients lie without what the table's paths begin with."""
    tree, top = served.by_hand(), "chexpertchestxrays-u20210408"
    first = f"{top}/CheXpert-v1.0 batch 1 (validate & csv)"
    for part in ("train", "valid"):
        tree.csv(f"{first}/{part}.csv", _chexpert(f"CheXpert-v1.0/{part}"))
    for seed, place in enumerate(("2 (train 1)/patient00001", "3 (train 2)/patient00002")):
        tree.picture(f"{top}/CheXpert-v1.0 batch {place}/study1/view1_frontal.jpg", seed)
    tree.picture(f"{first}/valid/patient00001/study1/view1_frontal.jpg", 7)
    tree.csv(f"{top}/train_cheXbert.csv", _chexpert("CheXpert-v1.0/train"))


def chexpert__small(served: Served) -> None:
    """The small copy, unpacked without its top folder."""
    tree = served.by_hand()
    tree.csv("train.csv", _chexpert("CheXpert-v1.0-small/train"))
    for number in (1, 2):
        tree.picture(f"train/patient0000{number}/study1/view1_frontal.jpg", number)


NIH = [
    *(("00000001_000.png", "Cardiomegaly|Effusion", 1), ("00000002_000.png", "No Finding", 2)),
    *(
        ("00000003_000.png", "Hernia", 3),
        ("00000004_000.png", "No Finding", 4),
        ("00000005_000.png", "Mass", 5),
    ),
]


def nih_chest_xray(served: Served) -> None:
    """The NIH box: every archive unpacks to `images`; the table's second version."""
    _nih(served.by_hand(), "Data_Entry_2017_v2020.csv", "Patient Sex", lambda number: "images")


def nih_chest_xray__an_archive_a_folder(served: Served) -> None:
    """The same, each archive unpacked into a folder of its own name."""
    place = "images_{:02}/images".format
    _nih(served.by_hand(), "Data_Entry_2017_v2020.csv", "Patient Sex", lambda number: place(number + 1))


def nih_chest_xray__kaggle(served: Served) -> None:
    """Kaggle: the first version of the table, whose header ends with a comma, and twelve folders."""
    place = "images_{:03}/images".format
    _nih(
        served.by_hand(), "Data_Entry_2017.csv", "Patient Gender", lambda number: place(number + 1), end=("",)
    )


def _nih(
    tree: Tree, table: str, sex: str, folder: Callable[[int], str], *, end: tuple[str, ...] = ()
) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    sizes = ("OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]")
    about = (
        "Image Index",
        "Finding Labels",
        "Follow-up #",
        "Patient ID",
        "Patient Age",
        sex,
        "View Position",
    )
    writer.writerow([*about, *sizes, *end])
    for number, (name, labels, patient) in enumerate(NIH):
        writer.writerow([name, labels, 0, patient, 57, "M", "PA", 2682, 2749, 0.143, 0.143, *end])
        tree.picture(f"{folder(number)}/{name}", number)
    tree.text(table, out.getvalue())
    tree.text("train_val_list.txt", "".join(f"{name}\n" for name, *_ in NIH[:4]))
    tree.text("test_list.txt", NIH[4][0])
