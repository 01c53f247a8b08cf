"""Completions from vLLM: servers of this machine in an environment of their own, or such as the user runs elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator, model_validator

from lingshu_train import dist, environment
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.rollouts import _servers
from lingshu_train.rollouts._choice import Choice
from lingshu_train.rollouts._engine import Weights
from lingshu_train.rollouts._fleet import Fleet
from lingshu_train.rollouts._wire import Address
from lingshu_train.schema import Strict

if TYPE_CHECKING:
    from lingshu_train.rollouts._served import Served

OPENS = True
TRAINING = ("weights", "sleep")
"""Keys of use where weights change alone."""


class Params(Strict):
    """How many servers answer, and what each may take. None of it decides what they answer, up to rounding."""

    replicas: int = Field(default=1, gt=0)
    """Servers that are started; each process asks its own, or one of another process of its machine."""
    urls: tuple[str, ...] = ()
    """Servers that run already (docs/engines.md says how to start one); then none is started."""
    token_file: str = ""
    """File that holds the key of these servers."""
    shared: str = ""
    """Folder, empty or not there yet, that these servers see under the same path: weights are written there. Needed with
    `urls`."""
    gpus: tuple[str, ...] = ()
    """What CUDA_VISIBLE_DEVICES is for the n-th server; empty: each has the GPU of the process that starts it."""
    gpu_share: float = Field(default=0.4, gt=0, le=1)
    """Share of the GPU's memory that a server takes. Beside training on the same GPU, both have to fit."""
    cpu_cache_gb: int = Field(default=1, gt=0)
    """GB of memory for keys and values on a CPU."""
    weights: Literal["folder", "nccl", "ipc"] = "folder"
    """How servers that are started get the weights of each window: `folder` reads them from the trainer's memory on the host;
    on GPUs `ipc` copies them where both are on the same one, and `nccl` sends them to GPUs of their own (`gpus`)."""
    sleep: bool = False
    """Whether servers give their GPU's memory back while the stage trains on it."""
    context: int | None = Field(default=None, gt=0)
    """Most tokens of a prompt and its completion; none takes the model's own."""
    pictures: int = Field(default=8, gt=0)
    """Most pictures of a prompt."""
    batch: int = Field(default=256, gt=0)
    """Questions of one call in evaluation. In training, a call is all that a process draws of a window."""
    start_timeout_s: float = Field(default=900.0, gt=0)
    """Seconds that a server may take to load its model."""
    timeout_s: float = Field(default=1800.0, gt=0)
    """Seconds that a call may take; then the server counts as standing still, and is started anew."""
    retries: int = Field(default=2, ge=0)
    """How often a call is repeated where a server died, stood still or answered nonsense."""

    @model_validator(mode="after")
    def _ways(self) -> Self:
        """What the ways of weights and rest go with."""
        ways = [
            (
                self.weights != "folder" and self.urls,
                f"weights: {self.weights}",
                "servers of yours read a folder",
            ),
            (self.sleep and self.urls, "sleep", "servers of yours stay as they are"),
            (
                self.weights == "ipc" and self.gpus,
                "weights: ipc",
                "needs the GPU that trains; to gpus of their own, nccl",
            ),
            (
                self.weights == "nccl" and not self.gpus,
                "weights: nccl",
                "needs gpus of their own; on the one that trains, ipc",
            ),
            (
                self.sleep and self.gpus,
                "sleep",
                "on gpus of their own nothing trains that wants their memory",
            ),
        ]
        for wrong, key, why in ways:
            if wrong:
                raise ValueError(f"{key}: {why}")
        return self

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if urlsplit(url).scheme not in ("http", "https"):
                raise ValueError(f"{url}: must start with http:// or https://")
        return tuple(url.rstrip("/") for url in urls)


def start(params: Params, weights: Weights | None) -> Served:
    """Start servers with the weights, or give them to those that run. Collective where there are several processes."""
    if weights is None:
        raise RecipeError("engine vllm: opens a model of this machine, and none is named")
    # What may be said of an engine is read without torch.
    from lingshu_train.rollouts import _served

    return _served.open_model(params, weights)


def fleet(
    params: Params, settings: Settings, *, device: str, folder: Path, processed: bool = False, where: str = ""
) -> Fleet:
    """The servers as the recipe wants them; none runs yet. `folder`: for their logs. `processed`: log-probabilities are those
    after temperature, not the model's own.

    RecipeError: `urls` without `shared`, or a family that it cannot answer for. MissingInput (66): no environment of it,
    or no key.
    """
    Choice(engine="vllm").check_family(settings, where)
    if device == "cpu":
        check_device(params, where)
    if params.urls and not params.shared:
        raise RecipeError(
            f"{where}: urls without shared: these servers have to find the weights in a folder that they see"
        )
    if params.urls:
        addresses = [Address(url, _key(params.token_file)) for url in params.urls]
        return Fleet(urls=addresses, start=None, timeout_s=params.timeout_s)
    begin = _servers.Start(
        python=_servers.python(),
        engine=_arguments(params, settings, cpu=device == "cpu", processed=processed),
        variables=_variables(params, cpu=device == "cpu"),
        gpus=params.gpus,
        folder=folder,
        timeout_s=params.start_timeout_s,
    )
    return Fleet(replicas=params.replicas, start=begin, timeout_s=params.timeout_s)


def check_device(params: Params, where: str) -> None:
    """RecipeError: keys that need GPUs, where there are none."""
    if params.weights != "folder":
        raise RecipeError(
            f"{where}.weights: {params.weights} needs CUDA, and this stage computes on a CPU; weights=folder needs none"
        )
    if params.sleep:
        raise RecipeError(
            f"{where}.sleep: servers give back a GPU's memory, and this stage computes on a CPU; leave it out"
        )


def _arguments(params: Params, settings: Settings, *, cpu: bool, processed: bool) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {
        "dtype": settings.dtype,
        "max_model_len": params.context,
        "limit_mm_per_prompt": {"image": params.pictures, "video": 0},
        # Nothing of what the model was published with: neither penalties nor temperatures.
        "generation_config": "vllm",
        "logprobs_mode": "processed_logprobs" if processed else "raw_logprobs",
        "mm_processor_cache_gb": 0,
        "disable_log_stats": True,
        "seed": 0,
    }
    if cpu:
        return found | {
            "enforce_eager": True,
            "skip_mm_profiling": True,
            "enable_prefix_caching": False,
            "distributed_executor_backend": "uni",
        }
    given = {} if params.weights == "folder" else {"weight_transfer": params.weights}
    rests = {"enable_sleep_mode": True} if params.sleep else {}
    return found | {"gpu_memory_utilization": params.gpu_share, **given, **rests}


def _variables(params: Params, *, cpu: bool) -> dict[str, str]:
    if not cpu:
        return {"CUDA_VISIBLE_DEVICES": environment.gpu(dist.place().local_rank)}
    # Compiling the sampler takes 40 s on a CPU, where all else starts in 12.
    return {"VLLM_CPU_KVCACHE_SPACE": str(params.cpu_cache_gb), "TORCHDYNAMO_DISABLE": "1"}


def _key(file: str) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise MissingInput(f"token_file {file}: {fault.strerror}") from None
