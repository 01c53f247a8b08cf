"""A card's sources on loopback, and the way from them to what is trained: fetch, check, prepare, in one process."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import pkgutil
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import file_server
import hub_server
import pytest
import requests
from huggingface_hub import constants
from requests.adapters import HTTPAdapter

import published
from lingshu_train.data import chat
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import check as checking
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.data.corpus.writer import QUARANTINE, Refused
from lingshu_train.hub import fetch, patience
from lingshu_train.hub.sources import _job, physionet
from published.tree import Served

TOKEN = "hf_" + "ReadsWhatIsServedHere0123456789"
TERMS = checking.Terms(most_refused=1.0)
"""Of a few rows one that is refused is a large share."""


@dataclass(frozen=True)
class Publisher:
    """One function of a module here: `write` writes what is served. `name` is the card's, or the card's with `__` and a version.
    `refused`: how many rows are refused, by reason."""

    name: str
    write: Callable[[Served], None]
    refused: dict[str, int]

    @property
    def card(self) -> str:
        return self.name.partition("__")[0]


def publishers() -> list[Publisher]:
    """Every public function of every module here whose one parameter is `served`. A module's `REFUSED` maps its functions' names
    to the rows that are refused, by reason."""
    found = {}
    for module in (
        importlib.import_module(f"published.{one.name}") for one in pkgutil.iter_modules(published.__path__)
    ):
        refused = getattr(module, "REFUSED", {})
        for name, value in vars(module).items():
            own = (
                inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
            )
            if own and list(inspect.signature(value).parameters) == ["served"]:
                assert name not in found, f"{name} is in two modules"
                found[name] = Publisher(name, value, refused.get(name, {}))
    return [found[name] for name in sorted(found)]


def as_served(card: Card, *, counted: bool = False) -> Card:
    """The card for made-up files: without all that it states of the real ones, which is their checksums, their sizes, and the
    number of rows and pictures of each split, which `counted` leaves. Nothing else of it is changed; what is served is served at
    its revision."""
    block = card.lingshu

    def unstated(source: Any) -> Any:
        files = tuple(file.model_copy(update={"sha256": "", "bytes": None}) for file in source.files)
        return source.model_copy(update={"files": files})

    source = unstated(block.source)
    companions = tuple(map(unstated, source.companions))
    changed: dict[str, Any] = {"source": source.model_copy(update={"companions": companions})}
    if not counted:
        changed["splits"] = {}
    return card.model_copy(update={"lingshu": block.model_copy(update=changed)})


@dataclass(frozen=True)
class Found:
    """What came of a card: what `check` says, the corpus, and each row that `prepare` refuses, as `check` would say it."""

    report: checking.Report
    summary: Summary
    folder: Path
    refused: list[str]

    def text(self) -> str:
        """What was counted, a line each, and the first row of each split as it is trained. Told here, and not as `prepare` tells
        it, so that another word of that changes no golden text."""
        told, of_card = self.summary, {key: dict(one) for key, one in self._of_card()}
        counts = {
            "rows": told.splits,
            "answers": told.question_types,
            "modalities": {name or "not stated": count for name, count in told.modalities.items()},
            "pictures": {"": told.images} if told.images else {},
            **of_card,
            "refused": told.refused,
        }
        lines = [f"{key}: {_counted(count)}" for key, count in counts.items() if count]
        lines += [f"layout: {layout}" for layout in told.layouts.values()]
        for split in told.splits:
            rows = corpus.load(self.folder, split=split)
            lines += [f"\n--- {split}: the first of {len(rows)}", chat.taught(rows.sample(0))]
        return "\n".join(lines) + "\n"

    def _of_card(self) -> Iterator[tuple[str, dict[str, int]]]:
        """What the card leaves out itself, and what is not whole."""
        for key in ("skipped", "notes"):
            for counts in getattr(self.summary, key).values():
                yield key, counts


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}".strip() for name, count in sorted(counts.items()))


def through(publisher: Publisher, folder: Path, patch: pytest.MonkeyPatch, *, counted: bool = False) -> Found:
    """Serve what the publisher serves, fetch, check and prepare it. Fails where a source is left unfetched. `counted`: the card
    states the number of rows of the real files; of those that a person put there it is then said that they are a part."""
    real = cards.load
    patch.setattr(cards, "load", lambda *args, **more: as_served(real(*args, **more), counted=counted))
    card, data_root = cards.load(publisher.card), folder / "data"
    served = Served(folder / "served")
    publisher.write(served)
    if (by_hand := served.by_hand().root).is_dir():
        shutil.copytree(by_hand, card.folder(data_root))
    if (beside := served.root / "beside").is_dir():
        shutil.copytree(beside, data_root, dirs_exist_ok=True)
    with serving(card, served.root, patch):
        outcome = fetch.fetch(card, data_root, say=lambda line: None)
    assert not outcome.left, [str(fault) for fault in outcome.left]
    assert cards.root(card, data_root), "all has come, and the data is not here"
    block = card.lingshu
    terms = replace(TERMS, part=counted and block.source.by_hand(block.access))
    report = checking.check(card, data_root, terms=terms)
    wanted, place = terms.specification(card, list(card.files), data_root), folder / "corpus"
    summary = preparing.prepare(place, wanted, workers=1, most_refused=terms.most_refused)
    lines = (
        (place / QUARANTINE).read_text(encoding="utf-8").splitlines()
        if (place / QUARANTINE).is_file()
        else []
    )
    refused = [str(Refused(**json.loads(line))) for line in lines]
    return Found(report=report, summary=summary, folder=place, refused=refused)


@contextmanager
def serving(card: Card, root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sources below `root` on loopback, for as long as it lasts: the hub with what a card pins, PhysioNet with its list of
    checksums, and any web address. Accounts are made up."""
    patch.setattr(patience, "RETRY", patience.Retry(total=0))
    for name, value in ((physionet.USER, "ada"), (physionet.PASSWORD, "secret"), ("HF_TOKEN", TOKEN)):
        patch.setenv(name, value)
    with hub_server.serve() as hub, file_server.serve() as web:
        hub.tokens = {TOKEN: ("ada", False)}
        for repository in _below(root / "hub"):
            _publish(hub, card, repository)
        web.content = {f"/{name}": data for name, data in _files(root / "web")}
        for project in _below(root / "physionet"):
            web.content |= _project(project)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "ENDPOINT", hub.endpoint)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "HF_HUB_CACHE", str(root / "cache"))
        patch.setattr(_job, "HTTPAdapter", type("Adapter", (_Elsewhere,), {"address": web.address}))
        yield


