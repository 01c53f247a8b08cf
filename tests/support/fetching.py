"""What the tests of downloads share: cards of made-up sources, and no one's real account."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.hub import fetch

ROWS = json.dumps(
    [
        {
            "img_name": "x1/source.png",
            "question": "Is it large?",
            "answer": "Yes",
            "answer_type": "CLOSED",
            "q_lang": "en",
        }
    ]
).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def made(
    folder: Path,
    source: str,
    *,
    access: str = "open",
    name: str = "made",
    files: str = "train: train.json, test: test.json",
    more: str = "",
) -> cards.Card:
    """A card in SLAKE's layout whose source block is `source` (YAML flow style); `more` are lines of the strict block."""
    (folder / "cards").mkdir(exist_ok=True)
    (folder / "cards" / f"{name}.md").write_text(
        f"""---
pretty_name: Made
license: mit
language: [en]
task_categories: [visual-question-answering]
lingshu:
  source: {source}
  access: {access}
  licence: {{id: MIT, derive_weights: true}}
  format: slake_json
  fields: {{files: {{{files}}}}}
  {more}
---
# Made
""",
        encoding="utf-8",
    )
    return cards.load(name, folder=folder / "cards")


def left(folder: Path) -> set[str]:
    """Every file below, those of our own keeping too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def get(card: cards.Card, root: Path, said: list[str] | None = None) -> str:
    """Fetch a card; the first thing that is left undone is raised."""
    outcome = fetch.fetch(card, root, say=(said if said is not None else []).append)
    if outcome.left:
        raise outcome.left[0]
    return "\n".join(outcome.lines)
