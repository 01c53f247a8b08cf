"""What `lingshu drill` found, as a result: counts, and each row as on the scoreboard.

    lingshu drill --all --stock --out /tmp/drill
    python benchmarks/drill.py /tmp/drill [MORE ...] [--out benchmarks/results/drill.json]
    lingshu drill --only kill --times 200 --out /tmp/kills
    python benchmarks/drill.py /tmp/kills --out benchmarks/results/drill_kills.json
    lingshu drill --quick --out /tmp/quick
    python benchmarks/drill.py /tmp/quick --out benchmarks/results/drill_quick.json

With `--table` the scoreboard by family is printed as docs/drill.md has it. Several drills become one result: of a fault that was done in two of them, the later one counts. Faults that were done often are
told in one line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from lingshu_train import naming
from lingshu_train.drill import drilling, faults

Row = dict[str, Any]
KEYS = ("fault", "number", "says", "stage", "ranks")


def merged(drills: list[dict[str, Any]], part: str) -> list[Row]:
    """The rows of all, by fault, stage, number of ranks, time and seed; the later ones take the place of the earlier."""
    found: dict[tuple[object, ...], Row] = {}
    for drill in drills:
        for row in drill.get(part, ()):
            found[(row["fault"], row["stage"], row["ranks"], row["time"], drill["seed"])] = row
    return list(found.values())


def told(rows: list[Row]) -> list[Row]:
    """One line a fault, stage and number of ranks."""
    together: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        together[tuple(row[key] for key in KEYS)].append(row)
    return [_line(dict(zip(KEYS, key, strict=True)), same) for key, same in together.items()]


def _line(named: Row, same: list[Row]) -> Row:
    lost = [row["lost"] for row in same if row["lost"] is not None]
    codes = sorted({str(row["code"]) for row in same})
    ends = dict(Counter(row["kind"] for row in same))
    why = sorted({row["why"] for row in same if row["why"]})
    return {
        **named,
        "times": len(same),
        "ends": ends,
        "exit_codes": codes,
        "median_seconds": round(median(row["seconds"] for row in same), 2),
        **({"steps_lost": {"median": median(lost), "most": max(lost)}} if lost else {}),
        **({"why": why} if why else {}),
    }


def table(rows: list[Row]) -> str:
    """The scoreboard by family, in Markdown."""
    named = {name: [] for name in naming.components(faults.__name__)}  # type: dict[str, list[Row]]
    family = {(one.name, one.stage, one.ranks): name for name in named for one in drilling.family(name)}
    for row in rows:
        named[family[row["fault"], row["stage"], row["ranks"]]].append(row)
    lines = [
        "| Family | Rows | Handled | Silent | Crash | Hang | Exit codes | Most steps lost |",
        "|---|---|---|---|---|---|---|---|",
        *(f"| `{name}` | {_counted(same)} |" for name, same in named.items() if same),
        f"| all | {_counted(rows, total=True)} |",
    ]
    return "\n".join(lines)


def _counted(rows: list[Row], *, total: bool = False) -> str:
    kinds = Counter(row["kind"] for row in rows)
    codes = sorted({row["code"] for row in rows if row["code"] is not None and row["code"] >= 0})
    lost = [row["lost"] for row in rows if row["lost"] is not None]
    counts = [len(rows), *(kinds[kind] for kind in ("handled", "silent", "crash", "hang"))]
    told = ["", ""] if total else [", ".join(map(str, codes)) or "killed", str(max(lost)) if lost else ""]
    return " | ".join([*map(str, counts), *told])


def _revision(name: str) -> str:
    here = Path(__file__).parent
    done = subprocess.run(["git", "rev-parse", name], capture_output=True, text=True, check=True, cwd=here)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("drills", type=Path, nargs="+", help="folders of drills, the newest last")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "drill.json")
    parser.add_argument("--table", action="store_true", help="print the scoreboard by family")
    parser.add_argument("--commit", nargs="+", default=["HEAD"], help="what was drilled, one for each")
    chosen = parser.parse_args()
    drills = [json.loads((folder / "drill.json").read_text(encoding="utf-8")) for folder in chosen.drills]
    rows, stock = merged(drills, "rows"), merged(drills, "stock")
    last = drills[-1]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": [_revision(name) for name in chosen.commit],
        "hardware": {
            "processor": last["machine"],
            "cores": last["cores"],
            "load_before": [drill["load_before"] for drill in drills],
            "load_after": round(os.getloadavg()[0], 1),
        },
        "versions": {"lingshu-train": last["version"], "python": last["python"], **last["packages"]},
        "seeds": sorted({drill["seed"] for drill in drills}),
        "counts": dict(Counter(row["kind"] for row in rows)),
        "stock_counts": dict(Counter(row["kind"] for row in stock)),
        "seconds": [drill["seconds"] for drill in drills],
        "cpu_seconds": [drill.get("cpu_seconds") for drill in drills],
        "rows": told(rows),
        "stock": told(stock),
    }
    chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if chosen.table:
        print(table(rows))
    print(json.dumps({key: result[key] for key in ("counts", "stock_counts")}, indent=1))


if __name__ == "__main__":
    main()
