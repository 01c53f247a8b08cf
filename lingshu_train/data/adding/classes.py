"""Pictures in folders per class as a proposal: the format `labelled_images`."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import JsonValue

from lingshu_train import vocabulary
from lingshu_train.data.adding.proposal import ALL, ORDER, Proposal, with_held_out
from lingshu_train.data.adding.sniff import Classes
from lingshu_train.data.adding.told import NONE, Told
from lingshu_train.data.questions import templates
from lingshu_train.errors import DataError, UsageError


def of_classes(found: Classes, told: Told) -> Proposal:
    for flag in ("question", "answer", "image", "ask", "split"):
        if getattr(told, flag):
            raise UsageError(
                f"--{flag}: is for tables, and {found.root} holds pictures in a folder per class"
            )
    root = found.root.absolute()
    labels = sorted({label for classes in found.splits.values() for label in classes})
    pictures = [path for classes in found.splits.values() for paths in classes.values() for path in paths]
    ends = sorted({path.suffix for path in pictures})
    inner = "**/*" if ends == [""] else "**/*" + (ends[0] if len(ends) == 1 else "{" + ",".join(ends) + "}")
    _check_foreign(root, pictures, inner)
    deep = 1 + bool(set(found.splits) - {""})
    pattern = _patient(told, root, pictures, deep)
    splits = with_held_out(found.splits)
    folders = {
        split: next(iter(paths.values()))[0].relative_to(found.root).parts[0]
        for split, paths in found.splits.items()
    }
    there = sorted((split for split in found.splits if split), key=ORDER.index)
    files = {splits[split]: f"{folders[split]}/{inner}" for split in there} or {ALL: inner}
    fields: dict[str, JsonValue] = {
        "labels": {label: re.sub(r"[_-]+", " ", label).strip() for label in labels},
        "picture": "image",
    }
    if pattern:
        fields["patient"] = pattern
    counts = {label: sum(len(one.get(label, ())) for one in found.splits.values()) for label in labels}
    shown = ", ".join(f"{label} {counts[label]:,}" for label in labels[:8]) + (
        " ..." if len(labels) > 8 else ""
    )
    return Proposal(
        name="",
        root=root,
        format="labelled_images",
        files=files if "train" in files or ALL in files else {ALL: inner},
        fields=fields,
        language=told.language or "en",
        grouped=bool(pattern),
        said=(("folders", f"{len(pictures):,} pictures in {len(labels)} classes: {shown}"),),
    )


def _check_foreign(root: Path, pictures: list[Path], pattern: str) -> None:
    """A card's pattern would take other files for pictures. DataError names one."""
    if pattern != "**/*" and "{" not in pattern and not pattern.endswith("*"):
        return
    known = {path.absolute() for path in pictures}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix == "" and path not in known:
            raise DataError(
                f"{path}: lies among pictures whose names end in nothing, and is none; take it away, or add .dcm to their names"
            )


def _patient(told: Told, root: Path, pictures: list[Path], deep: int) -> str:
    """A pattern whose group is the patient: the one given, or the folders below the classes, where all pictures lie in some."""
    if told.patient and told.patient != NONE:
        try:
            if re.compile(told.patient).groups < 1:
                raise UsageError(
                    f"--patient {told.patient}: must have a group, in parentheses, for the patient"
                )
        except re.error as fault:
            raise UsageError(f"--patient {told.patient}: no pattern: {fault}") from None
        return told.patient
    depths = {len(path.absolute().relative_to(root).parts) for path in pictures}
    if told.patient == NONE or min(depths) <= deep + 1:
        return ""
    return rf"^(?:[^/]+/){{{deep}}}([^/]+)/"


def modality_of(proposal: Proposal, seen: str) -> str:
    """The modality as the format of labelled pictures calls it; empty where it has no word for it."""
    known = {vocabulary.modality(word): word for word in templates.MODALITIES}
    return known.get(proposal.modality or seen, "")
