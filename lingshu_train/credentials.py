"""What looks like a credential in a text: one list for what may not leave the machine and for what a recipe may not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

KINDS: dict[str, re.Pattern[str]] = {
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{20,}|\bapi_org_[A-Za-z0-9]{20,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"),
    "a GitLab token": re.compile(r"\bglpat-[\w-]{20,}"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a Google key": re.compile(r"\bAIza[\w-]{35}\b"),
    "a Slack token": re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),
    "a key of an API": re.compile(r"\bsk-(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}"),
    "a Weights & Biases key": re.compile(r"\bwandb_v1_\w{20,}|(?i:wandb|api_?key)\W{0,8}[0-9a-f]{40}\b"),
    "a web token (JWT)": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a login in an address": re.compile(
        r"\b[a-z][a-z0-9+.-]*://[^\s/?#@:]*:[^\s/?#@]+@"
        r"|[?&](?i:api_?key|access_token|auth|token|sig|signature|x-amz-signature)=[^\s&]{8,}"
    ),
    "a login in a header": re.compile(r"(?i)\bauthorization\W{1,4}(?:bearer|basic)\s+[\w.~+/=-]{8,}"),
}
"""Kind -> what it looks like. The sources are the providers' own descriptions of their tokens."""

_KEYS = re.compile(
    r"(?i)(?:.*_)?(?:api_?key|access_?key|secret_?key|private_?key|secret|token|access_?token|auth_?token|password|passwd|"
    r"credentials?|bearer|authorization)"
)
"""Keys under which a text of some length is a credential, whatever it looks like."""
_HEX = re.compile(r"[0-9a-f]{32,}")
_LEAST = 8


def kind(text: str) -> str | None:
    """What a text looks like, of `KINDS`; None where it looks like none of them."""
    return next((name for name, pattern in KINDS.items() if pattern.search(text)), None)


def inside(data: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every place of nested data that holds what looks like a credential: (dotted key, kind). Never the text itself."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            found = kind(str(key))
            if found:
                yield ".".join(path) or "a key", found
            else:
                yield from inside(value, (*path, str(key)))
    elif isinstance(data, list | tuple):
        for place, value in enumerate(data):
            yield from inside(value, (*path, str(place)))
    elif isinstance(data, str):
        found = kind(data) or _by_key(path, data)
        if found:
            yield ".".join(path), found


def _by_key(path: tuple[str, ...], text: str) -> str | None:
    """A text under a key that is named for it. Forty hexadecimal digits are a commit under `revision`, under `key` not."""
    named = [key for key in path if not key.isdigit()]
    if named and _KEYS.fullmatch(named[-1]) and len(text) >= _LEAST:
        return f"a credential, for the key is called {named[-1]!r}"
    if named and _HEX.fullmatch(text) and any(re.search(r"(?i)wandb|(?:^|_)key$", key) for key in named):
        return "a Weights & Biases key"
    return None
