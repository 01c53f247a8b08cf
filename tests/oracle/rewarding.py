"""GRPO runs of the package, the oracle's own way over the completions that were drawn, and how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tiny
import torch
from independent import optimizer, policy
from independent.policy import Rule, Written
from independent.qwen import Weights
from independent.supervised import Step
from material import RATES, Material, Run
from stepping import rate

GROUP, PROMPTS, UPDATES, LIMIT, MARGIN = 4, 8, 4, 10, 6
MOST = 0.2
SLOW = 0.2
"""How much lower than in fine-tuning the learning rates are."""
WEIGHTS = {"accuracy": 1.0, "length": 0.5, "own": 0.25}
OWN = """from lingshu_train.record import Score


def score(sample, completion, params):
    tokens = len(completion.token_ids)
    return Score(value=None, status="unheard") if tokens % 3 == 0 else Score(value=tokens / 10, status="heard")
"""
"""A user's reward, which leaves completions of some lengths unscored."""
LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grpo": (
        {"kl_coefficient": 0.04, "steps": 2 * UPDATES, "update_of": "completions"},
        {},
    ),
    "grpo, two ranks": (
        {"temperature": 0.8, "clip_low": 0.1, "clip_high": 0.3, "per_device_batch": 2},
        {"world_size": 2},
    ),
    "dr_grpo, weighted KL": (
        {"loss": "dr_grpo", "temperature": 0.7, "kl_coefficient": 0.04, "kl_estimator": "weighted_k3"},
        {},
    ),
    "bnpo": ({"loss": "bnpo", "temperature": 0.9, "per_device_batch": 2}, {}),
    "dapo, two ranks": (
        {"loss": "dapo", "temperature": 0.75, "per_device_batch": 2},
        {"world_size": 2},
    ),
    "grpo, some unscored": ({"rewards": "with one of the user's own"}, {}),
}
"""One to four forward passes an update, 32 completions a window of four updates. At all temperatures some are wrong."""
MORE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grpo with KL, two ranks": (
        {"kl_coefficient": 0.04, "per_device_batch": 2, "steps": 2 * UPDATES},
        {"world_size": 2},
    ),
    "dr_grpo, two ranks": ({"loss": "dr_grpo", "per_device_batch": 2}, {"world_size": 2}),
    "bnpo, two ranks": ({"loss": "bnpo", "per_device_batch": 2}, {"world_size": 2}),
    "dapo": ({"loss": "dapo", "temperature": 0.75}, {}),
    "gspo": ({"ratio_of": "completions", "clip_low": 0.02, "clip_high": 0.03}, {}),
    "cispo": ({"loss": "cispo", "clip_high": 0.1}, {}),
    "gspo, two ranks": ({"ratio_of": "completions", "per_device_batch": 2}, {"world_size": 2}),
    "cispo, two ranks": ({"loss": "cispo", "per_device_batch": 2}, {"world_size": 2}),
    "grpo, two ranks, ZeRO-2": ({"per_device_batch": 2}, {"world_size": 2, "deepspeed": "zero2"}),
    "grpo, two ranks, ZeRO-3": ({"per_device_batch": 2}, {"world_size": 2, "deepspeed": "zero3"}),
    "grpo, 16 completions a prompt": (
        {"group_size": 16, "rollout_prompts": 32, "update_prompts": 8, "per_device_batch": 16},
        {},
    ),
}
"""Compared by benchmarks/oracle.py."""


@dataclass(frozen=True)
class Window:
    """What was drawn at a window's start, in the order of ranks."""

    completions: list[Written]
    own_rewards: list[dict[str, float | None]]
    rewards: list[float | None]
    """The package's, weighted; None is unscored."""
    advantages: list[float]
    """The package's."""
    old: list[torch.Tensor]
    """The package's log-probabilities, of each completion's tokens."""
    reference: list[torch.Tensor]
    rows: list[int]
    texts: list[str]
    updates: list[list[int]]
    """Of each update the numbers of its completions."""


