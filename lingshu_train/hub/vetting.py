"""Whether the model that a recipe starts from is signed with the key that the user names (LINGSHU_BASE_KEY), told before any
file of it is opened by whoever means to. Nothing is downloaded here."""

from __future__ import annotations

from pathlib import Path

from lingshu_train import environment
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted
from lingshu_train.hub import signature
from lingshu_train.hub.signature import Signed
from lingshu_train.model import base as bases
from lingshu_train.model.base import Base
from lingshu_train.model.settings import Settings


def check(base: Base) -> Signed | None:
    """Hash every file of a base that is here, and hold them against its signature; None where no key is named, or nothing is
    here.

    NotPermitted (77): it is not signed, or with another key. DataError (65): a file is not as it was signed. MissingInput
    (66): the key is not there, or the package that checks.
    """
    key = environment.base_key()
    if key is None or base.kind == "absent":
        return None
    try:
        return signature.verify(Path(base.folder), key)
    except (DataError, NotPermitted, MissingInput) as fault:
        raise type(fault)(
            f"model.base: {base.named}: {fault}; LINGSHU_BASE_KEY wants it signed with {key}"
        ) from None


def said(settings: Settings) -> str:
    """The base for a plan: its name, where it is, and what is wrong with it."""
    try:
        found = bases.find(settings)
        if found is None:
            return "built from nothing"
        signed = check(found)
        bases.check(found, settings)
    except LingshuError as fault:
        return f"{settings.base} (cannot be used: {str(fault).removeprefix('model.base: ')})"
    return bases.told(found) + (f", as signed with {signed.who}" if signed else "")
