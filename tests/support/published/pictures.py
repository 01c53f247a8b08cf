"""Pictures with captions, as their publishers serve them. All rows are made up."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

import numpy as np

from published.tree import Row, Served, Tree, picture


def packed(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def pixmo_cap(served: Served) -> None:
    """Addresses and captions; of two pictures one was still to be had."""
    hub = served.hub("allenai/pixmo-cap")
    addresses = [f"https://example.org/{name}.jpg" for name in ("here", "gone")]
    for shard, address in enumerate(addresses):
        row = {"image_url": address, "caption": f"A long text {shard}.", "transcripts": ["um a text", "so"]}
        hub.parquet(f"data/train-{shard:05}-of-00002.parquet", [row])
    served.by_hand().bytes(f"images/{hashlib.sha256(addresses[0].encode()).hexdigest()}", picture(1))


def _pmc_rows() -> list[Row]:
    return [
        {
            "image": f"PMC{number}_Fig1_{number}.jpg",
            "caption": f"(A) A made-up scan {number}.",
            "alignment_type": "subfigure - caption",
            "alignment_score": 0.9,
        }
        for number in (1, 2, 3)
    ]


def pmc_oa(served: Served) -> None:
    """One archive whose pictures lie in a folder of a long name; four more lists beside the whole one."""
    hub, rows = served.hub("axiong/pmc_oa"), _pmc_rows()
    hub.jsonl("pmc_oa.jsonl", rows)
    for name in ("pmc_oa_beta", "train", "valid", "test"):
        hub.jsonl(f"{name}.jsonl", rows[:1])
    folder = "caption_T060_filtered_top4_sep_v0_subfigures"
    hub.zip("images.zip", {f"{folder}/{row['image']}": picture(n) for n, row in enumerate(rows)})


def pmc_oa__in_images(served: Served) -> None:
    """As many readers have it: the archive unpacked into a folder `images`."""
    hand, rows = served.by_hand(), _pmc_rows()
    hand.jsonl("pmc_oa.jsonl", rows)
    for seed, row in enumerate(rows):
        hand.picture(f"images/caption_T060_filtered_top4_sep_v0_subfigures/{row['image']}", seed)


def _medicat(number: int, **more: object) -> Row:
    return {
        "pdf_hash": f"{number:040x}",
        "fig_key": f"Figure{number}",
        "fig_uri": f"{number + 1}-Figure{number}-1.png",
        "s2_caption": f"Figure {number}. (A) Enema and (B) endoscopy.",
        "s2orc_caption": f"Figure {number}.",
        "s2orc_references": ["Fluid was seen (Figure 1)."],
        "radiology": True,
        "scope": False,
        "predicted_type": "Medical images",
        "oa_info": {"doi": "10.0/x", "oa": {"is_oa": True, "license": "cc-by"}},
        **more,
    }


MEDICAT_ROWS = "s2_full_figures_oa_nonroco_combined_medical_top4_public.jsonl"


def _figure(row: Row) -> str:
    return f"figures/{row['pdf_hash']}_{row['fig_uri']}"


def _medicat_rows() -> list[Row]:
    return [_medicat(1), _medicat(2, s2_caption=""), _medicat(3, radiology=False, s2orc_references=None)]


def medicat(served: Served) -> None:
    """One archive with all that was released below `release`; a row has its legend only as S2ORC read it."""
    rows = _medicat_rows()
    members = {f"release/{_figure(row)}": picture(seed, suffix="png") for seed, row in enumerate(rows)}
    members[f"release/{MEDICAT_ROWS}"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    members["release/roco_references/references.jsonl"] = b'{"roco_image_id": "x"}\n'
    served.web(
        "https://ai2-s2-medicat.s3.us-west-2.amazonaws.com/2020-10-05/medicat_release.tar.gz", packed(members)
    )


def medicat__without_release(served: Served) -> None:
    """As readers have it who put what is below `release` into the folder itself."""
    rows = _medicat_rows()
    served.by_hand().jsonl(MEDICAT_ROWS, rows)
    for seed, row in enumerate(rows):
        served.by_hand().picture(_figure(row), seed)


def _legends(hub: Tree, **more: object) -> None:
    shards = [("train", 0), ("train", 1), ("validation", 0), ("test", 0)]
    for seed, (split, shard) in enumerate(shards):
        row = {
            "image": {"bytes": picture(seed), "path": None},
            "image_id": f"ROCO_{seed:05}",
            "caption": f" Axial slice {seed} of a made-up chest.\n",
            **more,
        }
        hub.parquet(f"data/{split}-{shard:05}-of-{2 if split == 'train' else 1:05}.parquet", [row])


def roco(served: Served) -> None:
    _legends(served.hub("eltorio/ROCO-radiology"))


def rocov2(served: Served) -> None:
    _legends(served.hub("eltorio/ROCOv2-radiology"), cui=["C0040405", "C0817096"])


def _eyes(tree: Tree, test: str) -> None:
    parts = ((10141, "Training"), (83332, "Training"), (72222, "Validation"), (30964, test))
    for seed, (number, folder) in enumerate(parts):
        eye = np.random.default_rng(seed).integers(0, 256, (83, 64), dtype=np.uint8)
        out = io.BytesIO()
        np.savez(
            out,
            slo_fundus=eye,
            md=np.array(-1.5),
            tds=np.zeros(52),
            age=np.array(61.0),
            gender=np.array(0),
            race=np.array(2),
            ethnicity=np.array(-1),
            language=np.array(0),
            maritalstatus=np.array(1),
            glaucoma=np.array(1),
            note=np.array(f"Made-up note {seed}: pressure is stable."),
        )
        tree.bytes(f"{folder}/data_{number:05}.npz", out.getvalue())
    tree.text("data_summary.csv", "filename,age\n")
    tree.text("gpt-4_summarized_notes.csv", "filename,note,gpt4_summary\n")


def fairvlmed(served: Served) -> None:
    _eyes(served.hub("harvardairobotics/FairVLMed"), "Test")


def fairvlmed__testing(served: Served) -> None:
    """As the publisher's first README and training code name the folder."""
    _eyes(served.hub("harvardairobotics/FairVLMed"), "Testing")


def medpix_2(served: Served) -> None:
    """The repository's own tree; one caption is the archive's placeholder."""
    hand = served.by_hand()

    def described(number: int, kind: str, caption: str) -> Row:
        name = f"MPX{1000 + number}_synpic{number}"
        hand.picture(f"MedPix-2-0/images/{name}.png", number)
        return {
            "Type": kind,
            "U_id": f"MPX{1000 + number}",
            "image": name,
            "Description": {
                "ACR Codes": "1.1",
                "Age": "61",
                "Caption": caption,
                "Modality": kind,
                "Plane": "Axial",
            },
            "Location": "Head",
            "Location Category": "Head",
        }

    rows = [
        described(1, "CT", "A made-up cyst."),
        described(2, "MR", "A made-up mass."),
        described(3, "MR", "Replace this - DESCRIPTION OF PICTURE"),
    ]
    folder = "MedPix-2-0/splitted_dataset"
    for split, part in (
        ("train", rows),
        ("dev", [described(4, "CT", "Air.")]),
        ("test", [described(5, "MR", "Fat.")]),
    ):
        hand.jsonl(f"{folder}/descriptions_{split}.jsonl", part)
        hand.jsonl(
            f"{folder}/data_{split}.jsonl", [{"U_id": row["U_id"], "TAC": [], "MRI": []} for row in part]
        )
