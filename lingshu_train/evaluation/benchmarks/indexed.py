"""What was measured as the hub's `model-index`, the block of a model card that its tables of results are read from."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from lingshu_train.data.cards import card as cards
from lingshu_train.evaluation.benchmarks import suite
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.runs.lines import Line
from lingshu_train.verify import version

NAME = "model-index.yaml"


def text(model: str, benchmarks: Sequence[Benchmark], lines: Sequence[Line]) -> str:
    """YAML to stand in the head of a README.md; accuracy in percent."""
    measured = {one.name: one for one in lines}
    results = [_result(one, measured[one.name]) for one in benchmarks if one.name in measured]
    index = {"model-index": [{"name": model, "results": results}]}
    return (
        f"# lingshu eval, verifier {version()}\n{yaml.safe_dump(index, sort_keys=False, allow_unicode=True)}"
    )


def _result(benchmark: Benchmark, line: Line) -> dict[str, object]:
    card, split = next(iter(benchmark.cards.items()))
    source = cards.load(card, where="model-index").lingshu.source
    hub = source.name if source.kind == "hub" else card
    if line.n:
        kinds = [("lenient", line.lenient), ("strict", line.strict), ("medevalkit", line.medevalkit)]
        metrics = [_metric("accuracy", f"accuracy ({name})", value) for name, value in kinds]
    else:
        metrics = [_metric("rouge", "ROUGE-L (rouge 1.0.1)", line.reports.get("rouge_l", 0.0))]
    asked = "question-answering" if benchmark.name in suite.groups()["text"] else "visual-question-answering"
    task = asked if line.n else "image-to-text"
    return {
        "task": {"type": task},
        "dataset": {"type": hub, "name": line.title, "split": split},
        "metrics": metrics,
    }


def _metric(kind: str, name: str, value: float) -> dict[str, object]:
    return {"type": kind, "name": name, "value": round(100 * value, 2)}
