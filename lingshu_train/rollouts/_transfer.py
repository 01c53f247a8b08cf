"""Weights from the trainer's GPU to servers without a way over the host: to other GPUs by NCCL, on the same one by CUDA IPC.

A server is told `start`, has no version from then on and answers nobody; takes the tensors shard by shard; and has the new
version after `finish` alone. What it has is proven as weights that it reads from a folder are.
"""

from __future__ import annotations

import base64
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import torch
from peft import PeftModel
from pydantic import JsonValue
from torch.multiprocessing.reductions import reduce_tensor
from transformers import PreTrainedModel

from lingshu_train.rollouts import _nccl, _wire
from lingshu_train.rollouts._engine import Outage
from lingshu_train.rollouts._publishing import shards
from lingshu_train.rollouts._wire import Address

_LOOK_S = 0.005
Shard = Mapping[str, torch.Tensor]


class Transfer(Protocol):
    """Gives the servers of this process, all of them, the weights of a model in a number format. Outage (75)."""

    def send(
        self,
        model: PreTrainedModel | PeftModel,
        dtype: torch.dtype,
        addresses: Sequence[Address],
        version: str,
    ) -> None: ...

    def close(self) -> None: ...


def of(weights: str, *, timeout_s: float) -> Transfer | None:
    """The one that a recipe names; None for a folder, which servers read themselves."""
    if weights == "folder":
        return None
    return Nccl(timeout_s) if weights == "nccl" else Ipc(timeout_s)


class _Rounds(ABC):
    """What both have in common. `timeout_s`: of one call."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def send(
        self,
        model: PreTrainedModel | PeftModel,
        dtype: torch.dtype,
        addresses: Sequence[Address],
        version: str,
    ) -> None:
        self._open(addresses)
        self._all(addresses, "start", {})
        device = next(model.parameters()).device
        with _plain_segments(device):
            for shard in shards(model, dtype, device=device):
                self._shard(addresses, shard)
        self._all(addresses, "finish", {"version": version})

    def close(self) -> None:  # noqa: B027 (most ways hold nothing)
        """Nothing is held."""

    def _open(self, addresses: Sequence[Address]) -> None:  # noqa: B027 (most ways open nothing)
        """Before the first weights of these servers."""

    @abstractmethod
    def _shard(self, addresses: Sequence[Address], shard: Shard) -> None:
        """Hand one shard of the weights to these servers."""

    def _all(self, addresses: Sequence[Address], call: str, body: Mapping[str, JsonValue]) -> None:
        for address in addresses:
            _wire.transfer(address, call, body, timeout_s=self._timeout_s)

    def _told(self, shard: Shard) -> dict[str, JsonValue]:
        return {
            "names": list(shard),
            "dtype_names": [str(tensor.dtype).removeprefix("torch.") for tensor in shard.values()],
            "shapes": [list(tensor.shape) for tensor in shard.values()],
        }


class Ipc(_Rounds):
    """Servers on the GPU of this process map each shard's memory, and copy it."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._known: tuple[Address, ...] = ()

    def _open(self, addresses: Sequence[Address]) -> None:
        if self._known != tuple(addresses):
            self._all(addresses, "init", {"info": {"packed": False}})
            self._known = tuple(addresses)

    def _shard(self, addresses: Sequence[Address], shard: Shard) -> None:
        """Held until every server has said that it has copied it."""
        for tensor in shard.values():
            if tensor.device.type == "cuda":
                torch.cuda.current_stream(tensor.device).synchronize()
                break
        for address in addresses:
            # A handle counts who opens it: each server has its own.
            handles: list[JsonValue] = [handle(tensor) for tensor in shard.values()]
            _wire.transfer(
                address, "update", {"info": self._told(shard), "handles": handles}, timeout_s=self._timeout_s
            )


