"""Where this process stands among the others, and how it talks to them. Reads the launcher's variables for all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

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


def start(name: str, *, device: str) -> None:
    """Join the process group of one stage.

    The launcher's store outlives stages, so every stage meets under its own prefix: keys that an earlier group left
    behind cannot be mistaken for this one's.
    """
    here = place()
    if here.world_size == 1:
        return
    import torch
    import torch.distributed as torch_dist
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    agent_hosts = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=here.first and not agent_hosts,
        wait_for_workers=False,
    )
    if device == "cuda":
        torch.cuda.set_device(here.local_rank)
    torch_dist.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        store=PrefixStore(f"{name}/{attempt}", store),
        rank=here.rank,
        world_size=here.world_size,
    )


def barrier() -> None:
    if place().world_size > 1:
        import torch.distributed as torch_dist

        torch_dist.barrier()


def from_first(value: T) -> T:
    """The value that rank 0 has, on every rank."""
    if place().world_size == 1:
        return value
    import torch.distributed as torch_dist

    box = [value]
    torch_dist.broadcast_object_list(box, src=0)
    return box[0]


def gather(value: T) -> list[T]:
    """Every rank's value, in rank order, on every rank."""
    here = place()
    if here.world_size == 1:
        return [value]
    import torch.distributed as torch_dist

    found: list[T] = [value] * here.world_size
    torch_dist.all_gather_object(found, value)
    return found


def stop() -> None:
    if place().world_size > 1:
        import torch.distributed as torch_dist

        torch_dist.destroy_process_group()
