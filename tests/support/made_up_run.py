"""A run folder made with the package's own records: what training would leave, without the training."""

from __future__ import annotations

import importlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tiny
from PIL import Image, ImageDraw

from lingshu_train import evaluation
from lingshu_train.data.corpus.writer import Kept, Writer
from lingshu_train.kind import About
from lingshu_train.naming import digest
from lingshu_train.record import Completion, Judged, Sample, Verdict
from lingshu_train.runs import manifest, results, run
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.ledger import Ledger
from lingshu_train.runs.manifest import Environment
from lingshu_train.runs.results import Results, Rollout
from lingshu_train.runs.stage import Stage

KINDS = {
    "prepare": "prepare",
    "shallow": "sft",
    "deep": "sft",
    "instruct": "sft",
    "grpo": "grpo",
    "evaluate": "evaluate",
    "export": "export",
}
PARENTS = {
    "prepare": (),
    "shallow": ("prepare",),
    "deep": ("shallow", "prepare"),
    "instruct": ("deep", "prepare"),
    "grpo": ("instruct", "prepare"),
    "evaluate": ("shallow", "deep", "instruct", "grpo", "prepare"),
    "export": ("grpo", "evaluate"),
}
TRAINED = ("shallow", "deep", "instruct", "grpo")
TASKS = {"modality": ("CT", "MR", "US"), "lesion_count": ("1", "2", "3"), "lesion_side": ("left", "right")}
ACCURACY = {"shallow": 0.36, "deep": 0.52, "instruct": 0.74, "grpo": 0.88}
CARD = """---
pretty_name: {title}
license: {licence}
language: [en]
lingshu:
  source: {{kind: package, name: pydicom_data, revision: 1.0.0}}
  access: {access}
  licence: {{id: {licence}, redistribute: true, derive_weights: {derive}, commercial: {commercial}}}
  role: demonstration
  modality: [ct]
  format: package_images
---

# {title}
"""


def card(
    folder: Path,
    name: str,
    *,
    access: str = "open",
    derive: str = "true",
    commercial: str = "true",
    licence: str = "MIT",
) -> None:
    """A data card; `derive` and `commercial` are YAML words (true, false, null)."""
    folder.mkdir(exist_ok=True)
    title = name.replace("_", " ").capitalize()
    text = CARD.format(title=title, access=access, derive=derive, commercial=commercial, licence=licence)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")


TAUGHT = {"scans": {"rows": 400, "answers": 1150, "tokens": 91000, "taught": 20500}}


def build(
    folder: Path, *, until: str = "export", cards: Sequence[str] = ("scans",), questions: int = 120
) -> Path:
    """A run whose stages up to and including `until` are done, and whose next stage has only begun."""
    names = list(KINDS)
    stages = [_stage(folder, name, cards=cards) for name in names]
    run.write(folder, recipe="made_up", stages=stages, plan=digest([stage.content for stage in stages]))
    done = names[: names.index(until) + 1]
    for stage in stages[: len(done) + 1]:
        stage.write()
    rng = random.Random(7)
    pictures = _pictures(folder / stages[0].path.name, count=12)
    for stage in stages[: len(done)]:
        outputs = _fill(stage, rng, pictures=pictures, questions=questions)
        facts = (
            {
                "rows": 400,
                "refused": {"too_small": 3},
                "unknown_modalities": {"adaptive optics": 7},
                "cards": {"scans": 400},
                "answers": {"scans": 1150},
                "skipped": {"scans": {"no answer": 1234}},
                "notes": {"scans": {"an opening answer": 5}},
            }
            if stage.kind == "prepare"
            else {"steps": 60, **({"taught": TAUGHT} if stage.kind == "sft" else {})}
        )
        manifest.write(stage, ran_on=_environment(), results=facts, outputs=outputs, seconds=41.5)
    following = stages[len(done) : len(done) + 1]
    if following and following[0].name in TRAINED:
        _ledger(following[0], rng, steps=13)
        with (following[0].path / "ledger.jsonl").open("a", encoding="utf-8") as stream:
            stream.write('{"step": 14, "lo')
    return folder


