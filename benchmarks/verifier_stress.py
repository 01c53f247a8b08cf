"""Scores the rounds of tests/data/verifier_stress and adds the counts to benchmarks/results/verifier_stress.json.

    python benchmarks/verifier_stress.py "what these rules are" [--commit COMMIT]

One entry for each release of the rules (verify.version()), so that the first scoring of a round, before any rule was
changed for it, stays beside the later ones. Run it against older rules with PYTHONPATH set to their checkout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lingshu_train.verify import Item, Policy, verify, version

HERE = Path(__file__).parent
ROUNDS = HERE.parent / "tests" / "data" / "verifier_stress"
RESULT = HERE / "results" / "verifier_stress.json"


def scored(path: Path, policy: Policy) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    missed = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        item = Item(
            question=row["question"],
            question_type=row["question_type"],
            answer=row["answer"],
            options=row["options"] or {},
            aliases=tuple(row.get("aliases", ())),
            tol=row.get("tol"),
        )
        right = row["correct"] and (policy is Policy.lenient or "policy" not in row)
        found = verify(row["response"], item, policy).correct
        kind = ("true" if found == right else "false") + ("_positive" if found else "_negative")
        counts[kind] += 1
        if found != right:
            missed.append(row["id"])
    positives = counts["true_positive"] + counts["false_negative"]
    return {
        "rows": counts.total(),
        **{
            kind: counts[kind]
            for kind in ("true_positive", "false_negative", "false_positive", "true_negative")
        },
        "accuracy": round((counts["true_positive"] + counts["true_negative"]) / counts.total(), 4),
        "false_negative_rate": round(counts["false_negative"] / positives, 4),
        "missed": missed,
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rules", help="a few words on what these rules are")
    parser.add_argument("--commit", default="", help="where the rules come from; default: HEAD")
    options = parser.parse_args(arguments)
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True)
    rounds = {
        path.stem: {policy.value: scored(path, policy) for policy in Policy}
        for path in sorted(ROUNDS.glob("*.jsonl"))
    }
    entry = {
        "rules": options.rules,
        "verifier": version(),
        "commit": options.commit or head.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": rounds,
    }
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {"scorings": []}
    same = [
        one
        for one in result["scorings"]
        if (one["verifier"], one["rules"]) == (entry["verifier"], entry["rules"])
    ]
    result["scorings"] = [one for one in result["scorings"] if one not in same] + [entry]
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, found in rounds.items():
        for policy, line in found.items():
            print(name, policy, {key: value for key, value in line.items() if key != "missed"})


if __name__ == "__main__":
    main(sys.argv[1:])
