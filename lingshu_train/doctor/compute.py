"""Torch and the GPUs, asked in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from lingshu_train import environment
from lingshu_train.doctor import software
from lingshu_train.doctor.finding import Finding
from lingshu_train.doctor.machine import size
from lingshu_train.schema import Strict

_PATIENCE_S = 180.0


class Device(Strict):
    """One GPU as torch sees it."""

    name: str
    bytes: int


class Probed(Strict):
    """What running/probe.py tells. `flash_attn`: what is wrong with that package; empty: nothing, or not installed.
    `attention`: what `model.attention: auto` is here, and why."""

    torch: str
    built_for: str
    devices: tuple[Device, ...]
    bfloat16: bool
    nccl: str
    flash_attn: str
    attention: str = "sdpa (no GPU)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """`probed` is None where torch does not run; `fault` is then its last line."""

    probed: Probed | None
    fault: str
    driver: str


def examine() -> Compute:
    """Start torch once, and ask the driver."""
    command = [sys.executable, "-m", "lingshu_train.running.probe"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            env=environment.inherited(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Compute(probed=None, fault=f"does not load within {_PATIENCE_S:.0f} s", driver=_driver())
    lines = done.stdout.strip().splitlines()
    try:
        probed = Probed.model_validate_json(lines[-1]) if done.returncode == 0 and lines else None
    except ValidationError:
        probed = None
    said = (done.stderr.strip().splitlines() or [f"ended with exit code {done.returncode}"])[-1]
    return Compute(probed=probed, fault="" if probed else said[:300], driver=_driver())


def findings(compute: Compute) -> list[Finding]:
    """Torch, its devices and attention, each a line."""
    probed = compute.probed
    if probed is None:
        advice = "install it anew, in the version of requirements.lock"
        return [Finding(name="torch", state="missing", told=compute.fault, advice=advice)]
    told = f"{probed.torch}, built for {_built(probed.built_for)}" + (
        f", NCCL {probed.nccl}" if probed.nccl else ""
    )
    return [Finding(name="torch", state="ok", told=told), _gpus(compute, probed), _attention(probed)]


def _gpus(compute: Compute, probed: Probed) -> Finding:
    driver = f", driver {compute.driver}" if compute.driver else ""
    if probed.devices:
        told = ", ".join(f"{one.name} ({size(one.bytes)})" for one in probed.devices) + driver
        state: Literal["ok", "warn"] = "ok" if probed.bfloat16 else "warn"
        advice = "" if probed.bfloat16 else "no bfloat16: recipes need model.dtype=float32"
        return Finding(name="gpu", state=state, told=told, advice=advice)
    if compute.driver and probed.built_for == "cpu":
        advice = "install a torch that is built for CUDA, from pytorch.org"
        return Finding(
            name="gpu",
            state="warn",
            told=f"one is here{driver}, and torch is built for the CPU",
            advice=advice,
        )
    if compute.driver:
        advice = "compare the driver with the CUDA that torch is built for, and look at CUDA_VISIBLE_DEVICES"
        return Finding(
            name="gpu", state="warn", told=f"one is here{driver}, and torch does not see it", advice=advice
        )
    return Finding(name="gpu", state="warn", told="none; stages run on the CPU, which is for small models")


def _attention(probed: Probed) -> Finding:
    flash = software.version("flash-attn")
    if probed.flash_attn:
        told = f"flash-attn {flash} does not load ({probed.flash_attn})"
        advice = "install one that is built for this torch, or take model.attention=sdpa"
        return Finding(name="attention", state="warn", told=told, advice=advice)
    lacks = probed.devices and probed.attention.startswith("sdpa")
    return Finding(
        name="attention",
        state="warn" if lacks else "ok",
        told=f"auto takes {probed.attention}",
        advice="the extra gpu brings flash attention; with sdpa long rows take longer" if lacks else "",
    )


def _built(target: str) -> str:
    return "the CPU" if target == "cpu" else f"CUDA {target}"


def _driver() -> str:
    """The version of NVIDIA's driver; empty where there is none."""
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""
