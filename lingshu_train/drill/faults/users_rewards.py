"""A person's own reward file that does what such files do."""

from __future__ import annotations

from collections.abc import Callable

from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene

BODIES: dict[str, tuple[str, str]] = {
    "raises": ("raises in every call", "raise KeyError('answer')"),
    "imports": ("cannot be imported", ""),
    "hangs": ("never returns", "while True: pass"),
    "leaves": ("ends its process", "import os; os._exit(0)"),
    "crashes": ("has a segmentation fault", "import ctypes; ctypes.string_at(0)"),
    "eats": ("asks for 100 GB", "return float(len(bytearray(100 << 30)))"),
    "backtracks": (
        "has a regular expression that does not end",
        "import re; re.match(r'(a+)+$', 'a' * 40 + 'b'); return 0.0",
    ),
    "text": ("returns text", "return 'good'"),
    "nothing": ("returns None", "return None"),
    "leaves_children": (
        "starts a process that leaves its session",
        "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True); raise KeyError('answer')",
    ),
    "steals": (
        "looks for a token",
        "import os; return float('HF_TOKEN' in os.environ) if 'HF_TOKEN' in os.environ else None",
    ),
}
QUICK = ("raises",)


def _with(way: str) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        path = scene.run.parent / "mine.py"
        head = "import no_such_package\n\n\n" if way == "imports" else ""
        body = BODIES[way][1] or "return 0.0"
        path.write_text(f"{head}def score(sample, completion, params):\n    {body}\n", encoding="utf-8")
        term = f"{{name: mine, file: {path}, weight: 1.0, limits: {{wall_s: 0.3}}}}"
        words = scene.words(f"stages.rl.rewards.terms=[{term}]")
        return scene.finish(scene.command(words, variables={"HF_TOKEN": "hf_" + "a" * 34}))

    return do


FAULTS = tuple(
    Fault(
        name=f"reward_{way}",
        number="F18",
        says=f"a reward file that {told}",
        do=_with(way),
        # What cannot be loaded is told before the stage starts.
        codes=(78,) if way == "imports" else (70,),
        stage="rl",
        quick=way in QUICK,
    )
    for way, (told, _) in BODIES.items()
)
