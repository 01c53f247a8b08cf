"""A finished run for papers: true corpora, true records, made-up results, no training. Every date and version is fixed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tiny
from PIL import Image

from lingshu_train import environment, evaluation
from lingshu_train.data.cards import card as cards
from lingshu_train.evaluation import leaked
from lingshu_train.kind import Facts
from lingshu_train.model.origin import FACT, Origin
from lingshu_train.record import Completion, Judged, Sample, Verdict
from lingshu_train.runs import manifest, results, run
from lingshu_train.runs.files import write_json
from lingshu_train.runs.manifest import Environment
from lingshu_train.runs.results import Results
from lingshu_train.runs.stage import Stage

FINISHED = "2026-11-29T12:00:00Z"
SECRET = "the lesion of Mr Miller"
"""Stands in every row of the run, and may stand in no paper."""
CARD = """---
pretty_name: {title}
license: other
language: [en, de]
lingshu:
  source: {{kind: {kind}, name: {source}, revision: "{revision}"}}
  access: {access}
  licence: {{id: {licence}, redistribute: {redistribute}, derive_weights: true, third_party_api: false, commercial: false}}
  modality: [ct]
  body_part: [chest]
  task: [vqa]
  language: [en, de]
  format: {format}
  problems: [one scanner alone]
  year: 2021
---

# {title}

**What it is.** Pictures with questions.

