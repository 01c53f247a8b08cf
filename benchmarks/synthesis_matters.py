"""Whether synthesis matters: questions by templates, against templates and questions that a teacher wrote, on equal compute.

    python benchmarks/synthesis_matters.py --work FOLDER [--seeds 5]

The teacher is a script and has the truth of each picture, which no teacher has: it writes a question of a caption, and errs as
stated (`WRONG`, `GUESSED`, `BROKEN`). So does who checks (`MISSED`). The stage `synthesize` with the pipeline `vqa_instruct` does
all else. What the checks keep of sound and of bad questions is counted. Then three trainings of the same number of steps, from
nothing: templates alone (is there a lesion, how many), with all questions that were written, and with those that passed the checks;
measured on held-out questions by templates, of the two tasks that were taught so and of two (size, shade) that were not.

Each training is kept in FOLDER; the same command goes on. The result is benchmarks/results/synthesis_matters.json.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import mattering
import numpy as np
from mattering import HERE, Row

import circumstances  # isort: skip
import pyarrow.parquet as pq  # isort: skip
import teaching  # isort: skip
from curating import caption  # isort: skip

from lingshu_train.data.corpus import corpus

RESULT = HERE / "results" / "synthesis_matters.json"
WRONG, GUESSED, BROKEN, MISSED = 0.2, 0.1, 0.05, 0.1
"""Shares: of questions whose right answer is wrong, that nobody needs the picture for, that are no JSON; of looks of the checker that
miss."""
TEMPLATES, CAPTIONS, ASKED = 150, 200, 50
"""Rows by templates of each of two tasks, captions, and held-out questions of each of four tasks."""
ARMS = ("templates", "all written", "checked")
KINDS = {"size": ("small", "large"), "shade": ("bright", "dark")}
ASK = {
    "size": (
        "How big is the lesion?",
        "What is the size of the lesion?",
        "Which size has what is seen here?",
    ),
    "shade": ("How does the lesion look beside what is around it?", "Which shade has the lesion?"),
}
EASY = "Which of these is a disease of the lung?"


class Teacher:
    """What a picture shows stands in its caption; who has none looks it up by the picture's hash, and misses sometimes."""

    def __init__(self, truth: dict[str, tuple[str, str]]) -> None:
        self.truth = truth
        self.written: dict[str, str] = {}

    def __call__(self, asked: teaching.Asked) -> teaching.Reply:
        step = asked.body["response_format"]["json_schema"]["name"]
        draw = random.Random(hashlib.sha256(f"{asked.text}{asked.pictures}".encode()).digest())
        if step == "ask":
            return self._written(asked, draw)
        letters = dict(re.findall(r"^([A-E])[.):] (.+)$", asked.text, re.MULTILINE))
        return json.dumps({"answer": self._chosen(asked, letters, draw)})

    def _written(self, asked: teaching.Asked, draw: random.Random) -> str:
        kind, said = self._facts(asked)
        other = next(one for one in KINDS[kind] if one != said)
        luck, name = draw.random(), _digest(asked.pictures[0])
        question = draw.choice(ASK[kind])
        self.written[name] = "sound"
        if luck < WRONG:
            said, other, self.written[name] = other, said, "wrong"
        elif luck < WRONG + GUESSED:
            question, said, other, self.written[name] = EASY, "pneumonia", "gout", "guessable"
        elif luck < WRONG + GUESSED + BROKEN:
            self.written[name] = "no JSON"
            return "I would ask: " + question
        return json.dumps({"mismatch": False, "question": question, "answer": said, "wrong": [other]})

    def _chosen(self, asked: teaching.Asked, letters: dict[str, str], draw: random.Random) -> str:
        if EASY in asked.text:
            return next(letter for letter, text in letters.items() if text == "pneumonia")
        if not asked.pictures:
            return draw.choice(sorted(letters))
        _, truth = self.truth[_digest(asked.pictures[0])]
        right = draw.random() >= MISSED
        return next(letter for letter, text in letters.items() if (text == truth) == right)

    def _facts(self, asked: teaching.Asked) -> tuple[str, str]:
        return self.truth[_digest(asked.pictures[0])]


def _digest(url: str) -> str:
    return hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--checks-only", action="store_true", help="train nothing")
    parser.add_argument("--write", action="store_true", help="write the result of what is there")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    lines, kept = given.work / "synthesis.jsonl", given.work / "checks.jsonl"
    base = mattering.quickstart(given.work / "quickstart")
    for seed in range(0 if given.write else given.seeds):
        here = {(line["arm"], line["seed"]) for line in mattering.kept(lines)}
        left = [arm for arm in ARMS if (arm, seed) not in here and not given.checks_only]
        if left or all(line["seed"] != seed for line in mattering.kept(kept)):
            one_seed(base, given.work / f"synthesis-{seed}", seed, lines=lines, kept=kept, arms=left)
    write(mattering.kept(lines), mattering.kept(kept))


