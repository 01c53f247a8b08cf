"""What torch computes with on this machine, as one line of JSON: run in a process of its own, since torch may be broken."""

from __future__ import annotations

import importlib.util
import json
import sys


def probe() -> dict[str, object]:
    """Versions, GPUs with name and bytes, and what is wrong with an attention package that is installed."""
    import torch
    from torch.cuda import nccl

    cuda = torch.cuda.is_available()
    places = range(torch.cuda.device_count()) if cuda else ()
    devices = [torch.cuda.get_device_properties(place) for place in places]
    return {
        "torch": torch.__version__,
        "built_for": torch.version.cuda or torch.version.hip or "cpu",
        "devices": [{"name": one.name, "bytes": one.total_memory} for one in devices],
        "bfloat16": torch.cuda.is_bf16_supported() if cuda else True,
        "nccl": ".".join(map(str, nccl.version())) if cuda else "",  # type: ignore[no-untyped-call]
        "flash_attn": _import("flash_attn"),
        **({"attention": _attention()} if cuda else {}),
    }


def _attention() -> str:
    """What training in bfloat16 on this machine's GPU takes; nothing is fetched for it."""
    from lingshu_train.model import flash

    found, said = flash.package()
    return str(flash.Choice(flash.FLASH if found else flash.SDPA, said))


def _import(package: str) -> str:
    """Empty where a package loads, or is not installed; else the fault: compiled packages break with another torch."""
    if importlib.util.find_spec(package) is None:
        return ""
    try:
        importlib.import_module(package)
    except Exception as fault:  # noqa: BLE001 - whatever a broken package raises is what is to be told
        return f"{type(fault).__name__}: {fault}".splitlines()[0]
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
