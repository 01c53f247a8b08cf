"""Whether flash attention can be had here: `model.attention: auto` takes it where it can, and `sdpa` elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

import torch
from transformers.modeling_flash_attention_utils import (
    FLASH_ATTN_KERNEL_FALLBACK,
    lazy_import_flash_attention,
)
from transformers.utils import import_utils

FLASH, SDPA = "flash_attention_2", "sdpa"
HUB = FLASH_ATTN_KERNEL_FALLBACK[FLASH]
"""Where the package kernels has compiled kernels from: a repository of the Hugging Face Hub."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What attention is computed with, and why it is that: the end of a sentence."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def choose(*, device: str, dtype: str, deterministic: bool = False, looks_ahead: bool = False) -> Choice:
    """What `auto` is on this machine; `looks_ahead` is the family's (`Shape`). Fetches the kernels where they are not there;
    what keeps them from being had is told and not raised, since `sdpa` computes the same beyond rounding."""
    if device != "cuda":
        return Choice(SDPA, "no GPU")
    if looks_ahead:
        return Choice(
            SDPA, "flash attention takes no mask, which the tokens of a picture need in this family"
        )
    if dtype != "bfloat16":
        return Choice(SDPA, f"flash attention does not compute in {dtype}")
    if deterministic:
        return Choice(SDPA, "cluster.deterministic: flash attention sums in any order")
    found, said = package()
    if not found:
        return Choice(SDPA, said)
    try:
        lazy_import_flash_attention(FLASH if found == "flash-attn" else HUB)
    except Exception as fault:  # noqa: BLE001 - whatever a hub, a download or a compiled package raises
        return Choice(SDPA, f"{said} does not load: {_line(fault)}")
    return Choice(FLASH, said)


def package() -> tuple[str, str]:
    """The package that would bring flash attention, `flash-attn` or `kernels`, and which it is in words; empty, and what is
    lacking."""
    if torch.cuda.is_available() and import_utils.is_flash_attn_2_available():
        return "flash-attn", f"flash-attn {metadata.version('flash-attn')}"
    if import_utils.is_kernels_available():
        return "kernels", f"{HUB} through kernels {metadata.version('kernels')}"
    least, below = (getattr(import_utils, f"KERNELS_{end}_VERSION", "any") for end in ("MIN", "MAX"))
    wanted = f"transformers {metadata.version('transformers')} takes kernels from {least} to below {below}"
    try:
        return "", f"kernels {metadata.version('kernels')} is here, and {wanted}"
    except metadata.PackageNotFoundError:
        return "", f"neither flash-attn nor kernels is installed; {wanted}"


def _line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
