"""Labelled pictures of skin and eyes as their publishers serve them, a table each. All is made up."""

from __future__ import annotations

from published.tree import Served, Tree, picture

BRSET = [
    {"image_id": "img00001", "patient_id": 1, "camera": "Canon CR", "patient_sex": 1, "quality": "Adequate"},
    {
        "image_id": "img00002",
        "patient_id": 1,
        "camera": "Canon CR",
        "patient_sex": 1,
        "quality": "Inadequate",
    },
    {"image_id": "img00003", "patient_id": 2, "camera": "NIKON", "patient_sex": 2, "quality": "Adequate"},
]
FINDINGS = (
    *("diabetic_retinopathy", "macular_edema", "scar", "nevus", "amd", "vascular_occlusion"),
    *("hypertensive_retinopathy", "drusens", "hemorrhage", "retinal_detachment", "myopic_fundus"),
    *("increased_cup_disc", "other"),
)


def brset(served: Served) -> None:
    """Version 1.0.1."""
    _brset(served.physionet("brazilian-ophthalmological/1.0.1"), "labels_brset.csv")


def brset__1_0_0(served: Served) -> None:
    """The first version's table has another name; here in the folder of one who has got it by hand."""
    _brset(served.by_hand(), "labels.csv")


def brset__1_0_2(served: Served) -> None:
    """A later version's: `drusens` is called `drusen`, and names have their suffix."""
    _brset(served.by_hand(), "label_brset.csv", drusen="drusen", suffix=".jpg")


def _brset(tree: Tree, table: str, *, drusen: str = "drusens", suffix: str = "") -> None:
    rows = []
    for number, row in enumerate(BRSET):
        there = {
            drusen if name == "drusens" else name: int(place % 3 == number)
            for place, name in enumerate(FINDINGS)
        }
        rows.append({**row, "image_id": f"{row['image_id']}{suffix}", **there})
        tree.picture(f"fundus_photos/{row['image_id']}.jpg", number)
    tree.csv(table, rows)


def dr_2015_2019(served: Served) -> None:
    """Two competitions with other names of columns; the second one's test has no labels."""
    tree = served.by_hand()
    train15 = [
        {"image": f"{number}_{eye}", "level": grade}
        for number, eye, grade in ((10, "left", 0), (10, "right", 2))
    ]
    train19 = [{"id_code": "000c1434d8d7", "diagnosis": 4}, {"id_code": "001639a390f0", "diagnosis": 0}]
    test15 = [
        {"image": "1_left", "level": 0, "Usage": "Private"},
        {"image": "1_right", "level": 3, "Usage": "Public"},
    ]
    for place, (part, rows) in enumerate((("train 15", train15), ("train 19", train19), ("test 15", test15))):
        name = part.replace(" ", "Labels")
        tree.csv(f"labels/{name}.csv", rows)
        for number, row in enumerate(rows):
            tree.picture(f"resized {part}/{next(iter(row.values()))}.jpg", 10 * place + number)
    tree.picture("resized test 19/0005cfc8afb6.jpg", 50)


def fitzpatrick17k(served: Served) -> None:
    """The table of the repository, and the pictures as the form's archive has them; an address is missing."""
    tree, rows = served.by_hand(), []
    parts = ("inflammatory", "malignant melanoma", "benign dermal")
    for number, part in enumerate(parts):
        name = f"{number}e82a45bc5d78bd24ae9202d194423f8"
        rows.append(
            {
                **{"md5hash": name, "fitzpatrick_scale": (-1, 3, 6)[number], "fitzpatrick_centaur": 3},
                **{
                    "label": "a made-up disease",
                    "nine_partition_label": part,
                    "three_partition_label": "benign",
                },
                **{"qc": "3 Wrongly labelled" if number == 1 else "", "url": "", "url_alphanum": ""},
            }
        )
        tree.picture(f"data/finalfitz17k/{name}.jpg", number)
    tree.csv("fitzpatrick17k.csv", rows)