class _Joining:
    """Meets the servers in a thread of its own, which ends no later than the process: NCCL returns once all are there, and
    waits for one that failed for ever."""

    def __init__(self, unique: bytes, ranks: int) -> None:
        self._comm: _nccl.Comm | None = None
        self.fault: BaseException | None = None
        self._left, self._lock = False, threading.Lock()
        # A thread begins on the first GPU.
        device = torch.cuda.current_device() if torch.cuda.is_available() else None
        self._thread = threading.Thread(target=self._join, args=(unique, ranks, device), daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def comm(self) -> _nccl.Comm:
        assert self._comm is not None, "nobody has waited for it"
        return self._comm

    def leave(self) -> None:
        """End what was made; what is made later is ended then."""
        with self._lock:
            self._left = True
            if self._comm is not None:
                self._comm.abort()

    def _join(self, unique: bytes, ranks: int, device: int | None) -> None:
        try:
            if device is not None:
                torch.cuda.set_device(device)
            made = _nccl.Comm(unique, ranks)
        except BaseException as fault:  # noqa: BLE001 - whatever it is, whoever waits raises it
            self.fault = fault
            return
        with self._lock:
            self._comm = made
            if self._left:
                made.abort()


class Nccl(_Rounds):
    """A communicator of this process and its servers, which are on GPUs of their own."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._known: tuple[Address, ...] = ()
        self._comm: _nccl.Comm | None = None

    def close(self) -> None:
        if self._comm is not None:
            self._comm.close()
            self._comm = None
            self._known = ()

    def _open(self, addresses: Sequence[Address]) -> None:
        if self._known == tuple(addresses) and self._comm is not None:
            return
        self.close()
        unique, ranks = _nccl.unique_id(), len(addresses) + 1
        pool = ThreadPoolExecutor(len(addresses))
        try:
            joined = [
                pool.submit(
                    _wire.transfer,
                    address,
                    "init",
                    {
                        "info": {
                            "nccl_unique_id_b64": base64.b64encode(unique).decode(),
                            "rank_offset": number,
                            "world_size": ranks,
                        }
                    },
                    timeout_s=self._timeout_s,
                )
                for number, address in enumerate(addresses, 1)
            ]
            self._comm = self._met(_Joining(unique, ranks), joined)
        finally:
            pool.shutdown(wait=False)
        self._known = tuple(addresses)

    def _met(self, joining: _Joining, joined: Sequence[Future[None]]) -> _nccl.Comm:
        """The communicator, once all have joined. Outage: somebody has not; then nobody is waited for."""
        until = time.monotonic() + self._timeout_s
        while not (joining.over and all(one.done() for one in joined)):
            failed = next((one.exception() for one in joined if one.done() and one.exception()), None)
            failed = failed or joining.fault
            if failed or time.monotonic() > until:
                joining.leave()
                raise failed or Outage(
                    f"engine vllm: a server did not join NCCL within {self._timeout_s:g} s"
                )
            time.sleep(_LOOK_S)
        failed = joining.fault or next((one.exception() for one in joined if one.exception()), None)
        if failed:
            joining.leave()
            raise failed
        return joining.comm()

    def _shard(self, addresses: Sequence[Address], shard: Shard) -> None:
        """Servers receive while this sends; one that fails meanwhile would keep the others waiting for ever."""
        assert self._comm is not None
        pool = ThreadPoolExecutor(len(addresses))
        try:
            taken = [
                pool.submit(
                    _wire.transfer,
                    address,
                    "update",
                    {"info": self._told(shard)},
                    timeout_s=self._timeout_s,
                )
                for address in addresses
            ]
            for tensor in shard.values():
                self._comm.broadcast(tensor)
            self._wait(taken)
        finally:
            pool.shutdown(wait=False)

    def _wait(self, taken: Sequence[Future[None]]) -> None:
        assert self._comm is not None
        until = time.monotonic() + self._timeout_s
        while not (self._comm.done() and all(one.done() for one in taken)):
            failed = next((one.exception() for one in taken if one.done() and one.exception()), None)
            late = time.monotonic() > until
            if failed or late:
                self._comm.abort()
                self._comm, self._known = None, ()
                why = f"took weights for more than {self._timeout_s:g} s"
                raise failed or Outage(f"engine vllm: a server {why}")
            time.sleep(_LOOK_S)
        for one in taken:
            one.result()


def handle(tensor: torch.Tensor) -> JsonValue:
    """How another process opens a CUDA tensor: the arguments of torch's `rebuild_cuda_tensor`, without its types, and the GPU.
    No pickle, which would let whoever knows a server's key run code there."""
    _, given = reduce_tensor(tensor)  # type: ignore[no-untyped-call]
    size, stride, offset = given[1:4]
    dtype, device, memory, nbytes, start, _, counter, place, event, sync = given[5:]
    return {
        "gpu": str(torch.cuda.get_device_properties(device).uuid),
        "size": list(size),
        "stride": list(stride),
        "offset": offset,
        "dtype": str(dtype).removeprefix("torch."),
        "memory": base64.b64encode(memory).decode(),
        "bytes": nbytes,
        "start": start,
        "counter": base64.b64encode(counter).decode(),
        "place": place,
        "event": base64.b64encode(event).decode(),
        "sync": bool(sync),
    }


@contextmanager
def _plain_segments(device: torch.device) -> Iterator[None]:
    """What is allocated meanwhile can be opened by another process, which memory that grows in place is not everywhere."""
    if device.type != "cuda":
        yield
        return
    former = "expandable_segments:True" in torch._C._accelerator_getAllocatorSettings().replace(" ", "")
    torch.cuda.memory._set_allocator_settings("expandable_segments:False")
    try:
        yield
    finally:
        torch.cuda.memory._set_allocator_settings(f"expandable_segments:{former}")
