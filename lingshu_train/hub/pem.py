"""Keys and certificates as people keep them, in PEM files: opened, and told by a name that can be compared."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.documents import read_bytes
from lingshu_train.errors import DataError, MissingInput, NotPermitted, UsageError

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""What OpenSSF model signing signs with: P-256, P-384 and P-521."""
MOST = 1 << 20
"""Bytes of a PEM file: a bundle of all root certificates of an operating system has a quarter of that."""
MAKE = "`openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes one"
_PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Whom a signature has to be of. `fingerprint`: the sha256 of a public key; empty where certificates vouch for one."""

    fingerprint: str
    who: str


def package() -> None:
    """MissingInput (66) where signatures can be neither made nor checked."""
    try:
        import cryptography
        import model_signing
        import OpenSSL  # noqa: F401 - model-signing needs it and does not ask for it
    except ImportError as fault:
        raise MissingInput(
            f'signatures need the extra sign, which is not installed ({fault}): pip install "lingshu-train[sign]"'
        ) from None
    assert cryptography and model_signing


def private(path: Path, password: str) -> str:
    """The fingerprint of the key to sign with. MissingInput (66): no such file. DataError (65): no such key. NotPermitted
    (77): the password is wrong, or there is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = read_bytes(path, most=MOST)
    if not _PRIVATE.search(data):
        raise DataError(f"{path}: no private key in PEM; {MAKE}")
    try:
        key = serialization.load_pem_private_key(data, password.encode() or None)
    except TypeError:
        raise NotPermitted(
            f"{path}: has no password, and one was given"
            if password
            else f"{path}: is locked by a password; --password-env names the variable that holds it"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if password:
            raise NotPermitted(f"{path}: the password does not open it, or it is damaged") from None
        raise DataError(f"{path}: damaged, or no private key; {MAKE}") from None
    return _fingerprint(path, key.public_key())


def public(path: Path) -> Trusted:
    """The key or the certificates to check with. MissingInput (66): no such file. DataError (65): neither. UsageError (64):
    it is the private key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = read_bytes(path, most=MOST)
    if _PRIVATE.search(data):
        raise UsageError(
            f"{path}: is a private key; check with the public one: `openssl ec -in {path} -pubout -out key.pub`"
        )
    if _CERTIFICATE in data:
        return Trusted(fingerprint="", who=f"a certificate that {path} vouches for")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise DataError(
            f"{path}: no public key and no certificate in PEM; `openssl ec -in key.pem -pubout -out key.pub` gives the key"
        ) from None
    found = _fingerprint(path, key)
    return Trusted(fingerprint=found, who=f"key {found[:16]}")


def _fingerprint(path: Path, key: object) -> str:
    """As the signatures name a key: the sha256 of its PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        kind = key.curve.name if isinstance(key, EllipticCurvePublicKey) else type(key).__name__.strip("_")
        raise DataError(
            f"{path}: is a key of another kind ({kind}); it has to be of P-256, P-384 or P-521; {MAKE}"
        )
    text = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(text).hexdigest()
