"""The ledger of an unfinished stage, torn, changed or lost between two starts."""

from __future__ import annotations

from collections.abc import Callable

from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.drawn import StageName
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.runs import ledger

Change = Callable[[bytes], bytes | None]


def _changed(name: str, change: Change) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        scene.struck()
        path = scene.folder / name
        data = change(path.read_bytes())
        if data is None:
            path.unlink()
        else:
            scenes.rewrite(path, data)
        return scene.go_on()

    return do


def _torn(data: bytes) -> bytes:
    return data[:-20]


def _torn_in_a_character(data: bytes) -> bytes:
    return data + '{"step": 9, "told": "肺"}'.encode()[:-3]


def _zeros(data: bytes) -> bytes:
    """What some file systems leave of a file that was growing when the power went."""
    return data + b"\0" * 512


def _without_its_front(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[2:])


def _middle(data: bytes) -> bytes:
    return data.replace(b'"step": 3', b'"step": 4', 1)


def _doubled(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines[:2], lines[1], *lines[2:]])


def _lost(data: bytes) -> None:
    return None


CHANGES: dict[str, tuple[str, Change]] = {
    "torn": ("its last line half written", _torn),
    "torn_utf8": ("torn inside a Chinese character", _torn_in_a_character),
    "zeros": ("512 zero bytes at its end", _zeros),
    "lost": ("deleted", _lost),
    "front_lost": ("its first two lines cut off", _without_its_front),
    "changed": ("a line in its middle changed", _middle),
    "doubled": ("a line twice", _doubled),
}


def _fault(name: str, way: str, stage: StageName) -> Fault:
    told, change = CHANGES[way]
    return Fault(
        name=f"{name.partition('.')[0]}_{way}",
        number="F6",
        says=f"{name} {told}",
        do=_changed(name, change),
        codes=(0,),
        stage=stage,
        start="halfway",
    )


FAULTS = (
    *(_fault(ledger.NAME, way, "sft").quickly(way == "torn_utf8") for way in CHANGES),
    *(_fault(ledger.COMPLETIONS, way, "rl") for way in ("torn_utf8", "zeros", "lost", "changed")),
)
