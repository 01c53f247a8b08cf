"""Writes papers into a folder, as Markdown, HTML or JSON, and keeps what a person has changed there."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from lingshu_train import papers
from lingshu_train.documents import there
from lingshu_train.errors import CannotCreate, UsageError
from lingshu_train.papers import _exported, _form, _machine, _text
from lingshu_train.papers._form import Filled, Template
from lingshu_train.papers._known import Known
from lingshu_train.runs.files import failure, write_json, write_text
from lingshu_train.schema import Strict, load

Format = Literal["md", "html", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
FOLDER = "papers"
"""Below the run's, where no other is named."""
INDEX = "papers.json"
"""What was written into a folder: the sha256 of each file, by which a file that a person has changed is known."""


class Entry(Strict):
    """A file that was written: which paper it is, and how many places of it a person must fill."""

    paper: str
    sha256: str
    to_be_written: int


class Index(Strict):
    """papers.json. `plan` is that of the run the papers are about."""

    run: str
    plan: str
    files: dict[str, Entry] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A paper on disk. `gaps` are what a person must still write; `items` counts the items of a form by status."""

    name: str
    path: Path
    gaps: tuple[str, ...]
    items: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.items.items())
        told = f" ({counts})" if counts else ""
        return f"{self.path}: {len(self.gaps)} to be written{told}"


def write(
    run_folder: Path,
    *,
    only: Sequence[str] = (),
    out: Path | None = None,
    form: str = "md",
    cards: Path | None = None,
) -> tuple[Written, ...]:
    """Write every paper, or those of `only`, into `out` (RUN/papers).

    UsageError (64): no such paper or format. MissingInput (66), DataError (65): no run, or a damaged one. CannotCreate (73): a
    file there was changed by a person, or is none of ours; then nothing is written.
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form}: unknown; there are: {', '.join(FORMATS)}")
    chosen = list(dict.fromkeys(only)) or papers.names()
    modules = {name: papers.module(name) for name in chosen}
    known = _exported.known(run_folder, cards=cards)
    if known.export and out is None:
        raise UsageError(
            f"{run_folder}: an exported model, whose signature covers what lies in its folder; name another one with --out"
        )
    target = out or known.view.run.path / FOLDER
    made: dict[Path, tuple[Written, str]] = {}
    for name, module in modules.items():
        machine = _machine.of(module)
        if machine is None:
            template, form_ = _form.template(module), _form.of(module)
            filled = _form.fill(template, form_.answers(known) if form_ else {}, name=name)
            path = target / f"{name}.{form}"
            gaps = tuple(gap for one in filled for gap in one.gaps)
            items = dict(Counter(str(one.status) for one in filled))
            text = rendered(form, template, filled, known=known, name=name)
        else:
            document = machine.document(known)
            path, gaps, items = target / machine.FILE, document.gaps, {}
            text = json.dumps(document.data, indent=2, ensure_ascii=False) + "\n"
        made[path] = Written(name=name, path=path, gaps=gaps, items=items), text
    _put(target, made, known=known)
    return tuple(written for written, _ in made.values())


def rendered(form: str, template: Template, filled: Sequence[Filled], *, known: Known, name: str) -> str:
    """A form as text of the format."""
    page = _text.Page(name=name, template=template, filled=tuple(filled), known=known)
    return {"md": _text.markdown, "html": _text.html, "json": _text.json_text}[form](page)


def _put(folder: Path, made: dict[Path, tuple[Written, str]], *, known: Known) -> None:
    """All or nothing: what a person has changed is looked for before the first file is written."""
    if os.path.exists(folder) and not folder.is_dir():
        raise CannotCreate(f"{folder}: is a file; name a folder with --out")
    index = _index(folder)
    for path in made:
        _refuse_changed(path, index)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise failure(folder, fault, instead="name another folder with --out") from None
    files = dict(index.files) if index else {}
    for path, (written, text) in made.items():
        write_text(path, text)
        files[path.name] = Entry(
            paper=written.name, sha256=_digest(text.encode()), to_be_written=len(written.gaps)
        )
    run = known.view.run
    fresh = Index(run=run.recipe, plan=run.plan, files=dict(sorted(files.items())))
    write_json(folder / INDEX, fresh.model_dump(mode="json"))


def _index(folder: Path) -> Index | None:
    path = folder / INDEX
    if not there(path):
        return None
    return load(Index, path, otherwise="name another folder with --out, or move this one away")


def _refuse_changed(path: Path, index: Index | None) -> None:
    if not there(path):
        return
    entry = index.files.get(path.name) if index else None
    if entry is None or entry.sha256 != _digest(path.read_bytes()):
        raise CannotCreate(
            f"{path}: was changed since it was written, or is not of `lingshu papers`; it stays as it is: name another folder "
            "with --out, or give the file another name"
        )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
