"""Where this process stands among the others, and how it talks to them. Reads the launcher's variables for all."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup, Store  # type: ignore[attr-defined]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Rank among all processes, among those of this machine, and their number."""

    rank: int
    local_rank: int
    world_size: int

    @property
    def first(self) -> bool:
        return self.rank == 0


def place() -> Place:
    """From the variables torchrun and compatible launchers set; a lone process otherwise."""
    return Place(
        rank=int(os.environ.get("RANK", "0")),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        world_size=int(os.environ.get("WORLD_SIZE", "1")),
    )


def group() -> tuple[str, str]:
    """What the processes of one start have in common and those of another have not: on this machine, and on all of them.

    The process that started this machine's launchers, or the folder that torchrun's agent makes for its ranks, is new each
    time; elsewhere the place where the ranks meet has to do.
    """
    told = os.environ
    if place().world_size == 1:
        return (str(os.getpid()),) * 2
    names = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID")
    met = "/".join(told.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT", *names))
    made = os.path.dirname(os.path.dirname(told.get("TORCHELASTIC_ERROR_FILE", "")))
    return (told.get("LINGSHU_AGENT") or made or met), met


MEETING = "LINGSHU_MEETING"
"""The file in which processes of one machine find each other, where no launcher keeps a store for them."""
PATIENCE_S = 86400.0
"""How long the others wait for the first process to save, to measure or to evaluate."""

_control: object | None = None
"""A process group for everything but gradients, so that waiting for one process is no fault of the training group."""
_brief: timedelta | None = None
"""How long the training group waits, where there is one."""


def start(name: str, *, device: str, timeout_s: float = 1800.0) -> None:
    """Join the process group of one stage. `timeout_s`: how long an exchange of tensors may take.

    The launcher's store outlives stages, so every stage meets under its own prefix: keys that an earlier group left
    behind cannot be mistaken for this one's.
    """
    here = place()
    if here.world_size == 1:
        return
    import torch
    import torch.distributed as torch_dist
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    global _control, _brief
    _brief = timedelta(seconds=timeout_s)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") + os.environ.get(_BEGUN, "")
    if device == "cuda":
        torch.cuda.set_device(here.local_rank)
    torch_dist.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        store=PrefixStore(f"{name}/{attempt}", _store(here)),
        rank=here.rank,
        world_size=here.world_size,
        timeout=_brief,
    )
    _control = torch_dist.new_group(backend="gloo", timeout=timedelta(seconds=PATIENCE_S))


def meet_alone(backend: str) -> None:
    """A group of this process alone, where it is the only one and has none: DeepSpeed works in groups, and reads the launcher's
    variables where no launcher is."""
    import torch.distributed as torch_dist
    from torch.distributed import HashStore  # type: ignore[attr-defined]

    if place().world_size == 1 and not torch_dist.is_initialized():
        os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
        torch_dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)


@contextmanager
def patience() -> Iterator[None]:
    """While the block runs, the training group too waits as long as the control group. Collective.

    For what upstream does while the others wait in a collective of its own: DeepSpeed has all ranks meet before and after its
    first rank writes the model.
    """
    if _brief is None:
        yield
        return
    from torch.distributed.distributed_c10d import _set_pg_timeout

    _set_pg_timeout(timedelta(seconds=PATIENCE_S))
    try:
        yield
    finally:
        _set_pg_timeout(_brief)


def _store(here: Place) -> Store:
    """Where the processes find each other: a file on one machine, or the launcher's store."""
    from torch.distributed import FileStore, TCPStore  # type: ignore[attr-defined]

    if meeting := os.environ.get(MEETING):
        return FileStore(meeting, here.world_size)
    agent_hosts = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=here.first and not agent_hosts,
        wait_for_workers=False,
    )


_BEGUN = "LINGSHU_BEGUN_ANEW"
"""How often this process has begun anew, as strokes: its group meets under keys of its own each time."""


def begin_anew() -> NoReturn:
    """Run this process's command once more in its place, with nothing kept but its id: what a resume would do, without its
    launcher. All ranks have to do it together."""
    for child in multiprocessing.active_children():
        child.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ[_BEGUN] = os.environ.get(_BEGUN, "") + "'"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Lane:
    """A group beside the control group, for a thread of its own: what it exchanges never meets what the main thread does.
    Collective to make."""

    def __init__(self) -> None:
        self._group: ProcessGroup | None = None
        if place().world_size > 1:
            import torch.distributed as torch_dist

            self._group = torch_dist.new_group(backend="gloo", timeout=timedelta(seconds=PATIENCE_S))

    def gather(self, value: T) -> list[T]:
        """As the function of that name."""
        return _gathered(value, self._group)


def barrier() -> None:
    """Wait for every rank, however long one of them works."""
    if place().world_size > 1:
        import torch.distributed as torch_dist

        torch_dist.barrier(group=_group())


def from_first(value: T) -> T:
    """The value that rank 0 has, on every rank."""
    if place().world_size == 1:
        return value
    import torch.distributed as torch_dist

    box = [value]
    torch_dist.broadcast_object_list(box, src=0, group=_group())
    return box[0]


def gather(value: T) -> list[T]:
    """Every rank's value, in rank order, on every rank."""
    return _gathered(value, _group())


def _gathered(value: T, group: ProcessGroup | None) -> list[T]:
    here = place()
    if here.world_size == 1:
        return [value]
    import torch.distributed as torch_dist

    found: list[T] = [value] * here.world_size
    torch_dist.all_gather_object(found, value, group=group)
    return found


def _group() -> ProcessGroup | None:
    """The control group; the only one there is where `start` was not called."""
    return cast("ProcessGroup | None", _control)


def stop() -> None:
    if place().world_size > 1:
        import torch.distributed as torch_dist

        torch_dist.destroy_process_group()
