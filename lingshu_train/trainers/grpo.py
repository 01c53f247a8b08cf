"""GRPO with verifiable rewards: TRL's GRPOTrainer with exact resume and rewards scored by this project's verifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trl import GRPOConfig, GRPOTrainer

from lingshu_train import dist, verify
from lingshu_train.data.order import Order
from lingshu_train.model.settings import Settings
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.trainers import arguments, held_out, session
from lingshu_train.trainers.exact import Exact, Run
from lingshu_train.trainers.rows import Rows, num_steps
from lingshu_train.trainers.scoring import Scoring
from lingshu_train.trainers.watch import Watch


class ExactGRPOTrainer(Exact, GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer as this project needs it; see Exact for what differs."""


def item_to_row(order: Order, *, prompts: int, group: int, repeats: int) -> Any:
    """Row of the i-th item the loader yields.

    A window holds `prompts` prompts, each `group` times in a row, and the loader yields the window `repeats` times: TRL
    reads a whole window at each of its micro-steps and generates at the first.
    """
    items = prompts * group

    def row(i: int) -> int:
        window = i // (items * repeats)
        return order.row(window * prompts + i % items // group)

    return row


def train(stage: Stage, config: Any) -> dict[str, Any]:
    """Run one GRPO stage to its end. `config` is a stages.grpo.Config."""
    wanted = session.settings(stage)
    rows = Rows(stage, config.data)
    accumulation = config.accumulation(dist.place().world_size)
    repeats = accumulation * config.window
    steps = num_steps(
        steps=config.steps,
        epochs=config.epochs,
        rows=len(rows),
        per_step=config.update_prompts,
        multiple=config.window,
    )
    args = _arguments(stage, config, wanted, steps=steps, accumulation=accumulation)
    model, text = session.open_model(stage, config.base, wanted, config.train)

    resume, set_aside = session.resume_point(stage)
    start = checkpoint.step_of(resume) if resume else 0
    tokens = session.rewind(stage, start, ledger.NAME, ledger.COMPLETIONS)

    scoring = Scoring(stage, config, rows.samples, eos=text.tokenizer.eos_token_id)
    watched = held_out.HeldOut(stage, config, wanted=wanted, text=text) if config.watch else None
    trainer = ExactGRPOTrainer(
        model=model,
        args=args,
        reward_funcs=[scoring],
        train_dataset=rows.dataset(system=wanted.system_prompt, with_completion=False),
        processing_class=text,
    )
    order = Order(size=len(rows), seed=stage.seed)
    trainer.begin(
        Run(
            stage=stage,
            row=item_to_row(order, prompts=config.rollout_prompts, group=config.group_size, repeats=repeats),
            items_per_step=config.rollout_prompts * config.group_size * accumulation,
            resume=resume,
            steps=steps,
            learning_rate=dict(config.learning_rate),
            weight_decay=config.weight_decay,
            keep=config.keep,
        )
    )

    def extra(step: int) -> dict[str, Any]:
        first = (step - 1) // config.window * config.rollout_prompts
        seen: Sequence[int] = list(order.rows(first, first + config.rollout_prompts))
        return {
            "epoch": step * config.update_prompts / len(rows),
            "samples": rows.digest(seen),
            **scoring.metrics(),
            **(watched.measure(trainer, step) if watched else {}),
        }

    watch = Watch(ledger.Ledger(stage.path), title=stage.name, window=config.window, extra=extra)
    watch.resume_tokens(tokens)
    try:
        session.fit(trainer, watch, resume)
    finally:
        scoring.close()
    session.save(trainer, text)
    summary = session.summary(trainer, rows=len(rows), set_aside=set_aside, resumed_at=start)
    return summary | {"verifier": verify.version(), "warnings": held_out.warnings(stage)}


def _arguments(stage: Stage, config: Any, wanted: Settings, *, steps: int, accumulation: int) -> GRPOConfig:
    return GRPOConfig(
        **arguments.shared(stage, config, wanted, steps=steps, accumulation=accumulation),
        num_generations=config.group_size,
        steps_per_generation=accumulation * config.window,
        max_completion_length=config.max_completion,
        temperature=config.temperature,
        beta=config.kl_coefficient,
        epsilon=config.clip_low,
        epsilon_high=config.clip_high,
        loss_type=config.loss,
        use_vllm=False,
        log_completions=False,
    )
