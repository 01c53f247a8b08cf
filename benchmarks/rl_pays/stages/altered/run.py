"""Write the rows. Which labels are wrong hangs on seed and row alone: those of 0.1 are wrong at 0.3 too."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from lingshu_train.stages.altered.config import Config, Part
from PIL import Image

from lingshu_train import naming
from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.writer import Kept, StoredPicture, Writer
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sample
from lingshu_train.runs.stage import Stage

GREY = (115, 115, 115)
_ALL = 1 << 48


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    writer = Writer(stage.path / "corpus")
    wrong = 0
    for part in config.parts:
        for old, new, picture in _rows(stage, part):
            wrong += old.answer != new.answer
            writer.add([Kept(sample=new, pictures=(picture,))])
    summary = writer.finish(licences={}, budget=settings.budget, control_tokens=settings.shape.control)
    return {**summary.facts(), "wrong_labels": wrong}


def _rows(stage: Stage, part: Part) -> Iterator[tuple[Sample, Sample, StoredPicture]]:
    found = corpus.load(stage.parent(part.corpus) / "corpus", split=part.split, tasks=part.tasks)
    seen: Counter[str] = Counter()
    for n, sample in enumerate(found.samples):
        number = seen[sample.task]
        seen[sample.task] += 1
        if part.first <= number < part.first + part.count:
            (picture,) = found.pictures(n)
            yield sample, _changed(stage.seed, part, sample), _stored(picture, blank=part.blank)


def _changed(seed: int, part: Part, sample: Sample) -> Sample:
    question = part.words.get(sample.question, sample.question)
    assert not part.words or question != sample.question, f"no other words for {sample.question!r}"
    return replace(
        sample,
        id=sample.id + part.suffix,
        task=sample.task + part.suffix,
        split=part.to or sample.split,
        question=question,
        answer=_answer(seed, part.noise, sample),
        reasoning=sample.reasoning if part.traces else "",
        parents=tuple(name + part.suffix for name in sample.parents),
    )


def _answer(seed: int, noise: float, sample: Sample) -> str:
    at = int(naming.digest(["noise", seed, sample.id])[:12], 16) / _ALL
    if at >= noise:
        return sample.answer
    others = ["yes", "no"] if sample.question_type == "yes_no" else list(sample.options)
    (other,) = [one for one in others if one != sample.answer]
    return other


def _stored(picture: Image.Image, *, blank: bool) -> StoredPicture:
    shown = Image.new("RGB", picture.size, GREY) if blank else picture.convert("RGB")
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    data = buffer.getvalue()
    return StoredPicture(
        data=data,
        digest=hashlib.sha256(data).hexdigest(),
        suffix=".png",
        width=shown.width,
        height=shown.height,
        whole=shown.size,
    )
