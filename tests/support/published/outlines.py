"""Boxes, outlines and stacks of nuclei as their publishers serve them. All is made up."""

from __future__ import annotations

import numpy as np

from published.scans import SIDE, Box, array, deep, mask, volume
from published.tree import Served, Tree

SPOT: Box = (10, 12, 30, 40)
OTHER: Box = (40, 8, 60, 20)


def abdomen_us(served: Served) -> None:
    """Simulated pictures with masks in colours, and real ones, of which few have any."""
    tree, top = served.by_hand(), "abdominal_US/abdominal_US"
    for seed, part in enumerate(("train", "test")):
        name = f"ct{seed + 14}-1.png"
        tree.picture(f"{top}/AUS/images/{part}/{name}", seed)
        parts = mask(((100, 0, 100), SPOT), ((255, 255, 0), OTHER))
        tree.bytes(f"{top}/AUS/annotations/{part}/{name}", parts)
        tree.picture(f"{top}/RUS/images/{part}/real-1.png", 5 + seed)


def breast_ultrasound(served: Served) -> None:
    """Masks beside the pictures, a second one where there are two lesions, an empty one where there is none."""
    tree, top = served.by_hand(), "Dataset_BUSI_with_GT"
    tree.picture(f"{top}/benign/benign (1).png", 1)
    tree.bytes(f"{top}/benign/benign (1)_mask.png", mask((255, SPOT)))
    tree.bytes(f"{top}/benign/benign (1)_mask_1.png", mask((255, OTHER)))
    tree.picture(f"{top}/malignant/malignant (1).png", 2)
    tree.bytes(f"{top}/malignant/malignant (1)_mask.png", mask((255, SPOT)))
    tree.picture(f"{top}/normal/normal (1).png", 3)
    tree.bytes(f"{top}/normal/normal (1)_mask.png", mask())


def ebhi_seg(served: Served) -> None:
    """A folder of pictures and one of masks for each class."""
    for seed, label in enumerate(("Normal", "Low-grade IN")):
        served.by_hand().picture(f"EBHI-SEG/{label}/image/GT200{seed}.png", seed)
        served.by_hand().bytes(f"EBHI-SEG/{label}/label/GT200{seed}.png", mask((255, SPOT)))


def papila(served: Served) -> None:
    """The archive's top folder is named by a commit; contours of two experts as lines of coordinates."""
    tree, top = served.by_hand(), "PapilaDB-PAPILA-0123456789abcdef0123456789abcdef01234567"
    for seed, name in enumerate(("RET002OD", "RET002OS", "RET004OD")):
        tree.picture(f"{top}/FundusImages/{name}.jpg", seed)
        for part, (left, upper, right, lower) in (("disc", (10, 10, 50, 52)), ("cup", (20, 22, 36, 40))):
            corners = ((left, upper), (right, upper), (right, lower), (left, lower))
            for expert in (1, 2):
                lines = "".join(f"{x + expert:.4e} {y:.4e}\n" for x, y in corners)
                tree.text(f"{top}/ExpertsSegmentations/Contours/{name}_{part}_exp{expert}.txt", lines)
    tree.bytes(f"{top}/ClinicalData/patient_data_od.xlsx", b"PK")


def papila__without_its_top_folder(served: Served) -> None:
    """What the archive holds, moved up."""
    whole = Served(served.root / "whole")
    papila(whole)
    (top,) = whole.by_hand().root.iterdir()
    top.rename(served.by_hand().root)


def us_liver(served: Served) -> None:
    """An archive a class, made on a Mac; one picture lacks its liver, a normal one has no mass."""
    _liver(served.by_hand(), "{0}/{0}")


def us_liver__a_folder_a_class(served: Served) -> None:
    """The archives unpacked in one place."""
    _liver(served.by_hand(), "{0}")


def _liver(tree: Tree, folder: str) -> None:
    liver, mass = [[5, 5], [60, 5], [60, 60], [5, 60]], [[20, 20], [40, 20], [40, 44], [20, 44]]
    for number, label in enumerate(("Benign", "Malignant", "Malignant", "Normal")):
        top = folder.format(label)
        tree.picture(f"{top}/image/{number}.jpg", number)
        tree.bytes(f"{folder.partition('/')[0].format(label)}/__MACOSX/{label}/image/._{number}.jpg", b"Mac")
        tree.json(f"{top}/segmentation/outline/{number}.json", liver)
        if number != 2:
            tree.json(f"{top}/segmentation/liver/{number}.json", liver)
        if label != "Normal":
            tree.json(f"{top}/segmentation/mass/{number}.json", mass)


