"""Which rules judge: their release, and a hash of the code and tables that hold them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from lingshu_train import naming

RELEASE = "2.4"
FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def version() -> str:
    """Release and hash of this package's rules ("1.4+0123456789ab"): it names stages and enters every manifest.

    Equal versions judge every response alike. The converse does not hold: a comment or a line broken elsewhere is
    another version too, since telling a rule from its layout would need a judgement of its own. Types of a plugin are
    not in it: the code of plugins names a stage by itself (`naming.plugin_digests`).
    """
    return f"{RELEASE}+{fingerprint(FOLDER)[:12]}"


def fingerprint(folder: Path) -> str:
    """sha256 over the relative path and content of every module and table under `folder`.

    The same on every machine: line endings are those of a Unix checkout; times, bytecode, hidden files (some systems
    lay one beside each file they copy) and the order in which a folder is listed do not count.
    """
    files = [path for pattern in ("*.py", "*.json") for path in folder.rglob(pattern)]
    seen = [path for path in files if not path.name.startswith(".")]
    return naming.digest({path.relative_to(folder).as_posix(): _content(path) for path in seen})


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