class _Elsewhere(HTTPAdapter):
    """Asks the file server for whatever address: its path there is host and path of the address."""

    address = ""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        assert request.url is not None
        request.url = f"{self.address}/{request.url.partition('://')[2]}"
        return super().send(request, *args, **more)


def _publish(hub: hub_server.Hub, card: Card, folder: Path) -> None:
    """A data set of the hub, at the commit that the card pins where it pins one."""
    name = folder.name.replace("--", "/", 1)
    repo = hub.create(f"datasets/{name}")
    tree = {
        path: hub_server.Blob(data, lfs=not path.endswith((".json", ".md", ".txt")))
        for path, data in _files(folder)
    }
    head = repo.commit("main", {**repo.commits[repo.branches["main"]], **tree})
    source = card.lingshu.source
    for one in (source, *source.companions):
        if one.kind == "hub" and one.name == name and one.revision:
            repo.commits[one.revision] = repo.commits[head]


def _project(folder: Path) -> dict[str, bytes]:
    """A project of PhysioNet with its checksums, by path on the file server."""
    base = f"/{physionet.ENDPOINT.partition('://')[2]}/files/{folder.name.replace('--', '/', 1)}/"
    files = dict(_files(folder))
    sums = "".join(f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in files.items())
    return {base + quote(name): data for name, data in files.items()} | {base + physionet.SUMS: sums.encode()}


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
