"""What a supervised step costs with our head, with TRL's at labelled positions alone, and with TRL's choice on a CPU: every position.

    python benchmarks/head.py [--vocabularies 768 32768 152064] [--rounds 3] [--steps 5] [--out FILE]

A model of two layers and hidden size 64 in each tower, eight samples a step (one picture each of 56 to 448 pixels a side, a fifth
of the tokens with a label, padded), forward, backward and AdamW. Each arm is a process of its own, and the arms take turns;
seconds are of the processor, of both system and user, the median of the steps. A first step that is left out comes before the steps.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import circumstances

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "head.json"
VOCABULARIES = (768, 32_768, 152_064)
ARMS = ("ours", "labelled", "every")
ROWS, SEED = 8, 0


def step_seconds(vocabulary: int, arm: str, steps: int) -> dict[str, object]:
    """Of one arm, in this process: seconds of each step but the first, the losses, the highest resident memory."""
    import torch
    import transformers
    from trl.trainer.utils import add_fused_lm_head

    from lingshu_train.training import head

    if arm != "every":
        head.install() if arm == "ours" else head.labelled_alone()
    transformers.logging.set_verbosity_error()
    model, batches = _model(vocabulary), _batches(vocabulary, steps)
    add_fused_lm_head(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    seconds, losses = [], []
    for batch in batches:
        before = time.process_time()
        loss = model(**batch, fused_lm_head=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.process_time() - before)
        losses.append(round(loss.item(), 6))
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": seconds[1:], "losses": losses, "peak_mib": mebibytes}


def _model(vocabulary: int) -> object:
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 256,
            "vocab_size": vocabulary,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 3,
        },
        vision_config={
            "hidden_size": 64,
            "out_hidden_size": 64,
            "depth": 2,
            "num_heads": 4,
            "intermediate_size": 128,
            "fullatt_block_indexes": [1],
        },
        image_token_id=4,
        video_token_id=5,
        vision_start_token_id=6,
        vision_end_token_id=7,
        tie_word_embeddings=True,
    )
    torch.manual_seed(SEED)
    return Qwen2_5_VLForConditionalGeneration(config).train()


def _batches(vocabulary: int, steps: int) -> list[dict[str, object]]:
    import torch

    draws = torch.Generator().manual_seed(SEED)

    def below(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=draws))

    batches: list[dict[str, object]] = []
    for _ in range(steps + 1):
        rows, grids = [], []
        for _ in range(ROWS):
            side = below(2, 17)
            grids.append([1, 2 * side, 2 * side])
            words = torch.randint(8, vocabulary, (below(40, 160),), generator=draws)
            rows.append(
                torch.cat([torch.tensor([6]), torch.full((side * side,), 4), torch.tensor([7]), words])
            )
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=3)
        labels = torch.full_like(ids, -100)
        for place, row in zip(labels, rows, strict=True):
            place[len(row) * 4 // 5 : len(row)] = row[len(row) * 4 // 5 :]
        pixels = sum(a * b * c for a, b, c in grids)
        batches.append(
            {
                "input_ids": ids,
                "attention_mask": (ids != 3).long(),
                "labels": labels,
                "mm_token_type_ids": (ids == 4).long(),
                "pixel_values": torch.randn(pixels, 1176, generator=draws),
                "image_grid_thw": torch.tensor(grids),
            }
        )
    return batches


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vocabularies", type=int, nargs="+", default=VOCABULARIES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", nargs=2, metavar=("VOCABULARY", "ARM"), help="measured in this process")
    options = parser.parse_args(words)
    if options.once:
        print(json.dumps(step_seconds(int(options.once[0]), options.once[1], options.steps)))
        return
    told = circumstances.told("torch", "transformers", "trl")
    found: dict[str, dict[str, object]] = {}
    for vocabulary in options.vocabularies:
        arms: dict[str, list[dict[str, object]]] = {arm: [] for arm in ARMS}
        for turn in range(options.rounds):
            for arm in ARMS if turn % 2 == 0 else ARMS[::-1]:
                command = [sys.executable, __file__, "--steps", str(options.steps)]
                command += ["--once", str(vocabulary), arm]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                arms[arm].append(json.loads(said.splitlines()[-1]))
                print(vocabulary, turn, said.splitlines()[-1], flush=True)
        medians = {
            arm: statistics.median(s for one in rounds for s in one["seconds"])
            for arm, rounds in arms.items()
        }
        found[str(vocabulary)] = {
            "seconds_a_step": {arm: round(value, 4) for arm, value in medians.items()},
            "over_ours": {arm: round(medians[arm] / medians["ours"], 2) for arm in ARMS[1:]},
            "peak_mib": {arm: max(one["peak_mib"] for one in rounds) for arm, rounds in arms.items()},
            "losses": {arm: rounds[0]["losses"] for arm, rounds in arms.items()},
        }
        counts = {"rounds": options.rounds, "steps": options.steps}
        data = {"what": __doc__.splitlines()[0], **told, **counts, "vocabulary": found}
        options.out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
