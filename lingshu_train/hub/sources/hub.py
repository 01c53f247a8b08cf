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

from lingshu_train.data.cards import patterns
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.croissant import home
from lingshu_train.data.cards.fetched import FetchedFile
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted, OutputFailed, RunAgain
from lingshu_train.hub.patience import PASSING
from lingshu_train.hub.remote import TransportFault
from lingshu_train.hub.sources._job import Arrived, Job, Offer, here, place, placed, refuse_room
from lingshu_train.naming import file_digest
from lingshu_train.runs.files import failure

T = TypeVar("T")
CACHE = ".cache"
"""Where huggingface_hub keeps unfinished files, inside the data folder."""


def offer(card: Card) -> Offer:
    """Which files of the repository."""
    return Offer(what=", ".join(_patterns(card) or ["the whole repository"]))


def permit(card: Card) -> None:
    """NotPermitted where the set is gated and nobody is logged in."""
    if card.lingshu.access == "gated" and not get_token():
        raise _gated(card)


def fetch(job: Job) -> Arrived:
    """Download the card's files at the pinned commit, or at today's, and compare each with the hub's checksum."""
    name, api = job.card.lingshu.source.name, HfApi()
    commit = _asked(job, lambda: api.dataset_info(name, revision=job.revision or None).sha)
    if not job.revision:
        job.say(f"{job.card.name}: no revision is pinned; fetching today's, {commit}")
    files = _asked(job, lambda: _listed(job, api, str(commit)))
    missing = [file for file in files if here(job, file.path) is None]
    if not (job.folder / CACHE).is_dir():
        for file in missing:
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
            allow_patterns=_patterns(job.card),
            ignore_patterns=[glob.escape(path) for path in gone] or None,
        ),
    )
    found = {file.path: here(job, file.path) or _checked(job, file) for file in files}
    shutil.rmtree(job.folder / CACHE, ignore_errors=True)
    return Arrived(revision=str(commit), files=found)


def _patterns(card: Card) -> list[str] | None:
    """What to take: the splits' files and `include`. All of it where pictures lie beside the rows and no pattern says where."""
    source = card.lingshu.source
    if not source.include and (not card.files or "images" in card.lingshu.fields):
        return None
    return [one for pattern in (*card.files.values(), *source.include) for one in patterns.expand(pattern)]


def _listed(job: Job, api: HfApi, commit: str) -> list[RepoFile]:
    name, wanted = job.card.lingshu.source.name, _patterns(job.card)
    tree = [
        entry
        for entry in api.list_repo_tree(name, recursive=True, revision=commit, repo_type="dataset")
        if isinstance(entry, RepoFile)
    ]
    found = [file for file in tree if wanted is None or patterns.match(file.path, wanted)]
    if not found:
        raise DataError(
            f"{job.card.name}: {name} at {commit} has no file that matches {', '.join(wanted or ['*'])}; "
            "correct `files` and `include` in the card"
        )
    return found


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
    card, url = job.card, home(job.card)
    if isinstance(fault, GatedRepoError):
        return _gated(card)
    if isinstance(fault, RevisionNotFoundError):
        return MissingInput(f"{url}: has no revision {job.revision}; correct `revision` in the card")
    if isinstance(fault, RepositoryNotFoundError):
        return MissingInput(f"{url}: no such data set, or it is private to others; correct the card's source")
    if isinstance(fault, HfHubHTTPError):
        status = fault.response.status_code
        if status in (401, 403):
            return _gated(card)
        return (RunAgain if status in PASSING else MissingInput)(f"{url}: the hub answers {status}")
    if isinstance(fault, OfflineModeIsEnabled):
        return RunAgain(f"{url}: offline mode is on; unset HF_HUB_OFFLINE and run the same command again")
    if isinstance(fault, OSError) and not isinstance(fault, TransportFault | LocalEntryNotFoundError):
        return failure(job.folder, fault)
    if "os error 28" in str(fault):
        return OutputFailed(f"{job.folder}: disk full; free space and run the same command again")
    return RunAgain(f"{url}: the line broke ({type(fault).__name__}); run the same command again to go on")


def _gated(card: Card) -> NotPermitted:
    return NotPermitted(
        f"{card.name}: its owner wants the terms accepted at {home(card)}; accept them there, log in with "
        "`hf auth login`, then run the same command again"
    )