def _stage(folder: Path, name: str, *, cards: Sequence[str]) -> Stage:
    kind = KINDS[name]
    config: dict[str, Any] = {"kind": kind}
    if kind == "prepare":
        config |= {"cards": list(cards), "image_size": 112}
    if kind in ("sft", "grpo"):
        config |= {"train": ["language_model"], "learning_rate": {"language_model": 2e-3}, "global_batch": 16}
    content = digest([name, config])
    parents = {each: str(folder / f"{each}-{digest(each)[:12]}") for each in PARENTS[name]}
    return Stage(
        run="made_up",
        name=name,
        kind=kind,
        content=content,
        folder=str(folder / f"{name}-{digest(name)[:12]}"),
        parents=parents,
        about=_about(kind, config, base=next((each for each in PARENTS[name] if each in TRAINED), "")),
        config=config,
        model={"family": "qwen2_5_vl", "base": "", "dtype": "float32"},
        cluster=Cluster(name="local"),
        world_size=1,
        seed=1,
        data_root="data",
        version="0.1.0",
    )


def _about(kind: str, config: dict[str, Any], *, base: str) -> About:
    """What the real kind says of its stages, of a configuration that it would not take."""
    real = importlib.import_module(f"lingshu_train.stages.{kind}.config").Config
    return About(
        role=real.role,
        method=real.method,
        cards=tuple(config.get("cards", ())),
        trains=tuple(config.get("train", ())),
        starts_from=base,
        charts=real.charts,
    )


def _environment() -> Environment:
    return Environment(
        python="3.11.9",
        packages={"torch": "2.13.0", "transformers": "5.23.0"},
        machine="x86_64",
        processor="made-up processor",
        device="cpu",
        world_size=1,
        threads=2,
        commit="0" * 40,
        uncommitted_changes=False,
    )


def _fill(stage: Stage, rng: random.Random, *, pictures: Sequence[str], questions: int) -> list[str]:
    if stage.kind == "prepare":
        return ["corpus"]
    if stage.kind in ("sft", "grpo"):
        _ledger(stage, rng, steps=160 if stage.kind == "grpo" else 120)
        if stage.kind == "grpo":
            _completions(stage, rng, pictures=pictures)
        return ["ledger.jsonl"]
    if stage.kind == "evaluate":
        _evaluation(stage, rng, pictures=pictures, questions=questions)
        return ["results.json", "predictions"]
    _export(stage.path / "export")
    return ["export"]


def _pictures(folder: Path, *, count: int) -> list[str]:
    """Grey discs with noise, stored as the prepare stage stores them: by the sha256 of the file."""
    writer, found = Writer(folder / "corpus"), []
    for number in range(count):
        noise = np.random.default_rng(number).normal(40, 14, (112, 112)).clip(0, 255).astype("uint8")
        image = Image.fromarray(noise)
        ImageDraw.Draw(image).ellipse((20, 16, 92, 100), fill=110 + 8 * number, outline=220)
        stored = tiny.png(image)
        sample = Sample(
            id=str(number),
            card="scans",
            split="train",
            task="modality",
            question="?",
            question_type="free",
            answer="CT",
        )
        writer.add([Kept(sample=sample, pictures=(stored,))])
        found.append(stored.digest)
    writer.finish(licences={}, budget=tiny.BUDGET)
    return found


def _ledger(stage: Stage, rng: random.Random, *, steps: int) -> None:
    lines = Ledger(stage.path)
    text = []
    for step in range(1, steps + 1):
        loss = 2.4 * math.exp(-step / 35) + 0.35 + rng.gauss(0, 0.06)
        values: dict[str, object] = {
            "loss": loss,
            "grad_norm": 1 + rng.random(),
            "tokens": 900,
            "epoch": step / 60,
        }
        if stage.name == "instruct" and step % 10 == 0:
            values |= {"held_out/loss": loss + 0.05}
        if stage.name == "deep":
            values |= {
                "learning_rate/language_model": 1e-3,
                "learning_rate/vision_tower": 2e-4 * step / steps,
            }
        else:
            values |= {"learning_rate": 2e-3 * min(1, step / 10)}
        if stage.kind == "grpo":
            reward = 0.72 + 0.2 * (1 - math.exp(-step / 50)) + rng.gauss(0, 0.05)
            values |= {"reward": reward, "reward_std": 0.3 * math.exp(-step / 90), "kl": step * 1e-4}
            values |= {"entropy": 0.9 * math.exp(-step / 70), "clipped": min(0.2, step * 2e-3)}
            values |= {"reward/accuracy": reward - 0.05, "reward/format": min(1.0, 0.9 + step * 1e-3)}
            values |= {"reward/unscored": 0.0}
            unreadable = rng.randrange(2) / 16
            right = min(1 - unreadable, round(16 * reward) / 16)
            values |= {
                "status/right": right,
                "status/wrong": 1 - right - unreadable,
                "status/no_answer": unreadable,
            }
            values |= {"completion_length": 11 + rng.random()}
            values |= {"held_out/accuracy": 0.5} if step % 40 == 0 else {}
        text.append(json.dumps({"step": step, "seconds": 0.3, **values}, sort_keys=True))
    lines.path.write_text("\n".join(text) + "\n", encoding="utf-8")


