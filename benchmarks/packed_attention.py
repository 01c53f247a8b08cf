"""A row of samples end to end against the same samples padded, and attention by sample against the dense mask: time and memory.

    python benchmarks/packed_attention.py [--tokens 2048 4096 8192] [--rounds 5] [--out FILE]

A model of the family with random weights (hidden 64, two layers, vocabulary 512, so that attention is not drowned by the head)
goes forward and backward through rows of 1/16 of the tokens on average, of lengths spread as captions are. Three arms take turns in
one process each, in another order every round: `padded` in batches of eight of about one length, `by_sample` in one row, and
`dense`, the same row under transformers' own mask. Seconds are the process's own; memory is what the passes add to its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "packed_attention.json"
ARMS = ("padded", "by_sample", "dense")
PER_BATCH = 8


def lengths(tokens: int) -> list[int]:
    """Of the samples of a row, together `tokens`."""
    import numpy as np

    drawn = np.random.default_rng(0).lognormal(0.0, 0.6, 16)
    found = np.maximum(1, (drawn / drawn.sum() * tokens).astype(int))
    found[-1] += tokens - found.sum()
    return [int(length) for length in found]


def model() -> Any:
    """Random weights in the family's architecture, as a stage that starts from `sdpa` has it."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from lingshu_train.model import attention

    config = Qwen2_5_VLConfig(
        text_config={
            **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
            **{"intermediate_size": 128, "vocab_size": 512, "max_position_embeddings": 32768},
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 32,
            "out_hidden_size": 64,
        },
        attn_implementation="sdpa",
    )
    torch.manual_seed(0)
    made = Qwen2_5_VLForConditionalGeneration(config)
    attention.by_sample(made)
    return made


def batches(arm: str, sizes: list[int]) -> list[dict[str, Any]]:
    """The same tokens as rows filled up, or as one row."""
    import torch

    draw = torch.Generator().manual_seed(0)
    rows = [torch.randint(0, 512, (size,), generator=draw) for size in sizes]
    if arm != "padded":
        places = torch.cat([torch.arange(size) for size in sizes]).expand(4, 1, -1)
        return [{"input_ids": torch.cat(rows)[None], "position_ids": places}]
    rows.sort(key=len, reverse=True)
    found = []
    for start in range(0, len(rows), PER_BATCH):
        some = rows[start : start + PER_BATCH]
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in some], batch_first=True)
        ids = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
        found.append({"input_ids": ids, "attention_mask": mask})
    return found


def once(arm: str, tokens: int) -> dict[str, float]:
    """One warm pass over a short row, then one that is measured; prints nothing."""
    made = model()
    if arm == "dense":
        made.config.get_text_config()._attn_implementation_internal = "sdpa"

    def passes(some: list[dict[str, Any]]) -> None:
        for batch in some:
            real = batch.get("attention_mask", batch["input_ids"] >= 0).bool()
            made.model(**batch, use_cache=False).last_hidden_state[real].square().sum().backward()

    passes(batches(arm, lengths(256)))
    given = batches(arm, lengths(tokens))
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    passes(given)
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    total = sum(float(p.grad.double().square().sum()) for p in made.parameters() if p.grad is not None)
    return {"seconds": seconds, "mib": (after.ru_maxrss - before.ru_maxrss) / 1024, "gradient": total**0.5}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", nargs=2, metavar=("ARM", "TOKENS"))
    options = parser.parse_args(words)
    if options.once:
        print(json.dumps(once(options.once[0], int(options.once[1]))))
        return
    told = circumstances.told("torch", "transformers")
    measured: dict[int, dict[str, list[dict[str, float]]]] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    for number in range(options.rounds):
        turn = number % len(ARMS)
        for tokens in options.tokens:
            for arm in ARMS[turn:] + ARMS[:turn]:
                command = [sys.executable, __file__, "--once", arm, str(tokens)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                measured.setdefault(tokens, {}).setdefault(arm, []).append(json.loads(done.stdout))
                print(number, tokens, arm, done.stdout.strip(), flush=True)
    figures = {tokens: summary(arms) for tokens, arms in measured.items()}
    result = {"what": __doc__.splitlines()[0], **told, "rounds": options.rounds, "tokens": figures}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


def summary(arms: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians, and by sample over each of the others. All arms have one gradient."""
    norms = [one["gradient"] for each in arms.values() for one in each]
    assert max(norms) - min(norms) < 1e-4 * max(norms), norms
    middle = {
        arm: {name: statistics.median(one[name] for one in each) for name in each[0]}
        for arm, each in arms.items()
    }
    ours = middle["by_sample"]
    over = {
        f"by_sample_over_{arm}": {
            name: round(ours[name] / middle[arm][name], 3) for name in ("seconds", "mib")
        }
        for arm in ("padded", "dense")
    }
    return {arm: {name: round(value, 4) for name, value in one.items()} for arm, one in middle.items()} | over


if __name__ == "__main__":
    main(sys.argv[1:])
