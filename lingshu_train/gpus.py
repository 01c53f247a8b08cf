"""Graphics cards as their makers' data sheets describe them. No torch."""

from __future__ import annotations

from lingshu_train.errors import UsageError
from lingshu_train.schema import Strict


class Gpu(Strict):
    """One card. Numbers of the data sheet: `memory` in GiB, `flops` a second in dense bfloat16 with sums in float32,
    `bandwidth` of its memory and `link` to other cards (one direction) in bytes a second."""

    name: str
    memory: float
    flops: float
    bandwidth: float
    link: float
    sheet: str


GPUS = (
    Gpu(
        name="H100",
        memory=80,
        flops=989.4e12,
        bandwidth=3.35e12,
        link=450e9,
        sheet="NVIDIA H100 Tensor Core GPU data sheet, SXM",
    ),
    Gpu(
        name="H200",
        memory=141,
        flops=989.4e12,
        bandwidth=4.8e12,
        link=450e9,
        sheet="NVIDIA H200 Tensor Core GPU data sheet, SXM",
    ),
    Gpu(
        name="A100",
        memory=80,
        flops=312e12,
        bandwidth=2.039e12,
        link=300e9,
        sheet="NVIDIA A100 Tensor Core GPU data sheet, 80 GB SXM",
    ),
    Gpu(
        name="L40S",
        memory=48,
        flops=362e12,
        bandwidth=864e9,
        link=32e9,
        sheet="NVIDIA L40S data sheet; PCIe 4.0 x16",
    ),
    Gpu(
        name="RTX 4090",
        memory=24,
        flops=165.2e12,
        bandwidth=1008e9,
        link=32e9,
        sheet="NVIDIA Ada GPU architecture white paper, appendix; PCIe 4.0 x16",
    ),
)


def named(name: str) -> Gpu:
    """The card of that name, however it is spelled: `rtx4090`, `RTX-4090`. UsageError (64) lists what there is."""
    for gpu in GPUS:
        if _plain(gpu.name) in (_plain(name), f"rtx{_plain(name)}"):
            return gpu
    raise UsageError(f"--gpu: unknown card {name!r}; known: {', '.join(gpu.name for gpu in GPUS)}")


def seen(device: str) -> Gpu | None:
    """The card that a driver calls so, such as `NVIDIA H100 80GB HBM3`; None where none of these is meant."""
    words = _plain(device)
    return next((gpu for gpu in GPUS if _plain(gpu.name) in words), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
