"""Rows to a batch: whole dialogues in one pass, against TRL's collator, which knows one answer a row.

    python benchmarks/collate.py [--out FILE]

Both get the same rows with open pictures and the same processor, and take turns, batch by batch; that both batches are equal is
asserted first. Of a dialogue TRL is given each answer as a row of its own, after all that came before it: that is what training
every answer takes with one border a row, pictures opened to patches each time. Seconds of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import numpy as np  # noqa: E402
import stock  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from lingshu_train.data.lessons import lessons  # noqa: E402
from lingshu_train.model import shape  # noqa: E402
from lingshu_train.training.collate import IGNORED, Collator, taught  # noqa: E402

RESULT = HERE / "results" / "collate.json"
ROWS, ROUNDS, SIDE = 8, 41, 448
WORDS = [
    "the",
    "left",
    "lower",
    "lobe",
    "shows",
    "a",
    "small",
    "round",
    "opacity",
    "without",
    "effusion",
    "or",
    "pneumothorax",
    "while",
    "the",
    "heart",
    "is",
    "of",
    "normal",
    "size",
]
Row = dict[str, Any]


def rows_of(*, answers: int, picture: bool) -> list[Row]:
    """A batch of conversations with so many answers of some 20 to 60 words."""
    draw = np.random.default_rng(0)

    def said(least: int, most: int) -> str:
        return " ".join(draw.choice(WORDS, int(draw.integers(least, most))))

    made = []
    for number in range(ROWS):
        messages: list[Row] = []
        for turn in range(answers):
            parts = [{"type": "image"}] if picture and turn == 0 else []
            messages.append({"role": "user", "content": [*parts, {"type": "text", "text": said(6, 20)}]})
            messages.append({"role": "assistant", "content": said(20, 60)})
        pixels = draw.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        made.append(
            {"row": number, "messages": messages, "images": [Image.fromarray(pixels)] if picture else []}
        )
    return made


def one_by_one(rows: Sequence[Row]) -> list[Row]:
    """Each answer as the last of a row."""
    return [
        {**row, "messages": row["messages"][: place + 1]}
        for row in rows
        for place, message in enumerate(row["messages"])
        if message["role"] == "assistant"
    ]


def collator(processor: Any, rows: Sequence[Row]) -> Collator:
    """As a supervised stage makes it, with the lengths that it compares with."""
    batch = taught(
        processor, lessons(processor, [row["messages"] for row in rows]), [row["images"] for row in rows]
    )
    lengths = [one.sum(dim=1).tolist() for one in (batch["attention_mask"], batch["labels"] != IGNORED)]
    return Collator(
        processor=processor,
        packing=False,
        stored=lambda numbers: tuple([column[number] for number in numbers] for column in lengths),
        family=tiny.FAMILY,
        model=None,
    )


def seconds(work: Callable[[], object]) -> float:
    since = time.process_time()
    work()
    return time.process_time() - since


def compare(processor: Any, *, answers: int, picture: bool) -> dict[str, Any]:
    rows = rows_of(answers=answers, picture=picture)
    ours, single = collator(processor, rows), one_by_one(rows)
    batch, theirs = ours(rows), stock.collated(processor, single)
    if answers == 1:
        assert set(batch) == set(theirs) and all(torch.equal(batch[name], theirs[name]) for name in theirs)
    assert int((batch["labels"] != IGNORED).sum()) == int((theirs["labels"] != IGNORED).sum())
    arms: dict[str, list[float]] = {"ours": [], "trl": []}
    for _ in range(ROUNDS):
        arms["ours"].append(seconds(lambda: ours(rows)))
        arms["trl"].append(seconds(lambda: stock.collated(processor, single)))
    medians = {name: statistics.median(values) for name, values in arms.items()}
    return {
        "tokens": {"ours": int(batch["attention_mask"].sum()), "trl": int(theirs["attention_mask"].sum())},
        "answers_taught": answers * ROWS,
        "answers_per_core_second": {
            name: round(answers * ROWS / value, 1) for name, value in medians.items()
        },
        "ours_over_trl": round(medians["trl"] / medians["ours"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    told = circumstances.told("torch", "transformers", "trl", "tokenizers", "pillow")
    torch.set_num_threads(1)
    budget = shape.of("qwen2_5_vl").published_budget(min_pixels=3136, max_pixels=1_003_520)
    words = tiny.FAMILY.build_tokenizer([" ".join(WORDS)] * 4, vocabulary=512)
    processor = tiny.FAMILY.build_processor(words, budget)
    found = {
        "what": (__doc__ or "").partition("\n")[0],
        **told,
        "rows": ROWS,
        "rounds": ROUNDS,
        "picture_side": SIDE,
    }
    for answers in (1, 4):
        for picture in (False, True):
            name = (
                f"{answers} answer{'s' * (answers > 1)} a row, {'one picture' if picture else 'text alone'}"
            )
            found[name] = compare(processor, answers=answers, picture=picture)
    chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