def _completions(stage: Stage, rng: random.Random, *, pictures: Sequence[str]) -> None:
    for step in (4, 80, 160):
        asked = _rollout(step, image=pictures[step % len(pictures)])
        kept = []
        for copy in range(4):
            right = rng.random() < 0.4 + step / 320
            said = f"<think>the bright area lies {'right' if copy else 'here'}</think><answer>{'left' if right else 'right'}</answer>"
            status = "right" if right else "wrong"
            kept.append(
                replace(
                    asked,
                    completion=said,
                    status=status,
                    reward=0.5 + right,
                    terms={"accuracy": float(right), "format": 1.0},
                )
            )
        unusual = replace(
            _rollout(step + 1), completion="<answer>left, since it is brighter</answer>", step=step
        )
        results.keep(stage.path, [*kept, replace(unusual, why="tag:mcq.text_because")])


def _rollout(number: int, *, image: str = "") -> Rollout:
    return Rollout(
        step=number,
        id=f"scans-{number}",
        card="scans",
        task="lesion_side",
        question="Which side is the lesion on?",
        answer="left",
        completion="",
        status="right",
        reward=1.0,
        image=image,
    )


def _evaluation(stage: Stage, rng: random.Random, *, pictures: Sequence[str], questions: int) -> None:
    models = {}
    luck = [rng.random() for _ in range(questions)]
    for model in TRAINED:
        judged = [_judged(number, luck[number], model, pictures=pictures) for number in range(questions)]
        results.write_predictions(stage.path, model, judged)
        models[model] = evaluation.table(judged)
    results.write(stage.path, Results(models=models))


def _judged(number: int, luck: float, model: str, *, pictures: Sequence[str]) -> Judged:
    task = list(TASKS)[number % len(TASKS)]
    answers = TASKS[task]
    answer = answers[number // 3 % len(answers)]
    correct = luck < ACCURACY[model] if number % 17 else luck > ACCURACY[model] / 2
    said = answer if correct else answers[(number // 3 + 1) % len(answers)]
    status = "right" if correct else ("no_answer" if number % 11 == 0 else "wrong")
    read = status != "no_answer"
    return Judged(
        sample=Sample(
            id=f"scans-{number:04d}",
            card="scans",
            split="held_out",
            task=task,
            modality="CT",
            question=f"What is the {task.replace('_', ' ')} <here> & now?",
            question_type="short",
            options={"A": answers[0], "B": answers[1]} if task == "lesion_side" else {},
            answer=answer,
            images=(pictures[number % len(pictures)],),
        ),
        prompt=f"<|im_start|>user\n<image>\nWhat is the {task}?<|im_end|>",
        completion=Completion(text=f"<answer>{said}</answer>" if read else "it is hard to say"),
        verdict=Verdict(correct=correct, status=status, rule="tag", extracted=said if read else ""),
    )


def _export(folder: Path) -> None:
    """The files of an exported model, with real safetensors bytes, small."""
    folder.mkdir()
    header = json.dumps({"weight": {"dtype": "F32", "shape": [64, 64], "data_offsets": [0, 16384]}}).encode()
    numbers = np.random.default_rng(3).normal(size=(64, 64)).astype("<f4").tobytes()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + numbers)
    for name in ("config", "generation_config", "tokenizer", "tokenizer_config", "preprocessor_config"):
        (folder / f"{name}.json").write_text(json.dumps({"name": name}) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{{ messages }}\n", encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A model\n", encoding="utf-8")
