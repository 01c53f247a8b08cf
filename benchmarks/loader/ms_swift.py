"""ms-swift: the data set and collator that `swift sft` builds for Qwen2.5-VL, rows encoded when they are read.

MAX_PIXELS is the documented way to set its pixel budget. The tiny model is loaded because the collator asks it for
M-RoPE positions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ["MAX_PIXELS"] = "1003520"

import timing
from swift.arguments import SftArguments
from swift.pipelines.train.sft import SwiftSft
from torch.utils.data import DataLoader


@lru_cache
def pipeline(folder: Path) -> tuple[Any, Any]:
    """The training rows and the template, whose collator `swift sft` hands to its trainer."""
    arguments = SftArguments(
        model=str(folder / "model"),
        model_type="qwen2_5_vl",
        template="qwen2_5_vl",
        dataset=[str(folder / "swift.jsonl")],
        output_dir=str(folder / "cache" / "swift" / "output"),
        torch_dtype="float32",
        attn_impl="sdpa",
        dataset_shuffle=False,
        split_dataset_ratio=0.0,
        dataset_num_proc=1,
        report_to=[],
    )
    sft = SwiftSft(arguments)
    rows, _ = sft._prepare_dataset()
    return rows, sft.template


def prepare(folder: Path) -> timing.Prepared:
    """Standardised rows (text and paths), cached as Arrow: images are read at training."""
    started = time.process_time()
    pipeline(folder)
    return timing.Prepared(
        core_seconds=time.process_time() - started, size=timing.size(Path(os.environ["MODELSCOPE_CACHE"]))
    )


def batches(folder: Path) -> Callable[[], Iterable[timing.Batch]]:
    rows, template = pipeline(folder)
    return lambda: DataLoader(rows, batch_size=timing.BATCH, collate_fn=template.data_collator)


if __name__ == "__main__":
    timing.main(
        timing.System(prepare=prepare, batches=batches, packages=("ms-swift", "qwen-vl-utils", "modelscope"))
    )
