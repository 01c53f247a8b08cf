"""Publishes an exported model: a plan that can be read first, one commit, and a check of what arrived."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lingshu_train.data.cards import card, licences
from lingshu_train.data.cards.card import Card
from lingshu_train.errors import DataError, MissingInput, NotPermitted, OutputFailed, UsageError
from lingshu_train.hub import signature, staging, statement, vouching
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.remote import Remote
from lingshu_train.hub.staging import ALLOWED, StagedFile
from lingshu_train.runs import manifest, pushed, run
from lingshu_train.runs import stage as stages
from lingshu_train.runs.run import Run, RunStage

FOLDER = "export"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
"""The hub takes at most 96 characters for each part of a name."""
NEEDED = (("config.json", "adapter_config.json"), ("README.md",))
"""One file of each of these: an export is a whole model, or what was trained beside one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What would be sent where. `reasons` say why it must be private; `left_out` stays at home. `signed`: who signed it,
    where somebody has."""

    repo_id: str
    stage: str
    content: str
    private: bool
    reasons: tuple[str, ...]
    files: tuple[StagedFile, ...]
    left_out: tuple[str, ...]
    folder: Path
    signed: str = ""

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
        lines += [f"  signed with {self.signed}"] if self.signed else []
        return "\n".join(
            [*lines, f"{len(self.files)} files, {sum(file.size for file in self.files):,} bytes"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What stands on the hub, read back and compared."""

    url: str
    commit: str
    files: int
    signed: str = ""

    def __str__(self) -> str:
        signed = f", all of them as signed with {self.signed}" if self.signed else ""
        return f"{self.url}: {self.files} files read back and equal{signed}, commit {self.commit[:12]}"


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
        folder=folder / FOLDER,
        signed=_signed(files, folder / FOLDER),
    )


def sign(plan: Push, key: Path, *, password: str = "") -> Push:
    """Sign what a plan would send, and add the signature to it. Raises as `signature.sign`."""
    signature.sign(plan.folder, key, password=password, expected=vouching.left_by_stage(plan.folder))
    files, left_out = staging.choose(plan.folder)
    return replace(plan, files=files, left_out=left_out, signed=_signed(files, plan.folder))


def push(plan: Push, *, revision: str = "main", patience: Patience | None = None) -> Pushed:
    """Upload in one commit, then read the list of files back with their hashes.

    The token comes from huggingface_hub's own sources (HF_TOKEN, `hf auth login`); without one it is
    NotPermitted (77) before anything is sent. After a passing fault it is tried again, as long as `patience` lasts,
    then it is RunAgain (75): what has arrived is not sent twice. `revision` is a branch, made if missing.
    """
    remote = Remote.connect(plan.repo_id, revision=revision, patience=patience or Patience())
    remote.prepare(private=plan.private)
    remote.refuse_others({file.name for file in plan.files})
    with tempfile.TemporaryDirectory(prefix="push-", dir=plan.files[0].path.parent.parent) as beside:
        staging.copy(plan.files, Path(beside))
        commit = remote.commit(
            {file.name: Path(beside) / file.name for file in plan.files},
            message=f"Model of stage {plan.stage}, content {plan.content[:12]}",
        )
    remote.check(commit, {file.name: file for file in plan.files})
    if plan.signed:
        _check_signed(remote, commit, plan)
    place = plan.files[0].path.parent.parent
    sent = {"repo": plan.repo_id, "url": remote.url, "commit": commit, "revision": revision}
    pushed.remember(place, **sent, content=plan.content)
    return Pushed(url=remote.url, commit=commit, files=len(plan.files), signed=plan.signed)


def _signed(files: Sequence[StagedFile], folder: Path) -> str:
    """Who says that he signed these files and no others; empty where nobody does. DataError (65) names the first file of
    which his signature says something else."""
    path = folder / statement.NAME
    found = {file.name: file.sha256 for file in files}
    if found.pop(statement.NAME, None) is None:
        return ""
    said = statement.read(path)
    again = "sign it again (`lingshu sign`), or move the signature out of that folder"
    if not said.by_file:
        raise DataError(f"{path}: does not tell the sha256 of each file; {again}")
    for name in sorted(said.digests.keys() | found.keys()):
        if name not in found:
            raise DataError(f"{folder / name}: is signed, and is not among the files that are sent; {again}")
        if said.digests.get(name) != found[name]:
            what = "is not what was signed" if name in said.digests else "is not signed"
            raise DataError(f"{folder / name}: {what}; {again}")
    return said.whose


def _check_signed(remote: Remote, commit: str, plan: Push) -> None:
    """What the hub holds is what was signed: the signature itself arrived, and there is no file besides. OutputFailed
    (74)."""
    path = plan.folder / statement.NAME
    if remote.content(commit, statement.NAME) != path.read_bytes():
        raise OutputFailed(
            f"{remote.url}: {statement.NAME} arrived with other bytes (commit {commit[:12]}); push again"
        )
    more = sorted(remote.names(commit) - statement.read(path).files - {statement.NAME})
    if more:
        raise OutputFailed(
            f"{remote.url}: {more[0]} is there and not signed (commit {commit[:12]}); push elsewhere"
        )


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
        if file.name not in expected and file.name != statement.NAME:
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
    missing = [" or ".join(names) for names in NEEDED if found.keys().isdisjoint(names)]
    if missing or not any(name.endswith(".safetensors") for name in found):
        raise MissingInput(
            f"{folder / FOLDER}: no {', '.join(missing) or 'safetensors file'}: not an exported model"
        )
