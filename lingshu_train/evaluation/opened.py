"""A model by what a person calls it: a folder, RUN/STAGE, the address of a server, or a name of the Hugging Face Hub."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from lingshu_train import rollouts, shipped
from lingshu_train.documents import read_json, read_text, yaml_value
from lingshu_train.errors import DataError, MissingInput, UsageError
from lingshu_train.model import base, shape
from lingshu_train.model.settings import FAMILY, Settings
from lingshu_train.naming import canonical, digest, file_digest
from lingshu_train.rollouts import OURS, Choice, Engine, Weights
from lingshu_train.runs import manifest
from lingshu_train.runs import run as runs
from lingshu_train.schema import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A model that can be asked. `label` is what tables call it, `identity` what its answers are kept under: its content where
    it lies here, how it is opened, and who answers for it. `stage`: the folder of the stage that left it; None where no run
    did; `together` the answers that its engine makes at once."""

    label: str
    identity: str
    system: str
    starts: Callable[[], Engine]
    stage: Path | None = None
    together: int = 1
    stem: str = ""
    """What its folder is called, in place of `label`."""

    @property
    def place(self) -> str:
        """The name of the folder of its answers."""
        return f"{self.stem or Path(self.label).name}-{self.identity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a model is to be opened. `served`: what a server calls it; `cards`: those whose text may go to a server elsewhere;
    `batch`: questions asked at once, None: the engine's own."""

    engine: Literal["auto", "transformers", "vllm", "endpoint"] = "auto"
    served: str = ""
    device: str = ""
    batch: int | None = None
    cards: tuple[str, ...] = ()


def models(names: Sequence[str], wish: Wish) -> list[Named]:
    """Each as `model` has it, by labels that tell them apart. UsageError (64): the same model twice."""
    found = [model(name, wish) for name in names]
    first: dict[str, str] = {}
    for name, one in zip(names, found, strict=True):
        if other := first.get(one.identity):
            raise UsageError(f"{name}: is the same model as {other}; name each once")
        first[one.identity] = name
    many = {label for label, times in Counter(one.label for one in found).items() if times > 1}
    return [
        replace(one, label=f"{one.label} ({name})", stem=Path(one.label).name) if one.label in many else one
        for name, one in zip(names, found, strict=True)
    ]


def model(name: str, wish: Wish = Wish()) -> Named:
    """The model of that name.

    MissingInput (66): there is none. DataError (65): its config.json is of no model that this package knows. UsageError (64): a
    server without `served`, or an engine that does not open such a model.
    """
    server = name.startswith(("http://", "https://"))
    if server != (wish.engine == "endpoint") and wish.engine != "auto":
        right = (
            "an address (http://...) is answered by endpoint"
            if server
            else "endpoint needs the address of a server (http://...)"
        )
        raise UsageError(f"{name}: --engine {wish.engine}: {right}")
    if server:
        return _server(name, wish)
    if wish.served:
        raise UsageError(f"{name}: is no server; --served is for an address (http://...)")
    place = Path(name)
    if (place.parent / runs.NAME).is_file() and not place.is_dir():
        return _stage(place.parent, place.name, wish)
    settings = _settings(name)
    found = base.find(settings)
    if found is None or not found.folder:
        raise MissingInput(
            f"{name}: no such folder, and no model of that name in the hub's cache; get it with `hf download {name}`, or name "
            "a folder, RUN/STAGE, or a server's address"
        )
    weights = Weights(source=found.folder, settings=settings, device=wish.device or _device())
    # A snapshot in the hub's cache is named by its commit.
    identity = _content(place) if place.is_dir() else [name, Path(found.folder).name]
    return _local(name.rstrip("/"), identity, weights, wish)


def _content(folder: Path) -> list[str]:
    """What a model's folder holds, by file. One that a stage of ours left has said so in its manifest."""
    if (folder.parent / manifest.NAME).is_file():
        files = manifest.read(folder.parent).files
        below = f"{folder.name}/"
        return [
            f"{name.removeprefix(below)} {sha}"
            for name, sha in sorted(files.items())
            if name.startswith(below)
        ]
    held = {path.name: path for path in folder.iterdir() if path.is_file() and path.suffix in _OF_A_MODEL}
    return [f"{name} {file_digest(path)}" for name, path in sorted(held.items())]


_OF_A_MODEL = (".json", ".safetensors", ".bin", ".jinja", ".txt", ".model")


def _local(
    label: str,
    identity: Sequence[str],
    weights: Weights,
    wish: Wish,
    stage: Path | None = None,
    choice: Choice | None = None,
) -> Named:
    """`choice`: the block `rollouts` of the run's recipe, which is taken where no engine was asked for."""
    engine = (choice.engine if choice else OURS) if wish.engine == "auto" else wish.engine
    told_params = choice.unchanging if choice else {}
    named_batch = told_params.get("batch")
    batch = wish.batch or (named_batch if isinstance(named_batch, int) else _BATCH.get(engine, 1))
    params: dict[str, JsonValue] = {**told_params, "batch": batch}

    def starts() -> Engine:
        return rollouts.start(engine, params, where="eval", weights=weights)

    # Engines round otherwise: what one answered is not taken for the other's.
    opened = weights.settings.model_dump(mode="json", exclude={"base", "revision", "build"})
    told = [*identity, canonical(opened), *([engine] if engine != OURS else [])]
    return Named(
        label=label,
        identity=digest(told)[:12],
        system=weights.settings.system_prompt,
        starts=starts,
        stage=stage,
        together=batch,
    )


