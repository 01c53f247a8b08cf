"""ms-swift: `swift rlhf --rlhf_type grpo` of all weights, as it comes but for what makes the steps the same.

    python ms_swift_grpo.py FOLDER STEPS PROMPTS GROUP TOKENS PASSES

FOLDER has the rows and the model as side_by_side/rows.py writes them. Its template has the id of the picture's token as a constant,
that of the published tokenizer; here it is set to the model's. Pixels are bounded by MIN_PIXELS and MAX_PIXELS, which it reads.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from grpo_side_by_side import Watch, _flat
from swift.arguments import RLHFArguments
from swift.pipelines.train.rlhf import SwiftRLHF
from swift.rewards import ORM, orms
from swift.template.templates.qwen import Qwen2VLTemplate
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as modeling
from transformers.models.qwen2_vl import image_processing_qwen2_vl as processing


class Vowels(ORM):  # type: ignore[misc]
    """The reward of letters.py."""

    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        found = []
        for text in completions:
            letters = [letter for letter in text.lower() if letter.isalpha()]
            found.append(sum(letter in "aeiou" for letter in letters) / max(len(letters), 1))
        return found


folder, steps, prompts, group, tokens, passes = sys.argv[1:]
model = f"{folder}/model"
torch.set_num_threads(1)
config = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
Qwen2VLTemplate.image_token_id = config["image_token_id"]
orms["vowels"] = Vowels
# Prompts without their answers.
lines = (Path(folder) / "swift.jsonl").read_text(encoding="utf-8").splitlines()
asked = [json.loads(line) for line in lines]
for row in asked:
    row["messages"] = [said for said in row["messages"] if said["role"] != "assistant"]
with tempfile.TemporaryDirectory() as out:
    data = Path(out) / "prompts.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    arguments = RLHFArguments(
        rlhf_type="grpo",
        model=model,
        model_type="qwen2_5_vl",
        template="qwen2_5_vl",
        dataset=[str(data)],
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
        per_device_train_batch_size=int(prompts) * int(group) // int(passes),
        gradient_accumulation_steps=int(passes),
        num_generations=int(group),
        max_completion_length=int(tokens),
        reward_funcs=["vowels"],
        beta=0.0,
        use_vllm=False,
        max_steps=int(steps),
        learning_rate=1e-3,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        seed=0,
    )
    found = Watch()
    tower = modeling.Qwen2_5_VisionTransformerPretrainedModel
    found.count(tower, "forward", "vision_tower", lambda self, hidden, grid_thw, **_: len(grid_thw))
    for name in ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast"):
        if kind := getattr(processing, name, None):
            found.count(kind, "preprocess", "image_processor", lambda self, images, **_: len(_flat(images)))
    SwiftRLHF(arguments).main()
    told = found.told(int(prompts))
names = ("ms-swift", "transformers", "trl", "torch")
print(json.dumps({**told, "versions": {name: importlib.metadata.version(name) for name in names}}))