@dataclass(frozen=True)
class Pair:
    """A run of the package, and the oracle's steps over its completions from the same start."""

    run: Run
    rule: Rule
    windows: list[Window]
    steps: list[Step]
    remembered: list[list[Written]]
    start: Weights
    end: Weights


def pair(layout: str, given: Material, folder: Path) -> Pair:
    changes, place = {**LAYOUTS, **MORE}[layout]
    if "rewards" in changes:
        path = folder / "own_reward.py"
        path.write_text(OWN)
        changes = {"rewards": composition(str(path))}
    config = recipe(**changes)
    run = given.run(folder / ("oracle-rl-" + layout.replace(",", "").replace(" ", "-")), config, **place)
    rule = Rule(
        loss=config.get("loss", "grpo"),
        temperature=config["temperature"],
        low=config.get("clip_low", 0.2),
        high=config.get("clip_high", 0.2),
        kl=config.get("kl_coefficient", 0.0),
        kl_weighted=config.get("kl_estimator") == "weighted_k3",
        most_tokens=LIMIT,
        ratio_of=config.get("ratio_of", "tokens"),
    )
    completions = config["update_prompts"] * config["group_size"]
    passes = completions // config["per_device_batch"] // place.get("world_size", 1)
    drawn = windows(run, given, passes=passes, own_file="rewards" in changes, scaled=rule.loss != "dr_grpo")
    return Pair(run, rule, *own_way(given, drawn, rule))


def own_way(
    given: Material, drawn: list[Window], rule: Rule
) -> tuple[list[Window], list[Step], list[list[Written]], Weights, Weights]:
    """Windows, steps, completions with what is remembered of them, first and last weights of the oracle's own training."""
    model, weights = given.model("warm")
    start = {name: value.detach().clone() for name, value in weights.items()}
    adam = optimizer.AdamW(lambda name: SLOW * rate(name), decay=0.0)
    steps: list[Step] = []
    kept = []
    for window in drawn:
        known = policy.remembered(model, weights, start, window.completions, rule)
        kept.append(known)
        for update in window.updates:
            chosen = [known[number] for number in update]
            steps.append(policy.step(model, weights, chosen, rule, adam=adam, most=MOST))
    return drawn, steps, kept, start, weights


def recipe(**changes: Any) -> dict[str, Any]:
    """A GRPO stage of one window."""
    usual: dict[str, Any] = {
        "learning_rate": {part: SLOW * highest for part, highest in RATES.items()},
        "rewards": composition(),
        "group_size": GROUP,
        "rollout_prompts": PROMPTS,
        "update_prompts": PROMPTS // UPDATES,
        "max_completion": LIMIT,
        "max_grad_norm": MOST,
        "steps": UPDATES,
        "save_every": UPDATES,
        "per_device_batch": 4,
        "temperature": 1.0,
    }
    return tiny.grpo(**{**usual, **changes})


def composition(file: str = "") -> dict[str, Any]:
    """The rewards of a recipe, with the user's own file where one is given."""
    names = ["accuracy", "length", *(["own"] if file else [])]
    terms: list[dict[str, Any]] = [{"name": name, "weight": WEIGHTS[name]} for name in names]
    terms[1] |= {"params": {"margin": MARGIN}}
    if file:
        terms[2] |= {"file": file}
    return {"mode": "sum", "terms": terms}


def total(rewards: Mapping[str, float | None]) -> float | None:
    """Unscored where one of them is."""
    if any(value is None for value in rewards.values()):
        return None
    return sum(WEIGHTS[name] * value for name, value in rewards.items() if value is not None)


def windows(run: Run, given: Material, *, passes: int, own_file: bool, scaled: bool) -> list[Window]:
    """What the records say, and the oracle's view of it: examples, rewards and advantages."""
    records = run.records
    return [
        _window(records, given, number, passes=passes, own_file=own_file, scaled=scaled)
        for number in range(len(records[0]["windows"]))
    ]


