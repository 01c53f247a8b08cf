"""Greedy generation over held-out samples, divided among the ranks, judged and counted per task."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from lingshu_train import dist
from lingshu_train.data import chat
from lingshu_train.data.corpus import corpus
from lingshu_train.kind import Facts
from lingshu_train.metrics import intervals
from lingshu_train.model import load, processor
from lingshu_train.model.settings import Settings
from lingshu_train.naming import canonical
from lingshu_train.record import Sample
from lingshu_train.rewards import _watch
from lingshu_train.runs import ledger
from lingshu_train.runs.files import write_json, write_text
from lingshu_train.runs.stage import Stage, read
from lingshu_train.stages.evaluate.config import Config
from lingshu_train.training import arguments
from lingshu_train.verify import Policy, verify, version
from lingshu_train.verify.types import label_set

Row = dict[str, Any]
"""One line of predictions/<model>.jsonl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How questions are put to a model: the corpus their images lie in, tokens per answer, answers per forward pass."""

    wanted: Settings
    images: corpus.Corpus
    policy: Policy
    limit: int
    batch: int
    title: str


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `results.json` and `predictions/<model>.jsonl`."""
    return evaluate(stage, config, settings)


def evaluate(stage: Stage, config: Config, wanted: Settings) -> Facts:
    """Every model on the same samples. Returns the overall accuracy of each, for the manifest."""
    held_out = corpus.load(stage.parent(config.corpus) / "corpus", split=config.split, tasks=config.tasks)
    samples = [sample for sample in held_out.samples if sample.question_type != "free"]
    results: dict[str, dict[str, Row]] = {}
    for name in config.models:
        asking = Asking(
            wanted=wanted,
            images=held_out,
            policy=Policy(config.policy),
            limit=config.max_completion,
            batch=config.per_device_batch,
            title=f"evaluate {name}",
        )
        everywhere = gathered(judge(*_open(stage, wanted, name), samples, asking))
        results[name] = _table(everywhere)
        if dist.place().first:
            lines = "".join(
                canonical({k: v for k, v in row.items() if k != "position"}) + "\n" for row in everywhere
            )
            (stage.path / "predictions").mkdir(exist_ok=True)
            write_text(stage.path / "predictions" / f"{name}.jsonl", lines)
    if dist.place().first:
        write_json(stage.path / "results.json", {"models": results})
    accuracy = {name: table["all"]["accuracy"] for name, table in results.items()}
    warnings = [line for name in config.models if (line := _alarm(stage, name, accuracy))]
    return {
        "samples": len(samples),
        "policy": config.policy,
        "verifier": version(),
        "accuracy": accuracy,
        "warnings": warnings,
    }


def _alarm(stage: Stage, name: str, accuracy: dict[str, float]) -> str | None:
    """A warning where a GRPO stage's reward rose while held-out accuracy did not: the reward may have been hacked."""
    trained = read(stage.parent(name) / "stage.json")
    before = str(trained.config.get("base", ""))
    if trained.kind != "grpo" or before not in accuracy:
        return None
    rewards = [line["reward"] for line in ledger.steps(trained.path) if "reward" in line]
    line = _watch.alarm(rewards, [accuracy[before], accuracy[name]], window=_watch.span(rewards))
    if line and dist.place().first:
        sys.stderr.write(f"lingshu: {name}: {line}\n")
    return f"{name}: {line}" if line else None


def _open(stage: Stage, wanted: Settings, name: str) -> tuple[Any, Any]:
    """A stage's model, ready to answer, and its processor."""
    folder = str(stage.parent(name) / "model")
    model = load.load(folder, dtype=wanted.dtype, attention=wanted.attention).to(_device(stage)).eval()
    text = processor.load(folder, min_pixels=wanted.min_pixels, max_pixels=wanted.max_pixels)
    return model, text


