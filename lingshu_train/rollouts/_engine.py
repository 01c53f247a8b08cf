"""What every engine is: it answers prompts as a Sampling says, or says what kept it from answering. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import JsonValue

from lingshu_train.errors import RecipeError, RunAgain
from lingshu_train.model.settings import Settings
from lingshu_train.naming import component, digest
from lingshu_train.record import Completion, Prompt, Sampling
from lingshu_train.schema import Strict, parse

PACKAGE = "lingshu_train.rollouts"


class Outage(RunAgain):
    """The engine cannot be reached, or gave up. The prompt has no answer, which is not a wrong one."""


class Unreadable(Outage):
    """The engine replied, but not as its protocol says, or with less than was asked for."""


class Refused(RecipeError):
    """The engine will not answer such a request: an unknown model, a prompt that is too long, a wrong key."""


class Engine(Protocol):
    """Answers prompts until it is closed; a context manager that closes itself."""

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        """`sampling.n` completions a prompt, prompt after prompt, each as soon as those before it are there.

        The i-th of a prompt is drawn with the seed `seed_of(prompt, sampling) + i` and hangs on no other prompt. Raises
        Outage (75), Refused (78), or NotPermitted (77) where a prompt may not leave this machine.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *fault: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The model that an engine of this machine opens. `source`: a folder or a hub id. `device` as torch names it."""

    source: str
    settings: Settings
    device: str = "cpu"
    revision: str | None = None


class EngineFile(Protocol):
    """A file of rollouts/: what a recipe may say of the engine, and how it starts. `OPENS = True` in it: it opens the weights
    that it is given, and so may stand in a stage's block `rollouts`."""

    @property
    def Params(self) -> type[Strict]: ...

    def start(self, params: Strict, weights: Weights | None) -> Engine:
        """`weights` None: the model lies elsewhere. RecipeError where the engine needs one."""
        ...


def start(
    name: str, params: Mapping[str, JsonValue], *, where: str, weights: Weights | None = None
) -> Engine:
    """Start the engine of that name. `where` is the key that names it, for errors."""
    file: EngineFile = component(PACKAGE, name, where=where, error=RecipeError)
    return file.start(parse(file.Params, params, where=where, error=RecipeError), weights)


def seed_of(prompt: Prompt, sampling: Sampling) -> int:
    """The seed of a prompt's first completion: its own, or one of 48 bits (exact in JSON) from its id and the sampling's."""
    return prompt.seed if prompt.seed is not None else int(digest([sampling.seed, prompt.id])[:12], 16)


def seeds_of(ids: Sequence[str], sampling: Sampling) -> list[int]:
    """The seeds of completions, by the ids of their prompts: the n-th of an id, wherever it stands, has the first's + n."""
    first: dict[str, int] = {}
    found = []
    for name in ids:
        if name not in first:
            first[name] = seed_of(Prompt(id=name, messages=()), sampling)
        found.append(first[name])
        first[name] += 1
    return found
