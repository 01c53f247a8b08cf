"""What was measured as the hub's `model-index`, the block of a model card that its tables of results are read from."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from lingshu_train.data.cards import card as cards
from lingshu_train.runs.lines import Line
from lingshu_train.verify import version

NAME = "model-index.yaml"


def text(model: str, lines: Sequence[Line]) -> str:
    """YAML to stand in the head of a README.md; accuracy in percent."""
    index = {"model-index": block(model, lines)}
    return (
        f"# lingshu eval, verifier {version()}\n{yaml.safe_dump(index, sort_keys=False, allow_unicode=True)}"
    )


def block(model: str, lines: Sequence[Line]) -> list[dict[str, object]]:
    """The value of the key `model-index`: one model and its results, benchmark by benchmark."""
    return [{"name": model, "results": [_result(one) for one in lines if one.cards and not one.own]}]


def _result(line: Line) -> dict[str, object]:
    card, split = next(iter(line.cards.items()))
    source = cards.load(card, where="model-index").lingshu.source if card in cards.names() else None
    if line.n:
        kinds = [("lenient", line.lenient), ("strict", line.strict), ("medevalkit", line.medevalkit)]
        metrics = [_metric("accuracy", f"accuracy ({name})", value) for name, value in kinds]
        task = "visual-question-answering" if line.pictures else "question-answering"
    else:
        metrics = [_metric("rouge", "ROUGE-L (rouge 1.0.1)", line.reports.get("rouge_l", 0.0))]
        task = "image-to-text"
    return {
        "task": {"type": task},
        "dataset": {
            "type": source.name if source and source.kind == "hub" else card,
            "name": line.title,
            "split": split,
        },
        "metrics": metrics,
    }


def _metric(kind: str, name: str, value: float) -> dict[str, object]:
    return {"type": kind, "name": name, "value": round(100 * value, 2)}
