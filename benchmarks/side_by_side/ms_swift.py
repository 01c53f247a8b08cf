"""ms-swift: `swift sft` of all weights, as it comes but for what makes the steps the same.

    python ms_swift.py ROWS MODEL STEPS PER_STEP MAX_PIXELS

Pixels are bounded by MIN_PIXELS and MAX_PIXELS, which it reads. Its template has the id of the picture's token as a constant, that of
the published tokenizer; here it is set to the model's.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path

import torch
from steps import Steps
from swift.arguments import SftArguments
from swift.pipelines.train.sft import SwiftSft
from swift.template.templates.qwen import Qwen2VLTemplate

rows, model, steps, per_step, _ = sys.argv[1:]
torch.set_num_threads(1)
config = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
Qwen2VLTemplate.image_token_id = config["image_token_id"]
with tempfile.TemporaryDirectory() as out:
    arguments = SftArguments(
        model=model,
        model_type="qwen2_5_vl",
        template="qwen2_5_vl",
        dataset=[str(Path(rows) / "swift.jsonl")],
        output_dir=out,
        tuner_type="full",
        freeze_vit=False,
        freeze_aligner=False,
        torch_dtype="float32",
        attn_impl="sdpa",
        dataset_shuffle=False,
        train_dataloader_shuffle=False,
        split_dataset_ratio=0.0,
        dataset_num_proc=1,
        dataloader_num_workers=0,
        per_device_train_batch_size=int(per_step),
        gradient_accumulation_steps=1,
        max_steps=int(steps),
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        warmup_ratio=0.0,
        weight_decay=0.0,
        adam_beta2=0.999,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        seed=0,
    )
    found = Steps()
    SwiftSft(arguments).main()
    told = found.told()
names = ("ms-swift", "transformers", "trl", "torch")
print(json.dumps({**told, "versions": {name: importlib.metadata.version(name) for name in names}}))
