"""Publishes a corpus of a run as a data set: a plan that can be read first, one commit, and a check of what arrived."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import licences
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.withdrawn import among
from lingshu_train.documents import read_json, read_text
from lingshu_train.errors import DataError, NotPermitted, UsageError
from lingshu_train.hub import data_files
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.push import REPOSITORY, Pushed
from lingshu_train.hub.remote import Remote
from lingshu_train.hub.staging import StagedFile
from lingshu_train.naming import file_digest
from lingshu_train.runs import erased, manifest, pushed, run, withdrawn
from lingshu_train.runs import stage as stages
from lingshu_train.runs.run import Run, RunStage
from lingshu_train.runs.withdrawn import Gone, Withdrawn
from lingshu_train.schema import parse

REVISION = "main"
PLACE = "published"
"""The folder of a run in which the files of its data sets are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPush:
    """What would be sent where. `folder`: the stage's. `reasons` say why it must be private."""

    repo_id: str
    stage: str
    content: str
    folder: Path
    private: bool
    reasons: tuple[str, ...]
    files: tuple[StagedFile, ...]
    rows: dict[str, int]
    licence: str

    @property
    def text(self) -> str:
        """The dry run: every file with its size and hash, how many rows, and who will be able to see them."""
        width = max(len(file.name) for file in self.files)
        return "\n".join(
            [
                f"{self.repo_id}: {'private' if self.private else 'public'} data set",
                *(f"  private because of {reason}" for reason in self.reasons),
                f"  licence  {self.licence}",
                *(f"  {split:<8} {count:,} rows" for split, count in self.rows.items()),
                *(
                    f"  {file.name:<{width}}  {file.size:>14,} bytes  sha256 {file.sha256[:16]}"
                    for file in self.files
                ),
                f"{len(self.files)} files, {sum(file.size for file in self.files):,} bytes",
            ]
        )


def is_corpus(run_folder: Path, stage: str) -> bool:
    """Whether a push of this stage sends rows and not a model."""
    return run.read(run_folder).stage(stage).about.role == "corpus"


def plan_push(
    run_folder: Path, stage: str, repo_id: str, *, private: bool = False, folder: Path | None = None
) -> DataPush:
    """Decide what a push would send, and make its files; touches no network and needs no token. `folder`: where data cards
    are looked for.

    Raises UsageError (64) for a name that is none, NotPermitted (77) where a data card does not let its rows be passed on, or a
    secret stands in a text, MissingInput (66) where the stage is not done.
    """
    if not REPOSITORY.fullmatch(repo_id):
        raise UsageError(f"{repo_id}: not the name of a repository; write owner/name")
    found = run.read(run_folder)
    own = found.stage(stage)
    written = manifest.read(found.folder(own))
    behind = _cards(found, own, folder)
    reasons = licences.passing_on(behind)
    place = _place(found.path, stage, written.stage.content)
    shutil.rmtree(place, ignore_errors=True)
    here = corpus.load(found.folder(own) / "corpus")
    skipped = _withdrawn(found, own, here)
    if gone := erased.said(written):
        skipped |= frozenset(gone.numbers.tolist())
    try:
        rows = data_files.write(here, place, skipped=skipped)
    except NotPermitted:
        shutil.rmtree(place, ignore_errors=True)
        raise
    licence = licences.strictest(behind)
    title = f"{found.recipe}: {stage}"
    described = data_files.croissant(
        repo_id.partition("/")[2],
        title,
        behind,
        place,
        licence=licence.id,
        url=f"https://huggingface.co/datasets/{repo_id}",
    )
    readme = data_files.card(title, behind, rows, licence=licence.id, body=_own_words(found.folder(own)))
    data_files.put(place, readme, described)
    return DataPush(
        repo_id=repo_id,
        stage=stage,
        content=written.stage.content,
        private=private or bool(reasons),
        reasons=reasons,
        folder=found.folder(own),
        files=tuple(_staged(place)),
        rows=rows.by_split,
        licence=str(licence),
    )


def push(plan: DataPush, *, patience: Patience | None = None) -> Pushed:
    """Upload in one commit, then read the list of files back with their hashes, and remember it beside the stage, where
    `lingshu trace` and `lingshu forget` look for it; the files are removed here. Raises as the push of a model."""
    remote = Remote.connect(plan.repo_id, revision=REVISION, patience=patience or Patience(), kind="dataset")
    remote.prepare(private=plan.private)
    remote.refuse_others({file.name for file in plan.files})
    commit = remote.commit(
        {file.name: file.path for file in plan.files},
        message=f"Rows of stage {plan.stage}, content {plan.content[:12]}",
    )
    remote.check(commit, {file.name: file for file in plan.files})
    sent = {"repo": plan.repo_id, "url": remote.url, "commit": commit, "revision": REVISION}
    pushed.remember(plan.folder, **sent, content=plan.content)
    shutil.rmtree(_place(plan.folder.parent, plan.stage, plan.content))
    return Pushed(url=remote.url, commit=commit, files=len(plan.files))


def _place(run_folder: Path, stage: str, content: str) -> Path:
    return run_folder / PLACE / f"{stage}-{content[:12]}"


def _withdrawn(found: Run, stage: RunStage, here: Corpus) -> frozenset[int]:
    """Numbers of the rows that the run goes without, by its own word and by that of the stages that read this corpus: their
    content may be there still. DataError (65): the numbers are of another corpus."""
    told: list[Gone] = []
    path = found.path / withdrawn.NAME
    if path.is_file():
        said = parse(Withdrawn, read_json(path), where=f"{path}:", error=DataError)
        told += [said.corpora[stage.name]] if stage.name in said.corpora else []
    for one in found.stages:
        record = found.folder(one) / "stage.json"
        if record.is_file() and (gone := stages.read(record).withdrawn.get(stage.name)):
            told.append(gone)
    for gone in told:
        among(here, gone, where=f"{found.path}: stage {stage.name}")
    return frozenset(number for gone in told for number in gone.numbers.tolist())


def _cards(found: Run, stage: RunStage, folder: Path | None) -> list[Card]:
    """The data cards of the rows and of what they were made from. A card that is gone forbids."""
    names, left = set[str](), [stage.name]
    while left:
        one = found.stage(left.pop())
        names |= set(one.about.cards)
        above = stages.read(found.folder(one) / "stage.json").parents
        left += [parent for parent in above if found.stage(parent).about.role == "corpus"]
    gone = sorted(names - set(cards.names(folder)))
    if gone or not names:
        raise NotPermitted(
            f"{found.path}: {f'no data card {gone[0]!r} here' if gone else 'no data card is known'}, so nothing says what may "
            "be passed on"
        )
    return [cards.load(name, folder=folder) for name in sorted(names)]


def _own_words(folder: Path) -> str:
    """What the stage itself has written of its rows, without what is for machines."""
    texts = sorted((folder / "card").glob("*.md"))
    return read_text(texts[0]).split("\n---\n", 1)[1].strip() if texts else ""


def _staged(place: Path) -> list[StagedFile]:
    return [
        StagedFile(
            name=path.relative_to(place).as_posix(),
            path=path,
            size=path.stat().st_size,
            sha256=file_digest(path),
        )
        for path in sorted(place.rglob("*"))
        if path.is_file()
    ]
