"""Types of answers are an open set: one file each, found by its name, that keeps to the written protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train.errors import DataError
from lingshu_train.naming import component, components
from lingshu_train.record import ANSWER_TYPES
from lingshu_train.verify import Item, Policy, gold_problem, types, verify
from lingshu_train.verify.gold import AnswerType, GoldAnswer
from lingshu_train.verify.item import key

PACKAGE = "lingshu_train.verify.types"
OPTIONS = {"A": "Liver", "B": "Spleen"}
GOLDS = {
    "mcq": "B",
    "yes_no": "yes",
    "short": "liver",
    "numeric": "4.1 cm",
    "multi_select": "A, B",
    "bbox": "[0, 0, 10, 10]",
    "label_set": "edema, nodule",
}
# In words that no type's own rules know, so that the defaults of the protocol are used.
ODD = """
from dataclasses import dataclass

from lingshu_train.verify.gold import GoldAnswer, GoldError, Ruling


@dataclass(frozen=True)
class Gold(GoldAnswer):
    odd: bool

    def judge(self, text):
        if text not in ("odd", "even"):
            return Ruling("unreadable", "parity.none")
        return Ruling("right" if (text == "odd") == self.odd else "wrong", "parity.word", text)


def prepare(item):
    if item.answer not in ("odd", "even"):
        raise GoldError(f"answer {item.answer!r} is neither odd nor even")
    return Gold(item.answer == "odd")
"""


def item(question_type: str, answer: str) -> Item:
    return Item(question="How many?", question_type=question_type, answer=answer, options=OPTIONS)


def test_every_type_of_a_sample_has_its_file_and_no_file_is_without_a_type() -> None:
    assert components(PACKAGE) == sorted(ANSWER_TYPES)


@pytest.mark.parametrize("name", ANSWER_TYPES)
def test_every_file_keeps_to_the_protocol(name: str) -> None:
    module = component(PACKAGE, name, where="test", error=DataError)
    assert isinstance(module, AnswerType)
    if name == "free":
        assert gold_problem(item(name, "a report")) == "no rule judges question type 'free'"
        return
    gold = module.prepare(key(item(name, GOLDS[name])))
    assert isinstance(gold, module.Gold)
    assert GoldAnswer in module.Gold.__mro__
    assert gold.read(GOLDS[name]).status == "right"
    assert gold.read(" ").status == "empty"


def test_a_file_of_a_plugin_is_a_new_type_with_the_rules_of_all_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "verify" / "types"
    folder.mkdir(parents=True)
    (folder / "parity.py").write_text(ODD, encoding="utf-8")
    monkeypatch.setattr(types, "__path__", list(types.__path__))
    monkeypatch.setenv("LINGSHU_PLUGINS", str(tmp_path))
    one = item("parity", "odd")
    assert gold_problem(one) is None
    assert gold_problem(item("parity", "3")) == "answer '3' is neither odd nor even"
    assert verify("<think>Three.</think><answer>odd</answer>", one).correct
    assert verify("<answer>even</answer>", one).status == "wrong"
    assert verify("<answer>odd</answer> Even.", one).status == "trailing_revision"
    assert verify("The answer is even. <answer>odd</answer>", one).status == "conflicting"
    assert verify("The answer is odd.", one, Policy.lenient).correct
    assert verify("The answer is odd.", one).status == "unmarked"


def test_a_type_without_a_file_is_an_invalid_gold() -> None:
    found = verify("<answer>x</answer>", item("essay", "x"))
    assert (found.status, found.rule) == ("invalid_gold", "no rule judges question type 'essay'")
