"""The data card of what a stage made: its licence the strictest of the rows' and the teacher's, its counts what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from pydantic import JsonValue

from lingshu_train.data.cards import licences, made
from lingshu_train.data.cards.card import Card, Lingshu
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.errors import DataError
from lingshu_train.schema import parse
from lingshu_train.synthesize._made import Tally

OWN = "_own"
"""What ends the name of the card: two different cards may not have one name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What the card says of how it was made."""

    stage: str
    pipeline: str
    prompts: str
    version: int
    teacher: str
    revision: str
    checker: str


def render(card: Card, parents: Sequence[Card], making: Making, summary: Summary, tally: Tally) -> str:
    """The card as a file. `card` is the one that the recipe names, `parents` those that the rows come from."""
    block = _block(card, parents, making, summary)
    # Read as every card is: what we write has to be one.
    parse(Lingshu, block, where=f"card {card.name}{OWN}", error=DataError)
    head = {**card.hub, "pretty_name": f"{card.title}, made by {making.teacher}", "lingshu": block}
    written = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{written}---\n{_body(card, parents, making, summary, tally)}"


def _block(card: Card, parents: Sequence[Card], making: Making, summary: Summary) -> dict[str, object]:
    own = card.lingshu
    every = [*parents, card]
    splits: dict[str, JsonValue] = {split: {"rows": count} for split, count in summary.splits.items()}
    licence = licences.strictest(every).model_dump(mode="json", exclude_defaults=True)
    return {
        "source": {
            "kind": "local",
            "name": f"{card.name}{OWN}",
            "how_to_get": f"made by stage {making.stage}; put its files under the data root",
        },
        "access": licences.access(every),
        "licence": licence,
        "role": "training",
        "modality": sorted(set(summary.modalities) - set(summary.unknown_modalities) - {""}),
        "task": sorted(summary.tasks),
        "language": list(own.language),
        "format": own.format,
        "fields": made.fields(card, summary.splits),
        "answer_type": sorted(summary.question_types),
        "splits": splits,
        "overlaps": sorted({one for each in parents for one in (each.name, *each.lingshu.overlaps)}),
        "problems": [f"Written by a model, {making.teacher}; checked by rules and by models alone"],
        "evidence": {"kind": "real_bytes", "of": "the stage that made it"},
        "creators": ["who ran the stage"],
    }


def _body(card: Card, parents: Sequence[Card], making: Making, summary: Summary, tally: Tally) -> str:
    checks = "\n".join(
        f"| {name} | {rows:,} | {tally.passed[name] / rows:.1%} |" for name, rows in tally.came.items()
    )
    version = f", version {making.revision}" if making.revision else ""
    second = f" Checks asked {making.checker}." if making.checker != making.teacher else ""
    allowed = "; ".join(
        f"{one.name} {one.lingshu.licence.id}" for one in sorted([*parents, card], key=lambda one: one.name)
    )
    return f"""
# {card.title}, made by {making.teacher}

**What it is.** {summary.samples:,} rows made of {tally.rows:,} by the pipeline `{making.pipeline}`.

**Who made it, and how.** {making.teacher}{version} was asked {tally.calls:,} times ({tally.tokens_in:,} tokens sent,
{tally.tokens_out:,} written).{second} Prompts: version {making.version}, sha256 {making.prompts}.

| Check | Rows | Passed |
|---|---|---|
{checks}

**What is wrong with it.** A model wrote it. What its checks do not look at has been looked at by nobody.

**Licence.** The strictest of: {allowed}.

**How to get it.** Run the stage again: its replies are kept, and the same replies give the same rows.

**Not known.** Whether the teacher was trained on the rows, or on a benchmark's.
"""
