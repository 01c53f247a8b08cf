"""Judges the same labelled rows by the verifier and by what other projects ship for it, each called as it stands.

    python benchmarks/verifier_peers.py NAME=ROWS.jsonl[,ROWS.jsonl] ... [--out FILE]

Run it where math-verify, mathruler, inspect_ai, evalscope and lmms-eval are installed (the last two without what they
require: their files that judge are loaded alone); what is missing is left out. Peers that read an answer of several options
by `ANSWER: B` alone get the rows as all others do. Free answers and quantities go to their comparison for medical questions
(SLAKE). MedEvalKit's rules are those of `lingshu_train/evaluation/medevalkit.py`. A call that raises, or takes more than six
seconds, counts as not right.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import circumstances
import verifier

from lingshu_train.verify import Item, Policy, version

HERE = Path(__file__).resolve().parent
PACKAGES = ("math-verify", "mathruler", "inspect_ai", "evalscope", "lmms_eval")
CHOICES = ("mcq", "multi_select")


def by_file(path: Path, name: str, *absent: str) -> ModuleType:
    """A module from its file alone; `absent`: modules that it imports and that are not needed to judge."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {name: module} | {one: mock.MagicMock() for one in absent}):
        spec.loader.exec_module(module)
    sys.modules[name] = module
    return module


def installed(package: str) -> Path | None:
    """The folder of a package, found without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def gold_letters(item: Item) -> set[str]:
    return {letter for letter in item.answer if letter in item.options}


def inspect_ai() -> verifier.Judge:
    solver = importlib.import_module("inspect_ai.solver._multiple_choice")
    common = importlib.import_module("inspect_ai.scorer._common")

    def judge(response: str, item: Item) -> bool:
        if item.question_type in CHOICES:
            state = SimpleNamespace(output=SimpleNamespace(completion=response), choices=list(item.options))
            found = solver.parse_answers(state, multiple_correct=item.question_type == "multi_select")
            return bool(found == gold_letters(item))
        numeric = item.question_type == "numeric"
        return bool(common.match_str(response, item.answer, location="end", numeric=numeric)[1])

    return judge


def evalscope(folder: Path) -> verifier.Judge:
    choices = by_file(
        folder / "utils" / "multi_choices.py", "evalscope_choices", "evalscope.api", "evalscope.api.evaluator"
    )
    slake = by_file(folder / "benchmarks" / "slake" / "utils.py", "evalscope_slake")

    def judge(response: str, item: Item) -> bool:
        if item.question_type in CHOICES:
            state = SimpleNamespace(output=SimpleNamespace(completion=response), choices=list(item.options))
            parse = choices.parse_answers if item.question.isascii() else choices.parse_answers_zh
            return bool(
                parse(state, multiple_correct=item.question_type == "multi_select") == gold_letters(item)
            )
        said, gold = slake.parse_answer(response), item.answer
        return bool(slake.normalize_answer(said) == slake.normalize_answer(gold))

    return judge


def lmms_eval(folder: Path) -> verifier.Judge:
    extract = by_file(folder / "tasks" / "_task_utils" / "mcq_extract.py", "lmms_extract")
    slake = by_file(
        folder / "tasks" / "slake" / "utils.py", "lmms_slake",
        "datasets", "numpy", "huggingface_hub", "loguru", "PIL",
    )  # fmt: skip

    def judge(response: str, item: Item) -> bool:
        if item.question_type in CHOICES:
            return bool(extract.extract_mcq_answer(response, list(item.options)) == item.answer)
        return bool(slake.normalize_answer(response) == slake.normalize_answer(item.answer))

    return judge


def medevalkit() -> verifier.Judge:
    rules = by_file(HERE.parent / "lingshu_train" / "evaluation" / "medevalkit.py", "medevalkit_rules")

    def judge(response: str, item: Item) -> bool:
        if item.options:
            listed = [f"{letter}. {text}" for letter, text in item.options.items()]
            return rules.choice(listed, item.answer, response).correct is True
        if item.question_type == "yes_no":
            return rules.judgement(item.answer, response).correct is True
        return rules.opened(item.answer, response).correct is True

    return judge


def peers() -> dict[str, verifier.Judge]:
    found = {"MedEvalKit": medevalkit()} | verifier.peers()
    if installed("inspect_ai"):
        found["inspect_ai"] = inspect_ai()
    if folder := installed("evalscope"):
        found["evalscope"] = evalscope(folder)
    if folder := installed("lmms_eval"):
        found["lmms-eval"] = lmms_eval(folder)
    return {name: verifier.guarded(judge) for name, judge in found.items()}


def counted(rows: list[dict[str, Any]], judge: verifier.Judge) -> dict[str, int]:
    """Wrong answers accepted and right ones refused, of how many."""
    wrong = [row for row in rows if not row["correct"]]
    right = [row for row in rows if row["correct"]]
    return {
        "wrong": len(wrong),
        "wrong_accepted": sum(judge(row["response"], verifier.item_of(row)) for row in wrong),
        "right": len(right),
        "right_refused": sum(not judge(row["response"], verifier.item_of(row)) for row in right),
    }


def rows_of(names: str) -> list[dict[str, Any]]:
    """Rows of one or several files. `truth` is another name of the label, and what is arguable is left out."""
    rows = verifier.read([Path(name) for name in names.split(",")])
    return [
        row | {"correct": row.get("correct", row.get("truth"))} for row in rows if not row.get("arguable")
    ]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="+", metavar="NAME=ROWS")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "verifier_peers.json")
    options = parser.parse_args(arguments)
    told = circumstances.told()
    found = {name: importlib.metadata.version(name) for name in PACKAGES if installed(name.replace("-", "_"))}
    judges = {f"lingshu-train {policy.value}": verifier.ours(policy) for policy in Policy} | peers()
    result = {
        **told,
        "versions": told["versions"] | {"verifier": version()} | found,
        "sets": {
            name: {one: counted(rows_of(paths), judge) for one, judge in judges.items()}
            for name, _, paths in (one.partition("=") for one in options.rows)
        },
    }
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result["sets"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
