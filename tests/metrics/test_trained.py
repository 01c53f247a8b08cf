"""How the packages of trained metrics are called and what of their answers is read; doubles stand for packages, no score for a score."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from lingshu_train.metrics import _outside, _trained
from lingshu_train.metrics._outside import outside

TEXTS, GOLD = ["Clear lungs.", "  ", "Effusion."], ["Lungs are clear.", "Normal.", "No effusion."]
DOUBLES = {
    "f1chexbert": """
class F1CheXbert:
    def __init__(self, refs_filename=None, hyps_filename=None, device=None): pass
    def __call__(self, hyps, refs):
        assert len(hyps) == len(refs) == 3 and hyps[0] == "Clear lungs."
        return 0.5, [], {"micro avg": {"f1-score": 0.25}}, {}
""",
    "radgraph": """
class F1RadGraph:
    def __init__(self, reward_level, model_type=None): assert reward_level == "partial"
    def __call__(self, refs, hyps):
        assert hyps == ["Clear lungs.", "Effusion."] and refs == ["Lungs are clear.", "No effusion."]
        return 0.6, [], [], []
""",
    "RaTEScore": """
class RaTEScore:
    def compute_score(self, candidate_list, reference_list):
        assert candidate_list[1] == "Effusion." and reference_list[1] == "No effusion."
        return [0.2, 0.4]
""",
    "bert_score": """
class Row(list):
    def mean(self): return sum(self) / len(self)
def score(cands, refs, model_type=None, device=None):
    assert model_type and cands[0] == "Clear lungs." and refs[0] == "Lungs are clear."
    return Row([0, 0]), Row([0, 0]), Row([0.8, 1.0])
""",
    "radeval": """
class RadEval:
    def __init__(self, metrics=None, show_progress=True): self.metrics = metrics
    def __call__(self, refs, hyps):
        if self.metrics == ["green"]:
            raise OSError("no such weights: GREEN\\nmore")
        return {"radcliq_v1": 1.5}
""",
}
DISTRIBUTIONS = {
    "f1chexbert": "f1chexbert",
    "radgraph": "radgraph",
    "RaTEScore": "RaTEScore",
    "bert_score": "bert-score",
    "radeval": "radeval",
}


@pytest.fixture
def doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, text in DOUBLES.items():
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        name = DISTRIBUTIONS[module]
        info = tmp_path / f"{name.replace('-', '_')}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n", encoding="utf-8"
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for module in DOUBLES:
        sys.modules.pop(module, None)


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize(
    ("name", "value", "package"),
    [
        ("CheXbert F1", 0.25, "f1chexbert"),
        ("RadGraph F1", 0.6 * 2 / 3, "radgraph"),
        ("RaTEScore", 0.3 * 2 / 3, "RaTEScore"),
        ("BERTScore", 0.9 * 2 / 3, "bert-score"),
        ("RadCliQ-v1", 1.5, "radeval"),
    ],
)
def test_each_package_gets_texts_and_references_and_an_empty_text_is_0(
    name: str, value: float, package: str
) -> None:
    told, found = _trained.measured(name, TEXTS, GOLD)
    assert told == f"{name} ({package} 9.9)"
    assert found == pytest.approx(value)


@pytest.mark.usefixtures("doubles")
def test_weights_that_are_not_here_are_one_line_and_no_number() -> None:
    found = outside(list(zip(TEXTS, GOLD, strict=True)))
    assert found.missing["GREEN"] == "radeval is installed and cannot run: no such weights: GREEN"
    assert not any(name.startswith("GREEN") for name in found.values)
    assert "RadGraph F1 (radgraph 9.9)" in found.values


@pytest.mark.usefixtures("doubles")
def test_texts_that_are_all_empty_are_0_and_no_package_is_asked() -> None:
    found = outside([("  ", "Normal."), ("", "Normal.")])
    assert found.values["RaTEScore (RaTEScore 9.9)"] == found.values["GREEN (radeval 9.9)"] == 0.0


@pytest.mark.usefixtures("doubles")
def test_a_fault_of_a_package_is_told_in_its_words_and_ends_no_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*_: object) -> float:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nmore")

    broken = dataclasses.replace(_trained.PACKAGES["RaTEScore"], measure=run)
    monkeypatch.setattr(_trained, "PACKAGES", {**_trained.PACKAGES, "RaTEScore": broken})
    monkeypatch.setattr(_outside, "_meteor", lambda: (run, "METEOR"))
    found = outside(list(zip(TEXTS, GOLD, strict=True)))
    said = "is installed and cannot run: RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    assert found.missing["RaTEScore"] == f"RaTEScore {said}" and found.missing["METEOR"] == f"nltk {said}"
    assert "RadGraph F1 (radgraph 9.9)" in found.values


def test_a_package_that_is_not_here_is_said_to_be_not_here() -> None:
    with pytest.raises(_trained.NotHere, match="the package radgraph is not installed"):
        _trained.measured("RadGraph F1", TEXTS, GOLD)