def _window(
    records: list[dict[str, Any]],
    given: Material,
    number: int,
    *,
    passes: int,
    own_file: bool,
    scaled: bool,
) -> Window:
    reader, rows = given.reader(), given.rows("short")
    mine = [record["windows"][number] for record in records]
    drawn = [row for one in mine for row in one["rows"]]
    ids = [list(one) for rank in mine for one in rank["ids"]]
    end = reader.words.token_to_id("<|im_end|>")
    own: list[dict[str, float | None]] = [
        policy.reward(
            reader.words.decode(one),
            rows[row].data["answer"],
            tokens=len(one),
            ended=one[-1] == end,
            most=LIMIT,
            margin=MARGIN,
        )
        for row, one in zip(drawn, ids, strict=True)
    ]
    if own_file:
        for one, written in zip(own, ids, strict=True):
            one["own"] = None if len(written) % 3 == 0 else len(written) / 10
    totals = [total(one) for one in own]
    groups = {row: [n for n, other in enumerate(drawn) if other == row] for row in drawn}
    gains = [0.0] * len(drawn)
    for members in groups.values():
        found = policy.advantages([totals[m] for m in members], scaled=scaled)
        for n, gain in zip(members, found, strict=True):
            gains[n] = gain
    written = [
        Written(reader.prompt(rows[row]).answered(one), gain)
        for row, one, gain in zip(drawn, ids, gains, strict=True)
    ]
    updates = []
    for update in range(UPDATES):
        chosen, before = [], 0
        for rank, record in enumerate(records):
            first = (number * UPDATES + update) * passes
            for part, numbers in enumerate(record["parts"][first : first + passes]):
                for n in numbers:
                    written[before + n] = replace(written[before + n], rank=rank, part=part)
                    chosen.append(before + n)
            before += len(mine[rank]["rows"])
        updates.append(chosen)
    lengths = [len(one) for one in ids]

    def told(name: str) -> list[torch.Tensor]:
        lines = [line for rank in mine for line in rank.get(name, [])]
        return [line[:length] for line, length in zip(lines, lengths, strict=False)]

    return Window(
        completions=written,
        own_rewards=own,
        rewards=[value for rank in mine for value in rank["rewards"]],
        advantages=[float(value) for rank in mine for value in rank["advantages"]],
        old=told("old_per_token_logps"),
        reference=told("ref_per_token_logps"),
        rows=drawn,
        texts=[text for rank in mine for text in rank["texts"]],
        updates=updates,
    )


def apart(pair: Pair) -> dict[str, float]:
    """The largest differences: rewards, advantages, log-probabilities and loss absolute; the rest relative."""
    ledger = pair.run.ledger
    found: dict[str, list[float]] = {name: [] for name in ("reward", "advantage", "old", "reference")}
    for window, known in zip(pair.windows, pair.remembered, strict=True):
        for n, one in enumerate(known):
            own, theirs = total(window.own_rewards[n]), window.rewards[n]
            assert (own is None) == (theirs is None)
            found["reward"].append(abs((own or 0.0) - (theirs or 0.0)))
            found["advantage"].append(abs(one.advantage - window.advantages[n]))
            found["old"].append((one.old - window.old[n]).abs().max().item())
            if pair.rule.kl:
                found["reference"].append((one.reference - window.reference[n]).abs().max().item())
    steps = list(zip(ledger, pair.steps, strict=True))
    largest = {name: max(values) for name, values in found.items() if values}
    largest["loss"] = max(abs(line["loss"] - step.loss) for line, step in steps)
    largest["norm"] = max(abs(line["grad_norm"] / step.norm - 1) for line, step in steps)
    gradients = [
        _whole(mine, step.gradients)
        for record in pair.run.records
        for mine, step in zip(record["gradients"] or [], pair.steps, strict=bool(record["gradients"]))
    ]
    largest |= {"gradient": max(gradients)} if gradients else {}
    weights = pair.run.weights
    largest["weight"] = max(
        ((weights[name] - value).abs().max() / (SLOW * rate(name))).item() for name, value in pair.end.items()
    )
    return largest


def _whole(found: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> float:
    """Of the clipped gradient as one vector."""
    assert found.keys() == own.keys()
    return optimizer.norm({name: found[name] - own[name] for name in own}) / optimizer.norm(own)
