"""Every held-out question with the answer of every model, as data for a page that filters them; pictures as files beside it.

The page holds at most MOST samples and LARGEST characters of text. Of more it has those whose ids have the smallest sha256,
so that none is chosen by hand; all of them stand in the predictions that it links to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.report import closed, gallery
from lingshu_train.report.gather import RunView
from lingshu_train.report.thinking import Flags
from lingshu_train.runs import results
from lingshu_train.runs.files import failure
from lingshu_train.runs.results import Prediction

FOLDER = "samples"
"""Pictures of the page, below the run folder."""
MOST = 5_000
LARGEST = 12_000_000
LONGEST_TEXT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one model answered. `line` counts from 1 in its file; `given` is the answer as the tables count it."""

    text: str
    status: str
    right: bool
    taken: str
    rule: str
    line: int
    given: str
    flag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A question with its answers, one for each model of the page, None where one was not asked.

    `picture` is an address relative to the page, empty where there is none; `lost` where there was one.
    """

    id: str
    task: str
    modality: str
    card: str
    type: str
    question: str
    options: tuple[tuple[str, str], ...]
    answer: str
    label: str
    prompt: str
    picture: str
    lost: bool
    answers: tuple[Given | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsed:
    """What the page has. `models` come newest first, `files` are where their answers lie, below the run folder."""

    models: tuple[str, ...]
    files: tuple[str, ...]
    samples: tuple[Sample, ...]
    total: int


def browsed(view: RunView, flags: Flags) -> Browsed:
    """The samples of a run, its pictures written beside. CannotCreate or OutputFailed where they cannot be."""
    models = tuple(reversed(view.models))
    by_model = [_numbered(view.predictions.get(model, ())) for model in models]
    asked = {id: line for lines in reversed(by_model) for id, (_, line) in lines.items()}
    pictures = _Pictures(view)
    flagged = [flags.held_out[model] for model in models]
    found: list[Sample] = []
    room = LARGEST
    kept = set(sorted(asked, key=_key)[:MOST])
    for id in sorted(kept, key=_key):
        sample = _sample(asked[id], [lines.get(id) for lines in by_model], flagged, pictures)
        room -= _size(sample)
        if room < 0:
            break
        found.append(sample)
    order = {id: place for place, id in enumerate(asked)}
    return Browsed(
        models=models,
        files=tuple(_file(view, model) for model in models),
        samples=tuple(sorted(found, key=lambda sample: order[sample.id])),
        total=len(asked),
    )


class _Pictures:
    """Writes each picture once, at most 320 pixels a side."""

    def __init__(self, view: RunView) -> None:
        self._view, self._folder = view, view.run.path / FOLDER
        self._known: dict[str, str] = {}

    def address(self, digest: str) -> str:
        """Where the page finds it; empty where the corpus has it no more."""
        if digest not in self._known:
            self._known[digest] = self._written(digest)
        return self._known[digest]

    def _written(self, digest: str) -> str:
        there = [path for kind in gallery.KINDS if (path := self._folder / f"{digest[:20]}.{kind}").is_file()]
        if there:
            return f"{FOLDER}/{there[0].name}"
        data = self._view.image(digest)
        if data is None:
            return ""
        shown, kind = gallery.shown(data)
        path = self._folder / f"{digest[:20]}.{kind}"
        try:
            self._folder.mkdir(exist_ok=True)
            beside = path.with_name(f".{path.name}.tmp")
            beside.write_bytes(shown)
            beside.replace(path)
        except OSError as fault:
            raise failure(path, fault) from None
        return f"{FOLDER}/{path.name}"


def _numbered(lines: Sequence[Prediction]) -> dict[str, tuple[int, Prediction]]:
    return {line.id: (number, line) for number, line in enumerate(lines, 1)}


def _key(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()


def _sample(
    asked: Prediction,
    lines: Sequence[tuple[int, Prediction] | None],
    flagged: Sequence[Mapping[str, str]],
    pictures: _Pictures,
) -> Sample:
    address = pictures.address(asked.image) if asked.image else ""
    return Sample(
        id=asked.id,
        task=asked.task,
        modality=asked.modality,
        card=asked.card,
        type=asked.question_type,
        question=asked.question,
        options=tuple(asked.options.items()),
        answer=asked.answer,
        label=closed.label(asked, asked.answer),
        prompt=gallery.prompt(asked),
        picture=address,
        lost=bool(asked.image) and not address,
        answers=tuple(
            line and _given(*line, flag=flags.get(asked.id, ""))
            for line, flags in zip(lines, flagged, strict=True)
        ),
    )


def _given(number: int, line: Prediction, *, flag: str) -> Given:
    text = line.completion
    cut = f"{text[:LONGEST_TEXT]} … ({len(text):,} characters)" if len(text) > LONGEST_TEXT else text
    return Given(
        text=cut,
        status=line.status,
        right=line.correct,
        taken=line.extracted[:LONGEST_TEXT],
        rule=line.rule,
        line=number,
        given=closed.given(line)[:LONGEST_TEXT],
        flag=flag,
    )


def _size(sample: Sample) -> int:
    texts = [sample.question, sample.answer, sample.prompt, *(text for _, text in sample.options)]
    return sum(map(len, texts)) + sum(len(each.text) + len(each.taken) for each in sample.answers if each)


def _file(view: RunView, model: str) -> str:
    """The newest stage that evaluated it, whose answers `view` has."""
    paths = [
        path
        for each in view.stages
        if each.about.role == "results" and (path := results.predictions_file(each.folder, model)).is_file()
    ]
    return paths[-1].relative_to(view.run.path).as_posix() if paths else ""
