"""The few calls of NCCL that give weights to servers, on the library that torch has loaded.

A server of vLLM makes its side with `ncclCommInitRank` from a unique id, and sums one number at once; so does this.
"""

from __future__ import annotations

import ctypes

import torch

from lingshu_train.rollouts._engine import Outage

BYTES = 128
"""Of a unique id."""
_FLOAT32, _UINT8, _SUM = 7, 1, 0
"""ncclDataType_t and ncclRedOp_t."""


class _Id(ctypes.Structure):
    _fields_ = (("internal", ctypes.c_byte * BYTES),)


def _library() -> ctypes.CDLL:
    """Loaded by torch already, so that its name alone finds it."""
    found = ctypes.CDLL("libnccl.so.2")
    found.ncclGetErrorString.restype = ctypes.c_char_p
    found.ncclCommInitRank.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, _Id, ctypes.c_int]
    place, number = ctypes.c_void_p, ctypes.c_int
    for name in ("ncclAllReduce", "ncclBroadcast"):
        # From, to, how many, of what; how they are summed, or from whom; communicator, stream.
        getattr(found, name).argtypes = [place, place, ctypes.c_size_t, number, number, place, place]
    for name in ("ncclCommDestroy", "ncclCommAbort"):
        getattr(found, name).argtypes = [ctypes.c_void_p]
    return found


def _good(library: ctypes.CDLL, code: int, what: str) -> None:
    if code:
        raise Outage(f"engine vllm: NCCL: {what}: {library.ncclGetErrorString(code).decode()}")


def unique_id() -> bytes:
    """By which the members of a new communicator find each other."""
    library, made = _library(), _Id()
    _good(library, library.ncclGetUniqueId(ctypes.byref(made)), "no id for a communicator")
    return bytes(made.internal)


class Comm:
    """Rank 0 of a communicator of `ranks`, on the current GPU. Returns once all have joined."""

    def __init__(self, unique: bytes, ranks: int) -> None:
        self._library, self._comm = _library(), ctypes.c_void_p()
        made = _Id.from_buffer_copy(unique)
        code = self._library.ncclCommInitRank(ctypes.byref(self._comm), ranks, made, 0)
        _good(self._library, code, f"no communicator of {ranks}")
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        one = torch.zeros(1, device="cuda")
        place, stream = one.data_ptr(), torch.cuda.current_stream()
        code = self._library.ncclAllReduce(place, place, 1, _FLOAT32, _SUM, self._comm, stream.cuda_stream)
        _good(self._library, code, "the first sum")
        stream.synchronize()

    def broadcast(self, tensor: torch.Tensor) -> None:
        """To all others, in order; returns before it is done."""
        stream = torch.cuda.current_stream()
        place = tensor.data_ptr()
        code = self._library.ncclBroadcast(
            place, place, tensor.nbytes, _UINT8, 0, self._comm, stream.cuda_stream
        )
        _good(self._library, code, "a broadcast")
        self._event.record(stream)

    def done(self) -> bool:
        """Whether everyone has what was sent."""
        return bool(self._event.query())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._library.ncclCommDestroy(self._comm)

    def abort(self) -> None:
        """End it while a broadcast waits for somebody who will not come."""
        self._library.ncclCommAbort(self._comm)
