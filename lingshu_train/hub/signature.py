"""A signature over a folder of weights, in the form of OpenSSF model signing: model.sig beside the files, which it covers
all.

The package `model-signing` makes and checks it, so that its own command can check ours and we the signatures that others
made with a key or a certificate. Beyond what that checks, every file of the folder has to be among the signed ones,
whatever the signature says may be left out, and a mistake is told by the file's name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lingshu_train.documents import read_bytes
from lingshu_train.errors import DataError, MissingInput, NotPermitted, UsageError
from lingshu_train.hub import pem, statement
from lingshu_train.hub.statement import NAME, Statement
from lingshu_train.naming import file_digest
from lingshu_train.runs.files import replacing

if TYPE_CHECKING:
    from model_signing.hashing import Config as Hashing

IGNORED = (".cache/huggingface", ".git", ".github")
"""Folders that a clone or a download leaves beside the files, and that no loader reads."""
IGNORED_FILES = (NAME, ".gitattributes", ".gitignore")
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, ArithmeticError)
"""What the package raises of a signature that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A folder whose signature holds. `who`: the key or certificate it was checked with, for people."""

    folder: Path
    files: int
    who: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.files} files as signed with {self.who}"


def sign(
    folder: Path,
    key: Path,
    *,
    password: str = "",
    certificates: Sequence[Path] = (),
    expected: Mapping[str, str] | None = None,
) -> Signed:
    """Write `model.sig` over every file of `folder`, and over no others.

    `expected`: the sha256 of each file as its stage left it. MissingInput (66): the package, the key or the folder is not
    there. NotPermitted (77): the key cannot be opened. DataError (65): no key for signing, a link, or other files than
    expected. UsageError (64): the key lies in the folder.
    """
    pem.package()
    from model_signing import signing

    if key.absolute().resolve().is_relative_to(folder.absolute().resolve()):
        raise UsageError(
            f"{key}: lies in the folder that is signed and would be published; keep it elsewhere"
        )
    public = pem.private(key, password)
    for path in certificates:
        read_bytes(path, most=pem.MOST)
    if not listing(folder, links=False):
        raise MissingInput(f"{folder}: no file to sign")
    config = signing.Config().set_hashing_config(_hashing("sha256"))
    try:
        if certificates:
            if password:
                raise UsageError(
                    "a key that signs with a certificate cannot have a password: model-signing does not take one"
                )
            first, *others = certificates
            # The package takes no empty chain.
            config.use_certificate_signer(
                private_key=key, signing_certificate=first, certificate_chain=others or [first]
            )
        else:
            # Annotated as text; what opens the key takes bytes.
            config.use_elliptic_key_signer(private_key=key, password=password.encode() or None)
    except _BROKEN as fault:
        raise DataError(f"{certificates[0] if certificates else key}: {fault}") from None
    with replacing(folder / NAME) as beside:
        config.sign(folder, beside)
        said = statement.read(beside)
        if expected is not None:
            _as_left(folder, said, expected)
    return Signed(folder=folder, files=len(said.files), who=f"key {public[:16]}")


def verify(folder: Path, key: Path) -> Signed:
    """Check every file of `folder` against its `model.sig`. `key`: a PEM file with the public key, or with the certificates
    that are trusted to vouch for one.

    NotPermitted (77): there is no signature, or it is of another key. DataError (65) names the first file that was changed,
    added or removed, or says that the signature itself is damaged or of another model. MissingInput (66): the package, the
    folder or the key is not there.
    """
    pem.package()
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying
    from OpenSSL import crypto

    trusted = pem.public(key)
    path = folder / NAME
    if not folder.is_dir():
        raise MissingInput(f"{folder}: no such folder")
    if not os.path.lexists(path):
        raise NotPermitted(
            f"{path}: not there: the folder was not signed, or its signature was taken away; do not trust its files"
        )
    said = statement.read(path)
    if said.key != trusted.fingerprint:
        raise NotPermitted(f"{path}: was signed with {said.whose}, and {key} is {trusted.who}")
    config = verifying.Config().set_hashing_config(
        _hashing(said.algorithm, method=said.method, shard=said.shard, symlinks=True)
    )
    here = listing(folder, links=True)
    try:
        if trusted.fingerprint:
            config.use_elliptic_key_verifier(public_key=key)
        else:
            config.use_certificate_verifier(certificate_chain=[key])
        config.verify(folder, path)
    except InvalidSignature:
        raise DataError(
            f"{path}: was changed after it was signed: {said.whose} did not sign what it says"
        ) from None
    except (crypto.Error, crypto.X509StoreContextError) as fault:
        raise NotPermitted(f"{path}: its certificate is not vouched for by {key}: {fault}") from None
    except _BROKEN as fault:
        _compare_now(folder, here, said)
        raise DataError(f"{path}: does not hold: {fault}") from None
    _refuse_more(folder, here, said)
    return Signed(folder=folder, files=len(said.files), who=trusted.who)


def listing(folder: Path, *, links: bool) -> tuple[str, ...]:
    """The files of a folder that a signature has to cover, as sorted paths below it. `links`: as a hub's cache lays them
    out, links to files are files. DataError (65): any other link, or what is no file."""
    if not folder.is_dir():
        raise MissingInput(f"{folder}: no such folder")
    return tuple(sorted(_walk(folder, links=links)))


def _walk(folder: Path, *, links: bool) -> Iterator[str]:
    for place, folders, files in os.walk(folder, onerror=_unread):
        for name in [*folders, *files]:
            path = Path(place) / name
            below = path.relative_to(folder).as_posix()
            if below in IGNORED and name in folders:
                folders.remove(name)
                continue
            if name in folders and not path.is_symlink():
                continue
            if path.is_symlink() and (not links or not path.is_file()):
                raise DataError(f"{path}: is a link; what is signed and checked are the files themselves")
            if not stat.S_ISREG(path.stat().st_mode):
                raise DataError(f"{path}: is no file, and no model has such a thing")
            if below not in IGNORED_FILES:
                yield below


def _unread(fault: OSError) -> NoReturn:
    """A folder that cannot be listed may still hold files that can be opened by name."""
    raise DataError(f"{fault.filename}: cannot be listed ({fault.strerror}), so nobody can say what is in it")


def _hashing(algorithm: str, *, method: str = "files", shard: int = 0, symlinks: bool = False) -> Hashing:
    """How the package hashes a folder. DataError (65) for a way that it does not know."""
    from model_signing import hashing

    config = hashing.Config()
    try:
        if method == "shards":
            config.use_shard_serialization(hashing_algorithm=algorithm, shard_size=shard)
        elif method == "files":
            config.use_file_serialization(hashing_algorithm=algorithm)
        else:
            raise ValueError(method)
        config.set_allow_symlinks(symlinks)
    except _BROKEN as fault:
        raise DataError(f"{NAME}: signed in a way that is not known ({fault})") from None
    return config.set_ignored_paths(paths=[NAME, IGNORED[0]], ignore_git_paths=True)


def _compare_now(folder: Path, here: Sequence[str], said: Statement) -> None:
    """Name the file by which a folder is not what its signature says."""
    _refuse_more(folder, here, said)
    gone = sorted(said.files - set(here))
    if gone:
        raise DataError(
            f"{folder / gone[0]}: is signed and not there ({len(gone)} of {len(said.files)} files)"
        )
    if said.by_file:
        _refuse_other(folder, said.digests, {name: file_digest(folder / name) for name in here})


def _refuse_more(folder: Path, here: Sequence[str], said: Statement) -> None:
    more = sorted(set(here) - said.files)
    if more:
        raise DataError(
            f"{folder / more[0]}: is not signed: it was added later, or the signature leaves it out ({len(more)} such files)"
        )


def _as_left(folder: Path, signed: Statement, left: Mapping[str, str]) -> None:
    """DataError (65) names the first file that is not as the stage left it."""
    for name in sorted(signed.files ^ left.keys()):
        what = "is missing" if name in left else "was added"
        raise DataError(
            f"{folder / name}: {what} since the export stage left this folder; it is not signed so"
        )
    _refuse_other(folder, signed.digests, left)


def _refuse_other(folder: Path, signed: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Two lists of sha256 of the same files. DataError (65) names the first that differs."""
    other = [name for name in sorted(signed) if signed[name] != found[name]]
    if len(other) == len(signed) > 1:
        raise DataError(
            f"{folder / other[0]}: and every other file is not what was signed: this is another model's {NAME}"
        )
    if other:
        raise DataError(f"{folder / other[0]}: was changed ({len(other)} of {len(signed)} files)")
