"""Conversations that are not medical, with pictures and without, as their publishers serve them. All rows are made up."""

from __future__ import annotations

from collections.abc import Mapping

from published.tree import Row, Served, Tree, picture

REFUSED = {"llava_1_5_instruct__with_gaps": {"image": 2}}


def talk(*said: str) -> list[Row]:
    """Turns of `from` and `value`, a person's first."""
    return [{"from": ("human", "gpt")[number % 2], "value": text} for number, text in enumerate(said)]


def zipped(served: Served, url: str, members: Mapping[str, bytes]) -> None:
    """A zip at a web address."""
    Tree(served.root / "web").zip(url.partition("://")[2], members)


def allava(served: Served) -> None:
    """Pictures of LAION in numbered archives beside the rows, those of Vision-FLAN in that project's own repository."""
    hub = served.hub("FreedomIntelligence/ALLaVA-4V")
    web = "https://example.org/a.jpg"
    laion: list[Row] = [
        {
            "id": f"allava_laion_inst_{number}",
            "image": f"allava_laion/images/{number}.jpeg",
            "conversations": talk(
                f"<image>\nWhy is lamp {number} lit?", f"Lamp {number} is lit for the evening."
            ),
            "original_caption": "a lamp",
            "url": web,
        }
        for number in (100, 200)
    ]
    hub.json("allava_laion/ALLaVA-Instruct-LAION-4V.json", laion)
    captions = [{**row, "id": "c", "conversations": talk("<image>\nDepict it.", "A lamp.")} for row in laion]
    hub.json("allava_laion/ALLaVA-Caption-LAION-4V.json", captions)
    for chunk, number in enumerate((100, 200)):
        hub.zip(
            f"allava_laion/image_chunks/images_{chunk}.zip",
            {f"images/{number}.jpeg": picture(number, suffix="jpeg")},
        )
    name = "images_191task_1k/Sketch+object_recognition_7_chair-5.png"
    vflan: Row = {
        "id": "allava_vflan_inst_9",
        "image": f"allava_vflan/images/{name}",
        "conversations": talk(
            "<image>\nUse the picture.\n\nIs this a chair?", "It is a chair with four legs."
        ),
    }
    hub.json("allava_vflan/ALLaVA-Instruct-VFLAN-4V.json", [vflan])
    hub.json("allava_vflan/ALLaVA-Caption-VFLAN-4V.json", [{**vflan, "id": "allava_vflan_cap_9"}])
    hub.json(
        "allava_text/Evol-Instruct-GPT4-Turbo-143K.json", [{"idx": "x", "conversations": talk("Hi", "Hello")}]
    )
    hub.json("others/Instruct-LAION-4oiterative.json", laion)
    flan = served.hub("Vision-Flan/vision-flan_191-task_1k")
    flan.zip("image_191-task_1k.zip", {name: picture(9, suffix="png")})
    flan.json("annotation_191-task_1k.json", [{"id": "x", "image": "x.png", "conversations": talk("Q", "A")}])


def _mix(served: Served) -> None:
    """The mixture of LLaVA-1.5: rows with pictures of five sets and text rows in one file."""
    shared = {"id": "wgByO4Y_0", "model": ""}
    rows: list[Row] = [
        {
            "id": "000000033471",
            "image": "coco/train2017/000000033471.jpg",
            "conversations": talk(
                "<image>\nWhat colour is the bus?",
                "The bus is white.",
                "Is it moving?",
                "No, it stands at a stop.",
                "Who waits for it?",
                "Two people wait for it.",
            ),
        },
        {
            "id": "1",
            "image": "gqa/images/2345.jpg",
            "conversations": talk(
                "<image>\nIs it day?\nAnswer the question using a single word or phrase.", "Yes"
            ),
        },
        {
            "id": "2",
            "image": "ocr_vqa/images/140031996.jpg",
            "conversations": talk(
                "Who wrote this book?\n<image>", "Nobody Known", "What is its title?", "A Title"
            ),
        },
        {
            "id": "3",
            "image": "textvqa/train_images/8a92.jpg",
            "conversations": talk(
                "Give a caption.\n<image>\nReference OCR token: STOP", "A sign that says stop."
            ),
        },
        {
            "id": "VG_100K_2/1.jpg",
            "image": "vg/VG_100K_2/1.jpg",
            "conversations": talk("<image>\nWhere is the cup?", "[0.1, 0.2, 0.3, 0.4]"),
        },
        {
            "id": "VG_100K/2.jpg",
            "image": "vg/VG_100K/2.jpg",
            "conversations": talk("<image>\nWhere is the cat?", "[0.5, 0.2, 0.6, 0.4]"),
        },
        {
            **shared,
            "conversations": talk(
                "Write a haiku.", "Leaves fall on the pond.", "Another.", "Snow on the roof."
            ),
        },
        {
            **shared,
            "id": "wgByO4Y_1",
            "conversations": [{"from": "gpt", "value": "As I said."}, *talk("Go on.", "Then the rest.")],
        },
    ]
    hub = served.hub("liuhaotian/LLaVA-Instruct-150K")
    hub.json("llava_v1_5_mix665k.json", rows)
    hub.json("llava_instruct_80k.json", [{**rows[0], "image": "000000033471.jpg"}])