def brats_2024(served: Served) -> None:
    """A folder a case in two training archives; the validation part has no outlines."""
    tree = served.by_hand()
    for seed, (part, case) in enumerate((("1_v2", "00005-100"), ("_additional", "03064-100"))):
        stem = f"training_data{part}/BraTS-GLI-{case}/BraTS-GLI-{case}"
        for kind in ("t1c", "t1n", "t2f", "t2w"):
            tree.bytes(f"{stem}-{kind}.nii.gz", volume(seed))
        tree.bytes(f"{stem}-seg.nii.gz", volume(0, (1, (4, 4, 12, 12)), (2, (20, 4, 40, 30)), labels=True))
    tree.bytes("validation_data/BraTS-GLI-02073-100/BraTS-GLI-02073-100-t2f.nii.gz", volume(9))


def kipa22(served: Served) -> None:
    """Volumes and outlines of one name; the open test has no outlines."""
    tree = served.by_hand()
    parts = ((2, (4, 4, 30, 30)), (4, (32, 4, 44, 16)))
    for seed, name in enumerate(("case_00001", "case_00002")):
        tree.bytes(f"train/image/{name}.nii.gz", volume(seed))
        tree.bytes(f"train/label/{name}.nii.gz", volume(0, *parts, labels=True))
    tree.bytes("open_test/image/case_00003.nii.gz", volume(5))


def mama_mia(served: Served) -> None:
    """The phases of each patient, expert and automatic outlines, as the client of Synapse leaves them."""
    tree = served.by_hand()
    for seed, name in enumerate(("DUKE_001", "ISPY1_1001")):
        for phase in range(3):
            tree.bytes(f"images/{name}/{name}_000{phase}.nii.gz", volume(10 * seed + phase))
        for kind in ("expert", "automatic"):
            outlined = volume(0, (1, (10, 10, 30, 26)), labels=True)
            tree.bytes(f"segmentations/{kind}/{name}.nii.gz", outlined)
    tree.bytes("clinical_and_imaging_info.xlsx", b"PK")


def lld_mmri(served: Served) -> None:
    """Two phases of four patients: one lesion, two lesions, one whose kind is not told, another kind."""
    tree, found = served.by_hand(), {}
    for number, kinds in enumerate(((6,), (4, 4), (-1,), (0,))):
        patient, study, items = f"MR{number + 100}", f"1.2.{number}", []
        sides = {"x_min": 4, "x_max": 19, "y_min": 10, "y_max": 29, "z_min": 2, "z_max": 5}
        lesions = {
            str(place): {"category": kind, "bbox": {"2D_box": [], "3D_box": sides}}
            for place, kind in enumerate(kinds)
        }
        for place, phase in enumerate(("C+A", "T2WI")):
            series = f"{study}.{place}"
            about = {"num_targets": len(kinds), "lesion": lesions}
            items.append({"studyUID": study, "seriesUID": series, "phase": phase, "annotation": about})
            tree.bytes(f"images/{patient}/{study}/{series}.nii.gz", volume(10 * number + place))
        found[patient] = items
    tree.json("labels/Annotation.json", {"Annotation_info": found})
    tree.text("classification_dataset/labels/labels.txt", "MR100 6\n")


def bccd(served: Served) -> None:
    """The repository at the card's commit: boxes in XML, one of them of zero size, and lists of the splits."""
    tree = served.by_hand()
    cells = {
        "train": [
            ("BloodImage_00001", [("WBC", SPOT), ("RBC", OTHER)]),
            ("BloodImage_00343", [("RBC", (50, 33, 50, 33))]),
        ],
        "val": [("BloodImage_00338", [("Platelets", SPOT), ("RBC", (5, 5, 5, 5)), ("RBC", OTHER)])],
        "test": [("BloodImage_00007", [("Platelets", SPOT), ("Platelets", OTHER)])],
    }
    seed = 0
    for part, pictures in cells.items():
        tree.text(f"BCCD/ImageSets/Main/{part}.txt", "".join(f"{name}\n" for name, _ in pictures))
        for name, boxes in pictures:
            seed += 1
            tree.picture(f"BCCD/JPEGImages/{name}.jpg", seed)
            tree.text(f"BCCD/Annotations/{name}.xml", _voc(name, boxes))
    tree.text("BCCD/ImageSets/Main/trainval.txt", "BloodImage_00001\nBloodImage_00343\nBloodImage_00338\n")
    tree.text("test.csv", "filename,cell_type,xmin,xmax,ymin,ymax\n")


