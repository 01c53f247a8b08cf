"""What training stages do alike: load the model, find where to resume, train, and write the final model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedModel, PrinterCallback, ProcessorMixin

from lingshu_train import dist
from lingshu_train.errors import RunAgain
from lingshu_train.kind import Facts
from lingshu_train.model import family, load, parts
from lingshu_train.model import origin as origins
from lingshu_train.model.settings import Settings
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.training.config import TrainingConfig
from lingshu_train.training.exact import Exact, TrainingRun
from lingshu_train.training.feed import Rows
from lingshu_train.training.progress import Progress


def source(stage: Stage, base: str, wanted: Settings) -> str:
    """Folder or hub id of the model to start from."""
    return str(stage.parent(base) / "model") if base else wanted.base


def open_model(
    stage: Stage, base: str, wanted: Settings, train: tuple[str, ...]
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """The model to start from, with all but the `train` parts frozen, and its processor."""
    start = source(stage, base, wanted)
    revision = None if base else wanted.revision or None
    # Mixed precision keeps the optimizer's copy in float32; only the forward pass is bfloat16.
    architecture = family.of(wanted.family)
    model = load.model(architecture, start, dtype="float32", attention=wanted.attention, revision=revision)
    parts.freeze_all_but(architecture, model, train)
    use_cache(model, False)
    return model, load.processor(architecture, start, wanted.budget, revision=revision)


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
    )


def resume_point(stage: Stage) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, the same on every rank, and what had to be set aside."""
    found: tuple[Path | None, list[str]] = (None, [])
    if dist.place().first:
        found = checkpoint.newest(stage.path, content=stage.content)
    folder, set_aside = dist.from_first(found)
    if dist.place().first:
        for line in set_aside:
            sys.stderr.write(f"lingshu: {line}\n")
    return folder, set_aside


def rewind(stage: Stage, step: int, *names: str) -> float:
    """Take the ledgers back to the checkpoint's step; returns the token total at that step."""
    if dist.place().first:
        for name in names:
            ledger.Ledger(stage.path, name).rewind(step)
    dist.barrier()
    lines = ledger.steps(stage.path)
    return float(lines[-1].get("tokens", 0.0)) if lines else 0.0


def fit(trainer: Exact, progress: Progress, resume: Path | None) -> None:
    """Train to the end. Raises RunAgain (75) when told to stop before it, with everything saved."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if progress.stopped:
        step = trainer.state.global_step
        raise RunAgain(
            f"stopped at step {step} of {trainer.run.steps}, checkpoint written; run the same command again"
        )


def save(trainer: Exact, text: ProcessorMixin) -> None:
    """Write `model/`: safetensors, config and processor, loadable by the next stage. Collective under ZeRO-3."""
    target = trainer.run.stage.path / "model"
    use_cache(trainer.model, True)
    trainer.save_model(str(target), _internal_call=True)
    if dist.place().first:
        text.save_pretrained(target)
    dist.barrier()


def origin(base: str, wanted: Settings) -> Facts:
    """What the manifest says of where the model came from, in the stage that starts from the recipe's base. The first rank
    alone reads the weights once more, for their hash."""
    found = None if base or not dist.place().first else origins.of(wanted)
    return {origins.FACT: found.model_dump(mode="json", exclude_defaults=True)} if found else {}


def summary(trainer: Exact, *, rows: Rows, set_aside: list[str], resumed_at: int) -> Facts:
    """What the manifest says of a training stage."""
    lines = ledger.steps(trainer.run.stage.path)
    architecture = trainer.run.family
    trained = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    return {
        "steps": trainer.run.steps,
        "rows": len(rows),
        "left_out_as_too_long": rows.left_out,
        "samples_seen": trainer.run.steps * trainer.run.items_per_step,
        "trained_parts": sorted({parts.part_of(architecture, name) for name in trained}),
        "parameters": parts.counts(architecture, trainer.model),
        "first_loss": lines[0]["loss"],
        "last_loss": lines[-1]["loss"],
        "tokens": lines[-1].get("tokens"),
        "resumed_at": resumed_at,
        "checkpoints_set_aside": set_aside,
    }
