"""What training stages do alike: load the model, find where to resume, train, and write the final model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from transformers import BitsAndBytesConfig, PreTrainedModel, PrinterCallback, ProcessorMixin

from lingshu_train import dist, gpus
from lingshu_train.errors import RunAgain
from lingshu_train.kind import Facts
from lingshu_train.model import family, flash, load, parts
from lingshu_train.model import origin as origins
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import PARTS
from lingshu_train.runs import checkpoint, ledger, moved
from lingshu_train.runs.stage import Stage
from lingshu_train.training import adapters, arguments, lora, soundness
from lingshu_train.training.config import TrainingConfig
from lingshu_train.training.exact import Exact, TrainingRun
from lingshu_train.training.feed import Rows
from lingshu_train.training.lora import Train
from lingshu_train.training.metering import Meter
from lingshu_train.training.progress import Progress


def source(stage: Stage, base: str, wanted: Settings) -> str:
    """Folder or hub id of the model to start from."""
    return str(stage.parent(base) / "model") if base else wanted.base


def open_model(
    stage: Stage, base: str, wanted: Settings, train: Train
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """The model to start from, with all but the `train` parts frozen, and its processor. What trains through an adapter is
    frozen too: `adapter` says what TRL is to put beside it."""
    start = source(stage, base, wanted)
    # Mixed precision keeps the optimizer's copy in float32; only the forward pass is bfloat16.
    architecture = family.of(wanted.family)
    low = wanted.quantize != "none" and lora.adapters(train)
    quantize = load.four_bits(architecture, dtype=wanted.dtype) if low else None
    model = _model(start, base, wanted, attention=_attention(stage, wanted), quantize=quantize)
    parts.freeze_all_but(architecture, model, lora.whole(train))
    if lora.adapters(train) and not arguments.divided(stage):
        parts.lower_frozen(model, load.DTYPES[wanted.dtype])
    use_cache(model, False)
    text = load.processor(architecture, start, wanted.budget, revision=_revision(base, wanted))
    _tell_ends(model, text, wanted)
    return model, text


def _attention(stage: Stage, wanted: Settings) -> str:
    """Of a stage, the same on every rank: what `auto` is here is said once."""
    if wanted.attention != "auto":
        return wanted.attention
    found = ""
    if dist.place().first:
        chosen = flash.choose(
            device=arguments.device(stage),
            dtype=wanted.dtype,
            deterministic=stage.cluster.deterministic,
            looks_ahead=wanted.shape.looks_ahead,
        )
        sys.stderr.write(f"lingshu: attention: {chosen}\n")
        found = chosen.name
    return dist.from_first(found)


def _model(
    start: str, base: str, wanted: Settings, *, attention: str, quantize: BitsAndBytesConfig | None = None
) -> PreTrainedModel:
    return load.model(
        family.of(wanted.family),
        start,
        dtype="float32",
        attention=attention,
        revision=_revision(base, wanted),
        quantize=quantize,
    )


def _revision(base: str, wanted: Settings) -> str | None:
    return None if base else wanted.revision or None


def _tell_ends(model: PreTrainedModel, text: ProcessorMixin, wanted: Settings) -> None:
    """Whoever asks the model alone (TRL's rollouts, what is saved) is told the same ends of an answer."""
    ends = load.ends(family.of(wanted.family), model, text)
    model.generation_config.eos_token_id = list(ends) if len(ends) > 1 else ends[0]


def adapter(stage: Stage, config: TrainingConfig, model: PreTrainedModel) -> LoraConfig | None:
    """`peft_config` of a stage's trainer; None where all that trains trains whole."""
    architecture = family.of(str(stage.model["family"]))
    return adapters.config(architecture, model, config.train, where=f"stages.{stage.name}.train")


def use_cache(model: PreTrainedModel, wanted: bool) -> None:
    """Training keeps no cache: with one, packed samples would see each other (R6)."""
    model.config.use_cache = wanted
    model.config.get_text_config().use_cache = wanted


def run_of(
    stage: Stage,
    config: TrainingConfig,
    *,
    row: Callable[[int], int],
    items_per_step: int,
    resume: Path | None,
    steps: int,
) -> TrainingRun:
    """The run of a training stage. See TrainingRun for the rest."""
    return TrainingRun(
        stage=stage,
        family=family.of(str(stage.model["family"])),
        row=row,
        items_per_step=items_per_step,
        resume=resume,
        steps=steps,
        learning_rate=dict(config.learning_rate),
        weight_decay=config.weight_decay,
        keep=config.keep,
        optimizer=config.optimizer,
        beside=config.save_beside,
        base=f"../{stage.parent(config.base).name}/model"
        if config.base
        else str(stage.model.get("base") or ""),
        revision="" if config.base else str(stage.model.get("revision") or ""),
    )


def meter(trainer: Exact, config: TrainingConfig, wanted: Settings) -> Meter:
    """What counts a stage's steps."""
    device = trainer.args.device
    card = gpus.seen(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    return Meter(
        shape=wanted.shape,
        trains=[part for part in PARTS if part in config.trains],
        adapters=list(config.adapters),
        device=device,
        peak=card.flops if card else 0.0,
    )


def resume_point(stage: Stage) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, the same on every rank, and what had to be set aside."""
    found: tuple[Path | None, list[str]] = (None, [])
    if dist.place().first:
        found = checkpoint.newest(stage.path, content=stage.content)
    folder, set_aside = dist.from_first(found)
    if folder is not None:
        moved.agree(stage, folder, writes=dist.place().first)
        dist.barrier()
    if dist.place().first:
        for line in set_aside:
            sys.stderr.write(f"lingshu: {line}\n")
    return folder, set_aside


def rewind(stage: Stage, resume: Path | None, told: list[str]) -> float:
    """Make the ledgers what they were at the checkpoint; returns the token total there. What had to be put back is added to
    `told`."""
    if dist.place().first:
        found = ledger.restore(stage.path, resume)
        told += found
        for line in found:
            sys.stderr.write(f"lingshu: {line}\n")
    dist.barrier()
    lines = ledger.steps(stage.path)
    return float(lines[-1].get("tokens", 0.0)) if lines else 0.0


def fit(trainer: Exact, progress: Progress, resume: Path | None) -> None:
    """Train to the end. Raises RunAgain (75) when told to stop before it, with everything saved."""
    trainer.remove_callback(PrinterCallback)
    progress.writer = trainer.writer
    trainer.add_callback(progress)
    if resume:
        _resume(trainer, resume)
    else:
        trainer.train()
    trainer.writer.close()
    if progress.stopped:
        step = trainer.state.global_step
        raise RunAgain(
            f"stopped at step {step} of {trainer.run.steps}, checkpoint written; run the same command again"
        )
    soundness.assert_end(trainer, trainer.run.steps)
    trainer.look_at_weights(trainer.run.steps)
    if dist.place().first:
        ledger.check(trainer.run.stage.path, steps=trainer.run.steps)


def _resume(trainer: Exact, resume: Path) -> None:
    """Go on from a checkpoint. RunAgain (75) where it changed between its verification and its use."""
    restored = soundness.Restored(trainer.run.stage, resume)
    trainer.add_callback(restored)
    try:
        trainer.train(resume_from_checkpoint=str(resume))
    except RunAgain:
        raise
    except Exception as fault:
        # Whatever torch or safetensors make of a file that is gone or cut short.
        changed = None if restored.loaded else restored.changed()
        if changed is None:
            raise
        raise RunAgain(f"{resume}: {changed}, while it was loaded; run the same command again") from fault


def save(trainer: Exact, text: ProcessorMixin, config: TrainingConfig, wanted: Settings) -> None:
    """Write `model/`: safetensors, config and processor, loadable by the next stage, and `adapter/` where there is one.
    Collective under ZeRO-3."""
    path = trainer.run.stage.path
    use_cache(trainer.model, True)
    with dist.patience():
        trainer.save_model(str(path / (adapters.FOLDER if config.adapters else "model")), _internal_call=True)
    if dist.place().first:
        if config.adapters:
            adapters.keep(path / adapters.FOLDER)
            _merge(trainer, config, wanted, text)
        text.save_pretrained(path / "model")
    dist.barrier()


def _merge(trainer: Exact, config: TrainingConfig, wanted: Settings, text: ProcessorMixin) -> None:
    """`model/` from the model that training started from and from `adapter/`, as whoever has both would make it.

    The frozen weights are taken as they were in training, rounded or in 4 bits where they were, so that what is saved is what
    was trained, and not the same adapter on numbers that it never saw.
    """
    stage = trainer.run.stage
    with adapters.undivided():
        base = _model(source(stage, config.base, wanted), config.base, wanted, attention="sdpa")
    if wanted.dtype != "float32":
        parts.round_to(base, load.DTYPES[wanted.dtype])
    adapters.dequantize(trainer.model, base)
    found = adapters.merged(base, stage.path / adapters.FOLDER)
    use_cache(found, True)
    _tell_ends(found, text, wanted)
    found.save_pretrained(stage.path / "model")


def origin(base: str, wanted: Settings) -> Facts:
    """What the manifest says of where the model came from, in the stage that starts from the recipe's base. The first rank
    alone reads the weights once more, for their hash."""
    found = None if base or not dist.place().first else origins.of(wanted)
    return {origins.FACT: found.model_dump(mode="json", exclude_defaults=True)} if found else {}


def summary(
    trainer: Exact, config: TrainingConfig, *, rows: Rows, set_aside: list[str], resumed_at: int
) -> Facts:
    """What the manifest says of a training stage."""
    lines = ledger.steps(trainer.run.stage.path)
    architecture = trainer.run.family
    model = trainer.model
    beside = (
        {"trained": adapters.facts(architecture, model, config.train)} if isinstance(model, PeftModel) else {}
    )
    trained = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    return {
        "steps": trainer.run.steps,
        "rows": len(rows),
        "left_out_as_too_long": rows.left_out,
        **({"withdrawn": rows.withdrawn} if rows.withdrawn else {}),
        **({"late_in_first_epoch": rows.late} if rows.late else {}),
        "samples_seen": trainer.run.steps * trainer.run.items_per_step,
        "trained_parts": sorted({parts.part_of(architecture, name) for name in trained}),
        "parameters": parts.counts(architecture, trainer.model),
        "attention": trainer.model.config._attn_implementation,
        **beside,
        "first_loss": lines[0]["loss"],
        "last_loss": lines[-1]["loss"],
        "tokens": lines[-1].get("tokens"),
        **moved.facts(trainer.run.stage),
        "resumed_at": resumed_at,
        "checkpoints_set_aside": set_aside,
    }
