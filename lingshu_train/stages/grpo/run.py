"""GRPO with verifiable rewards: TRL's GRPOTrainer with exact resume and rewards scored by this project's verifier."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from datasets import Dataset as HubDataset
from transformers import ProcessorMixin
from trl import GRPOConfig, GRPOTrainer

from lingshu_train import dist, verify
from lingshu_train.data import chat
from lingshu_train.kind import Facts
from lingshu_train.model import family, load, repeated
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sample
from lingshu_train.rollouts import OURS
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo import agreement, audited, columns, held_out, losses, risen, served, unscored
from lingshu_train.stages.grpo.ahead import Ahead
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.curriculum import Choosing
from lingshu_train.stages.grpo.dynamic import Dynamic
from lingshu_train.stages.grpo.items import Once, Placing, item_to_row
from lingshu_train.stages.grpo.scored import Scored
from lingshu_train.stages.grpo.scoring import Scoring
from lingshu_train.training import adapters, arguments, session
from lingshu_train.training.divergence import Guard
from lingshu_train.training.exact import TrainingRun
from lingshu_train.training.feed import Rows, num_steps
from lingshu_train.training.guarded import Batch
from lingshu_train.training.progress import Progress

UPSTREAM = {
    "_tokenize_prompts": ("self", "prompts"),
    "_prepare_input": ("self", "data"),
    "_prepare_inputs": ("self", "generation_batch"),
    "_generate_and_score_completions": ("self", "inputs"),
    "_get_per_token_logps_and_entropies": (
        "self",
        "model",
        "input_ids",
        "attention_mask",
        "logits_to_keep",
        "batch_size",
        "compute_entropy",
        "compute_aux_loss",
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "spatial_shapes",
        "num_tiles",
        "image_sizes",
        "token_type_ids",
        "mm_token_type_ids",
        "image_position_ids",
    ),
    "_generate_single_turn": (
        "self",
        "prompt_ids",
        "images",
        "multimodal_fields",
        "num_generations",
        "has_tool_images",
    ),
}
"""As in exact.py, for a method that only TRL's GRPOTrainer has."""


