"""The models of a recipe's stages on held-out samples: greedy answers, judged and counted per task."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lingshu_train import dist, evaluation, rollouts
from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.errors import DataError
from lingshu_train.evaluation import Asking, compare, leaked
from lingshu_train.evaluation.leaked import Leaked
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.record import Judged, Sampling
from lingshu_train.runs import results
from lingshu_train.runs import stage as stages
from lingshu_train.runs.results import ALL, Accuracy, CardAccuracy, Results
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.evaluate.config import BASE, Config
from lingshu_train.training import arguments
from lingshu_train.verify import Policy, version


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `results.json` and `predictions/<model>.jsonl`. Tells the overall accuracy of each model."""
    found = corpus.load(stage.parent(config.corpus) / "corpus", split=config.split, tasks=config.tasks)
    held_out = withdrawn.left(stage, config.corpus, found)
    if not evaluation.judgeable(held_out.samples):
        raise DataError(
            f"stages.{stage.name}: no question of corpus {config.corpus!r}, split {config.split!r}, that a rule can judge; "
            "name other tasks"
        )
    tables: dict[str, dict[str, Accuracy]] = {}
    by_card: dict[str, dict[str, CardAccuracy]] = {}
    untold: list[str] = []
    for name in config.asked:
        judged = _answers(stage, config, settings, name, held_out)
        tables[name] = evaluation.table(judged)
        if dist.place().first:
            results.write_predictions(stage.path, name, judged)
            met = _leaked(stage, config, name, judged)
            by_card[name] = leaked.by_card(judged, met)
            untold += [met.fault] if met.fault else []
    measured = Results(models=tables, cards=by_card)
    if dist.place().first:
        results.write(stage.path, measured)
    accuracy = {name: table[ALL].accuracy for name, table in tables.items()}
    return {
        "samples": len(judged),
        **({"withdrawn": len(found) - len(held_out)} if len(found) > len(held_out) else {}),
        "decoding": f"greedy, at most {config.max_completion} tokens, no setting of the model's own",
        **({"engine": config.rollouts.engine} if config.rollouts.engine != rollouts.OURS else {}),
        "policy": config.policy,
        "verifier": version(),
        "accuracy": accuracy,
        "leaks": list(measured.leaks),
        "warnings": [*_warnings(stage, config, accuracy), *untold],
    }


def _answers(
    stage: Stage, config: Config, settings: Settings, name: str, held_out: corpus.Corpus
) -> tuple[Judged, ...]:
    """Of one model, which is let go of before the next is opened."""
    kind = arguments.device(stage)
    from_hub = config.with_base and name == BASE
    weights = rollouts.Weights(
        source=settings.base if from_hub else str(stage.parent(name) / "model"),
        revision=settings.revision or None if from_hub else None,
        settings=settings,
        device=f"cuda:{dist.place().local_rank}" if kind == "cuda" else "cpu",
    )
    asking = Asking(
        sampling=Sampling(max_tokens=config.max_completion, seed=stage.seed),
        policy=Policy(config.policy),
        system=settings.system_prompt,
        title=f"evaluate {name}",
    )
    where = f"stages.{stage.name}.rollouts"
    with rollouts.start(config.rollouts.engine, config.engine_params, where=where, weights=weights) as engine:
        return evaluation.evaluate(engine, held_out.samples, held_out.image, asking)


def _leaked(stage: Stage, config: Config, name: str, judged: Sequence[Judged]) -> Leaked:
    """Which questions ask about what a model was trained on; the model that the recipe starts from has learned nothing here."""
    samples = [one.sample for one in judged]
    if config.with_base and name == BASE:
        return Leaked((False,) * len(samples))
    return leaked.of(stages.read(stage.parent(name) / "stage.json"), samples)


def _warnings(stage: Stage, config: Config, accuracy: dict[str, float]) -> list[str]:
    trained = (stages.read(stage.parent(name) / "stage.json") for name in config.models)
    # A stage that starts from the recipe's own model names no stage.
    known = accuracy | ({"": accuracy[BASE]} if config.with_base else {})
    found = [line for one in trained if (line := compare.alarm(one, known))]
    if dist.place().first:
        for line in found:
            sys.stderr.write(f"lingshu: {line}\n")
    return found
