"""The recipe's cluster block: which processes a stage runs on, and how its state is divided among them."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from lingshu_train.schema import Name, Strict

Divided = Literal["none", "zero1", "zero2", "zero3"]
"""What DeepSpeed divides among the processes of a stage."""
Executor = Literal["local", "processes", "slurm", "ray"]
EXECUTORS: tuple[str, ...] = get_args(Executor)


class Submit(Strict):
    """What the tasks of an executor are asked for and where, each with a default that most sites take."""

    partition: str = ""
    """Slurm's partition; empty: the site's own."""
    time: str = "08:00:00"
    """Slurm's time limit of a task, as sbatch takes it. A task that ends early loses the job it was at."""
    cores: int = Field(default=1, gt=0)
    """Cores of a task. A task has one process."""
    memory_gb: int = Field(default=2, gt=0)
    """Memory of each core of a task in GB."""
    array: int = Field(default=1000, gt=0)
    """Most tasks of one of Slurm's arrays (its MaxArraySize less one); more tasks than this are several arrays."""
    options: dict[str, str] = Field(default_factory=dict)
    """Further options of sbatch. For example `{account: radiology}`."""
    address: str = ""
    """Of a Ray cluster that runs, or `auto`; empty starts one of this machine alone."""


class Cluster(Strict):
    """Which processes the stages run on. Recipes take one of `recipes/cluster/` and change what differs."""

    name: Name
    """What this set of machines is called in plans and manifests."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where stages compute; `auto` takes a GPU where there is one. It does not change the name of a stage."""
    processes: int = Field(default=1, gt=0)
    """Processes on this machine under `lingshu run`, one for each GPU. Under torchrun the launcher's own number
    counts instead."""
    deepspeed: Divided = "none"
    """What DeepSpeed divides among the processes: `zero1` the optimizer's state, `zero2` the gradients too, `zero3`
    the weights too. `none` is plain data parallelism. Says nothing on one process, but for what `offload` takes from the
    GPU."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """What DeepSpeed keeps in the host's memory, on one process too: `optimizer` the float32 weights that the optimizer changes
    and its state, whose step the host then computes (from `zero1` on); `all` what the forward pass needs of the weights as
    well (`zero3` alone). Slower, for GPUs that hold no more."""
    continue_on: int | None = Field(default=None, gt=0)
    """Processes on which the stages of a run begun on `processes` go on from their checkpoints, where machines were lost
    or won. They keep their names, and each step its samples. Sums are rounded in another order from there, so that the end
    is not that of a run without to the bit; plan, ledger, manifest and model card say so."""
    continue_with: Divided | None = None
    """What DeepSpeed divides from here on, in the stages of a run begun with another `deepspeed`. As with `continue_on`, they
    keep their names and samples, and the end is not that of a run without to the bit."""
    deterministic: bool = False
    """On GPUs, train with kernels alone that always sum in the same order, so that what is resumed or replayed has the same
    bits on the same GPU and versions. It costs speed; an operation that has no such kernel ends the stage (70), and
    `flash_attention_2` is refused. It changes nothing on a CPU, and not the name of a stage."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of each process (OMP_NUM_THREADS); 0 leaves it to the system."""
    workers: int = Field(default=0, ge=0)
    """Processes that prepare data and measure lengths; 0: as many as `threads`. They change no byte."""
    executor: Executor = "local"
    """Who does the numbered jobs of preparing and curating: `local` this machine's `workers`; `slurm` and `ray` the tasks of an
    array or a Ray cluster whose nodes see the same folders, and `processes` tasks of this machine, all three through datatrove
    (`pip install 'lingshu-train[cluster]'`). No byte depends on it."""
    tasks: int = Field(default=64, gt=0)
    """Tasks among which another executor than `local` deals the jobs."""
    submit: Submit = Submit()
    """What another executor than `local` asks for. For example `{partition: cpu, time: "04:00:00"}`."""
    grace: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds that the processes of a stage have, once they are told to stop, to finish their step (GRPO: the window) and to
    save; then they are killed."""
    step_timeout: Literal["auto", "none"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "auto"
    """Seconds without a step after which a process is taken to stand still, and the stage ends with exit code 75 and the stacks
    of all processes; `auto` is ten times the median step, at least 60. A GRPO window counts as one step. `none` waits for
    ever."""
    collective_timeout: float = Field(default=1800.0, gt=0, allow_inf_nan=False)
    """Seconds that a process waits for the others where they exchange gradients or rewards, with gloo and nccl alike. Waiting
    for the first process to save, measure or evaluate is not counted."""

    @property
    def preparing(self) -> int:
        """Processes that prepare data and measure lengths; below 2, it is done in the stage's own."""
        return self.workers or self.threads

    @property
    def offloads(self) -> bool:
        """Whether anything lies in the host's memory, so that DeepSpeed is in use on one process too."""
        return self.offload != "none"

    def dividing(self, own: str) -> Cluster:
        """The cluster as a stage divides its work there that says so itself; this one where it does not."""
        return self.model_copy(update={"deepspeed": own}) if own else self

    def divides(self, world_size: int) -> bool:
        """Whether DeepSpeed keeps the state of a stage on so many processes."""
        return self.deepspeed != "none" and (world_size > 1 or self.offloads)

    @property
    def moves(self) -> bool:
        """Whether stages are asked to go on otherwise than they were begun."""
        return self.continue_on is not None or self.continue_with is not None

    def gone_on(self) -> Cluster:
        """The cluster as its stages go on with it; itself where they go on as they were begun."""
        return self.dividing(self.continue_with or "")

    def division(self, world_size: int) -> Divided:
        """What DeepSpeed divides of a stage on so many processes."""
        return self.deepspeed if self.divides(world_size) else "none"

    def layout(self, world_size: int) -> dict[str, object]:
        """What of this changes the last bits of a stage on so many processes: sums are rounded in another order."""
        return {
            "processes": world_size,
            "deepspeed": self.division(world_size),
            **({"offload": self.offload} if self.offloads else {}),
        }

    @property
    def alone(self) -> dict[str, object]:
        """The same, of a stage that always has one process and no optimizer."""
        return {"processes": 1, "deepspeed": "none"}
