"""Rows and stages that the package and the oracle are both given: made up here, small, and of every kind that matters."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import recording
import started_there
import tiny
from independent import examples, qwen, rows
from layouts import once
from PIL import Image
from tokenizers import Tokenizer

from lingshu_train.record import Sample
from lingshu_train.running import launch
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage

SIZES = ((56, 56), (84, 56), (28, 112), (100, 40), (31, 31), (112, 112), (200, 90))
RATES = {"vision_tower": 5e-3, "merger": 1e-2, "language_model": 7e-3}


def draw(root: Path) -> None:
    """Corpora `mixed` (60 rows to fine-tune on) and `short` (counting, to reward), a random model and a taught one."""
    _corpus(root, "mixed", [_mixed(number) for number in range(60)])
    _corpus(root, "short", [_short(number) for number in range(44)])
    _model(root, "base", {"kind": "build", "corpus": "mixed"})
    _model(root, "warm", tiny.sft(data=[{"corpus": "short"}], steps=30, save_every=30))


def _model(root: Path, name: str, config: dict[str, Any]) -> None:
    made = {one: root / one for one in ("mixed", "short", "base") if (root / one).is_dir()}
    stage = tiny.make_stage(root, name, config, parents=made)
    tiny.run_here(stage)
    tiny.finish(stage, outputs=["model"])


def _corpus(root: Path, name: str, made: Sequence[tuple[Sample, list[Image.Image]]]) -> None:
    tiny.write_corpus(root / name / "corpus", made)
    config = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 112, "questions": {}}
    tiny.finish(tiny.make_stage(root, name, config, parents={}), outputs=["corpus"])


def _picture(draw: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    wide, high = size
    return Image.fromarray(draw.integers(0, 256, (high, wide, 3), dtype=np.uint8))


def _mixed(number: int) -> tuple[Sample, list[Image.Image]]:
    """0 to 3 pictures, before everything or at marks; free text, options, numbers and thoughts; none to two earlier turns."""
    draw = np.random.default_rng(number)
    kind = ("numeric", "mcq", "free", "yes_no")[number % 4]
    answer = {"numeric": str(number), "mcq": "B", "free": tiny.LONG * (number % 3) + "end.", "yes_no": "no"}
    pictures = number // 2 % 4
    question = f"Question {number}: how many spots, or which side?" + " Look well." * (number % 3)
    options = {"A": "left", "B": "right"} if kind == "mcq" else {}
    earlier = [f"Earlier question {n} of {number}?" for n in range(number % 5 - 2)]
    if number % 3 == 0:
        # The first picture in the first earlier question, the last in an option, the others in the question.
        here = pictures
        if here and earlier:
            earlier[0], here = earlier[0].replace("question", "<image> question"), here - 1
        if here and options:
            options, here = {**options, "A": "this <image>"}, here - 1
        question = question.replace("spots", "spots" + "<image> and" * here)
    return Sample(
        id=f"mixed-{number}",
        card="drawn",
        split="train",
        task="vqa",
        question=question,
        question_type=kind,  # type: ignore[arg-type]
        answer=answer[kind],
        options=options,
        reasoning=f"There are {number} of them." * (number % 3),
        form="Think: {reasoning}\nSay: {answer}." if number % 8 == 2 else "",
        turns=tuple((asked, tiny.LONG + f"answer {n}") for n, asked in enumerate(earlier)),
    ), [_picture(draw, SIZES[(number + n) % len(SIZES)]) for n in range(pictures)]


def _short(number: int) -> tuple[Sample, list[Image.Image]]:
    """A count, 0 to 2 pictures; the last twelve are held out."""
    draw = np.random.default_rng(1000 + number)
    return Sample(
        id=f"short-{number}",
        card="drawn",
        split="train" if number < 32 else "held_out",
        task="count",
        question=f"How many spots{' here' * (number % 4)}?",
        question_type="numeric",
        answer=str(number % 3),
    ), [_picture(draw, SIZES[(number + n) % 5]) for n in range(number % 3)]


@dataclass(frozen=True)
class Material:
    """The folder that `draw` filled, read as the oracle reads it."""

    root: Path

    def reader(self, *, every: bool = True) -> examples.Reader:
        words = Tokenizer.from_file(str(self.root / "base" / "model" / "tokenizer.json"))
        least, most = tiny.MODEL["min_pixels"], tiny.MODEL["max_pixels"]
        return examples.Reader(words, least, most, every=every)

    def rows(self, corpus: str, split: str = "train") -> list[rows.Row]:
        return rows.read(self.root / corpus / "corpus", split=split)

    def model(self, name: str) -> tuple[qwen.Model, qwen.Weights]:
        return qwen.read(self.root / name / "model")

    def stage(self, folder: Path, config: dict[str, Any], **layout: Any) -> Stage:
        parents = {name: self.root / name for name in ("mixed", "short", "base", "warm")}
        return tiny.make_stage(folder.parent, folder.name, config, parents=parents, **layout)

    def run(self, folder: Path, config: dict[str, Any], **layout: Any) -> Run:
        """Train a stage to its end and record it; once, whoever asks."""
        return self.run_stage(self.stage(folder, config, **layout))

    def run_stage(self, stage: Stage) -> Run:
        """The same of a stage that is written already."""
        once(stage.path, lambda _: _train(stage))
        return Run(stage.path)


def _train(stage: Stage) -> None:
    record = stage.path / "record"
    if stage.world_size == 1:
        with recording.recorded(record):
            tiny.run_here(stage)
        return
    command = started_there.worker(launch.command(stage, stage.write()), "tests.oracle.recording")
    log = stage.path / "log.txt"
    with log.open("wb") as out:
        done = subprocess.run(
            [*command, str(record)],
            env=launch.environment(stage),
            stdout=out,
            stderr=out,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, log.read_text()


@dataclass(frozen=True)
class Run:
    """A stage that has been trained and recorded."""

    folder: Path

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return ledger.steps(self.folder)

    @property
    def records(self) -> list[dict[str, Any]]:
        return recording.read(self.folder / "record")

    @property
    def weights(self) -> qwen.Weights:
        return qwen.read(self.folder / "model")[1]