def _voc(name: str, boxes: list[tuple[str, Box]]) -> str:
    objects = "".join(
        f"\t<object>\n\t\t<name>{label}</name>\n\t\t<bndbox>\n\t\t\t<xmin>{left}</xmin>\n\t\t\t<ymin>{top}</ymin>\n"
        f"\t\t\t<xmax>{right}</xmax>\n\t\t\t<ymax>{bottom}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        for label, (left, top, right, bottom) in boxes
    )
    return (
        f"<annotation>\n\t<folder>JPEGImages</folder>\n\t<filename>{name}.jpg</filename>\n\t<size>\n"
        f"\t\t<width>{SIDE}</width>\n\t\t<height>{SIDE}</height>\n\t\t<depth>3</depth>\n\t</size>\n{objects}</annotation>\n"
    )


def deeplesion(served: Served) -> None:
    """All splits in one table; two lesions of a slice stand in two rows, one row is called noisy, kinds are often -1."""
    _deeplesion(served.by_hand(), "Images_png")


def deeplesion__an_archive_a_folder(served: Served) -> None:
    """Each archive unpacked into a folder of its name."""
    _deeplesion(served.by_hand(), "Images_png_01/Images_png")


def _deeplesion(tree: Tree, folder: str) -> None:
    rows = []
    slices = (("000001_01_01_109", -1, 0, 1), ("000002_01_01_014", -1, 0, 1), ("000002_01_01_014", -1, 0, 1))
    more = (("000003_02_01_030", -1, 1, 1), ("000004_01_01_008", 5, 0, 2), ("000005_01_01_077", 4, 0, 3))
    for name, kind, noisy, part in (*slices, *more):
        rows.append(
            {
                **{
                    "File_name": f"{name}.png",
                    "Patient_index": int(name[:6]),
                    "Study_index": 1,
                    "Series_ID": 1,
                },
                **{"Key_slice_index": int(name[-3:]), "Measurement_coordinates": "12.1, 14.2, 28.3, 36.4"},
                **{"Bounding_boxes": "10.25, 12.5, 30.75, 40.125", "Lesion_diameters_Pixel_": "20.1, 9.5"},
                **{
                    "Normalized_lesion_location": "0.4, 0.4, 0.3",
                    "Coarse_lesion_type": kind,
                    "Possibly_noisy": noisy,
                },
                **{
                    "Slice_range": "103, 115",
                    "Spacing_mm_px_": "0.8, 0.8, 5",
                    "Image_size": f"{SIDE}, {SIDE}",
                },
                **{
                    "DICOM_windows": "-175, 275",
                    "Patient_gender": "F",
                    "Patient_age": 62,
                    "Train_Val_Test": part,
                },
            }
        )
        series, _, place = name.rpartition("_")
        tree.bytes(f"{folder}/{series}/{place}.png", deep(int(name[:6])))
    tree.csv("DL_info.csv", rows)


def pannuke(served: Served) -> None:
    """Three archives, a fold each: pictures and organs in one folder, numbered nuclei of six channels in another."""
    _pannuke(served.by_hand(), "Fold {0}")


def pannuke__an_archive_a_folder(served: Served) -> None:
    """Each archive unpacked into a folder of its name."""
    _pannuke(served.by_hand(), "fold_{0}/Fold {0}")


def _pannuke(tree: Tree, top: str) -> None:
    for fold in (1, 2, 3):
        rng = np.random.default_rng(fold)
        masks = np.zeros((2, SIDE, SIDE, 6))
        masks[0, 10:20, 12:24, 0], masks[0, 30:40, 30:42, 0], masks[1, 5:15, 5:25, 4] = 3, 9, 4
        place = f"{top.format(fold)}/{{}}/fold{fold}/{{}}.npy"
        tree.bytes(
            place.format("images", "images"), array(rng.integers(0, 256, (2, SIDE, SIDE, 3)).astype(float))
        )
        tree.bytes(place.format("images", "types"), array(np.array(["Breast", "Bile-duct"])))
        tree.bytes(place.format("masks", "masks"), array(masks))


def mhsma(served: Served) -> None:
    """The repository: pictures in two sizes and four labels a split."""
    tree = served.by_hand()
    for seed, part in enumerate(("train", "valid", "test")):
        for size in (64, 128):
            pictures = np.random.default_rng(10 * size + seed).integers(
                0, 256, (3, size, size), dtype=np.uint8
            )
            tree.bytes(f"mhsma/x_{size}_{part}.npy", array(pictures))
        for label in ("acrosome", "head", "tail", "vacuole"):
            tree.bytes(f"mhsma/y_{label}_{part}.npy", array(np.array([0, 1, label == "head"], np.uint8)))
