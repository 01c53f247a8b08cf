"""A proposal as the text of a card and of a recipe, both to be read and changed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import JsonValue

from lingshu_train.data.adding.proposal import ALL, Proposal
from lingshu_train.data.cards.card import Card, Lingshu
from lingshu_train.data.rows.row import Divide
from lingshu_train.errors import DataError
from lingshu_train.schema import parse

CLOSED = {"redistribute": False, "derive_weights": False, "third_party_api": False, "commercial": False}
"""What an internal licence allows: nothing leaves."""
INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the data itself decided, beside the proposal. `window` empty: the files' own. `sha256`: of a set's one table."""

    divide: Divide | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    types: Sequence[str] = ()
    window: JsonValue = None
    sha256: str = ""
    problems: Sequence[str] = ()


def draft(proposal: Proposal, decided: Decided) -> Card:
    """The card in memory."""
    block = parse(Lingshu, _block(proposal, decided), where=f"card {proposal.name}", error=DataError)
    return Card(name=proposal.name, lingshu=block, hub=_hub(proposal), body=_body(proposal, decided))


def text(proposal: Proposal, decided: Decided) -> str:
    """The card's file."""
    head = {**_hub(proposal), "lingshu": _block(proposal, decided)}
    written = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{written}---\n{_body(proposal, decided)}"


def recipe(
    proposal: Proposal, *, base: str, judged: bool, data_root: Path | None, most_refused: float | None
) -> str:
    """A recipe on `base` (adapt or adapt_tiny). `judged`: some answers can be judged by rule, so that there is something to
    measure."""
    name = proposal.name
    data: dict[str, JsonValue] = {"cards": [name]}
    if most_refused is not None:
        data["most_refused"] = most_refused
    stages: dict[str, JsonValue] = {"data": data}
    lines: dict[str, JsonValue] = {"defaults": [base, "_self_"], "name": name, "title": f"{base} on {name}"}
    if data_root is not None:
        lines["data_root"] = str(data_root)
    if not judged:
        lines["pipeline"] = ["data", *(["base"] if base.endswith("tiny") else []), "instruct", "export"]
        stages["export"] = {"results": ""}
    lines["stages"] = stages
    why = "" if judged else "# No answer of this set can be judged by rule, so that nothing is evaluated.\n"
    head = f"# lingshu plan {name}.yaml; lingshu run {name}.yaml\n{why}"
    return head + yaml.safe_dump(lines, sort_keys=False, allow_unicode=True, width=110)


def _hub(proposal: Proposal) -> dict[str, object]:
    return {
        "pretty_name": proposal.name,
        "license": "other",
        "language": [proposal.language],
        "task_categories": ["visual-question-answering"],
    }


def _block(proposal: Proposal, decided: Decided) -> dict[str, JsonValue]:
    closed = CLOSED if proposal.licence == INTERNAL else {}
    fields: dict[str, JsonValue] = {"files": _files(proposal, decided), **proposal.fields}
    if decided.window is not None:
        fields["window"] = decided.window
    if decided.divide:
        fields["divide"] = decided.divide.model_dump(mode="json")
    block: dict[str, JsonValue] = {
        "source": {
            "kind": "local",
            "name": proposal.name,
            "folder": str(proposal.root),
            "how_to_get": "it lies where `folder` says, on the machine on which this card was written",
        },
        "access": "local",
        "licence": {"id": proposal.licence, **closed},
        "role": "training",
        "modality": [proposal.modality] if proposal.modality else [],
        "language": [proposal.language],
        "format": proposal.format,
        "fields": fields,
        "answer_type": list(decided.types),
        "splits": {
            split: {"rows": count, **({"sha256": decided.sha256} if decided.sha256 else {})}
            for split, count in decided.rows.items()
        },
    }
    if decided.problems:
        block["problems"] = list(decided.problems)
    return block


def _files(proposal: Proposal, decided: Decided) -> dict[str, JsonValue]:
    if decided.divide:
        return dict.fromkeys(decided.divide.shares, proposal.files[ALL])
    return dict(proposal.files)


def _body(proposal: Proposal, decided: Decided) -> str:
    who = "patient" if proposal.grouped else "picture"
    how = (
        f"Rows are divided by {who}: those of one {who} are all in one split."
        if decided.divide
        else "The splits are those of the files."
    )
    return (
        f"\n# {proposal.name}\n\nWritten by `lingshu data add`. The data lies in `{proposal.root}` and is read from there; "
        f"nothing of it was copied.\n{how}\n"
    )
