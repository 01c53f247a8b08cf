"""Which checkpoints this installation wrote: their lists of files carry a code that only the owner's key makes (HMAC-SHA256).

A checkpoint of DeepSpeed is pickled Python, which can run code when it is opened. Hashes that lie beside it show accidents,
not a stranger who wrote both. The key lies in the user's own configuration folder, or in LINGSHU_KEY, and never in a run.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from lingshu_train import environment
from lingshu_train.errors import CannotCreate, NotPermitted
from lingshu_train.naming import canonical

LEAST = 32
"""Characters of a key: what `secrets.token_hex(16)` gives."""
_PRIVATE = 0o077


def signature(record: object) -> str:
    """The code of a record as this installation writes it. Makes the key where there is none yet."""
    return hmac.new(_key(), canonical(record).encode(), hashlib.sha256).hexdigest()


def ours(record: object, signed: str) -> bool:
    """Whether the code of a record is of our key."""
    return hmac.compare_digest(signature(record), signed)


def whose() -> str:
    """Where the key is, for people to read."""
    return "LINGSHU_KEY" if environment.own_key() else str(environment.near(environment.key_file()))


def _key() -> bytes:
    """CannotCreate (73): no key can be kept. NotPermitted (77): the key is too short, or others can read it."""
    given = environment.own_key()
    path = environment.key_file()
    text = given or _kept(path)
    if len(text) < LEAST:
        raise NotPermitted(
            f"{whose()}: a key has at least {LEAST} characters; `openssl rand -hex 32` makes one"
        )
    return text.encode()


def _kept(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & _PRIVATE:
            raise NotPermitted(
                f"{path}: others can read this key, which signs your checkpoints; chmod 600 {path}"
            )
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as fault:
        raise CannotCreate(
            f"{path}: {fault.strerror}; checkpoints are signed with a key that is kept there: set LINGSHU_KEY, or "
            "XDG_CONFIG_HOME to a folder that can be written"
        ) from None


def _make(path: Path) -> None:
    """The first process that has a whole key written keeps it: several may start at once, on machines that share a home."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_hex(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            return
    finally:
        beside.unlink()
