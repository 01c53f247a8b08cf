"""What a stage teaches, as far as it is known: the answers and tokens of each card, from the manifests of what is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from lingshu_train.kind import PlanLine
from lingshu_train.planning.plan import Planned
from lingshu_train.runs import manifest

Counts = Mapping[str, int]
"""Of a card: rows, answers, tokens, taught (data/corpus/taught.py)."""
TAUGHT = "taught"


def lines(planned: Planned) -> list[PlanLine]:
    """Of a finished corpus what it holds, of a supervised stage what it teaches; none where nothing is known yet."""
    results = _results(planned.stage.path)
    if planned.config.role == "corpus":
        return _held(results)
    if TAUGHT in results:
        return [PlanLine("teaches", f"an epoch: {told(_cards(results[TAUGHT]))}")]
    return _ahead(planned)


def told(cards: Mapping[str, Counts]) -> str:
    """`9,834 answers of 9,834 rows, 83,120 of 3,100,000 tokens (slake 9,834 answers, 83,120 tokens; ...)`."""
    sums = {
        name: sum(each[name] for each in cards.values()) for name in ("rows", "answers", "tokens", TAUGHT)
    }
    each = "; ".join(
        f"{name} {one['answers']:,} answers, {one[TAUGHT]:,} tokens" for name, one in sorted(cards.items())
    )
    return f"{sums['answers']:,} answers of {sums['rows']:,} rows, {sums[TAUGHT]:,} of {sums['tokens']:,} tokens ({each})"


def _held(results: Mapping[str, JsonValue]) -> list[PlanLine]:
    rows, answers = (cast(Counts, results.get(name) or {}) for name in ("cards", "answers"))
    if not answers:
        return []
    return [
        PlanLine(
            "holds",
            "; ".join(
                f"{card} {rows[card]:,} rows, {count:,} answers" for card, count in sorted(answers.items())
            ),
        )
    ]


def _ahead(planned: Planned) -> list[PlanLine]:
    """From the corpora, where all of them are done and were measured with the model's tokenizer."""
    found: dict[str, dict[str, int]] = {}
    for taken in planned.config.teaches:
        splits = _results(planned.stage.parent(taken.stage)).get(TAUGHT)
        if not isinstance(splits, dict) or taken.tasks:
            return []
        for name, counts in _cards(splits.get(taken.split)).items():
            if name in (taken.cards or (name,)):
                own = found.setdefault(name, dict.fromkeys(counts, 0))
                for key, count in counts.items():
                    own[key] += count
    return [PlanLine("teaches", f"once through all rows: {told(found)}")] if found else []


def _cards(table: JsonValue) -> Mapping[str, Counts]:
    return cast(Mapping[str, Counts], table) if isinstance(table, dict) else {}


def _results(folder: Path) -> Mapping[str, JsonValue]:
    """What the stage in a folder told, nothing where it is not done."""
    return manifest.read(folder).results if manifest.done(folder) else {}
