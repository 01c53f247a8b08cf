"""Radiology reports: finds the sections in free text, and makes the sample that asks for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lingshu_train.data.rows.row import Origin, Skipped
from lingshu_train.record import Sample

PROMPT = "Write the report of this examination, with findings and impression."
FINDINGS_PROMPT = "Describe the findings in this examination."
HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /()]{3,40}):", re.MULTILINE)
"""Four capitals at least: shorter words before a colon are abbreviations in the text."""


NOTHING = Skipped("a report with neither findings nor impression")
NO_FINDINGS = Skipped("a report without findings")
"""Reports that teach nothing, which many sets have: no fault of the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The two sections a model can write; each empty where the report has none."""

    findings: str
    impression: str

    @property
    def stated(self) -> bool:
        return bool(self.findings or self.impression)


def sections(report: str) -> Sections:
    """The text under FINDINGS and IMPRESSION, white space folded. Of equal headings the last counts."""
    found, headings = {"FINDINGS": "", "IMPRESSION": ""}, list(HEADING.finditer(report))
    # A report without any heading has none after it either.
    for here, after in zip(headings, [*headings[1:], None], strict=False):
        name = here[1].strip()
        if name in found:
            found[name] = " ".join(report[here.end() : after.start() if after else len(report)].split())
    return Sections(findings=found["FINDINGS"], impression=found["IMPRESSION"])


def sample(found: Sections, origin: Origin, *, id: str, group: str, findings_only: bool = False) -> Sample:
    """One report to write. A section that the report lacks is written as None."""
    both = f"Findings: {found.findings or 'None'} Impression: {found.impression or 'None'}"
    return Sample(
        id=id,
        card=origin.card,
        split=origin.split,
        task="caption" if findings_only else "report",
        question=FINDINGS_PROMPT if findings_only else PROMPT,
        question_type="free",
        answer=found.findings if findings_only else both,
        group=group,
        modality="x-ray",
    )
