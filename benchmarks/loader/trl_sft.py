"""TRL: its vision collator over a `datasets` table with an Image feature, as SFTTrainer's own loader reads it.

Without torchvision transformers cannot construct the Qwen2.5-VL processor; then this project's stands in for it
(PIL image processor, same tokenizer and template). With torchvision it is AutoProcessor's choice.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import timing
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import AutoProcessor
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling


def prepare(folder: Path) -> timing.Prepared:
    """Parquet to the memory-mapped table that training reads: `datasets` makes it on the first use."""
    started, cache = time.process_time(), folder / "cache" / "trl"
    shutil.rmtree(cache, ignore_errors=True)
    table(folder)
    return timing.Prepared(core_seconds=time.process_time() - started, size=timing.size(cache))


def table(folder: Path) -> Any:
    return Dataset.from_parquet(str(folder / "trl.parquet"), cache_dir=str(folder / "cache" / "trl"))


def batches(folder: Path) -> Callable[[], Iterable[timing.Batch]]:
    collate = DataCollatorForVisionLanguageModeling(processor(folder / "model"), completion_only_loss=True)
    rows = table(folder)
    return lambda: DataLoader(rows, batch_size=timing.BATCH, collate_fn=collate)


def processor(model: Path) -> Any:
    if importlib.util.find_spec("torchvision"):
        return AutoProcessor.from_pretrained(model)
    from lingshu_train.model import family, load, shape

    name = "qwen2_5_vl"
    return load.processor(family.of(name), str(model), shape.of(name).published_budget())


if __name__ == "__main__":
    timing.main(timing.System(prepare=prepare, batches=batches, packages=("trl",)))
