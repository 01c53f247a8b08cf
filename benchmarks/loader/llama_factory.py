"""LLaMA-Factory: its tokenised data set, and its collator over it.

Rows are tokenised before training, as it always does, and every image is processed once for the number of its tokens; its pixels
are not kept, so the collator opens and processes it again. The tiny model is loaded because the collator asks it for M-RoPE positions.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import timing
from llamafactory.data import SFTDataCollatorWith4DAttentionMask, get_dataset, get_template_and_fix_tokenizer
from llamafactory.extras.constants import IGNORE_INDEX
from llamafactory.hparams import get_train_args
from llamafactory.model import load_model, load_tokenizer
from torch.utils.data import DataLoader


@lru_cache
def parts(folder: Path) -> tuple[Any, Any]:
    """Rows and collator, put together as its supervised workflow does."""
    options = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "model_name_or_path": str(folder / "model"),
        "template": "qwen2_vl",
        "image_max_pixels": 1_003_520,
        "image_min_pixels": 3136,
        "dataset": "rows",
        "dataset_dir": str(folder),
        "tokenized_path": str(folder / "cache" / "llama_factory" / "tokenized"),
        "cutoff_len": 4096,
        "output_dir": str(folder / "cache" / "llama_factory" / "output"),
        "report_to": "none",
        "use_cpu": True,
        "seed": 0,
    }
    model_args, data_args, training_args, finetuning_args, _ = get_train_args(options)
    loaded = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
    rows = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)["train_dataset"]
    model = load_model(loaded["tokenizer"], model_args, finetuning_args, is_trainable=True)
    collate = SFTDataCollatorWith4DAttentionMask(
        template=template,
        model=model,
        pad_to_multiple_of=8,
        label_pad_token_id=IGNORE_INDEX,
        block_diag_attn=model_args.block_diag_attn,
        neat_packing=data_args.neat_packing,
        attn_implementation=getattr(model.config, "_attn_implementation", None),
        compute_dtype=model_args.compute_dtype,
        **loaded,
    )
    return rows, collate


def prepare(folder: Path) -> timing.Prepared:
    started, cache = time.process_time(), folder / "cache" / "llama_factory"
    shutil.rmtree(cache, ignore_errors=True)
    parts(folder)
    return timing.Prepared(core_seconds=time.process_time() - started, size=timing.size(cache))


def batches(folder: Path) -> Callable[[], Iterable[timing.Batch]]:
    rows, collate = parts(folder)
    return lambda: DataLoader(rows, batch_size=timing.BATCH, collate_fn=collate)


if __name__ == "__main__":
    timing.main(timing.System(prepare=prepare, batches=batches, packages=("llamafactory",)))