def _pictured(served: Served, *, books: Mapping[str, bytes], cup: bytes) -> None:
    _mix(served)
    gqa, text = (
        "https://downloads.cs.stanford.edu/nlp/data/gqa",
        "https://dl.fbaipublicfiles.com/textvqa/images",
    )
    vg = "https://cs.stanford.edu/people/rak248/VG_100K_2"
    for url, members in {
        "http://images.cocodataset.org/zips/train2017.zip": {"train2017/000000033471.jpg": picture(1)},
        f"{gqa}/images.zip": {"images/2345.jpg": picture(2)},
        f"{text}/train_val_images.zip": {"train_images/8a92.jpg": picture(3)},
        f"{vg}/images.zip": {"VG_100K/2.jpg": picture(4)},
        f"{vg}/images2.zip": {"VG_100K_2/1.jpg": cup},
    }.items():
        zipped(served, url, members)
    served.hub("weizhiwang/llava_v15_instruction_images").zip("ocr_vqa_images_llava_v15.zip", books)


def llava_1_5_instruct(served: Served) -> None:
    """A GIF stands under a name of `.jpg`, as in the set's own copies of OCR-VQA."""
    _pictured(served, books={"images/140031996.jpg": picture(6, suffix="gif")}, cup=picture(5))


def llava_1_5_instruct__with_gaps(served: Served) -> None:
    """A picture of OCR-VQA is gone and a file of Visual Genome is empty, as users report of some."""
    _pictured(served, books={"images/1.jpg": picture(6)}, cup=b"")


def llava_1_5_text(served: Served) -> None:
    _mix(served)


def _pretrain(served: Served, inside: str) -> None:
    hub = served.hub("liuhaotian/LLaVA-Pretrain")
    names = ("00453/004539375.jpg", "00223/002239345.jpg")
    rows: list[Row] = [
        {
            "id": names[0][6:-4],
            "image": names[0],
            "conversations": talk("Render a summary of the photo.\n<image>", "a chair and a table on a lawn"),
        },
        {
            "id": names[1][6:-4],
            "image": names[1],
            "conversations": talk("<image>\nWhat is in the photo?", "a blue vase"),
        },
    ]
    hub.json("blip_laion_cc_sbu_558k.json", rows)
    hub.json("blip_laion_cc_sbu_558k_meta.json", [{"id": names[0][6:-4], "blip_caption": "x", "url": "y"}])
    hub.zip("images.zip", {f"{inside}{name}": picture(seed) for seed, name in enumerate(names)})


def llava_1_5_pretrain(served: Served) -> None:
    """The archive's numbered folders stand for themselves."""
    _pretrain(served, "")


def llava_1_5_pretrain__in_images(served: Served) -> None:
    """As other readers describe the archive."""
    _pretrain(served, "images/")


def openhermes_2_5(served: Served) -> None:
    """System messages and a conversation that begins with an answer."""
    blank = dict.fromkeys(("system_prompt", "model", "avatarUrl", "title", "idx", "hash"))
    rows: list[Row] = [
        {**blank, "source": "airoboros2.2", "category": "orca", "conversations": talk("What is 2 + 2?", "4")},
        {
            **blank,
            "source": "CamelAI",
            "conversations": [
                {"from": "system", "value": "You answer as a pirate.", "weight": None},
                *talk("Where is the ship?", "Arr, in the bay.", "And the crew?", "Arr, ashore."),
            ],
        },
        {
            **blank,
            "source": "lmsys-1m",
            "conversations": [{"from": "gpt", "value": "Hello."}, *talk("Name a bird.", "A wren.")],
        },
    ]
    served.hub("teknium/OpenHermes-2.5").json("openhermes2_5.json", rows)
