"""A token in the environment: it is written down nowhere."""

from __future__ import annotations

from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene

TOKEN = "hf_" + "Zq7" * 12


def _planted(scene: Scene) -> Ended:
    """Login variables set, as on most machines; every file of the run is searched afterwards."""
    names = ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY")
    ended = scene.finish(scene.command(scene.words(), variables=dict.fromkeys(names, TOKEN)))
    for path in scene.run.rglob("*"):
        if path.is_file() and TOKEN.encode() in path.read_bytes():
            scene.harm = f"a token of the environment stands in {path.relative_to(scene.run)}"
    if TOKEN in scene.log:
        scene.harm = "a token of the environment was printed"
    return ended


FAULTS = (
    Fault(name="token_planted", number="F35", says="a token in the environment", do=_planted, codes=(0,)),
)