_BATCH = {"transformers": 16, "vllm": 256}


def _stage(run: Path, stage: str, wish: Wish) -> Named:
    # Imports torch, which a server needs none of.
    from lingshu_train.evaluation import trained

    weights = trained.weights(run, stage, device=wish.device)
    choice = trained.choice(run, stage) if wish.engine == "auto" else None
    place = Path(weights.source)
    return _local(f"{run.name}/{stage}", _content(place), weights, wish, place.parent, choice)


def _server(url: str, wish: Wish) -> Named:
    if not wish.served:
        raise UsageError(f"{url}: what is the model called there? Name it with --served")
    params: dict[str, JsonValue] = {"url": url, "model": wish.served, "cards": list(wish.cards)}

    def starts() -> Engine:
        return rollouts.start("endpoint", params, where="eval")

    return Named(label=wish.served, identity=digest([url, wish.served])[:12], system="", starts=starts)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _settings(name: str) -> Settings:
    """How a model is opened: the block `model` of the recipe whose model is of its family and has the same sizes, or the
    family's 7B or 8B, which differ in no more than those. What its own folder says of pictures comes first.
    """
    config = Path(name) / "config.json"
    wanted = _sizes(read_json(config)) if config.is_file() else None
    if wanted is None and not base.REPOSITORY.fullmatch(name):
        raise MissingInput(f"{name}: no folder with a config.json, no RUN/STAGE, and no name of the hub")
    folder = shipped.folder("recipes") / "model"
    blocks = [_block(folder, path.stem) for path in sorted(folder.glob("*.yaml"))]
    kinds = {shape.of(family).model_type: family for family in {str(block["family"]) for block in blocks}}
    if wanted and wanted[2] not in kinds:
        raise DataError(f"{config}: model_type is {wanted[2]!r}; this opens {', '.join(sorted(kinds))}")
    family = kinds[str(wanted[2])] if wanted else _named_family(name, blocks)
    mine = [block for block in blocks if block["family"] == family]
    same = [
        block
        for block in mine
        if wanted and (block["shape"]["text"]["hidden"], block["shape"]["text"]["layers"]) == wanted[:2]
    ]
    published = [block for block in mine if _PUBLISHED.search(str(block["base"]))]
    chosen = (same or published or mine)[0]
    block = {**chosen, **_pixels(Path(name)), "base": name, "build": None}
    return parse(Settings, json.loads(json.dumps(block)), where=f"{name}: model", error=DataError)


_PUBLISHED = re.compile(r"-[78]B(-|$)")


def _named_family(name: str, blocks: Sequence[dict[str, Any]]) -> str:
    """Of a name of the hub: that of the recipe with the same base, else the one that is meant without a word."""
    return next((str(block["family"]) for block in blocks if block["base"] == name), FAMILY)


def _block(folder: Path, name: str) -> dict[str, Any]:
    """A recipe's block `model`, with what it takes over from others."""
    found = yaml_value(read_text(folder / f"{name}.yaml"))
    assert isinstance(found, dict), f"{name}: a mapping of ours"
    above: dict[str, Any] = {}
    for other in found.pop("defaults", ()):
        if other != "_self_":
            above = _over(above, _block(folder, str(other)))
    return {"family": FAMILY, **_over(above, found)}


def _over(under: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Key by key, mappings in mappings, as Hydra does."""
    return {
        **under,
        **{
            key: _over(under[key], value)
            if isinstance(value, dict) and isinstance(under.get(key), dict)
            else value
            for key, value in found.items()
        },
    }


def _pixels(folder: Path) -> dict[str, int]:
    """The bounds of a picture that a model's folder names; empty where it names none."""
    path = folder / "preprocessor_config.json"
    found = read_json(path) if path.is_file() else {}
    size = found.get("size") if isinstance(found, dict) else None
    bounds = {**(size if isinstance(size, dict) else {}), **(found if isinstance(found, dict) else {})}
    least = bounds.get("min_pixels", bounds.get("shortest_edge"))
    most = bounds.get("max_pixels", bounds.get("longest_edge"))
    return (
        {"min_pixels": least, "max_pixels": most} if isinstance(least, int) and isinstance(most, int) else {}
    )


def _sizes(config: object) -> tuple[object, object, object]:
    """Hidden size and layers of the language model, and the kind of model."""
    found: dict[str, object] = config if isinstance(config, dict) else {}
    inner = found.get("text_config")
    text: dict[str, object] = inner if isinstance(inner, dict) else found
    return text.get("hidden_size"), text.get("num_hidden_layers"), found.get("model_type")
