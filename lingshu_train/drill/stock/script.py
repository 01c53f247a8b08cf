"""What people write: a tiny causal model, transformers' Trainer or one of TRL's, resumed where there is a checkpoint.

`python -m lingshu_train.drill.stock.script trainer|sft|grpo FOLDER [KEY=VALUE ...]`; the values are training arguments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lingshu_train.drill.stock import rewarding

STEPS, SAVE_EVERY, ROWS = 12, 4, 40
STEPS_OF_GRPO, PROMPTS = 10, 3
"""Of GRPO: a step takes one prompt, so that the second epoch begins before the first checkpoint."""
FINAL = "final"
LENGTH = 16
WORDS = 64


def build(folder: Path) -> None:
    """The base model, its tokenizer and the rows, in a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, attention_dropout=0.1,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder / "base")
    vocabulary = {name: number for number, name in enumerate(["<pad>", "<s>", "</s>", "<unk>"])}
    vocabulary |= {f"w{number}": number for number in range(len(vocabulary), WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder / "base")
    draw = torch.Generator().manual_seed(0)
    drawn = torch.randint(4, WORDS, (ROWS, LENGTH), generator=draw).tolist()
    rows = [" ".join(f"w{word}" for word in row) for row in drawn]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")


def main(kind: str, folder: Path, changes: dict[str, object]) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    torch.set_num_threads(1)
    texts = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    model = AutoModelForCausalLM.from_pretrained(folder / "base")
    told: dict[str, object] = {
        "output_dir": str(folder / "out"),
        "max_steps": STEPS_OF_GRPO if kind == "grpo" else STEPS,
        "save_steps": SAVE_EVERY,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": [],
        "disable_tqdm": True,
        "seed": 0,
        **changes,
    }
    trainer: Trainer
    if kind == "trainer":
        ids = [tokenizer(text)["input_ids"] for text in texts]
        rows = Dataset.from_list([{"input_ids": row, "labels": row} for row in ids])
        trainer = Trainer(model, TrainingArguments(**told), train_dataset=rows)
    elif kind == "sft":
        rows = Dataset.from_list([{"text": text} for text in texts])
        trainer = SFTTrainer(model, args=SFTConfig(**told), train_dataset=rows, processing_class=tokenizer)
    else:
        rows = Dataset.from_list([{"prompt": " ".join(text.split()[:6])} for text in texts[:PROMPTS]])
        told |= {"num_generations": 4, "max_completion_length": 6}
        trainer = GRPOTrainer(
            model,
            args=GRPOConfig(**told),
            reward_funcs=rewarding.reward,
            train_dataset=rows,
            processing_class=tokenizer,
        )
    # As the documentation of every example script has it.
    there = any((folder / "out").glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=True if there else None)
    trainer.save_model(str(folder / FINAL))
    (folder / FINAL / "history.json").write_text(json.dumps(trainer.state.log_history), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]))
        sys.exit(0)
    values = dict(word.split("=", 1) for word in sys.argv[3:])
    main(sys.argv[1], Path(sys.argv[2]), {key: json.loads(value) for key, value in values.items()})
