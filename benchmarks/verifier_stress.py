"""Scores the rounds of tests/verify/stress_rounds and adds the counts to benchmarks/results/verifier_stress.json.

    python benchmarks/verifier_stress.py "what these rules are" [--commit COMMIT]

One entry for each state of the rules, so that the first scoring of a round, before any rule was changed for it, stays
beside the later ones. Run it against older rules with PYTHONPATH set to their checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import circumstances
import verifier

from lingshu_train.verify import Policy, version

HERE = Path(__file__).parent
ROUNDS = sorted((HERE.parent / "tests" / "verify" / "stress_rounds").glob("*.jsonl"))
RESULT = HERE / "results" / "verifier_stress.json"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rules", help="a few words on what these rules are")
    parser.add_argument(
        "--commit", default=circumstances.told()["commit"][:7], help="where the rules come from"
    )
    options = parser.parse_args(arguments)
    entry = {
        "rules": options.rules,
        "verifier": version(),
        "commit": options.commit,
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": {
            path.stem: {
                policy.value: verifier.accuracy(
                    verifier.read([path]), verifier.ours(policy), policy, named=1000
                )
                for policy in Policy
            }
            for path in ROUNDS
        },
    }
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {"scorings": []}
    others = [one for one in result["scorings"] if one["rules"] != options.rules]
    result["scorings"] = [*others, entry]
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(entry, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
