"""The model that a run starts from, brought into the hub's cache before the first stage: no rank downloads anything."""

from __future__ import annotations

from collections.abc import Callable
from logging import ERROR, getLogger

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from lingshu_train import environment
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted, OutputFailed, RunAgain
from lingshu_train.hub import vetting
from lingshu_train.hub.patience import PASSING
from lingshu_train.hub.remote import TransportFault
from lingshu_train.hub.signature import Signed
from lingshu_train.model import base as bases
from lingshu_train.model.base import Base
from lingshu_train.model.settings import Settings

_KINDS = tuple(pattern.removeprefix("*") for pattern in bases.NEEDED)
_FULL = ("os error 28", "No space left")


def need(settings: Settings, *, say: Callable[[str], None]) -> None:
    """See that the recipe's base is here and can be started from; download it where it is on the hub and not in the cache.
    Where the user names a key (LINGSHU_BASE_KEY), every file of it has to be as signed with it, before any is opened.

    MissingInput (66): it is nowhere, or lacks something. DataError (65): it is damaged, or not as it was signed. RecipeError
    (78): another architecture. NotPermitted (77): its owner wants the terms accepted; it is not signed, or with another key.
    """
    found = bases.find(settings)
    if found is None:
        return
    found = _vetted(found, settings, say)
    try:
        bases.check(found, settings, thorough=True)
    except MissingInput:
        # An earlier download may have been broken off: it goes on where it was.
        if found.kind != "cached" or constants.HF_HUB_OFFLINE:
            raise
        found = found.model_copy(update={"kind": "absent"})
    if found.kind == "absent":
        _bring(found, say)
        _tell(vetting.check(bases.find(settings) or found), found, say)
        bases.check(bases.find(settings) or found, settings, thorough=True)


def _vetted(base: Base, settings: Settings, say: Callable[[str], None]) -> Base:
    """A base that holds. A snapshot that an earlier download without a key has left lacks what no loader reads, and the
    signature covers all: it is brought whole, and checked again."""
    try:
        signed = vetting.check(base)
    except (DataError, NotPermitted):
        if base.kind != "cached" or constants.HF_HUB_OFFLINE:
            raise
        _bring(base, say)
        base = bases.find(settings) or base
        signed = vetting.check(base)
    _tell(signed, base, say)
    return base


def _tell(signed: Signed | None, base: Base, say: Callable[[str], None]) -> None:
    if signed is not None:
        say(f"model {base.named}: {signed}")


def _bring(base: Base, say: Callable[[str], None]) -> None:
    if constants.HF_HUB_OFFLINE:
        raise _absent(base, "offline mode is on (HF_HUB_OFFLINE)")
    # It says each of its own tries; what comes of them is said in one line here.
    getLogger("huggingface_hub").setLevel(ERROR)
    revision = base.revision or None
    try:
        told = HfApi().model_info(base.named, revision=revision, files_metadata=True)
        whole = environment.base_key() is not None
        sizes = [file.size or 0 for file in told.siblings or () if whole or file.rfilename.endswith(_KINDS)]
        if base.kind == "absent":
            say(f"model {base.named}: not in the cache; downloading {sum(sizes) / 2**30:,.1f} GiB")
        snapshot_download(base.named, revision=revision, allow_patterns=None if whole else list(bases.NEEDED))
    except (HfHubHTTPError, HFValidationError, TransportFault, RuntimeError, OSError, ValueError) as fault:
        raise _refusal(base, fault) from None


def _refusal(base: Base, fault: Exception) -> LingshuError:
    url = f"{constants.ENDPOINT}/{base.named}"
    if isinstance(fault, GatedRepoError):
        return NotPermitted(
            f"model.base: {base.named}: its owner wants the terms accepted; accept them at {url}, log in with "
            "`hf auth login`, then run the same command again"
        )
    if isinstance(fault, RevisionNotFoundError):
        return MissingInput(
            f"model.base: {base.named}: has no revision {base.revision!r}; correct model.revision"
        )
    if isinstance(fault, RepositoryNotFoundError):
        return MissingInput(
            f"model.base: {base.named}: no such folder, and no such model at {url} (or it is private to others: "
            "`hf auth login`)"
        )
    if isinstance(fault, HfHubHTTPError):
        said = f"model.base: {base.named}: the hub answers {fault.response.status_code}"
        return (RunAgain if fault.response.status_code in PASSING else MissingInput)(said)
    if any(words in str(fault) for words in _FULL):
        return OutputFailed(f"model.base: {base.named}: disk full; free space and run the same command again")
    offline = isinstance(fault, OfflineModeIsEnabled | LocalEntryNotFoundError | TransportFault)
    return _absent(
        base, "the hub cannot be reached" if offline else f"the hub cannot be asked ({type(fault).__name__})"
    )


def _absent(base: Base, why: str) -> MissingInput:
    return MissingInput(
        f"model.base: {base.named}: no such folder, not in the cache, and {why}; where there is a network: "
        f"{bases.how_to_get(base)}"
    )
