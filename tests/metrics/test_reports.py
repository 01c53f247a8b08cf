"""Reports: overlap as the packages measure it, and findings that overlap does not see: a side, a negation, a size."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingshu_train.metrics import _outside
from lingshu_train.metrics._clinical import Finding, compared, findings
from lingshu_train.metrics._consensus import Consensus, consensus, tokens
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


def test_cider_d_is_what_pycocoevalcap_measures_with_the_same_references() -> None:
    """Values of pycocoevalcap 1.2 (`CiderScorer`, document frequencies of these ten references, Stanford's PTB tokens)."""
    expected = (10.0, 7.716450217101772, 0.5652629395780578, 6.015358972620019, 4.193094311291094)
    expected += (8.374707784363665, 7.823453309643387, 0.02349306350599991, 8.179302433191861, 10.0)
    found = consensus([str(pair["response"]) for pair in PAIRS], [str(pair["gold"]) for pair in PAIRS])
    assert [one.cider_d for one in found] == pytest.approx(expected, abs=1e-6)
    assert all(one.cider >= one.cider_d for one in found)


def test_an_empty_report_and_one_that_repeats_itself_are_worth_less() -> None:
    golds = [REFERENCE, "The heart is enlarged.", "No acute disease."]
    whole, *_ = consensus(golds, golds)
    repeated, empty, *_ = consensus([f"{REFERENCE} {REFERENCE}", " . ", golds[2]], golds)
    assert whole.cider == pytest.approx(10.0) and empty == Consensus()
    assert repeated.cider_d < 0.5 * whole.cider_d < repeated.cider
    assert consensus([REFERENCE], [REFERENCE]) == [Consensus()], "of one reference nothing is rare"
    assert tokens("The patient's T2-weighted MRI: 1.2 cm (left).") == [
        *("the", "patient", "'s", "t2-weighted", "mri", "1.2", "cm", "left")
    ]


def nltk_at(folder: Path, *, wordnet: str) -> None:
    """A stand-in for nltk that counts words in common, with a WordNet or without."""
    (folder / "nltk" / "translate").mkdir(parents=True)
    (folder / "nltk" / "__init__.py").write_text("__version__ = '9.9'\n")
    (folder / "nltk" / "corpus.py").write_text(f"class wordnet:\n    def get_version():\n        {wordnet}\n")
    score = "def single_meteor_score(reference, hypothesis):\n    return len({*reference} & {*hypothesis})\n"
    (folder / "nltk" / "translate" / "meteor_score.py").write_text(score)


@pytest.fixture
def stood_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [one for one in sys.modules if one == "nltk" or one.startswith("nltk.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("forgotten")
def test_meteor_is_measured_where_its_package_and_wordnet_are_and_an_empty_text_counts_as_nothing(
    stood_in: Path,
) -> None:
    nltk_at(stood_in, wordnet="return '3.0'")
    found = _outside.outside([("No  acute disease.", "No acute disease."), (" .", "No acute disease.")])
    assert found.values == {"METEOR (nltk 9.9, WordNet 3.0)": 2.0}
    assert "METEOR" not in found.missing


@pytest.mark.usefixtures("forgotten")
def test_what_cannot_be_measured_here_is_named_with_the_reason(stood_in: Path) -> None:
    nltk_at(stood_in, wordnet="raise LookupError")
    found = _outside.outside([(REFERENCE, REFERENCE)])
    assert found.values == {}
    assert found.missing["METEOR"] == "nltk has no WordNet here: python -m nltk.downloader wordnet"
    assert {
        "CheXbert F1",
        "RadGraph F1",
        "RaTEScore",
        "BERTScore",
        "GREEN",
        "RadCliQ-v1",
    } < found.missing.keys()
    assert all(found.missing.values())


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The stand-in is no module of any later test."""
    yield
    for name in [one for one in sys.modules if one == "nltk" or one.startswith("nltk.")]:
        del sys.modules[name]


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
