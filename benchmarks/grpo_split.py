"""Where the processor's time of one of our GRPO steps goes, at the shapes of grpo_side_by_side.py.

    python benchmarks/grpo_split.py FOLDER [--steps 6] [--out FILE]

FOLDER is one that grpo_side_by_side.py has prepared (its `grpo-VOCABULARY`). The stage runs under cProfile in a process with the
launcher's variables, by that process's own time, without its first two steps. Shares are of the training steps; drawing contains its
noise, and passes the head.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import circumstances
import grpo_side_by_side as beside

RESULT = beside.HERE / "results" / "grpo_split.json"
VOCABULARY = 32_768
PARTS = {
    "step": ("guarded.py", "training_step"),
    "drawing": ("windows.py", "_generate_single_turn"),
    "noise": ("_drawing.py", "__call__"),
    "window": ("run.py", "_generate_and_score_completions"),
    "loss": ("guarded.py", "compute_loss"),
    "backward": ("graph.py", "_engine_run_backward"),
    "head_forward": ("chunked_logprob.py", "forward"),
    "head_backward": ("chunked_logprob.py", "backward"),
}
"""Of a profile, the calls whose time with all below is a part: file and name."""


def split(found: pstats.Stats) -> dict[str, float]:
    """Shares of the training steps."""
    seconds = dict.fromkeys(PARTS, 0.0)
    for (file, _, name), (_, _, _, whole, _) in found.stats.items():  # type: ignore[attr-defined]
        for part, (where, what) in PARTS.items():
            if name == what and Path(file).name == where:
                seconds[part] = max(seconds[part], whole)
    return {name: round(value / seconds["step"], 3) for name, value in seconds.items() if name != "step"}


def profiled(folder: Path, steps: int) -> pstats.Stats:
    """Of the steps after the first two."""
    from transformers.trainer_callback import DefaultFlowCallback

    profile = cProfile.Profile(time.process_time)
    made = beside.watched

    def watched() -> Any:
        found = made()
        ended, done = DefaultFlowCallback.on_step_end, []

        def on_step_end(callback: Any, *args: Any, **kwargs: Any) -> Any:
            done.append(None)
            control = ended(callback, *args, **kwargs)
            if len(done) == beside.WARM:
                profile.enable()
            elif len(done) == steps:
                profile.disable()
            return control

        DefaultFlowCallback.on_step_end = on_step_end
        return found

    beside.watched = watched
    beside.ours("ours", folder, VOCABULARY, steps, 1)
    return pstats.Stats(profile)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", action="store_true", help="in this process")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if not options.once:
        words = [sys.executable, __file__, *sys.argv[1:], "--once"]
        sys.exit(subprocess.run(words, env=beside.environment("ours", folder), check=False).returncode)
    where = circumstances.told("torch", "transformers", "trl")
    found = split(profiled(folder, options.steps))
    told = {"what": (__doc__ or "").partition("\n")[0], **where, "steps": options.steps, "shares": found}
    options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
