"""The TrainingArguments that every stage shares, in one place; what a recipe varies comes from its stage."""

from __future__ import annotations

import json
import logging
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from lingshu_train import dist, shipped
from lingshu_train.errors import UsageError
from lingshu_train.model.settings import Settings
from lingshu_train.runs import checkpoint
from lingshu_train.runs.stage import Stage
from lingshu_train.training.config import TrainingConfig

_DEEPSPEED = shipped.folder("launch") / "deepspeed"


def silence() -> None:
    """Keep the libraries' chatter out of the progress lines: their bars, and DeepSpeed's remark that this is a CPU."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        from deepspeed.accelerator import get_accelerator

        get_accelerator()
    finally:
        logging.disable(logging.NOTSET)


def device(stage: Stage) -> str:
    """cpu or cuda: what the cluster block says, or what this machine has. UsageError (64) where no GPU is left for us."""
    chosen = stage.cluster.device
    found = chosen if chosen != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    place, seen = dist.place().local_rank, torch.cuda.device_count()
    if found == "cuda" and 0 < seen <= place:
        raise UsageError(
            f"rank {dist.place().rank} is number {place} of its machine, from 0, and sees {seen} GPU{'s' if seen > 1 else ''}; "
            "start as many ranks as there are GPUs, and let each see all of them (srun --gpus-per-node=N, without "
            "--gpus-per-task or --gpu-bind)"
        )
    return found


def always_in_one_order() -> None:
    """From here on, kernels of torch that are not deterministic raise or are replaced by those that are.

    Not as a warning only: the backward passes of torch's attention are deterministic where it raises, and not where it warns
    (aten/src/ATen/native/transformers/cuda/attention_backward.cu). The launcher has set CUBLAS_WORKSPACE_CONFIG.
    """
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def shared(
    stage: Stage, config: TrainingConfig, settings: Settings, *, steps: int, accumulation: int
) -> dict[str, Any]:
    """Keyword arguments of SFTConfig and GRPOConfig alike."""
    on_cpu = device(stage) == "cpu"
    if stage.cluster.deterministic and not on_cpu:
        always_in_one_order()
    low = settings.dtype == "bfloat16"
    several = dist.place().world_size > 1
    return {
        "output_dir": str(stage.path / checkpoint.FOLDER),
        "max_steps": steps,
        "per_device_train_batch_size": config.per_device_batch,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": max(config.learning_rate.values()),
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup_steps,
        "max_grad_norm": config.max_grad_norm,
        "weight_decay": config.weight_decay,
        "seed": stage.seed,
        "bf16": low,
        "use_cpu": on_cpu,
        "ddp_backend": ("gloo" if on_cpu else "nccl") if several else None,
        "ddp_find_unused_parameters": False,
        "deepspeed": _deepspeed(stage, low=low),
        "gradient_checkpointing": settings.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False}
        if settings.gradient_checkpointing
        else None,
        "dataloader_num_workers": config.loader_workers,
        "remove_unused_columns": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        # Without, by the clock alone (progress.py); the last step is always saved.
        "save_steps": config.save_every or steps,
        # Order is arithmetic: the sampler itself starts where training resumes.
        "ignore_data_skip": True,
        "disable_tqdm": True,
        "report_to": [],
    }


def divided(stage: Stage) -> bool:
    """Whether DeepSpeed divides the work of this stage, and keeps masters and frozen weights in its own way."""
    return stage.cluster.divides(dist.place().world_size)


def _deepspeed(stage: Stage, *, low: bool) -> dict[str, Any] | None:
    if not divided(stage):
        return None
    settings: dict[str, Any] = json.loads(
        (_DEEPSPEED / f"{stage.cluster.deepspeed}.json").read_text(encoding="utf-8")
    )
    settings["bf16"]["enabled"] = low
    settings["zero_optimization"] |= _offload(stage)
    _start_deepspeed(device(stage))
    return settings


def _offload(stage: Stage) -> dict[str, Any]:
    """What DeepSpeed is to keep in the host's memory. Pinned beside a GPU, so that copies run beside its work."""
    place = {"device": "cpu", "pin_memory": device(stage) == "cuda"}
    moved = {"none": (), "optimizer": ("offload_optimizer",), "all": ("offload_optimizer", "offload_param")}
    return {name: dict(place) for name in moved[stage.cluster.offload]}


def _start_deepspeed(kind: str) -> None:
    import deepspeed

    if kind == "cpu":
        # Asked which of its extensions fit, DeepSpeed runs the system's compiler in each rank, and builds one for shared memory
        # on first use. Told that none does, it does neither.
        deepspeed.ops.__compatible_ops__ = {}
    dist.meet_alone("gloo" if kind == "cpu" else "nccl")
    # ZeRO-3 loading asks DeepSpeed, not torch, how many ranks there are.
    backend = "gloo" if kind == "cpu" else "nccl"
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)