HAM = [
    *(("HAM_0000118", "ISIC_0027419", "bkl"), ("HAM_0000118", "ISIC_0025030", "bkl")),
    *(("HAM_0002730", "ISIC_0026769", "nv"), ("HAM_0001466", "ISIC_0031633", "mel")),
]


def ham10000(served: Served) -> None:
    """Dataverse: its own writing of the table, with tabs and quotes, and zips without a folder."""
    tree = served.by_hand()
    head = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"]
    lines = ["\t".join(f'"{name}"' for name in head)]
    for number, (lesion, name, label) in enumerate(HAM):
        texts = [f'"{text}"' for text in (lesion, name, label, "histo")]
        lines.append("\t".join([*texts, "80.0" if number else "", '"male"', '"scalp"', '"vidir_modern"']))
        tree.picture(f"{name}.jpg", number)
    tree.text("HAM10000_metadata.tab", "\n".join(lines) + "\n")


def ham10000__kaggle(served: Served) -> None:
    """Kaggle: a table with commas, two folders of pictures."""
    tree = served.by_hand()
    keys = ("lesion_id", "image_id", "dx")
    rows = [
        {**dict(zip(keys, one, strict=True)), "dx_type": "histo", "age": 80.0, "sex": "male"} for one in HAM
    ]
    tree.csv("HAM10000_metadata.csv", rows)
    for number, (_, name, _) in enumerate(HAM):
        tree.picture(f"HAM10000_images_part_{1 + number % 2}/{name}.jpg", number)


def isic_2020(served: Served) -> None:
    """The first version of the table, the JPEG pictures."""
    _isic(served.by_hand(), "", "train/")


def isic_2020__second_table(served: Served) -> None:
    """The second version of the table, with the lesion; the archive unpacked into a folder of its name."""
    _isic(served.by_hand(), "_v2", "ISIC_2020_Training_JPEG/train/")


def isic_2020__both_tables(served: Served) -> None:
    """Both versions of the table side by side: each picture is asked about once."""
    isic_2020(served)
    _isic(served.by_hand(), "_v2", "train/")


def _isic(tree: Tree, version: str, folder: str) -> None:
    rows = []
    for number, label in enumerate(("benign", "malignant", "benign")):
        name, lesion = f"ISIC_000000{number}", {"lesion_id": f"IL_{number}"} if version else {}
        about = {
            "sex": "male",
            "age_approx": 45.0,
            "anatom_site_general_challenge": "torso",
            "diagnosis": "unknown",
        }
        state = {"benign_malignant": label, "target": int(label == "malignant")}
        rows.append({"image_name": name, **lesion, "patient_id": f"IP_{number}", **about, **state})
        tree.picture(f"{folder}{name}.jpg", number)
    tree.csv(f"ISIC_2020_Training_GroundTruth{version}.csv", rows)


def pad_ufes_20(served: Served) -> None:
    """Three archives of pictures in `images`, beside the table."""
    _pad(served.by_hand(), "images/imgs_part_{}")


def pad_ufes_20__nested(served: Served) -> None:
    """Archives unpacked into folders of their own names, without `images`, and the zips still beside them."""
    tree = served.by_hand()
    _pad(tree, "imgs_part_{0}/imgs_part_{0}")
    tree.zip("imgs_part_1.zip", {"imgs_part_1/PAT_1.png": picture(9, suffix="png")})


def _pad(tree: Tree, folder: str) -> None:
    rows = []
    for number, label in enumerate(("BCC", "NEV", "ACK")):
        name = f"PAT_{number}_{number + 9}_45.png"
        rows.append(
            {
                "patient_id": f"PAT_{number}",
                "lesion_id": number,
                "diagnostic": label,
                "itch": "UNK",
                "img_id": name,
            }
        )
        tree.picture(f"{folder.format(number + 1)}/{name}", number)
    tree.csv("metadata.csv", rows)