**Who made it, and how.** Names and dates were de-identified by hand. Two radiologists labelled each picture. GPT-4 wrote the
questions.
"""
SETS: Mapping[str, Mapping[str, str]] = {
    "open_set": {
        "access": "open",
        "kind": "hub",
        "source": "someone/open-set",
        "revision": "a" * 40,
        "licence": "CC-BY-4.0",
    },
    "archive": {
        "access": "credentialed",
        "kind": "physionet",
        "source": "archive/1.0",
        "revision": "1.0",
        "licence": "LicenseRef-PhysioNet-Credentialed-1.5.0",
        "redistribute": "false",
    },
    "ward": {
        "access": "local",
        "kind": "local",
        "source": "ward",
        "licence": "none-stated",
        "redistribute": "null",
    },
}
NAMES = ("data", "base", "instruct", "rl", "evaluate", "export")


def write_card(folder: Path, name: str, **changes: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    given = {"redistribute": "true", "format": "table", "revision": "", **SETS.get(name, {}), **changes}
    text = CARD.format(title=name.replace("_", " ").capitalize(), **given)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")


@contextmanager
def built(
    root: Path,
    *,
    sets: tuple[str, ...] = ("open_set",),
    until: str = "export",
    origin: Origin | None = None,
    **changes: str,
) -> Iterator[Path]:
    """The run in `root`/run, as far as the stage `until`; its cards are found as long as the block lasts. `changes` are keys of
    every card."""
    for name in sets:
        write_card(root / "cards", name, **changes)
    with environment.cards_in(root / "cards"):
        build(root / "run", sets=sets, until=until, origin=origin)
        yield root / "run"


def build(folder: Path, *, sets: tuple[str, ...], until: str, origin: Origin | None) -> None:
    configs = _configs(sets, base="" if origin else "base")
    base = origin.name if origin else ""
    stages = {name: _stage(folder, name, configs[name], base=base) for name in NAMES}
    run.write(folder, recipe="tiny", stages=list(stages.values()), plan="0" * 64)
    done = NAMES[: NAMES.index(until) + 1]
    for name in done:
        stages[name].write()
        outputs, facts = _fill(stages[name], sets=sets, origin=origin)
        _finish(stages[name], outputs=outputs, facts=facts)


def _configs(sets: tuple[str, ...], *, base: str) -> dict[str, dict[str, Any]]:
    return {
        "data": {"kind": "prepare", "cards": list(sets), "image_size": 56, "questions": {}},
        "base": {"kind": "build", "corpus": "data"},
        "instruct": tiny.sft(base=base),
        "rl": tiny.grpo(base="instruct", data=[{"corpus": "data"}]),
        "evaluate": {"kind": "evaluate", "models": ["instruct", "rl"], "corpus": "data", "max_completion": 8},
        "export": {"kind": "export", "model": "rl", "results": "evaluate"},
    }


PARENTS: Mapping[str, tuple[str, ...]] = {
    "data": (),
    "base": ("data",),
    "instruct": ("base", "data"),
    "rl": ("instruct", "data"),
    "evaluate": ("instruct", "rl", "data"),
    "export": ("rl", "evaluate"),
}


def _stage(folder: Path, name: str, config: dict[str, Any], *, base: str) -> Stage:
    parents = {each: folder / f"{each}-tiny" for each in PARENTS[name]}
    made = tiny.make_stage(folder, name, config, parents=parents, model={**tiny.MODEL, "base": base})
    # A path of this machine, that no paper may tell.
    changes = {
        "folder": str(folder / f"{name}-tiny"),
        "content": name.ljust(64, "0"),
        "run": "tiny",
        "version": "0.3.0",
    }
    return made.model_copy(update=changes)


def _fill(stage: Stage, *, sets: tuple[str, ...], origin: Origin | None) -> tuple[list[str], Facts]:
    if stage.name == "data":
        return ["corpus"], _corpus(stage.path / "corpus", sets)
    if stage.name in ("instruct", "rl"):
        (stage.path / "model").mkdir(parents=True)
        (stage.path / "model" / "model.safetensors").write_bytes(b"weights of " + stage.name.encode())
        line = {"step": 12, "seconds": 30.0, "loss": 0.5}
        (stage.path / "ledger.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        told = (
            {FACT: origin.model_dump(mode="json", exclude_defaults=True)}
            if origin and stage.name == "instruct"
            else {}
        )
        return ["model", "ledger.jsonl"], {"steps": 12, "parameters": {"language_model": 1000}, **told}
    if stage.name == "evaluate":
        return ["results.json", "predictions"], _evaluation(stage, sets)
    if stage.name == "export":
        (stage.path / "export").mkdir(parents=True)
        (stage.path / "export" / "model.safetensors").write_bytes(b"weights")
        (stage.path / "export" / "config.json").write_text("{}\n", encoding="utf-8")
        return ["export"], {"model": "rl"}
    return [], {}


def _corpus(folder: Path, sets: tuple[str, ...]) -> Facts:
    """Of each set four rows of training, two of a patient, and two held out of another; every picture is asked about twice."""
    rows = []
    for place, name in enumerate(sets):
        for number in range(6):
            picture = Image.new("RGB", (56, 56), (40 * place, 30 * (number // 2), 90))
            rows.append((_sample(name, number), (picture,)))
    summary = tiny.write_corpus(folder, rows)
    digests = {name: cards.load(name).digest for name in sets}
    licences = {name: cards.load(name).lingshu.licence.id for name in sets}
    refused = {"refused": {"too_small": 3}, "skipped": {sets[0]: {"no answer": 2}}}
    return {**summary.facts(), "licences": licences, **refused, manifest.CARDS: digests}


def _sample(name: str, number: int) -> Sample:
    return Sample(
        id=f"{name}-{number}",
        card=name,
        split="train" if number < 4 else "held_out",
        task="vqa",
        question=f"Where is {SECRET}?",
        question_type="short",
        answer="left",
        modality="ct",
        group=f"patient-{'a' if number < 4 else 'b'}",
    )


def _evaluation(stage: Stage, sets: tuple[str, ...]) -> Facts:
    tables, by_card = {}, {}
    for model, right in (("instruct", 1), ("rl", 2)):
        judged = [
            Judged(
                sample=_sample(name, number),
                prompt=f"Where is {SECRET}?",
                completion=Completion(text="left"),
                verdict=Verdict(
                    correct=number - 4 < right,
                    status="right" if number - 4 < right else "wrong",
                    rule="tag",
                    extracted="left",
                ),
            )
            for name in sets
            for number in (4, 5)
        ]
        results.write_predictions(stage.path, model, judged)
        tables[model] = evaluation.table(judged)
        by_card[model] = leaked.by_card(judged, leaked.Leaked((True, *(False,) * (len(judged) - 1))))
    results.write(stage.path, Results(models=tables, cards=by_card))
    return {
        "samples": 2 * len(sets),
        "decoding": "greedy, at most 8 tokens",
        "policy": "lenient",
        "verifier": "1.0",
    }


def _finish(stage: Stage, *, outputs: list[str], facts: Facts) -> None:
    here = Environment(
        python="3.11.9",
        packages={"torch": "2.13.0+cpu", "transformers": "5.23.0"},
        machine="x86_64",
        processor="made-up processor",
        device="cpu",
        world_size=1,
        threads=1,
        commit="0" * 40,
        uncommitted_changes=False,
    )
    manifest.write(stage, ran_on=here, results=facts, outputs=outputs, seconds=41.5)
    path = stage.path / manifest.NAME
    fixed = {
        "finished": FINISHED,
        "peak_memory_mib": 100,
        "installed": {
            "numpy": {"version": "2.4.6", "licence": "BSD-3-Clause"},
            "packaging": {"version": "26.0", "licence": "Apache-2.0 OR BSD-2-Clause"},
            "torch": {"version": "2.13.0+cpu", "licence": "BSD"},
        },
    }
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **fixed})
