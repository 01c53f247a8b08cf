"""What every trainer here adds to TRL's: exact resume, order by arithmetic, part-wise learning rates, no hidden NaN.

Each overridden method belongs to transformers 5.23 / TRL 1.16 and is named in UPSTREAM; a test fails when one of them
changes its signature.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import Sampler

from lingshu_train import dist
from lingshu_train.errors import OutputFailed
from lingshu_train.model import load, parts, vision_guard
from lingshu_train.model.family import Family
from lingshu_train.runs import checkpoint, ledger, moved
from lingshu_train.runs.files import failure
from lingshu_train.runs.stage import Stage
from lingshu_train.training import adapters, guarded, head, optimizers, relaid, soundness
from lingshu_train.training.config import Optimizer
from lingshu_train.training.divergence import Guard
from lingshu_train.training.guarded import Batch, Guarded
from lingshu_train.training.metering import Meter
from lingshu_train.training.writing import Writer

UPSTREAM = {
    "_get_train_sampler": ("self", "train_dataset"),
    "create_optimizer": ("self", "model"),
    "_get_output_dir": ("self", "trial"),
    "_save_checkpoint": ("self", "model", "trial"),
    "_save": ("self", "output_dir", "state_dict"),
    "_load_from_checkpoint": ("self", "resume_from_checkpoint", "model"),
    "_prepare_for_training": ("self", "max_steps", "train_dataloader", "resume_from_checkpoint"),
    **guarded.UPSTREAM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What a training run is, beside its trainer: where it writes, what comes n-th, and where it starts.

    `row(i)` is the data set row of the i-th item the loader yields, `items_per_step` how many items one optimizer step
    consumes over all ranks, `resume` the checkpoint that training goes on from. `base` and `revision` are what an adapter
    names as its model: an id of the hub, or a folder beside the stage's.
    """

    stage: Stage
    family: Family
    row: Callable[[int], int]
    items_per_step: int
    resume: Path | None
    steps: int
    learning_rate: dict[str, float]
    weight_decay: float
    keep: int
    optimizer: Optimizer = "adamw"
    beside: bool = False
    base: str = ""
    revision: str = ""

    @property
    def start(self) -> int:
        """Optimizer steps already done."""
        return checkpoint.step_of(self.resume) if self.resume else 0

    @property
    def laid_otherwise(self) -> bool:
        """Whether the checkpoint is of a layout that this one cannot read by itself."""
        return self.resume is not None and moved.divided_otherwise(self.stage, self.resume)


