"""Measures this checkout's verifier against another checkout's: verdicts a second of one core, and which verdicts differ.

    python benchmarks/verifier_against.py OTHER_CHECKOUT ROWS.jsonl ... [--rounds N] [--out FILE]

Both are measured in turn, in a process of their own each time, so that other work on the machine meets both alike; the
ratio is that of the medians. Every row is judged as it is and in changed forms (a word left out, "not" put in, another
row's sentence in front or behind, an option named), and the verdicts are compared one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import verifier

from lingshu_train.verify import Policy, verify, version

HERE = Path(__file__).resolve().parent
PASSES = 2


def changed(text: str, row: dict[str, Any], other: str, rng: random.Random) -> list[str]:
    """A response and forms of it that may be judged otherwise."""
    spoken = text.split()
    forms = [
        text,
        f"{text} {other}",
        f"{other.split('.')[0]}. {text}",
        text.upper(),
        f"<answer>{text}</answer>",
    ]
    if len(spoken) > 1:
        place = rng.randrange(len(spoken))
        forms += [" ".join(spoken[:place] + spoken[place + 1 :])]
        forms += [" ".join([*spoken[:place], "not", *spoken[place:]])]
    for letter, option in (row.get("options") or {}).items():
        forms += [
            f"{text} {letter}",
            f"{option}, {text}",
            f"The {option} is seen",
            f"{letter}. {option} because {text}",
        ]
    return forms


def child(paths: list[Path], *, compare: bool) -> dict[str, Any]:
    """What one checkout, the one on the path, makes of the rows."""
    rows = verifier.read(paths)
    pairs = [(row, verifier.item_of(row)) for row in rows]
    result: dict[str, Any] = {"version": version(), "speed": {}}
    for policy in Policy:
        for row, item in pairs:
            verify(row["response"], item, policy)
        started = time.process_time()
        for _ in range(PASSES):
            for row, item in pairs:
                verify(row["response"], item, policy)
        result["speed"][policy.value] = PASSES * len(pairs) / (time.process_time() - started)
    if compare:
        rng = random.Random(0)
        verdicts = []
        for row, item in pairs:
            for text in changed(row["response"], row, rng.choice(rows)["response"], rng):
                for policy in Policy:
                    found = verify(text, item, policy)
                    verdicts.append([row["id"], policy.value, text, found.correct, found.status, found.rule])
        result["verdicts"] = verdicts
    return result


def measure(checkout: Path, paths: list[Path], *, compare: bool) -> dict[str, Any]:
    arguments = [
        sys.executable,
        __file__,
        "--child",
        *(["--compare"] if compare else []),
        "-",
        *map(str, paths),
    ]
    ran = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": f"{checkout}{os.pathsep}{HERE}"},
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other")
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--compare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    paths = [path.resolve() for path in options.rows]
    if options.child:
        print(json.dumps(child(paths, compare=options.compare)))
        return
    sides = {"other": Path(options.other).resolve(), "this": HERE.parent}
    first = {name: measure(checkout, paths, compare=True) for name, checkout in sides.items()}
    speeds: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, checkout in sides.items():
            speeds[name].append(measure(checkout, paths, compare=False)["speed"])
    medians = {
        name: {policy: statistics.median(one[policy] for one in found) for policy in found[0]}
        for name, found in speeds.items()
    }
    differing = [
        {"id": one[0], "policy": one[1], "response": one[2], "other": one[3:], "this": two[3:]}
        for one, two in zip(first["other"]["verdicts"], first["this"]["verdicts"], strict=True)
        if one[3:] != two[3:]
    ]
    result = {
        "versions": {name: found["version"] for name, found in first.items()},
        "rounds": options.rounds,
        "verdicts_per_second_of_one_core": {
            name: {policy: round(speed) for policy, speed in found.items()} for name, found in medians.items()
        },
        "ratio": {
            policy: round(speed / medians["other"][policy], 2) for policy, speed in medians["this"].items()
        },
        "verdicts": len(first["this"]["verdicts"]),
        "differing": len(differing),
        "accepted_by_this_alone": sum(one["this"][0] and not one["other"][0] for one in differing),
        "first_differing": differing[:20],
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
