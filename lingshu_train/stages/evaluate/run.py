"""The models of a recipe's stages on held-out samples: greedy answers, judged and counted per task."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

from lingshu_train import dist, evaluation, rollouts
from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.errors import DataError
from lingshu_train.evaluation import Asking, compare, leaked
from lingshu_train.evaluation.answered import answered
from lingshu_train.evaluation.asking import Gallery
from lingshu_train.evaluation.benchmarks import showing, suite
from lingshu_train.evaluation.leaked import Leaked
from lingshu_train.kind import Facts
from lingshu_train.metrics import accuracy
from lingshu_train.model.settings import Settings
from lingshu_train.record import Completion, Judged, Sample, Sampling
from lingshu_train.runs import results
from lingshu_train.runs import stage as stages
from lingshu_train.runs.lines import Line
from lingshu_train.runs.results import ALL, Accuracy, CardAccuracy, Results
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.evaluate import benchmarks
from lingshu_train.stages.evaluate.benchmarks import Answered
from lingshu_train.stages.evaluate.config import BASE, Config
from lingshu_train.training import arguments
from lingshu_train.verify import Policy, version

_TOGETHER = 256
"""Questions of one call of an engine that does not say how many it takes."""


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `results.json` and `predictions/<model>.jsonl`. Tells the overall accuracy of each model."""
    found = corpus.load(stage.parent(config.corpus) / "corpus", split=config.split, tasks=config.tasks)
    held_out = withdrawn.left(stage, config.corpus, found)
    if not evaluation.judgeable(held_out.samples):
        raise DataError(
            f"stages.{stage.name}: no question of corpus {config.corpus!r}, split {config.split!r}, that a rule can judge, "
            f"all {len(held_out)} are free text; name other tasks or another split, or measure reports with "
            "`lingshu eval RUN/STAGE --benchmarks reports`"
        )
    asked = _asked(config, held_out)
    tables: dict[str, dict[str, Accuracy]] = {}
    by_card: dict[str, dict[str, CardAccuracy]] = {}
    lines: dict[str, tuple[Line, ...]] = {}
    untold: list[str] = []
    for name in config.asked:
        completions = _answers(stage, config, settings, name, Asked(asked, held_out.image))
        judged = evaluation.judged(asked, completions, _asking(stage, config, settings, name))
        tables[name] = evaluation.table(judged)
        if dist.place().first:
            results.write_predictions(stage.path, name, judged)
            met = _leaked(stage, config, name, judged)
            by_card[name] = leaked.by_card(judged, met)
            untold += [met.fault] if met.fault else []
            lines[name] = benchmarks.lines(
                stage.path,
                Answered(
                    model=name,
                    samples=asked,
                    completions=completions,
                    gallery=held_out.image,
                    leaked=met,
                    stage=None if _from_hub(config, name) else stage.parent(name),
                ),
                config.split,
            )
    means = {name: told for name, each in lines.items() if (told := showing.means(each))}
    measured = Results(models=tables, cards=by_card, lines=lines, means=means)
    if dist.place().first:
        results.write(stage.path, measured)
        how: dict[str, JsonValue] = {
            "split": config.split,
            "policy": config.policy,
            "max_tokens": config.max_completion,
        }
        benchmarks.page(stage.path, asked, held_out.image, lines, how)
    reached = {name: table[ALL].accuracy for name, table in tables.items()}
    return {
        "samples": len(judged),
        **({"texts": texts} if (texts := len(asked) - len(judged)) else {}),
        **({"not_asked": left} if (left := len(held_out) - len(asked)) else {}),
        **({"withdrawn": len(found) - len(held_out)} if len(found) > len(held_out) else {}),
        "decoding": f"greedy, at most {config.max_completion} tokens, no setting of the model's own",
        **({"engine": config.rollouts.engine} if config.rollouts.engine != rollouts.OURS else {}),
        "policy": config.policy,
        "verifier": version(),
        "accuracy": reached,
        "leaks": list(measured.leaks),
        "warnings": [*_warnings(stage, config, reached), *untold],
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions, and what opens their pictures."""

    samples: Sequence[Sample]
    gallery: Gallery


def _asked(config: Config, held_out: corpus.Corpus) -> list[Sample]:
    """What a rule can judge, and free text of benchmarks or of a task that is named."""
    cards = {one.card for one in held_out.samples}
    wanted = {card for card in cards if suite.is_benchmark(card) and not suite.needs_judge(card)}
    return [
        one
        for one in held_out.samples
        if accuracy.applies(one) or one.card in wanted or one.task in config.tasks
    ]


def _from_hub(config: Config, name: str) -> bool:
    return config.with_base and name == BASE


def _asking(stage: Stage, config: Config, settings: Settings, name: str) -> Asking:
    batch = config.engine_params.get("batch")
    return Asking(
        sampling=Sampling(max_tokens=config.max_completion, seed=stage.seed),
        policy=Policy(config.policy),
        system=settings.system_prompt,
        title=f"evaluate {name}",
        together=batch if isinstance(batch, int) else _TOGETHER,
    )


def _answers(
    stage: Stage, config: Config, settings: Settings, name: str, asked: Asked
) -> tuple[Completion, ...]:
    """Of one model, which is let go of before the next is opened."""
    kind = arguments.device(stage)
    base = _from_hub(config, name)
    weights = rollouts.Weights(
        source=settings.base if base else str(stage.parent(name) / "model"),
        revision=settings.revision or None if base else None,
        settings=settings,
        device=f"cuda:{dist.place().local_rank}" if kind == "cuda" else "cpu",
    )
    opens = partial(
        rollouts.start,
        config.rollouts.engine,
        config.engine_params,
        where=f"stages.{stage.name}.rollouts",
        weights=weights,
    )
    asking = _asking(stage, config, settings, name)
    return answered(opens, asked.samples, asked.gallery, asking, stage.path / "answers" / name)


def _leaked(stage: Stage, config: Config, name: str, judged: Sequence[Judged]) -> Leaked:
    """Which questions ask about what a model was trained on; the model that the recipe starts from has learned nothing here."""
    samples = [one.sample for one in judged]
    if _from_hub(config, name):
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
