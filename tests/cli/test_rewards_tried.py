"""A reward of the user's that cannot be loaded is told before the first stage, in one line with their own error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_reward_that_cannot_be_loaded_ends_a_run_before_its_first_stage(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import rouge_of_mine\n\ndef score(sample, completion, params):\n    return 1.0\n", encoding="utf-8"
    )
    terms = "stages.rl.rewards.terms=[{name: accuracy}, {name: mine, file: mine.py}]"
    done = subprocess.run(
        [sys.executable, "-m", "lingshu_train", "run", "quickstart", "output=out", terms],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 78, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"lingshu: stages.rl.rewards.terms.1.file: {tmp_path / 'mine.py'} cannot be loaded: ModuleNotFoundError: No module "
        "named 'rouge_of_mine' (mine.py:1)"
    )
    assert not list((tmp_path / "out").glob("*-*")), "no stage was begun"