class Items(Sampler[int]):
    """Rows in run order. Starts where training resumes, yet reports the full length, from which steps are counted."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run

    def __len__(self) -> int:
        return self.run.steps * self.run.items_per_step

    def __iter__(self) -> Iterator[int]:
        for i in range(self.run.start * self.run.items_per_step, len(self)):
            yield self.run.row(i)


class Exact(Guarded):
    """Mixin that goes before a TRL trainer. Needs `ignore_data_skip=True` and `logging_steps=1`."""

    run: TrainingRun
    writer: Writer
    meter: Meter | None = None
    """What counts the steps, where somebody reads it."""
    tokens_taken = 0
    """Tokens of this rank in the batches of the step, where its collator counts them."""
    optimizer: torch.optim.Optimizer | None
    taken: dict[str, nn.Parameter]
    """What trains, by name, in the optimizer's order."""
    _random_state_restored = False

    def begin(self, run: TrainingRun) -> None:
        """Attach the run; call before `train`. A `guard` that may go back is set afterwards."""
        self.run = run
        self.guard = Guard(run.stage.path)
        self.writer = Writer(run.stage, keep=run.keep, beside=run.beside)
        # Without this the mean of micro-batch means is taken (R1): transformers says of many models that they take no loss
        # arguments.
        self.model_accepts_loss_kwargs = True
        head.install()
        if isinstance(self.model, PeftModel):
            adapters.begin(
                self.model,
                seed=run.stage.seed,
                base=run.base,
                revision=run.revision,
                masters=not self.is_deepspeed_enabled,
                low=self.args.bf16,
            )
        cluster = run.stage.cluster
        sharded = cluster.divides(run.stage.world_size) and cluster.deepspeed == "zero3"
        for model in (self.model, getattr(self, "ref_model", None)):
            if model is not None:
                below = adapters.base_of(self.accelerator.unwrap_model(model))
                vision_guard.install(run.family, below, sharded=sharded)

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        return Items(self.run)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """One group for each part and decay; keeps the names of what it takes, in its order."""
        if self.optimizer is None:
            groups = parts.optimizer_groups(
                self.run.family,
                self.model,
                learning_rate=self.run.learning_rate,
                weight_decay=self.run.weight_decay,
            )
            names = {id(parameter): name for name, parameter in self.model.named_parameters()}
            self.taken = {names[id(one)]: one for group in groups for one in group["params"]}
            self.optimizer = optimizers.build(
                self.run.optimizer,
                groups,
                betas=(self.args.adam_beta1, self.args.adam_beta2),
                eps=self.args.adam_epsilon,
                # On a CPU the last bits would change. What lies on the host is stepped by torch's own kernel there, for which,
                # other than for DeepSpeed's, nothing has to be compiled.
                fused=self.args.device.type == "cuda" or self.run.stage.cluster.offloads,
            )
            if not self.run.stage.cluster.divides(self.run.stage.world_size):
                optimizers.with_every_gradient(self.optimizer)
        return self.optimizer

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """Upstream restores the random state before the loader starts, and starting it draws a number."""
        with self.meter.loading() if self.meter else nullcontext():
            batches: tuple[list[Batch], torch.Tensor | int | None] = super().get_batch_samples(
                epoch_iterator, num_batches, device
            )
        if self.meter:
            left_out = self.guard.leaves_out(self.next_step)
            self.tokens_taken = self.meter.count(batches[0], left_out=left_out)
        if self.run.resume is not None and not self._random_state_restored:
            self._load_rng_state(str(self.run.resume))
            self._random_state_restored = True
        return batches

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: object, resume_from_checkpoint: str | None
    ) -> Any:
        """Upstream reads its own files again, and those alone: of the same ranks, divided the same way."""
        resume = self.run.resume
        other = resume is not None and self.run.laid_otherwise
        # DeepSpeed prints of memory, and of what it loads, under ZeRO-1.
        with redirect_stdout(StringIO()) if self.is_deepspeed_enabled else nullcontext():
            prepared = super()._prepare_for_training(
                max_steps, train_dataloader, None if other else resume_from_checkpoint
            )
        if resume is None or not other:
            return prepared
        divided = moved.before(self.run.stage, resume).divided != "none"
        found = relaid.read(resume, self.model, self.run.family, names=list(self.taken), divided=divided)
        if self.is_deepspeed_enabled:
            relaid.put_into_deepspeed(found, self.deepspeed, step=self.run.start)
        else:
            relaid.put_into_torch(found, self.optimizer, self.taken)
        self.lr_scheduler.load_state_dict(torch.load(resume / "scheduler.pt", weights_only=True))
        return prepared

    def create_model_card(self, *args: object, **kwargs: object) -> None:
        """TRL writes a README beside every checkpoint; ours is made at export, from the manifests."""

    def _get_output_dir(self, trial: object = None) -> str:
        return str(self.writer.place)

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        if self.meter:
            self.meter.peaks.enter("update")
        return norm

    def _save_checkpoint(self, model: nn.Module, trial: object = None) -> None:
        with self.meter.saving() if self.meter else nullcontext():
            self._save_whole(model, trial)

    def _save_whole(self, model: nn.Module, trial: object) -> None:
        """Upstream writes in place, so a kill leaves half a checkpoint that the next resume trips over."""
        step = self.state.global_step
        self.look_at_weights(step)
        staging = self.writer.begin(step, needed=_needed(self.model))
        try:
            with dist.patience():
                super()._save_checkpoint(model, trial)
            self.carry(staging / f"checkpoint-{step}")
        except (OSError, RuntimeError, SafetensorError) as fault:
            raise _unsaved(staging, fault) from fault
        dist.barrier()
        if dist.place().first:
            ledger.carry(self.run.stage.path, staging / f"checkpoint-{step}", step=step)
        self.writer.commit(soundness.optimizer_steps(self.optimizer))

    def carry(self, folder: Path) -> None:
        """What else a checkpoint has to hold; nothing here. Called on every rank, once upstream has written its files there."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        super()._save(output_dir, state_dict)
        if isinstance(self.model, PeftModel) and self.args.should_save:
            # Its card names the model by where it lies on this machine.
            (Path(output_dir or self.args.output_dir) / "README.md").unlink(missing_ok=True)
        # A pickle of all arguments, a hub token in clear among them, that nothing here reads.
        (Path(output_dir or self.args.output_dir) / "training_args.bin").unlink(missing_ok=True)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Upstream loads hub names into a model with other names and only warns (R2, transformers#43701)."""
        if self.run.laid_otherwise:
            # All that trains comes from what DeepSpeed keeps in float32; its `model.safetensors` is rounded.
            return
        if isinstance(self.model, PeftModel):
            adapters.load(self.model, Path(resume_from_checkpoint))
            return
        state = load.strict_state(self.run.family, Path(resume_from_checkpoint), self.model)
        self.model.load_state_dict(state, strict=True)


def _needed(model: nn.Module) -> int:
    """Bytes of a checkpoint at most: weights and two moments of all that trains, and weights of what does not, in float32."""
    sizes = [(parts.whole_shape(one).numel(), one.requires_grad) for one in model.parameters()]
    return sum(number * (12 if trains else 4) for number, trains in sizes)


def _unsaved(staging: Path, fault: Exception) -> OutputFailed | Exception:
    """torch and safetensors hide the operating system's error in their own; a full disk is told by what is left."""
    if isinstance(fault, OSError):
        shutil.rmtree(staging, ignore_errors=True)
        return failure(staging, fault)
    free = shutil.disk_usage(staging).free
    shutil.rmtree(staging, ignore_errors=True)
    if free < 2**20 or isinstance(fault, SafetensorError):
        return OutputFailed(
            f"{staging}: disk full while saving; free space and run the same command again ({fault})"
        )
    return fault
