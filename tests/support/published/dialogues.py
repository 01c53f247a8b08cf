"""Conversations about medical pictures, as their publishers serve them. All rows are made up."""

from __future__ import annotations

import json

from published.general import talk
from published.tree import Row, Served, picture


def _quilt_captions() -> list[Row]:
    return [
        {
            "id": f"0tS0jzBnbXw_{number}",
            "image": f"0tS0jzBnbXw_image_{number}.jpg",
            "conversations": talk(
                "<image>\nDescribe the image concisely.", f"A gland {number} with mitoses."
            ),
        }
        for number in (1, 2)
    ]


def quilt_llava_pretrain(served: Served) -> None:
    """Rows on the hub; the pictures are handed out with Quilt-1M, as a folder `quilt_1m`."""
    rows = _quilt_captions()
    served.hub("wisdomik/Quilt-LLaVA-Pretrain").json("quilt_pretrain.json", rows)
    for seed, row in enumerate(rows):
        served.by_hand().picture(f"quilt_1m/{row['image']}", seed)


def quilt_llava_pretrain__in_images(served: Served) -> None:
    rows = _quilt_captions()
    served.by_hand().json("quilt_pretrain.json", rows)
    for seed, row in enumerate(rows):
        served.by_hand().picture(f"images/{row['image']}", seed)


def _quilt_dialogues() -> list[Row]:
    return [
        {
            "id": "1",
            "image": "0tS0jzBnbXw_roi_1.jpg",
            "conversations": talk(
                "<image>\nWhat stain is it?",
                "It is H&E.",
                "What stands out?",
                "The dense infiltrate.",
                "Why?",
                "Immunity.",
            ),
        },
        {
            "id": "2",
            "image": "0tS0jzBnbXw_roi_2.jpg",
            "conversations": talk("Describe the lower left.\n<image>", "A necrotic focus."),
        },
    ]


def quilt_llava_instruct(served: Served) -> None:
    """Rows on the hub beside the choices of rows that they were made from; pictures in `quilt_instruct`."""
    rows = _quilt_dialogues()
    hub = served.hub("wisdomik/QUILT-LLaVA-Instruct-107K")
    for name in ("107k", "ablation_40k", "complex_abductive", "conv_desc"):
        hub.json(f"quilt_instruct_{name}.json", rows)
    hub.parquet("cursor.parquet", [{"video_id": "0tS0jzBnbXw", "x": 1}])
    for seed, row in enumerate(rows):
        served.by_hand().picture(f"quilt_instruct/{row['image']}", seed)


def quilt_llava_instruct__in_images(served: Served) -> None:
    rows = _quilt_dialogues()
    served.by_hand().json("quilt_instruct_107k.json", rows)
    for seed, row in enumerate(rows):
        served.by_hand().picture(f"images/{row['image']}", seed)


LLAVA_MED = "https://hanoverprod.z21.web.core.windows.net/med_llava"


def llava_med_alignment(served: Served) -> None:
    """The key of the dialogue is misspelt; of three pictures one is no longer to be had."""
    rows: list[Row] = [
        {
            "id": f"{number}_F1",
            "image": f"{number}_F1.jpg",
            "domain": {
                "chest_xray": False,
                "mri": True,
                "histology": False,
                "gross": False,
                "ct_scan": False,
            },
            "conversatons": talk(
                "Describe the following image.\n<image>", f"MRI {number} of a made-up knee."
            ),
        }
        for number in (30001, 30002, 30003)
    ]
    served.web(f"{LLAVA_MED}/alignment/llava_med_alignment_500k.json", json.dumps(rows).encode())
    for seed in (30001, 30002):
        served.by_hand().picture(f"images/{seed}_F1.jpg", seed)


def llava_med_instruct(served: Served) -> None:
    """Both spellings of the key; of three pictures one is no longer to be had."""
    rows: list[Row] = [
        {
            "id": f"{number}_F2",
            "image": f"{number}_F2.jpg",
            "domain": {
                "chest_xray": True,
                "mri": False,
                "histology": False,
                "gross": False,
                "ct_scan": False,
            },
            key: talk(
                "Can you describe the image?\n<image>",
                "It is a radiograph.",
                "Which side is denser?",
                "The left side.",
                "What may cause it?",
                "Fluid may.",
            ),
        }
        for number, key in ((40001, "conversations"), (40002, "conversatons"), (40003, "conversations"))
    ]
    name = "llava_med_instruct_60k_inline_mention.json"
    served.web(f"{LLAVA_MED}/instruct/{name}", json.dumps(rows).encode())
    for seed in (40001, 40002):
        served.by_hand().picture(f"images/{seed}_F2.jpg", seed)


def llava_med_zh(served: Served) -> None:
    rows: list[Row] = [
        {
            "messages": [
                {"role": "user", "content": "<image>这张图像是什么?"},
                {"role": "assistant", "content": "这是胸部X光片。"},
                {"role": "user", "content": "有什么发现?"},
                {"role": "assistant", "content": "左侧密度增高。"},
            ],
            "images": [{"bytes": picture(seed), "path": f"{seed}.jpg"}],
        }
        for seed in (1, 2)
    ]
    hub = served.hub("BUAADreamer/llava-med-zh-instruct-60k")
    for shard, row in enumerate(rows):
        hub.parquet(f"data/train-{shard:05}-of-00002.parquet", [row])


def _pubmedvision(served: Served) -> None:
    """Pictures in numbered archives; rows of one picture and of several, without marks."""
    hub = served.hub("FreedomIntelligence/PubMedVision")

    def row(id: str, images: list[str], question: str, answer: str) -> Row:
        said = talk(question, answer)
        return {"id": id, "image": images, "conversations": said, "modality": "MRI", "body_part": "Knee"}

    names = ["images/pmc_1_0.jpg", "images/pmc_2_0.jpg", "images/pmc_2_1.jpg"]
    asked = "What is noted in these images?"
    hub.json(
        "PubMedVision_Alignment_VQA.json",
        [
            row("pmc_1", names[:1], "Describe this image.", "A made-up knee."),
            row("pmc_2", names[1:], "Describe these images.", "Two made-up knees."),
        ],
    )
    hub.json(
        "PubMedVision_InstructionTuning_VQA.json",
        [row("pmc_1", names[:1], "What is noted?", "Fluid."), row("pmc_2", names[1:], asked, "A tear.")],
    )
    hub.json("PubMedVision_Original_Caption.json", [{"id": "pmc_1", "caption": "A knee."}])
    hub.zip("images_0.zip", {names[0]: picture(1), names[1]: picture(2)})
    hub.zip("images_1.zip", {names[2]: picture(3)})


def pubmedvision(served: Served) -> None:
    _pubmedvision(served)


def pubmedvision_instruct(served: Served) -> None:
    _pubmedvision(served)


def synth_long_captions(served: Served) -> None:
    """Made by nobody but the user: captions of one picture and of a volume's slices."""
    hand = served.by_hand()
    rows: list[Row] = []
    for number, images in ((1, ["a.png"]), (2, ["b_1.png", "b_2.png"])):
        marks = "<image>" * len(images)
        rows.append(
            {
                "id": str(number),
                "image": images,
                "conversations": talk(f"{marks}\nDescribe it at length.", f"A long made-up text {number}."),
            }
        )
        for seed, name in enumerate(images):
            hand.picture(f"images/{name}", 10 * number + seed)
    hand.jsonl("train.jsonl", rows)
