"""Where content of withdrawn rows still lies after all that was done: said, and not taken away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lingshu_train.data.corpus.writer import QUARANTINE
from lingshu_train.forgetting.certificate import Request
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.tracing import matching

QUOTED = ("predictions", "answers", "scored", "evaluation.html")
"""Of a stage that evaluates."""
SHOWN = ("report.html", "samples.html", "samples", "published")
"""Pages of a run that show some of its questions and pictures, and files of its data sets that were made to be pushed."""


def find(read: Sequence[Stage], request: Request, *, erased: set[str]) -> Iterator[str]:
    """One line for each place, of the run from before and of what it was made from. `erased`: folders of stages whose corpora
    no longer hold the rows."""
    for stage in read:
        if stage.name in request.rows and str(stage.path) not in erased:
            yield f"{stage.path / 'corpus'}: the rows themselves"
        if stage.kind == "prepare":
            yield f"{stage.config.get('prepared') or stage.data_root}: what {stage.name} was prepared from"
        if isinstance(told := stage.config.get("consented_late"), dict):
            yield f"{told['file']}: the table by which {stage.name} knows who consented when"
        if request.first[stage.name]:
            yield from _said(stage.path)
    root = Path(request.run)
    yield from (f"{root / name}: may show them" for name in SHOWN if (root / name).exists())
    yield from (f"{root / place}: learned from them, or measured with them" for place in request.carried)
    yield from (f"{one.url}: pushed at {one.at} (commit {one.commit[:12]})" for one in request.pushes)


def quarantined(every: Sequence[Stage], request: Request) -> Iterator[str]:
    """The same for rows that preparing refused: in no corpus, and still named in its quarantine with the reason. `every`: the
    stages of both runs; one that the two share by a link has it in both."""
    key = matching.REFUSED.get(request.what, "")
    for path in (stage.path / "corpus" / QUARANTINE for stage in every if key and request.refused):
        count = sum(request.is_of(request.what, str(line.get(key))) for line in ledger.lines(path))
        if count:
            yield f"{path}: {count:,} refused rows, with the reason"


def _said(folder: Path) -> Iterator[str]:
    """Files of a stage that quote rows it came to."""
    for name in (ledger.COMPLETIONS, ledger.AUDITS, *QUOTED):
        if (folder / name).exists():
            yield f"{folder / name}: may quote them"
