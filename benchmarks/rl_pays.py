"""Does reinforcement learning pay? Supervised steps on answers against GRPO, from one start, at equal labels and compute.

    python benchmarks/rl_pays.py --seeds 0 1 2 3 4        run what is missing, arm group by arm group, then record
    python benchmarks/rl_pays.py --record --seeds ...     record what is done

The recipes are in benchmarks/rl_pays/. Stages that are done are not run again, so that it may be killed and started again at any
time; the result is benchmarks/results/rl_pays.json, written anew after each run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import circumstances
from scipy.stats import t as student

from lingshu_train.runs import ledger, manifest, results, run
from lingshu_train.runs.stage import Stage

HERE = Path(__file__).parent
ROOM = HERE / "rl_pays"
RESULT = HERE / "results" / "rl_pays.json"
SHARED = ("known", "pool", "exam")
GROUPS: tuple[tuple[str, ...], ...] = (
    ("sft", "grpo", "pair"),
    ("sft_noise30", "grpo_noise30"),
    ("lenient", "dynamic", "by_difficulty", "selection"),
    ("sft_noise15", "grpo_noise15", "curriculum", "std"),
)
"""Arms in the order in which they are run: the later ones need the earlier ones to be read against."""
BEFORE = {
    "sft_noise15": "noise15",
    "grpo_noise15": "noise15",
    "sft_noise30": "noise30",
    "grpo_noise30": "noise30",
    "by_difficulty": "difficulty",
}
AGAINST: dict[str, tuple[tuple[str, str], ...]] = {
    "a, answers only": (("sft", "start"), ("grpo", "start"), ("grpo", "sft")),
    "c, wrong labels": (
        ("sft_noise15", "sft"),
        ("grpo_noise15", "grpo"),
        ("grpo_noise15", "sft_noise15"),
        ("sft_noise30", "sft"),
        ("grpo_noise30", "grpo"),
        ("grpo_noise30", "sft_noise30"),
    ),
    "d, which prompts": (
        ("dynamic", "grpo"),
        ("by_difficulty", "grpo"),
        ("curriculum", "grpo"),
        ("selection", "grpo"),
        ("dynamic", "selection"),
        ("by_difficulty", "selection"),
    ),
    "e, lenient match": (("lenient", "grpo"),),
    "f, pairs": (("pair", "grpo"), ("pair", "sft")),
    "loss": (("std", "grpo"),),
}
SETS = ("", "_seen", "_reworded", "_wide", "_blank")
"""Suffixes of tasks: other volumes, those trained on, other words, 84 pixels, no picture."""
TASKS = ("two_more", "two_larger_side", "two_enough", "two_mostly_bright")
FORWARD, TRAINED = 1, 3
"""Passes that a token costs: forward where it is drawn or read, forward and backward where it is trained."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, default=Path("runs/rl_pays"))
    parser.add_argument(
        "--corpora", type=Path, help="a finished run of corpora.yaml; without it one is made below --runs"
    )
    parser.add_argument("--groups", nargs="*", type=int, default=list(range(len(GROUPS))))
    parser.add_argument("--record", action="store_true", help="record what is done, run nothing")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    told = circumstances.told("torch", "transformers", "trl")
    runs = arguments.runs.resolve()
    if not arguments.record:
        corpora = arguments.corpora or runs / "corpora"
        if arguments.corpora is None:
            _start(["corpora.yaml", f"output={corpora}"])
        shared = {name: _folder(corpora, name) / "corpus" for name in SHARED}
        for group in arguments.groups:
            for seed in arguments.seeds:
                _start(_seed(runs, seed, GROUPS[group], shared))
                record(runs, arguments.seeds, told, arguments.out)
    record(runs, arguments.seeds, told, arguments.out)
    print("\n".join(tables(json.loads(arguments.out.read_text(encoding="utf-8")))))


def tables(data: dict[str, Any]) -> list[str]:
    """What docs/rl_pays.md shows of the result: means of each arm, and differences with their intervals."""
    columns = [f"{what}{suffix}" for suffix in SETS for what in ("accuracy", "flip")]
    lines = [
        f"| Arm | Seeds | {' | '.join(columns)} | M passes |",
        f"|---|---|{'---|' * (len(columns) + 1)}",
    ]
    for arm, one in data["means"].items():
        shown = [f"{100 * one[key]:.1f}" for key in columns]
        lines.append(f"| {arm} | {one['seeds']} | {' | '.join(shown)} | {one.get('megapasses', '')} |")
    wanted = ("accuracy", "flip", "accuracy_reworded", "accuracy_wide")
    lines += [
        "",
        f"| Question | Difference | Seeds | {' | '.join(wanted)} |",
        "|---|---|---|---|---|---|---|",
    ]
    for question, pairs in data["differences"].items():
        for name, one in pairs.items():
            shown = [_told(one[key]) for key in wanted]
            lines.append(f"| {question} | {name} | {one['seeds']} | {' | '.join(shown)} |")
    return lines


def _told(one: dict[str, float | None]) -> str:
    if one["low"] is None:
        return f"{one['points']:+.1f}"
    return f"{one['points']:+.1f} ({one['low']:.1f} to {one['high']:.1f})"


def _seed(runs: Path, seed: int, arms: Sequence[str], shared: dict[str, Path]) -> list[str]:
    before = list(dict.fromkeys(BEFORE[arm] for arm in arms if arm in BEFORE))
    trained = [name for arm in arms for name in (arm, f"e_{arm}")]
    pipeline = [*SHARED, "base", "start", "e_start", "answers", *before, *trained]
    return [
        "recipe.yaml",
        f"seed={seed}",
        f"output={runs / str(seed)}",
        f"pipeline=[{','.join(pipeline)}]",
        *(f"+stages.{name}.prepared={folder}" for name, folder in shared.items()),
    ]


