"""A prepared corpus on disk: rows.jsonl, PNGs named by the sha256 of their bytes, and a summary."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.card import Card
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.naming import canonical, digest, file_digest
from lingshu_train.record import Sample
from lingshu_train.runs.files import failure, write_json, write_text
from lingshu_train.schema import Strict, parse
from lingshu_train.verify import gold_problem

AGAIN = "prepare the corpus again"
ROWS, SUMMARY, IMAGES = "rows.jsonl", "corpus.json", "images"
Row = tuple[Sample, tuple[Image.Image, ...]]


class Summary(Strict):
    """corpus.json. Counts are of the samples kept; `refused` counts the others by reason."""

    samples: int
    images: int
    splits: dict[str, int]
    tasks: dict[str, dict[str, int]]
    modalities: dict[str, int]
    cards: dict[str, int]
    licences: dict[str, str]
    refused: dict[str, int]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A corpus or a selection of it, with its images. `fingerprint` is that of the whole corpus."""

    folder: Path
    samples: tuple[Sample, ...]
    fingerprint: str

    def image(self, name: str) -> Image.Image:
        """The RGB image of a digest, checked against it. DataError names the first sample that needs it."""
        path = _place(self.folder, name)
        try:
            if file_digest(path) != name:
                raise DataError(f"{self._owner(name)}: image {path} is damaged (its sha256 differs); {AGAIN}")
            return images.read(path)
        except OSError as fault:
            raise DataError(f"{self._owner(name)}: image {path}: {fault.strerror}; {AGAIN}") from None

    def images(self, sample: Sample) -> tuple[Image.Image, ...]:
        """The sample's images, in its order."""
        return tuple(self.image(name) for name in sample.images)

    def _owner(self, name: str) -> str:
        return self._owners.get(name, f"digest {name}")

    @cached_property
    def _owners(self) -> dict[str, str]:
        return {name: f"sample {sample.id}" for sample in reversed(self.samples) for name in sample.images}


def write(folder: Path, rows: Iterable[Row], *, cards: Iterable[Card] = ()) -> Summary:
    """Write rows and images. A sample whose gold answer the verifier cannot read is refused and counted."""
    kept: list[Sample] = []
    refused: Counter[str] = Counter()
    seen: set[str] = set()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for sample, pictures in rows:
            problem = gold_problem(sample) if sample.question_type != "free" else None
            if problem:
                refused[f"{sample.task}: {problem}"] += 1
                continue
            if sample.id in seen:
                raise DataError(f"sample {sample.id}: the id occurs twice; ids are unique within a corpus")
            seen.add(sample.id)
            kept.append(replace(sample, images=tuple(_save(folder, picture) for picture in pictures)))
    except OSError as fault:
        raise failure(folder, fault) from None
    lines = [asdict(sample) for sample in kept]
    write_text(folder / ROWS, "".join(canonical(line) + "\n" for line in lines))
    summary = _summary(
        kept,
        refused=refused,
        licences={card.name: card.lingshu.licence.id for card in cards},
        fingerprint=digest(lines),
    )
    write_json(folder / SUMMARY, summary.model_dump(mode="json"))
    return summary


def load(folder: Path, *, split: str | None = None, tasks: tuple[str, ...] = ()) -> Corpus:
    """The samples of a split and of some tasks (empty: all), in the order they were written."""
    summary = read_summary(folder)
    for task in tasks:
        if task not in summary.tasks:
            raise RecipeError(
                f"tasks: unknown task {task!r}; {folder} has: {', '.join(sorted(summary.tasks))}"
            )
    if split is not None and split not in summary.splits:
        raise RecipeError(
            f"split: unknown split {split!r}; {folder} has: {', '.join(sorted(summary.splits))}"
        )
    found = tuple(
        sample
        for sample in _rows(folder / ROWS)
        if (split is None or sample.split == split) and (not tasks or sample.task in tasks)
    )
    return Corpus(folder=folder, samples=found, fingerprint=summary.fingerprint)


def read_summary(folder: Path) -> Summary:
    path = folder / SUMMARY
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInput(
            f"{folder}: no corpus here ({SUMMARY} is missing); a stage of kind prepare writes one"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise DataError(f"{path}: not JSON: {fault}") from None
    return parse(Summary, data, where=str(path), error=DataError)


def _rows(path: Path) -> Iterable[Sample]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInput(f"{path}: missing; {AGAIN}") from None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            data: dict[str, Any] = json.loads(line)
            turns = tuple((question, answer) for question, answer in data["turns"])
            lists = {"aliases": tuple(data["aliases"]), "images": tuple(data["images"]), "turns": turns}
            yield Sample(**{**data, **lists})
        except (json.JSONDecodeError, KeyError, TypeError) as fault:
            raise DataError(f"{path}:{number}: not a sample: {fault}") from None


def _save(folder: Path, picture: Image.Image) -> str:
    """PNG without metadata, named by its own bytes: equal pictures are stored once."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=6)
    data = buffer.getvalue()
    name = hashlib.sha256(data).hexdigest()
    path = _place(folder, name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return name


def _place(folder: Path, name: str) -> Path:
    return folder / IMAGES / name[:2] / f"{name}.png"


def _summary(
    kept: list[Sample], *, refused: Counter[str], licences: dict[str, str], fingerprint: str
) -> Summary:
    tasks: dict[str, Counter[str]] = {}
    for sample in kept:
        tasks.setdefault(sample.task, Counter())[sample.split] += 1
    return Summary(
        samples=len(kept),
        images=len({name for sample in kept for name in sample.images}),
        splits=dict(Counter(sample.split for sample in kept)),
        tasks={task: dict(counts) for task, counts in tasks.items()},
        modalities=dict(Counter(sample.modality for sample in kept)),
        cards=dict(Counter(sample.card for sample in kept)),
        licences=licences,
        refused=dict(refused),
        fingerprint=fingerprint,
    )
