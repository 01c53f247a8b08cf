"""How long a stage takes on a named card: operations of a traced pass, at an efficiency that others have published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.data.cards import card as cards
from lingshu_train.data.order import mix
from lingshu_train.errors import LingshuError
from lingshu_train.gpus import Gpu
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.planning import estimate, states
from lingshu_train.planning.states import Division
from lingshu_train.schema import Strict
from lingshu_train.simulation import load as loads
from lingshu_train.simulation import memory
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.passed import AGAIN, BACK, Passed
from lingshu_train.stages.grpo.config import Config as Grpo
from lingshu_train.stages.prepare.config import Config as Prepare
from lingshu_train.stages.sft.config import Config as Sft
from lingshu_train.training.config import TrainingConfig

SUPERVISED, REINFORCED = 0.35, 0.20
"""Share of a card's dense bfloat16 operations that a step reaches, operations done again not counted (MFU). Published: 30 to
40 % for this model at 7B in packs on 32 A800 (lmms-engine, docs/reference/mfu.md); 16 to 23 % for the update of GRPO at 7B on 8
H100 (EasyR1, assets/baselines.md). Nothing of ours has been measured."""
TOKEN_SECONDS = 0.05
"""Seconds that transformers takes for a token of a slice, where the memory's bandwidth would allow less. Assumed."""
SERVED_SECONDS = 0.01
"""The same of a server, which runs recorded graphs. Assumed."""
LINK = 0.45
"""Share of the links' bandwidth that gathers and reductions reach. Assumed."""
WORDS = 256
"""Tokens of text beside the one picture of a usual row, where nobody says how long rows are. Assumed."""


class Usual(Strict):
    """What rows are like on average, for speed; the limits count for memory. `answer` tokens of them are taught or drawn."""

    tokens: int
    answer: int
    patches: int


class Speed(Strict):
    """Of all cards together where nothing else is said. `flops` are those of one process's optimizer step, `again` of them
    done twice because of checkpointing. `tokens_per_second` is of one card. `rows` a stage goes through, None where cards do
    not state them; `hours` then too."""

    efficiency: float
    flops: float
    again: float
    step_seconds: float
    generation_seconds: float
    tokens_per_second: float
    rows_per_second: float
    rows: int | None
    steps: int | None
    hours: float | None