class ExactGRPOTrainer(Dynamic, Ahead, Scored, GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer as this project needs it; its mixins say what differs."""

    train_dataset: Once | HubDataset
    seen: repeated.Seen | None = None
    """Of the window's pictures, where what sees them does not train."""

    def begin(self, run: TrainingRun) -> None:
        models = [
            adapters.base_of(self.accelerator.unwrap_model(model))
            for model in (self.model, getattr(self, "ref_model", None))
            if model is not None
        ]
        cluster = run.stage.cluster
        # Under ZeRO-3 ranks run the tower together or not at all.
        sharded = cluster.divides(run.stage.world_size) and cluster.deepspeed == "zero3"
        if not sharded and repeated.stays(run.family, models[0]):
            self.seen = repeated.Seen()
        # Before the guard, which lets batches without pictures pass all of this by.
        self.copies = repeated.Copies()
        for model in models:
            repeated.once(run.family, model, self.seen, self.copies)
        super().begin(run)
        self.train_dataset = Once(self.train_dataset)

    def _generate_and_score_completions(self, inputs: list[dict[str, object]]) -> Batch:
        if self.seen:
            self.seen.forget()
        found: Batch = super()._generate_and_score_completions(inputs)
        if self.agreement is not None:
            # Of what is learned from, whatever was asked for it.
            self.agreement.measure(found, self.next_step)
        return found

    def pass_over(self, inputs: Batch) -> None:
        """The window of a step that is left out is generated all the same, for its other steps."""
        if not self.guard.leaves_out_window(self.next_step):
            self._prepare_inputs(inputs)
        self._step += 1

    def rewind_step(self) -> None:
        self._step -= len(self._batches)


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Train, resuming from the newest whole checkpoint, and write `model/`, the ledger and the completions kept."""
    return train(stage, config, settings)


def train(stage: Stage, config: Config, wanted: Settings) -> Facts:
    """Run one GRPO stage to its end. `config` is a stages.grpo.Config."""
    config.try_out(f"stages.{stage.name}")
    rows = _rows(stage, config, wanted)
    steps = num_steps(
        steps=config.steps,
        items=rows.items(config.epochs or 0),
        per_step=config.update_prompts * config.choice,
        multiple=config.window,
    )
    accumulation = config.accumulation(dist.place().world_size)
    args = _arguments(stage, config, wanted, steps=steps, accumulation=accumulation)
    model, text = session.open_model(stage, config.base, wanted, config.train)

    resume, set_aside = session.resume_point(stage)
    start = checkpoint.step_of(resume) if resume else 0
    tokens = session.rewind(stage, resume, set_aside)

    ends = load.ends(family.of(wanted.family), model, text)
    written = partial(_written, text, wanted.system_prompt)
    scoring = Scoring(stage, config, rows.sample, gone=rows.gone, prompt=written, ends=ends)
    watched = held_out.HeldOut(stage, config, wanted=wanted, text=text, ends=ends) if config.watch else None
    trainer = ExactGRPOTrainer(
        model=model,
        args=args,
        reward_funcs=[scoring],
        train_dataset=rows.dataset(system=wanted.system_prompt, whole=False),
        processing_class=text,
        peft_config=session.adapter(stage, config, model),
    )
    trainer.meter = session.meter(trainer, config, wanted)
    at = _at(rows, scoring.choosing)
    _begin(trainer, stage, config, at=at, resume=resume, steps=steps)
    _guard(trainer, rows, stage, config)
    if config.rollouts.engine != OURS:
        device = trainer.args.device.type
        trainer.rollouts = served.Rollouts(stage, config, wanted, text=text, ends=ends, device=device)
        trainer.agreement = agreement.begin(trainer, config)
        if watched:
            watched.through(trainer.rollouts)
    progress = Progress(
        ledger.Ledger(stage.path),
        title=stage.name,
        window=config.window,
        extra=columns.of(trainer, rows, stage, config, scoring=scoring, watched=watched),
        minutes=config.save_every_minutes,
        meter=trainer.meter,
    )
    progress.resume_tokens(tokens)
    try:
        session.fit(trainer, progress, resume)
    finally:
        scoring.close()
        if trainer.rollouts is not None:
            trainer.rollouts.close()
    session.save(trainer, text, config, wanted)
    summary = session.summary(trainer, config, rows=rows, set_aside=set_aside, resumed_at=start)
    return {**summary, **session.origin(config.base, wanted), **_facts(trainer, stage, config)}


def _facts(trainer: ExactGRPOTrainer, stage: Stage, config: Config) -> Facts:
    """What the manifest says beside the summary of any training stage."""
    return {
        "verifier": verify.version(),
        **({"engine": trainer.rollouts.software} if trainer.rollouts is not None else {}),
        "warnings": [
            *held_out.warnings(stage),
            *risen.warnings(stage),
            *audited.warnings(stage, config),
            *unscored.warnings(stage.path, stage.name, window=config.window),
            *trainer.guard.warnings(stage.name),
        ],
        **trainer.guard.facts(),
    }


def _begin(
    trainer: ExactGRPOTrainer,
    stage: Stage,
    config: Config,
    *,
    at: Callable[[int], int],
    resume: Path | None,
    steps: int,
) -> None:
    """Tell the trainer which rows its windows ask. `at(place)` is the row of a place in the order."""
    here = dist.place()
    accumulation = config.accumulation(here.world_size)
    items = Placing(
        prompts=config.rollout_prompts,
        group=config.group_size,
        updates=config.window if config.whole_groups else 1,
        ranks=here.world_size,
        stride=config.window_prompts,
    )
    row = item_to_row(at, items, repeats=accumulation * config.window)
    trainer.whole_groups, trainer.most_draws = config.whole_groups, config.draws
    trainer.asks_on = config.draws > 1
    trainer.ahead, trainer.window_steps = config.ahead, config.window
    per_step = config.rollout_prompts * config.group_size * accumulation
    trainer.begin(session.run_of(stage, config, row=row, items_per_step=per_step, resume=resume, steps=steps))

    def items_of(window: int, draw: int) -> list[dict[str, object]]:
        places = items.of_rank(here.rank, window, draw=draw)
        return trainer.train_dataset.__getitems__([at(place) for place in places])

    trainer.items_of = items_of
    trainer.others = lambda draw: items_of(int(trainer.state.global_step) // config.window, draw)


def _at(rows: Rows, choosing: Choosing | None) -> Callable[[int], int]:
    """The row of a place in the order, or the one that is asked there instead."""
    if choosing is None:
        return rows.row
    chosen = choosing.place

    def sample(place: int) -> Sample | None:
        row = rows.row(place)
        return None if rows.gone([row])[0] else rows.sample(row)

    choosing.over(sample)
    return lambda place: rows.row(chosen(place))


def _guard(trainer: ExactGRPOTrainer, rows: Rows, stage: Stage, config: Config) -> None:
    """Tell it what becomes of rows that are withdrawn, and of batches that are not finite."""
    drawn = partial(columns.drawn, rows, config)
    trainer.guard = Guard(
        stage.path,
        most=config.most_left_out,
        rows=lambda step: rows.names(drawn(step)),
        window=config.window,
        gone=(lambda step: rows.gone(drawn(step))) if rows.withdrawn else None,
    )
    trainer.gone = rows.gone if rows.withdrawn else None
    trainer.names, trainer.rollout_batch = rows.names, config.rollout_batch


def _written(text: ProcessorMixin, system: str, sample: Sample) -> str:
    """What TRL gives the policy of a sample, before each picture's mark becomes as many tokens as it has."""
    messages = chat.prompt(sample, system=system, images=True)
    return str(text.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _rows(stage: Stage, config: Config, wanted: Settings) -> Rows:
    """The prompts that are short enough, or those of them that the selection takes."""
    return Rows(
        stage,
        config.data,
        source=session.source(stage, config.base, wanted),
        wanted=wanted,
        limit=config.limit,
        late=config.consented_late,
        select=config.selection,
        pairs=bool(config.pairs),
    )


def _arguments(
    stage: Stage, config: Config, wanted: Settings, *, steps: int, accumulation: int
) -> GRPOConfig:
    return GRPOConfig(
        **arguments.shared(stage, config, wanted, steps=steps, accumulation=accumulation),
        num_generations=config.group_size,
        steps_per_generation=accumulation * config.window,
        max_completion_length=config.max_completion,
        temperature=config.temperature,
        beta=config.kl_coefficient,
        **losses.options(
            config.loss,
            ratio_of=config.ratio_of,
            kl_estimator=config.kl_estimator,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
        ),
        use_vllm=False,
        log_completions=False,
        # Upstream gathers the images of all ranks for it, also when nothing is logged: a rank without any never answers.
        log_multimodal=False,
    )
