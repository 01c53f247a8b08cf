"""A data set on a Hugging Face hub, at one commit."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from huggingface_hub import HfApi, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.sha import git_hash

from lingshu_train.data.cards import alike, patterns
from lingshu_train.data.cards.fetched import FetchedFile
from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted, OutputFailed, RunAgain
from lingshu_train.hub.journal import CACHE
from lingshu_train.hub.patience import PASSING
from lingshu_train.hub.remote import TransportFault
from lingshu_train.hub.sources._job import Arrived, Job, Offer, here, place, placed, refuse_room
from lingshu_train.naming import file_digest
from lingshu_train.runs.files import failure

T = TypeVar("T")


def offer(part: Part) -> Offer:
    """Which files of the repository."""
    return Offer(what=", ".join(_patterns(part) or ["the whole repository"]))


def permit(part: Part) -> None:
    """NotPermitted where the set is gated and nobody is logged in."""
    if part.access == "gated" and not get_token():
        raise _gated(part)


def fetch(job: Job) -> Arrived:
    """Download the card's files at the pinned commit, or at today's, and compare each with the hub's checksum."""
    name, api = job.part.source.name, HfApi()
    commit = _asked(job, lambda: api.dataset_info(name, revision=job.revision or None).sha)
    if not job.revision:
        job.say(f"{job.part.label}: no revision is pinned; fetching today's, {commit}")
    tree = _asked(job, lambda: _tree(job, api, str(commit)))
    wanted = _named(job, [file.path for file in tree], str(commit))
    files = [file for file in tree if wanted is None or patterns.match(file.path, wanted)]
    missing = [file for file in files if here(job, file.path) is None]
    for file in missing:
        if not _begun(job, file.path, str(commit)):
            placed(job, file.path, equal=partial(_equal, file=file))
    refuse_room(job, sum(file.size for file in missing))
    gone = [file.path for file in files if file not in missing and not place(job, file.path).exists()]
    _asked(
        job,
        lambda: snapshot_download(
            name,
            repo_type="dataset",
            revision=commit,
            local_dir=job.folder,
            allow_patterns=wanted,
            ignore_patterns=[glob.escape(path) for path in gone] or None,
        ),
    )
    found = {file.path: here(job, file.path) or _checked(job, file) for file in files}
    # What another source has not finished in this folder stays, so that it can go on.
    if not any((job.folder / CACHE).rglob("*.incomplete")):
        shutil.rmtree(job.folder / CACHE, ignore_errors=True)
    return Arrived(revision=str(commit), files=found)


def _begun(job: Job, name: str, commit: str) -> bool:
    """Whether an interrupted download from this commit put the file there: huggingface_hub notes the commit of each."""
    noted = job.folder / CACHE / "huggingface" / "download" / f"{name}.metadata"
    try:
        return noted.read_text(encoding="utf-8").partition("\n")[0].strip() == commit
    except (OSError, ValueError):
        return False


def _patterns(part: Part) -> list[str] | None:
    """What to take of the repository; None for all of it."""
    return [one for pattern in part.patterns() for one in patterns.expand(pattern)] or None


def _tree(job: Job, api: HfApi, commit: str) -> list[RepoFile]:
    """All files of the repository."""
    name = job.part.source.name
    found = api.list_repo_tree(name, recursive=True, revision=commit, repo_type="dataset")
    return [entry for entry in found if isinstance(entry, RepoFile)]


def _named(job: Job, names: list[str], commit: str) -> list[str] | None:
    """What to take of the repository; None for all of it. Where the publisher has other names for files than the card
    (data/cards/alike.py) these are taken and told. DataError: nothing stands for any of them, or two names for one."""
    where = f"{job.part.label}: {job.part.source.name} at {commit}"
    wanted: list[str] = []
    for pattern in job.part.patterns():
        own = patterns.expand(pattern)
        if not any(patterns.match(name, own) for name in names) and (others := alike.listed(names, pattern)):
            if len(others) > 1:
                raise DataError(
                    f"{where} has no {pattern}, and both {' and '.join(others[:2])} could stand for it; correct `files` in "
                    "the card"
                )
            job.say(f"{where}: {others[0]} in place of {pattern}")
            own = others
        wanted += own
    if not any(patterns.match(name, wanted or ["*"]) for name in names):
        raise DataError(
            f"{where} has no file that matches {', '.join(wanted or ['*'])}; correct `files` and `include` in the card"
        )
    return wanted or None


def _checked(job: Job, file: RepoFile) -> FetchedFile:
    """The file as it came. DataError, and the file is deleted, where it is not what the hub lists."""
    path = place(job, file.path)
    if not path.is_file():
        raise RunAgain(f"{path}: did not arrive; run the same command again")
    if not _equal(path, file):
        path.unlink()
        raise DataError(f"{path}: arrived with other bytes than the hub lists for it, and was deleted")
    found = FetchedFile(sha256=file_digest(path), bytes=path.stat().st_size)
    job.note(file.path, found)
    return found


def _equal(path: Path, file: RepoFile) -> bool:
    """Whether a file has the bytes that the hub lists."""
    return (
        file_digest(path) == file.lfs.sha256 if file.lfs else git_hash(path.read_bytes()) == str(file.blob_id)
    )


def _asked(job: Job, call: Callable[[], T]) -> T:
    """Call huggingface_hub; its faults become one line and an exit code, without their text: it may hold an address
    that is signed."""
    try:
        return call()
    except LingshuError:
        raise
    except (HfHubHTTPError, TransportFault, RuntimeError, OSError, ValueError) as fault:
        raise _refusal(job, fault) from None


def _refusal(job: Job, fault: Exception) -> LingshuError:
    url = job.part.source.home
    if isinstance(fault, GatedRepoError):
        return _gated(job.part)
    if isinstance(fault, RevisionNotFoundError):
        return MissingInput(f"{url}: has no revision {job.revision}; correct `revision` in the card")
    if isinstance(fault, RepositoryNotFoundError):
        return MissingInput(f"{url}: no such data set, or it is private to others; correct the card's source")
    if isinstance(fault, HfHubHTTPError):
        status = fault.response.status_code
        if status in (401, 403):
            return _gated(job.part)
        return (RunAgain if status in PASSING else MissingInput)(f"{url}: the hub answers {status}")
    if isinstance(fault, OfflineModeIsEnabled):
        return RunAgain(f"{url}: offline mode is on; unset HF_HUB_OFFLINE and run the same command again")
    if isinstance(fault, OSError) and not isinstance(fault, TransportFault | LocalEntryNotFoundError):
        return failure(job.folder, fault)
    if "os error 28" in str(fault):
        return OutputFailed(f"{job.folder}: disk full; free space and run the same command again")
    return RunAgain(f"{url}: the line broke ({type(fault).__name__}); run the same command again to go on")


def _gated(part: Part) -> NotPermitted:
    return NotPermitted(
        f"{part.label}: its owner wants the terms accepted at {part.source.home}; accept them there, log in with "
        "`hf auth login`, then run the same command again"
    )
