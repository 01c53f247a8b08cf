"""Publishes an exported model: a plan that can be read first, one commit, and a check of what arrived."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import card, licences
from lingshu_train.data.cards.card import Card
from lingshu_train.errors import MissingInput, NotPermitted, OutputFailed, UsageError
from lingshu_train.hub import staging
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.remote import Remote
from lingshu_train.hub.staging import ALLOWED, StagedFile
from lingshu_train.runs import manifest, run
from lingshu_train.runs import stage as stages
from lingshu_train.runs.run import Run, RunStage

FOLDER = "export"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
"""The hub takes at most 96 characters for each part of a name."""
NEEDED = ("config.json", "README.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What would be sent where. `reasons` say why it must be private; `left_out` stays at home."""

    repo_id: str
    stage: str
    content: str
    private: bool
    reasons: tuple[str, ...]
    files: tuple[StagedFile, ...]
    left_out: tuple[str, ...]

    @property
    def text(self) -> str:
        """The dry run: every file with its size and hash, and who will be able to see it."""
        width = max(len(file.name) for file in self.files)
        lines = [f"{self.repo_id}: {'private' if self.private else 'public'} model repository"]
        lines += [f"  private because of {reason}" for reason in self.reasons]
        lines += [
            f"  {file.name:<{width}}  {file.size:>14,} bytes  sha256 {file.sha256[:16]}"
            for file in self.files
        ]
        lines += [f"  stays here: {name}" for name in self.left_out]
        return "\n".join(
            [*lines, f"{len(self.files)} files, {sum(file.size for file in self.files):,} bytes"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What stands on the hub, read back and compared."""

    url: str
    commit: str
    files: int

    def __str__(self) -> str:
        return f"{self.url}: {self.files} files read back and equal, commit {self.commit[:12]}"


def plan_push(
    run_folder: Path, stage: str, repo_id: str, *, private: bool = False, cards: Path | None = None
) -> Push:
    """Decide what a push would send; touches no network and needs no token.

    `stage` is the run's export stage; any other is a UsageError (64). Raises NotPermitted (77) where a data card, a pickle
    or a secret forbids it, MissingInput (66) where the stage is not done, OutputFailed (74) where its files have changed.
    """
    if not REPOSITORY.fullmatch(repo_id):
        raise UsageError(f"{repo_id}: not the name of a repository; write owner/name")
    found = run.read(run_folder)
    folder = found.folder(_export(found, stage))
    written = manifest.read(folder)
    allowed = licences.terms(_cards(found, stage, cards))
    allowed.check()
    files, left_out = staging.choose(folder / FOLDER)
    _compare(files, written.files, folder)
    return Push(
        repo_id=repo_id,
        stage=stage,
        content=written.stage.content,
        private=private or bool(allowed.private),
        reasons=allowed.private,
        files=files,
        left_out=left_out,
    )


def push(plan: Push, *, revision: str = "main", patience: Patience | None = None) -> Pushed:
    """Upload in one commit, then read the list of files back with their hashes.

    The token comes from huggingface_hub's own sources (HF_TOKEN, `hf auth login`); without one it is
    NotPermitted (77) before anything is sent. After a passing fault it is tried again, as long as `patience` lasts,
    then it is RunAgain (75): what has arrived is not sent twice. `revision` is a branch, made if missing.
    """
    remote = Remote.connect(plan.repo_id, revision=revision, patience=patience or Patience())
    remote.prepare(private=plan.private)
    remote.refuse_others({file.name for file in plan.files})
    with tempfile.TemporaryDirectory(prefix="push-", dir=plan.files[0].path.parent.parent) as place:
        staging.copy(plan.files, Path(place))
        commit = remote.commit(
            {file.name: Path(place) / file.name for file in plan.files},
            message=f"Model of stage {plan.stage}, content {plan.content[:12]}",
        )
    remote.check(commit, {file.name: file for file in plan.files})
    return Pushed(url=remote.url, commit=commit, files=len(plan.files))


def _export(found: Run, name: str) -> RunStage:
    """The stage of that name, which has to be one that leaves something to publish."""
    stage = found.stage(name)
    if stage.about.role != "export":
        known = [one.name for one in found.stages if one.about.role == "export"]
        there = f"this run has: {', '.join(known)}" if known else "this run has none; its recipe can add one"
        article = "an" if stage.kind[0] in "aeiou" else "a"
        raise UsageError(f"{name!r} is {article} {stage.kind} stage; push takes an export stage; {there}")
    return stage


def _cards(found: Run, stage: str, folder: Path | None) -> list[Card]:
    """The data cards behind the weights. A card that is gone forbids: nothing says what it allowed."""
    files = [found.folder(entry) / "stage.json" for entry in found.stages]
    records = [stages.read(path) for path in files if path.is_file()]
    names = run.trained_on({record.name: record for record in records}, stage)
    gone = sorted(names - set(card.names(folder)))
    if gone:
        raise NotPermitted(
            f"{found.path}: no data card {gone[0]!r} here, so nothing says what its licence allows"
        )
    return [card.load(name, folder=folder) for name in sorted(names)]


def _compare(files: Sequence[StagedFile], written: dict[str, str], folder: Path) -> None:
    """Every published file is one that the stage wrote, unchanged, and the model is whole."""
    expected = {name.removeprefix(f"{FOLDER}/"): digest for name, digest in written.items()}
    for file in files:
        if file.name not in expected:
            raise NotPermitted(
                f"{file.path}: not written by this run's export stage, so not published; move it out of that folder"
            )
    found = {file.name: file.sha256 for file in files}
    changed = [
        name for name, digest in expected.items() if name.endswith(ALLOWED) and found.get(name) != digest
    ]
    if changed:
        place = folder / FOLDER / changed[0]
        raise OutputFailed(
            f"{place}: missing or changed since it was exported, so not published; to export again, move {folder.name} "
            "away and run the recipe again"
        )
    missing = [name for name in NEEDED if name not in found]
    if missing or not any(name.endswith(".safetensors") for name in found):
        raise MissingInput(
            f"{folder / FOLDER}: no {', '.join(missing) or 'safetensors file'}: not an exported model"
        )
