"""Draws and greedy answers of the package, from models whose folders ask to be decoded in other ways, and the oracle's own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rewarding
import tiny
import torch
from independent import chances, policy, qwen
from layouts import once
from material import Material, Run

from lingshu_train import evaluation, rollouts
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.evaluation.asking import prompts
from lingshu_train.model.settings import Settings
from lingshu_train.record import Completion, Sampling
from lingshu_train.schema import parse

POISON = {
    "do_sample": True,
    "repetition_penalty": 1.5,
    "temperature": 1e-6,
    "top_k": 1,
    "top_p": 0.001,
    "no_repeat_ngram_size": 2,
}
"""How a model's folder may ask to be decoded. None of it may reach a rollout or an answer."""
TEMPERATURE = 1.3
LEAD = 1e-4
"""Of the likeliest token over the next, in logits, above which rounding cannot turn them."""


def settled(given: Material, folder: Path, settings: dict[str, Any], *, source: str) -> Path:
    """A stage's folder whose model is another's, with settings of generation of its own."""

    def copy(place: Path) -> None:
        shutil.copytree(given.root / source / "model", place / "model")
        path = place / "model" / "generation_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    return once(folder, copy)


def trained(given: Material, base: Path, where: Path, **changes: Any) -> Run:
    """A GRPO stage from another base."""
    stage = given.stage(where, rewarding.recipe(base=base.name, **changes))
    stage.parents[base.name] = str(base)
    return given.run_stage(stage)


@dataclass(frozen=True)
class Drawn:
    """How often each token came first, and the logits that it was drawn from."""

    counts: np.ndarray
    logits: torch.Tensor
    picture_token: int

    def agreement(self, temperature: float) -> float:
        """A p value. A policy never writes the mark of a picture, for which it has no pixels."""
        found = torch.softmax(self.logits / temperature, dim=0)
        found[self.picture_token] = 0
        return chances.agreement(self.counts, (found / found.sum()).numpy())

    def apart(self) -> dict[str, float]:
        return {
            "draws": int(self.counts.sum()),
            "tokens": int((self.counts > 0).sum()),
            "p": round(self.agreement(TEMPERATURE), 4),
            "p_if_5_percent_hotter": round(self.agreement(1.05 * TEMPERATURE), 8),
        }


def drawn(given: Material, folder: Path, *, draws: int) -> Drawn:
    """First tokens of many completions of one prompt with a picture, in GRPO's own rollouts."""
    run = trained(
        given,
        settled(given, folder / "oracle-poisoned-warm", POISON, source="warm"),
        folder / f"oracle-drawn-{draws}",
        group_size=draws,
        rollout_prompts=1,
        update_prompts=1,
        per_device_batch=draws // 10,
        max_completion=1,
        steps=1,
        save_every=1,
        temperature=TEMPERATURE,
    )
    window = run.records[0]["windows"][0]
    prompt = given.reader().prompt(given.rows("short")[window["rows"][0]])
    model, weights = given.model("warm")
    scores = qwen.logits(model, weights, prompt)[-1].detach()
    counts = np.bincount([ids[0] for ids in window["ids"]], minlength=len(scores))
    return Drawn(counts, scores, prompt.picture_token)


def answers(given: Material, base: Path, name: str, *, rows: int, batch: int, most: int) -> list[Completion]:
    """Greedy answers to a corpus's first rows, as evaluation has them."""
    found = corpus.load(given.root / name / "corpus", split="train")
    settings = parse(Settings, tiny.MODEL, where="model", error=RecipeError)
    weights = rollouts.Weights(source=str(base / "model"), settings=settings)
    asking = evaluation.Asking(sampling=Sampling(max_tokens=most))
    with rollouts.start("transformers", {"batch": batch}, where="test", weights=weights) as engine:
        return list(engine.answer(prompts(found.samples[:rows], found.image, asking), asking.sampling))


def greedy(given: Material, folder: Path, *, rows: int, most: int) -> dict[str, Any]:
    """Answers of a taught and of a random model to rows of both corpora: how many there are, how many could be compared (no two
    tokens nearer than LEAD), and which differ from the oracle's."""
    asked, compared, differ, smallest = 0, 0, [], float("inf")
    reader = given.reader()
    end = reader.words.token_to_id("<|im_end|>")
    for source in ("warm", "base"):
        base = settled(given, folder / f"oracle-poisoned-{source}", POISON, source=source)
        model, weights = given.model(source)
        for name in ("mixed", "short"):
            told = answers(given, base, name, rows=rows, batch=7, most=most)
            for row, one in zip(given.rows(name), told, strict=False):
                own, lead = policy.greedy(model, weights, reader.prompt(row), ends=[end], most=most)
                asked += 1
                if lead <= LEAD:
                    continue
                compared, smallest = compared + 1, min(smallest, lead)
                same = list(one.token_ids) == own and one.truncated == (own[-1] != end)
                differ += [] if same else [f"{source} {row.data['id']}"]
    return {
        "answers": asked,
        "compared": compared,
        "smallest_lead": float(f"{smallest:.2g}"),
        "differ": differ,
    }
