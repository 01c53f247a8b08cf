"""What the user and the launcher say through environment variables, read here for all. Standard library only."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SWITCHES = (
    *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE"),
    *(
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "WANDB_MODE", "LINGSHU_PLUGINS", "LINGSHU_CARDS"),
)
"""Variables that change what a run does or where it looks, and hold no secret beside the login of a proxy."""


def threads() -> int:
    """CPU threads this process may use, as the launcher set them; 0 where it did not."""
    return int(os.environ.get("OMP_NUM_THREADS", "0"))


LAUNCHER = "LINGSHU_LAUNCHER"
"""Set for the processes of a stage: who started them (`runs/processes.me`)."""


def launcher() -> str:
    """The `lingshu run` that started this process; empty where none did."""
    return os.environ.get(LAUNCHER, "")


AGENT = "LINGSHU_AGENT"
"""Set for the launchers of one machine's ranks: who started them (`runs/processes.me`)."""


def agent() -> str:
    """The process of `running/machines.py` that started this launcher, or the one above; empty where none did."""
    return os.environ.get(AGENT, "")


def under_torchrun() -> bool:
    """Whether an agent of torchrun's looks after this process, or after the one that started it."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def credential(name: str) -> str:
    """A login that the user put into the environment; empty where it is not set. For the hub layer, never for a log."""
    return os.environ.get(name, "")


def own_key() -> str:
    """The key that signs checkpoints, where the user gives one; empty: it is kept in `key_file`. Never for a log."""
    return os.environ.get("LINGSHU_KEY", "").strip()


def base_key() -> Path | None:
    """The public key or certificate with which the model that a recipe starts from has to be signed: LINGSHU_BASE_KEY."""
    named = os.environ.get("LINGSHU_BASE_KEY", "").strip()
    return Path(named) if named else None


def key_file() -> Path:
    """Where that key is kept otherwise: in the user's configuration folder."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")) / "lingshu" / "key"


def cache() -> Path:
    """Where what can be made again is kept between commands: in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "lingshu"


def hub_cache() -> Path:
    """Where huggingface_hub keeps models, by the same variables in the same order."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    hub = os.environ.get("HF_HOME") or f"{home}/huggingface"
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{hub}/hub"
    return Path(os.path.expandvars(os.path.expanduser(named)))


def switches() -> dict[str, str]:
    """Those of SWITCHES that are set, for people to read: without the login of a proxy."""
    found = {name: os.environ[name] for name in SWITCHES if os.environ.get(name)}
    return {name: re.sub(r"(^|//)[^/@\s]*@", r"\1", value) for name, value in found.items()}


def take(name: str) -> str:
    """A variable that was meant for this process alone, and is not passed on; empty where it is not set."""
    return os.environ.pop(name, "")


def give(name: str, value: str) -> None:
    """For the processes that this one becomes or starts."""
    os.environ[name] = value


def inherited() -> dict[str, str]:
    """All of them, for a process that is started."""
    return dict(os.environ)


def told_to_tasks() -> dict[str, str]:
    """Where components and cards of the user's own lie, for tasks that another machine starts."""
    found = {name: os.environ.get(name, "") for name in ("LINGSHU_PLUGINS", "LINGSHU_CARDS")}
    return {name: value for name, value in found.items() if value}


_OF_ENGINES = (
    *("PATH", "HOME", "USER", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "XDG_CACHE_HOME"),
    *("CUDA_HOME", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"),
)


def for_an_engine() -> dict[str, str]:
    """What a process of another environment is given: neither a login, nor a rank, nor our Python's paths."""
    known = ("LC_", "NCCL_", "NVIDIA_", "VLLM_")
    return {
        name: value for name, value in os.environ.items() if name in _OF_ENGINES or name.startswith(known)
    }


def gpu(number: int) -> str:
    """The n-th of the GPUs that this process may see, as CUDA_VISIBLE_DEVICES names it."""
    seen = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    return seen[number % len(seen)] if seen else str(number)


def vllm_python() -> Path:
    """The Python that has vLLM: LINGSHU_VLLM, or of the environment `.venv-vllm` beside ours."""
    named = os.environ.get("LINGSHU_VLLM", "")
    return Path(named) if named else Path(sys.prefix).with_name(".venv-vllm") / "bin" / "python"


def replace(variables: Mapping[str, str]) -> None:
    """Have these and no others: what a process that was forked would have been started with."""
    os.environ.clear()
    os.environ.update(variables)


def cold() -> bool:
    """Whether every process has to be started anew, and none forked from one that has imported already: LINGSHU_COLD=1."""
    return os.environ.get("LINGSHU_COLD", "") not in ("", "0")


def plugins() -> tuple[Path, ...]:
    """Folders of the user's own components, laid out as this package is: LINGSHU_PLUGINS, several parted by colons."""
    named = os.environ.get("LINGSHU_PLUGINS", "").split(os.pathsep)
    return tuple(Path(folder).absolute() for folder in named if folder)


def cards() -> tuple[Path, ...]:
    """Folders of the user's own data cards: LINGSHU_CARDS, several parted by colons."""
    named = os.environ.get("LINGSHU_CARDS", "").split(os.pathsep)
    return tuple(Path(folder).absolute() for folder in named if folder)


def add_cards(folders: Iterable[Path]) -> None:
    """Look for data cards in these folders first, in this process and in all that it starts."""
    every = dict.fromkeys(str(folder) for folder in (*(each.absolute() for each in folders), *cards()))
    if every:
        os.environ["LINGSHU_CARDS"] = os.pathsep.join(every)


@contextmanager
def cards_in(folder: Path) -> Iterator[None]:
    """Look for data cards in this folder first, as long as it lasts."""
    before = os.environ.get("LINGSHU_CARDS")
    add_cards([folder])
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("LINGSHU_CARDS", None)
        else:
            os.environ["LINGSHU_CARDS"] = before


def near(path: Path) -> Path:
    """A path as short as it can be typed from the working folder."""
    full, here = path.absolute(), Path.cwd()
    return full.relative_to(here) if full.is_relative_to(here) else full
