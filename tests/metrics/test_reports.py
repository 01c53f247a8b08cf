"""Reports: overlap as the packages measure it, and findings that overlap does not see: a side, a negation, a size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lingshu_train.metrics._clinical import Finding, compared, findings
from lingshu_train.metrics._overlap import Overlap, overlap

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "report_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
REFERENCE = (
    "There is a small left pleural effusion. A 9 mm nodule is seen in the right upper lobe. No pneumothorax."
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair["id"]))
def test_overlap_is_what_the_packages_measure_to_a_millionth(pair: dict[str, object]) -> None:
    found = overlap(str(pair["response"]), str(pair["gold"]))
    expected = dict(pair["medevalkit"])  # type: ignore[call-overload]
    expected["rouge_l"] = expected.pop("rougeL")
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-6), name
    assert found.rouge_score_l == pytest.approx(pair["rouge_score_rougeL"], abs=1e-6)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair["id"]))
def test_reports_that_say_the_same_agree_and_others_do_not(pair: dict[str, object]) -> None:
    found = compared(str(pair["response"]), str(pair["gold"]))
    assert (found.f1 == 1.0) is pair["clinically_equal"]


@pytest.mark.parametrize("text", ["", "  ", ".", "\n"])
def test_an_empty_report_is_nothing_in_every_metric(text: str) -> None:
    assert overlap(text, REFERENCE) == Overlap()
    assert compared(text, REFERENCE).f1 == 0.0
    assert compared(text, REFERENCE).missed == 2


@pytest.mark.parametrize(
    ("text", "matched", "missed", "false", "contradicted"),
    [
        (REFERENCE, 2, 0, 0, 0),
        ("A small effusion on the left. Right upper lobe nodule of 0.9 cm.", 2, 0, 0, 0),
        ("There is a small right pleural effusion. A 9 mm nodule is seen on the right.", 1, 0, 0, 1),
        ("Small left effusion. 19 mm nodule in the right upper lobe.", 1, 0, 0, 1),
        ("No pleural effusion. 9 mm nodule on the right.", 1, 0, 0, 1),
        ("The effusion has resolved. 9 mm nodule on the right.", 1, 0, 0, 1),
        ("Left effusion.", 1, 1, 0, 0),
        ("Left effusion. 9 mm nodule on the right. The heart is enlarged.", 2, 0, 1, 0),
        ("Left effusion, 9 mm nodule on the right, and a pneumothorax.", 2, 0, 0, 1),
    ],
)
def test_findings_are_matched_missed_false_or_contradicted(
    text: str, matched: int, missed: int, false: int, contradicted: int
) -> None:
    found = compared(text, REFERENCE)
    assert (found.matched, found.missed, found.false, found.contradicted) == (
        matched,
        missed,
        false,
        contradicted,
    )
    assert (found.f1 == 1.0) is (not missed and not false and not contradicted)


def test_a_finding_has_its_side_its_size_and_its_certainty() -> None:
    (one,) = findings("Possible 1.2 cm nodule in the left lower lobe.")
    assert one == Finding(name="nodule", there=True, side="left", size=12.0, measured=True, certain=False)
    assert {one.name for one in findings("No effusion or pneumothorax.") if not one.there} == {
        "pleural effusion",
        "pneumothorax",
    }
    assert not any(one.there for one in findings("Heart size is normal. The lungs are clear."))