def one_seed(base: corpus.Corpus, root: Path, seed: int, *, lines: Path, kept: Path, arms: list[str]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    draw = np.random.default_rng(seed)
    where = mattering.numbers(base)
    some = {
        task: [mattering.row(base, n) for n in draw.permutation(where["train", task])]
        for task in mattering.TASKS
    }
    captions, facts = captioned(
        [*some["lesion_size"][: CAPTIONS // 2], *some["lesion_shade"][: CAPTIONS // 2]]
    )
    parents = {
        "templates": mattering.prepared(
            root, "templates", [one for task in mattering.TASKS[:2] for one in some[task][:TEMPLATES]]
        ),
        "captions": mattering.prepared(root, "captions", captions),
        "asked": mattering.prepared(
            root,
            "asked",
            [
                mattering.row(base, n)
                for task in mattering.TASKS
                for n in draw.permutation(where["held_out", task])[:ASKED]
            ],
        ),
    }
    made = written(root, parents["captions"], facts)
    if all(line["seed"] != seed for line in mattering.kept(kept)):
        mattering.keep(kept, {"seed": seed, **made[1]})
    for arm in arms:
        corpora = {
            "templates": parents["templates"],
            **({} if arm == "templates" else {"made": made[0][arm]}),
        }
        model = mattering.trained(root, f"{arm.replace(' ', '_')}-model", corpora, seed=seed)
        right = mattering.answered(root, model, parents["asked"])
        told = {
            task: mattering.percent([flag for id, flag in right.items() if f"/{task}/" in id])
            for task in mattering.TASKS
        }
        told["taught by templates"] = mattering.percent(
            [flag for id, flag in right.items() if re.search("present|count", id)]
        )
        told["not taught by templates"] = mattering.percent(
            [flag for id, flag in right.items() if re.search("size|shade", id)]
        )
        mattering.keep(lines, {"arm": arm, "seed": seed, **told})
    shutil.rmtree(root)


def captioned(rows: list[Row]) -> tuple[list[Row], dict[str, tuple[str, str]]]:
    """A caption for each picture, and what it says: by the picture's name in a corpus."""
    found, facts = [], {}
    for sample, pictures in rows:
        kind = "size" if sample.task == "lesion_size" else "shade"
        said = sample.options[sample.answer]
        facts[mattering.tiny.png(pictures[0]).digest] = (kind, said)
        text = f"An image of the body in which a {said} lesion can be seen."
        found.append(
            caption(
                f"caption {sample.id}",
                text,
                *pictures,
                card="slake",
                group=sample.group,
                modality=sample.modality,
            )
        )
    return found, facts


def written(
    root: Path, captions: Path, facts: dict[str, tuple[str, str]]
) -> tuple[dict[str, Path], dict[str, Any]]:
    """The questions that were written, all and checked, and what became of each sort."""
    script = Teacher(facts)
    found: dict[str, Path] = {}
    with teaching.teaching(script) as teacher:
        for arm, action in (("checked", "drop"), ("all written", "off")):
            stage = teaching.stage(
                root / arm.replace(" ", "_"),
                captions,
                teacher,
                "vqa_instruct",
                params={"solved": action, "guessed": action},
                card="synth_vqa",
                cache=str(root / "replies.sqlite"),
            )
            facts_of = mattering.tiny.run_here(stage)
            mattering.tiny.finish(stage, outputs=["corpus", "made.parquet"])
            found[arm] = stage.path
            print(arm, facts_of["rows_kept"], flush=True)
    names = corpus.load(captions / "corpus")
    sort = {sample.id: script.written.get(sample.images[0], "?") for sample in names.samples}
    table = pq.read_table(found["checked"] / "made.parquet").to_pylist()
    totals = Counter(sort.values())
    kept = Counter(sort[line["parents"][0]] for line in table if line["status"] == "made")
    return found, {"written": dict(totals), "kept": dict(kept), "requests": len(teacher.asked)}


def write(lines: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
    totals, left = Counter[str](), Counter[str]()
    for line in kept:
        totals.update(line["written"])
        left.update(line["kept"])
    told = {
        **circumstances.told("torch", "transformers", "numpy"),
        "captions": sum(totals.values()),
        "errors": {"wrong": WRONG, "guessable": GUESSED, "no JSON": BROKEN, "checker misses": MISSED},
        "steps_of_training": mattering.STEPS,
        "batch": mattering.BATCH,
        "checks": {
            sort: {"written": count, "kept": left[sort], "share": round(left[sort] / count, 3)}
            for sort, count in sorted(totals.items())
        },
        **mattering.compared(
            lines, ARMS, ("taught by templates", "not taught by templates", *mattering.TASKS)
        ),
        "trainings": lines,
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in told.items() if key != "trainings"}, indent=1))


if __name__ == "__main__":
    main()
