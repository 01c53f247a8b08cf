"""Launchers that start one process a rank and say so in words of their own (srun, mpirun): the same in torch's words.

What cannot be said so is refused: one of several processes that do not know of each other would train alone, under another
name.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from lingshu_train.errors import UsageError

MEANT = (
    "SLURM_STEP_NUM_TASKS",
    "SLURM_NTASKS",
    "OMPI_COMM_WORLD_SIZE",
    "PMI_SIZE",
    "MV2_COMM_WORLD_SIZE",
    "PALS_SIZE",
    "FLUX_JOB_SIZE",
)
"""Where launchers say how many processes they have started. Libraries look there too."""
PORTS = range(20000, 32000)
"""Where the ranks of a job meet. The kernel hands out higher ones to whoever connects to somebody."""


@dataclass(frozen=True, slots=True)
class _Launcher:
    """The variables in which a launcher tells a process its place. `job`: those that together name this start and no other."""

    rank: str
    local_rank: str
    size: str
    local_size: str
    job: tuple[str, ...]


KNOWN = (
    # mpirun starts its helpers with srun, so that its own words go first.
    _Launcher(
        rank="OMPI_COMM_WORLD_RANK",
        local_rank="OMPI_COMM_WORLD_LOCAL_RANK",
        size="OMPI_COMM_WORLD_SIZE",
        local_size="OMPI_COMM_WORLD_LOCAL_SIZE",
        job=("PMIX_NAMESPACE",),
    ),
    _Launcher(
        rank="PMI_RANK",
        local_rank="MPI_LOCALRANKID",
        size="PMI_SIZE",
        local_size="MPI_LOCALNRANKS",
        job=("MASTER_PORT",),
    ),
    _Launcher(
        rank="SLURM_PROCID",
        local_rank="SLURM_LOCALID",
        size="SLURM_STEP_NUM_TASKS",
        local_size="SLURM_STEP_TASKS_PER_NODE",
        job=("SLURM_JOB_ID", "SLURM_STEP_ID"),
    ),
)


def joined(variables: Mapping[str, str]) -> dict[str, str]:
    """What this process is to be told of its place among the others (RANK and so on); nothing where it knows, or is alone.

    Raises UsageError (64) where it was meant to be one of several and cannot know which.
    """
    if "RANK" in variables:
        _refuse_pod(variables)
        return {}
    for one in KNOWN:
        size = variables.get(one.size, "")
        if size.isdecimal() and int(size) > 1 and one.rank in variables and one.local_rank in variables:
            local = _local_size(variables.get(one.local_size, ""), int(variables.get("SLURM_NODEID", "0")))
            return {
                "RANK": variables[one.rank],
                "LOCAL_RANK": variables[one.local_rank],
                "WORLD_SIZE": size,
                "LOCAL_WORLD_SIZE": str(local),
                **_meeting(one, variables, together=local == int(size)),
            }
    _refuse_lone(variables)
    return {}


def refuse_several(variables: Mapping[str, str], why: str) -> None:
    """For a verb that is one process: UsageError (64) where this is one of several, whoever started them."""
    if joined(variables) or variables.get("WORLD_SIZE", "1") != "1":
        raise UsageError(f"{why}; call it as one process, without torchrun, srun or mpirun")


def port(*job: str) -> int:
    """A port for the ranks of one start to meet at: two that share a machine are unlikely to have the same."""
    return PORTS[zlib.crc32("/".join(job).encode()) % len(PORTS)]


def first_host(nodes: str) -> str:
    """The first host of Slurm's list of them: `n[03-05,9],m1` begins with n03."""
    first = re.match(r"(?:\[[^\]]*\]|[^\[,])+", nodes)
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first[0]) if first else ""


def _local_size(told: str, node: int) -> int:
    """Processes on this machine; Slurm says those of all machines: `2(x3),1`."""
    counts: list[int] = []
    for part in told.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found:
            counts += [int(found[1])] * int(found[2] or 1)
    return counts[min(node, len(counts) - 1)] if counts else 1


def _meeting(one: _Launcher, variables: Mapping[str, str], *, together: bool) -> dict[str, str]:
    """Where the ranks meet: as the user says it, else at the first machine, at a port that goes by the job."""
    host = variables.get("MASTER_ADDR") or (
        "127.0.0.1" if together else first_host(variables.get("SLURM_STEP_NODELIST", ""))
    )
    words = [variables.get(name, "") for name in one.job]
    number = variables.get("MASTER_PORT") or (str(port(*words)) if all(words) else "")
    if not host or not number:
        missing = " and ".join(
            name for name, value in (("MASTER_ADDR", host), ("MASTER_PORT", number)) if not value
        )
        raise UsageError(
            f"{one.size}={variables[one.size]}, but this launcher does not say where the processes are to meet: set {missing} "
            "for all of them: the machine of rank 0, and a free port there (mpirun -x NAME=VALUE, mpiexec -genv NAME VALUE)"
        )
    return {"MASTER_ADDR": host, "MASTER_PORT": number}


def _refuse_pod(variables: Mapping[str, str]) -> None:
    """The operator of a PyTorchJob gives each pod a RANK, also where each pod is to have several processes."""
    each = variables.get("PET_NPROC_PER_NODE", "")
    several = each.isdecimal() and int(each) > 1
    if several and "LOCAL_RANK" not in variables:
        raise UsageError(
            f"PET_NPROC_PER_NODE={each}, but this is the one process of its pod, and the others would be waited for; let the "
            "pod run `python -m lingshu_train.running.machines RECIPE`, which takes its place from the same variables"
        )


def _refuse_lone(variables: Mapping[str, str]) -> None:
    found = next((name for name in MEANT if variables.get(name, "").isdecimal()), None)
    count = int(variables[found]) if found else 1
    if count > 1:
        raise UsageError(
            f"{found}={count}, but this process was not told which of them it is, and would train alone; for one machine type "
            "`lingshu run RECIPE cluster.processes=N` in a single task (srun --ntasks=1), for several `sbatch --nodes=N "
            '"$(lingshu --where launch)/slurm.sh" RECIPE`, or start all of them with srun or torchrun'
        )
    if "ACCELERATE_MIXED_PRECISION" in variables and "MASTER_PORT" in variables:
        raise UsageError(
            "accelerate was asked for several processes and started one, which would train alone; type `lingshu run RECIPE "
            "cluster.processes=N`, or torchrun --nproc-per-node=N -m lingshu_train RECIPE"
        )