def usual(settings: Settings, config: TrainingConfig, load: Load, *, mean_tokens: int | None) -> Usual:
    """A row with one picture of the largest size, as far as the stage lets it through."""
    budget = settings.budget
    picture = min(loads.sum_of(budget), load.picture_tokens) if load.pictures else 0
    patches = load.picture_patches if load.pictures else 0
    if isinstance(config, Grpo):
        prompt = min(mean_tokens or picture + WORDS, load.tokens - load.answer)
        return Usual(tokens=prompt + config.max_completion, answer=config.max_completion, patches=patches)
    tokens = min(mean_tokens or picture + WORDS, load.tokens)
    if tokens < picture:
        patches, picture = patches * tokens // picture, 0
    return Usual(tokens=tokens, answer=max(1, (tokens - picture) // 2), patches=patches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A stage on a card, and what was traced of it: a pass over `load`. `row` is a usual one of `rows` in an epoch. `together`:
    completions that a server beside it draws at once; None where its own process draws."""

    settings: Settings
    config: TrainingConfig
    how: Division
    gpu: Gpu
    load: Load
    passed: Passed
    row: Usual
    rows: int | None
    together: int | None = None


def of(work: Work) -> Speed:
    """The whole stage."""
    config, how, gpu, load, row = work.config, work.how, work.gpu, work.load, work.row
    settings, passed, rows = work.settings, work.passed, work.rows
    if isinstance(config, Grpo):
        return _reinforced(work, config)
    assert isinstance(config, Sft)
    per_pass = config.per_device_batch * (max(1.0, config.max_length / row.tokens) if config.packs else 1)
    share = _share(load, row, per_pass)
    useful, again = _operations(passed.flops, share)
    seconds = useful / (SUPERVISED * gpu.flops)
    seconds = _with_exchange(seconds, settings, config, how, gpu) * config.accumulation
    rows_a_step = per_pass * config.accumulation * how.world
    steps = config.steps
    if steps is None and rows is not None:
        steps = math.ceil(rows * (config.epochs or 0) / rows_a_step)
    return Speed(
        efficiency=SUPERVISED,
        flops=(useful + again) * config.accumulation,
        again=again * config.accumulation,
        step_seconds=seconds,
        generation_seconds=0.0,
        tokens_per_second=per_pass * config.accumulation * row.tokens / seconds,
        rows_per_second=rows_a_step / seconds,
        rows=rows,
        steps=steps,
        hours=steps * seconds / 3600 if steps is not None else None,
    )


def _reinforced(work: Work, config: Grpo) -> Speed:
    """A step of the update, with its part of the window's generation. The policy's own chances are computed once more where a
    window has several steps, and the reference's where there is one (trl/trainer/grpo_trainer.py)."""
    settings, how, gpu, load, row = work.settings, work.how, work.gpu, work.load, work.row
    passed, rows = work.passed, work.rows
    passes = max(1, config.accumulation(how.world))
    share = _share(load, row, load.rows)
    useful, again = _operations(passed.flops, share)
    forward = sum(share[name] * passed.flops.get(name, 0.0) for name in share)
    useful += forward * ((config.window > 1) + (config.kl_coefficient > 0))
    seconds = _with_exchange(useful / (REINFORCED * gpu.flops), settings, config, how, gpu) * passes
    held = states.of(estimate.parameters(settings, config), how.changed(level=0))
    sequences = memory.sequences(config, how.world)
    together = min(work.together or memory.drawn_together(config, how.world), sequences)
    cached = settings.shape.cached * states.LOW * together * row.tokens / 2
    token = max(
        TOKEN_SECONDS if work.together is None else SERVED_SECONDS,
        (held.weights / 2 + cached) / gpu.bandwidth,
    )
    prompts = forward * sequences / load.rows * (1 - row.answer / row.tokens) / (REINFORCED * gpu.flops)
    drawing = (prompts + math.ceil(sequences / together) * config.max_completion * token) / config.window
    steps = config.steps
    taken = min(rows, config.selection.size or rows) if rows is not None and config.selection else rows
    if steps is None and taken is not None:
        steps = math.ceil(taken * (config.epochs or 0) / config.update_prompts)
    whole = seconds + drawing
    return Speed(
        efficiency=REINFORCED,
        flops=(useful + again) * passes,
        again=again * passes,
        step_seconds=whole,
        generation_seconds=drawing,
        tokens_per_second=load.rows * passes * row.tokens / whole,
        rows_per_second=config.update_prompts / whole,
        rows=taken,
        steps=steps,
        hours=steps * whole / 3600 if steps is not None else None,
    )


def _share(load: Load, row: Usual, rows: float) -> dict[str, float]:
    """What of a traced pass's operations `rows` usual rows take, by who does them."""
    return {
        "text": rows * row.tokens / load.total,
        "vision": rows * row.patches / load.patches if load.patches else 0.0,
        "head": rows * row.answer / (load.rows * load.answer),
        "rest": rows / load.rows,
    }


def _operations(flops: Mapping[str, float], share: Mapping[str, float]) -> tuple[float, float]:
    """Of one pass: those that the mathematics asks for, and those done again."""
    useful = sum(share[name] * (flops.get(name, 0.0) + flops.get(name + BACK, 0.0)) for name in share)
    again = sum(share[name] * flops.get(name + AGAIN, 0.0) for name in share)
    return useful, again


def _with_exchange(seconds: float, settings: Settings, config: StageConfig, how: Division, gpu: Gpu) -> float:
    """A pass with what cards exchange meanwhile. ZeRO-3 gathers the weights for each way through the model and reduces
    gradients, ZeRO-2 reduces in each pass; beside the computation where settings overlap, after it where they do not."""
    if how.world == 1:
        return seconds
    number = estimate.parameters(settings, config)
    each = states.LOW if how.low and how.level else states.FULL
    gathered = (2 if how.level == 3 else 0) * each * (number.trainable + number.frozen)
    moved = (gathered + each * number.trainable) * (how.world - 1) / how.world
    exchange = moved / (LINK * gpu.link)
    return max(seconds, exchange) if how.overlap or not how.level else seconds + exchange


def rows(config: TrainingConfig, stages: Mapping[str, StageConfig]) -> int | None:
    """Rows of an epoch as the data cards state them, before any is refused or chosen by task. None where a card states none."""
    counts: list[int] = []
    for one in config.data:
        found = _stated(one.corpus, one.split, one.cards, stages)
        if found is None:
            return None
        counts.append(found)
    try:
        return sum(part.draws for part in mix.ingredients(config.data, counts, where="data"))
    except LingshuError:
        return None


def _stated(corpus: str, split: str, wanted: Sequence[str], stages: Mapping[str, StageConfig]) -> int | None:
    prepared = stages.get(corpus)
    while prepared is not None and not isinstance(prepared, Prepare):
        above = [need.stage for need in prepared.needs if need.role == "corpus"]
        prepared = stages.get(above[0]) if above else None
    if prepared is None or prepared.questions:
        return None
    total = 0
    for name in prepared.cards:
        if wanted and name not in wanted:
            continue
        try:
            card = cards.load(name)
        except LingshuError:
            return None
        taken = prepared.card_splits.get(name, {part: part for part in prepared.splits})
        for theirs, ours in taken.items():
            if ours != split or theirs not in card.lingshu.splits:
                continue
            stated = card.lingshu.splits[theirs].rows
            if stated is None:
                return None
            total += stated
    return total or None
