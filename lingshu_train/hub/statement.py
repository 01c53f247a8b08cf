"""What a signature file of OpenSSF model signing says of a folder, before anything of it is believed.

A sigstore bundle holds a DSSE envelope, whose payload is an in-toto statement: the files of a model, each with its digest.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.documents import decoded, read_text
from lingshu_train.errors import DataError

NAME = "model.sig"
"""The signature beside the files."""
MOST = 64 << 20
"""Bytes of a signature: it has some 150 for each file, or for each GB of one."""


_NAMES = {"blake2b": "blake2"}
"""What model-signing writes of an algorithm, and what it is asked for by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`digests` by file, or by part of one where `method` is shards; `algorithm` made them. `key`: the sha256 of the public
    key that is said to have signed; empty where certificates are brought."""

    digests: Mapping[str, str]
    algorithm: str
    method: str
    shard: int
    key: str

    @property
    def files(self) -> frozenset[str]:
        """The names of the signed files."""
        if self.method == "shards":
            return frozenset(name.rsplit(":", 2)[0] for name in self.digests)
        return frozenset(self.digests)

    @property
    def by_file(self) -> bool:
        """Whether it has the sha256 of each file, as our own signatures do."""
        return self.method == "files" and self.algorithm == "sha256"

    @property
    def whose(self) -> str:
        """Who is said to have signed, for people."""
        return f"key {self.key[:16]}" if self.key else "a certificate"


def read(path: Path) -> Statement:
    """What a signature file says. MissingInput (66): it is not there. DataError (65): it is none."""
    bundle = decoded(read_text(path, most=MOST), where=str(path))
    try:
        envelope = _text(_at(bundle, "dsseEnvelope", "payload"))
        predicate = _at(decoded(base64.b64decode(envelope).decode(), where=str(path)), "predicate")
        resources = _at(predicate, "resources")
        if not isinstance(resources, list):
            raise TypeError("resources is no list")
        material = _at(bundle, "verificationMaterial")
        keyed = isinstance(material, dict) and "publicKey" in material
        way = _at(predicate, "serialization")
        shard = way.get("shard_size") if isinstance(way, dict) else None
        return Statement(
            digests={_text(_at(one, "name")): _text(_at(one, "digest")) for one in resources},
            algorithm=_NAMES.get(kind := _text(_at(way, "hash_type")), kind),
            method=_text(_at(way, "method")),
            # Numbers of a protobuf structure are written as 4096.0.
            shard=int(shard) if isinstance(shard, int | float) else 0,
            key=_text(_at(material, "publicKey", "hint")) if keyed else "",
        )
    except (LookupError, TypeError, ValueError, OverflowError) as fault:
        raise DataError(
            f"{path}: no signature of OpenSSF model signing ({type(fault).__name__}: {fault})"
        ) from None


def _at(value: object, *keys: str) -> object:
    for key in keys:
        if not isinstance(value, dict):
            raise TypeError(f"{key} is no part of an object")
        value = value[key]
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value