def gathered(mine: list[Row]) -> list[Row]:
    """Every rank's rows, in the order of the samples, on every rank."""
    return sorted((row for part in dist.gather(mine) for row in part), key=lambda row: row["position"])


def judge(model: Any, text: Any, samples: Sequence[Sample], asking: Asking) -> list[Row]:
    """This rank's share of the samples, answered greedily and judged. Draws from no random state."""
    here = dist.place()
    mine = list(range(here.rank, len(samples), here.world_size))
    rows: list[Row] = []
    for chunk in tqdm(
        list(_chunks(mine, asking.batch)),
        desc=asking.title,
        file=sys.stderr,
        disable=not (here.first and asking.title),
        mininterval=5,
    ):
        chosen = [samples[i] for i in chunk]
        asked, written = _answer(model, text, chosen, asking)
        for position, sample, prompt, completion in zip(chunk, chosen, asked, written, strict=True):
            verdict = verify(completion, sample, asking.policy)
            labels = (
                {"f1": label_set.overlap(verdict.extracted, sample.answer)}
                if sample.question_type == "label_set"
                else {}
            )
            rows.append(
                labels
                | {
                    "position": position,
                    "id": sample.id,
                    "task": sample.task,
                    "modality": sample.modality,
                    "card": sample.card,
                    "question": sample.question,
                    "options": dict(sample.options),
                    "prompt": prompt,
                    "answer": sample.answer,
                    "completion": completion,
                    "status": verdict.status,
                    "rule": verdict.rule,
                    "extracted": verdict.extracted,
                    "correct": verdict.correct,
                    "image": sample.images[0] if sample.images else "",
                }
            )
    return rows


@torch.no_grad()
def _answer(model: Any, text: Any, samples: Sequence[Sample], asking: Asking) -> tuple[list[str], list[str]]:
    """Prompts as the model read them and its greedy completions, without special tokens."""
    chats = [chat.prompt(sample, system=asking.wanted.system_prompt, images=True) for sample in samples]
    prompts = [text.apply_chat_template(one, tokenize=False, add_generation_prompt=True) for one in chats]
    pictures = [[asking.images.image(digest) for digest in sample.images] for sample in samples]
    batch = text(
        text=prompts,
        images=pictures if any(pictures) else None,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=False,
    ).to(model.device)
    out = model.generate(
        **batch,
        max_new_tokens=asking.limit,
        do_sample=False,
        use_cache=True,
        # Every rank holds the whole model here, and some have a batch more than others: none may wait for the rest.
        synced_gpus=False,
        eos_token_id=text.tokenizer.eos_token_id,
        pad_token_id=text.tokenizer.pad_token_id,
    )
    written = text.tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [chat.prompt(sample)[-1]["content"] for sample in samples], written


def _table(rows: Sequence[Row]) -> dict[str, Row]:
    """Right answers per task and over all, with the 95 % interval and what the best constant answer would reach.

    Label sets have their mean F1 beside: right asks for the whole set.
    """
    tasks = sorted({row["task"] for row in rows})
    table = {task: _line([row for row in rows if row["task"] == task]) for task in tasks}
    best = sum(line["constant"] * line["n"] for line in table.values())
    return {**table, "all": {**_line(rows), "constant": best / len(rows)}}


def _line(rows: Sequence[Row]) -> Row:
    right = sum(row["correct"] for row in rows)
    interval = intervals.wilson(right, len(rows))
    commonest = Counter(row["answer"] for row in rows).most_common(1)[0][1]
    return {
        "n": len(rows),
        "right": right,
        "accuracy": right / len(rows),
        "low": interval.low,
        "high": interval.high,
        "constant": commonest / len(rows),
    } | ({"f1": sum(f1) / len(f1)} if (f1 := [row["f1"] for row in rows if "f1" in row]) else {})


def _device(stage: Stage) -> str:
    kind = arguments.device(stage)
    return f"cuda:{dist.place().local_rank}" if kind == "cuda" else "cpu"


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