def _start(arguments: Sequence[str]) -> None:
    recipe, *rest = arguments
    subprocess.run(
        [sys.executable, "-m", "lingshu_train", "run", str(ROOM / recipe), *rest],
        check=True,
        env={**os.environ, "LINGSHU_PLUGINS": str(ROOM)},
    )


def _folder(root: Path, name: str) -> Path:
    found = run.read(root)
    return found.folder(found.stage(name))


def record(runs: Path, seeds: Sequence[int], told: dict[str, Any], out: Path) -> None:
    """Everything that is done, seed by seed, and what of it differs."""
    each = {str(seed): _read(runs / str(seed)) for seed in seeds if (runs / str(seed)).is_dir()}
    data = {
        "what": "supervised steps on answers against GRPO from one start: greedy answers, strict verifier, shares of 1",
        **told,
        "ran_at_commits": _commits(runs),
        "passes_of_a_token": {"drawn": FORWARD, "trained": TRAINED},
        "not_measured": [
            arm for group in GROUPS for arm in group if not any(arm in one for one in each.values())
        ],
        "seeds": each,
        "means": _means(each),
        "differences": {
            question: {
                f"{arm} - {other}": _difference(each, arm, other)
                for arm, other in pairs
                if any(arm in one and other in one for one in each.values())
            }
            for question, pairs in AGAINST.items()
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_suffix(".tmp")
    beside.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(out)


def _commits(runs: Path) -> list[str]:
    """Of the checkouts that trained."""
    places = [*runs.glob("*/sft*/manifest.json"), *runs.glob("*/grpo*/manifest.json")]
    found = {manifest.read(place.parent).environment.commit or "not recorded" for place in places}
    return sorted(found)


def _read(root: Path) -> dict[str, Any]:
    """Of one seed what each arm that is measured has: every set of questions, and what was spent."""
    found: dict[str, Any] = {}
    for place in sorted(root.glob("e_*/manifest.json")):
        exam = manifest.read(place.parent).stage
        arm = exam.name.removeprefix("e_")
        figures = _figures(results.predictions(place.parent, arm))
        trained = next(iter(root.glob(f"{arm}-*/manifest.json")), None)
        found[arm] = (
            figures if trained is None else figures | _spent(root, manifest.read(trained.parent).stage)
        )
    return found


def _figures(answers: Any) -> dict[str, Any]:
    """Shares of right answers, and of pairs of which both halves are right."""
    rows = list(answers)
    found: dict[str, Any] = {}
    for suffix in SETS:
        names = {task + suffix for task in TASKS}
        own = [one for one in rows if one.task in names]
        found[f"accuracy{suffix}"] = round(statistics.mean(one.correct for one in own), 4)
        halves: dict[tuple[str, int], list[bool]] = {}
        for one in own:
            number = int(one.id.removesuffix(suffix).rpartition("/")[2])
            halves.setdefault((one.task, number // 2), []).append(one.correct)
        assert all(len(both) == 2 for both in halves.values())
        found[f"flip{suffix}"] = round(statistics.mean(all(both) for both in halves.values()), 4)
    for task in TASKS:
        found[task] = round(statistics.mean(one.correct for one in rows if one.task == task), 4)
    found["thinks"] = round(statistics.mean("<think>" in one.completion for one in rows), 4)
    return found


def _spent(root: Path, stage: Stage) -> dict[str, Any]:
    """Tokens drawn and trained, by the ledger, and their passes: millions of forward passes of a token."""
    lines = list(ledger.steps(stage.path))
    trained = float(lines[-1]["tokens"])
    drawn = 0.0
    if stage.kind == "grpo":
        before = 0.0
        for line in lines:
            own, before = line["tokens"] - before, line["tokens"]
            drawn += own * line.get("prompts_asked", 16) / 16
    measured = 0.0
    if stage.name == "by_difficulty":
        rates = manifest.read(next(iter(root.glob("difficulty-*/manifest.json"))).parent)
        answers = float(str(rates.results["answers"]))
        measured = answers * trained / (128 * len(lines))
    passes = FORWARD * (drawn + measured) + TRAINED * trained
    seconds = sum(line["seconds"] for line in lines)
    return {"steps": len(lines), "megapasses": round(passes / 1e6, 4), "seconds": round(seconds, 1)}


def _means(each: dict[str, Any]) -> dict[str, Any]:
    arms = dict.fromkeys(arm for one in each.values() for arm in one)
    return {
        arm: {
            "seeds": len(own),
            **{key: round(statistics.mean(one[key] for one in own), 4) for key in own[0]},
        }
        for arm in arms
        if (own := [one[arm] for one in each.values() if arm in one])
    }


def _difference(each: dict[str, Any], arm: str, other: str) -> dict[str, Any]:
    """Paired over seeds: mean in points, and Student's 95 % interval."""
    both = [(one[arm], one[other]) for one in each.values() if arm in one and other in one]
    keys = [key for key in both[0][1] if key.startswith(("accuracy", "flip", "two_"))]
    return {
        "seeds": len(both),
        **{key: _interval([100 * (a[key] - b[key]) for a, b in both]) for key in keys},
    }


def _interval(values: Sequence[float]) -> dict[str, float | None]:
    mean = statistics.mean(values)
    if len(values) < 2:
        return {"points": round(mean, 2), "low": None, "high": None}
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return {"points": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2)}


if __name__ == "__main__":
    main()
