"""LLaMA-Factory: supervised training of all weights, as it comes but for what makes the steps the same.

python llama_factory.py ROWS MODEL STEPS PER_STEP MAX_PIXELS
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile

import torch
from llamafactory.train.tuner import run_exp
from steps import Steps

rows, model, steps, per_step, pixels = sys.argv[1:]
torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as out:
    options = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "freeze_vision_tower": False,
        "freeze_multi_modal_projector": False,
        "model_name_or_path": model,
        "template": "qwen2_vl",
        "flash_attn": "sdpa",
        "image_max_pixels": int(pixels),
        "image_min_pixels": 784,
        "dataset": "rows",
        "dataset_dir": rows,
        "cutoff_len": 4096,
        "disable_shuffling": True,
        "overwrite_cache": True,
        "output_dir": out,
        "per_device_train_batch_size": int(per_step),
        "gradient_accumulation_steps": 1,
        "max_steps": int(steps),
        "learning_rate": 1e-3,
        "lr_scheduler_type": "cosine",
        "disable_gradient_checkpointing": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "seed": 0,
    }
    found = Steps()
    run_exp(options)
    told = found.told()
names = ("llamafactory", "transformers", "trl", "torch")
print(json.dumps({**told, "versions": {name: importlib.metadata.version(name) for name in names}}))
