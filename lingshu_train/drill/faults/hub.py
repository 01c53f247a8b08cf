"""Servers that data comes from: busy, broken off in the middle, gone, or with other bytes than the card says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from lingshu_train.drill import command, drawn, server
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.drill.server import Faulty

FILE = "train.jsonl"
REST_S = 3600
"""What a busy server asks for: more than anybody waits at a terminal, so that the command ends and says so."""


def _source(folder: Path, served: Path, address: str, *, sha256: str) -> Path:
    """A card whose rows lie on the server; its own folder of cards."""
    cards = folder / "cards"
    cards.mkdir(parents=True, exist_ok=True)
    text = drawn.card(
        folder / "nothing",
        kind="http",
        folder="",
        files=[
            {
                "url": f"{address}/{FILE}",
                "path": FILE,
                "sha256": sha256,
                "bytes": (served / FILE).stat().st_size,
            }
        ],
    )
    (cards / f"{drawn.CARD}.md").write_text(text, encoding="utf-8")
    return cards


def _words(folder: Path, cards: Path) -> list[str]:
    return ["data", "fetch", drawn.CARD, "--yes", "--cards", str(cards), "--data-root", str(folder / "root")]


def _fetched(faults: Sequence[Faulty], why: str = "", *, other: bool = False) -> Callable[[Scene], Ended]:
    """`lingshu data fetch` from a server that fails so; `why` stands in its line. `other`: its bytes are not those of the
    card's checksum."""

    def do(scene: Scene) -> Ended:
        folder, served = _served(scene)
        right = hashlib.sha256((served / FILE).read_bytes()).hexdigest()
        if other:
            data = bytearray((served / FILE).read_bytes())
            data[len(data) // 2] ^= 1
            (served / FILE).write_bytes(bytes(data))
        with server.serving(served, faults) as address:
            cards = _source(folder, served, address, sha256=right)
            scene.weighed = False
            ended = scene.finish(scene.command(_words(folder, cards)))
        _weigh(scene, folder, right, ended)
        if why not in ended.line:
            scene.harm = f"not told why: {ended.line}"
        return ended

    return do


def _killed(scene: Scene) -> Ended:
    """SIGKILL while a download waits for the rest; then the same command, from a server that is well."""
    folder, served = _served(scene)
    right = hashlib.sha256((served / FILE).read_bytes()).hexdigest()
    with server.serving(served, [{"cut": 1000}, {"status": 503, "after": 60, "always": True}]) as address:
        cards = _source(folder, served, address, sha256=right)
        process = scene.command(_words(folder, cards))
        scene.when(process, lambda: any(path.stat().st_size for path in _partial(folder)))
        command.kill(process)
    scene.weighed = False
    with server.serving(served, []) as address:
        cards = _source(folder, served, address, sha256=right)
        ended = scene.finish(scene.command(_words(folder, cards)))
    _weigh(scene, folder, right, ended)
    return ended


def _partial(folder: Path) -> list[Path]:
    return [path for path in (folder / "root").rglob("*") if path.is_file()]


def _served(scene: Scene) -> tuple[Path, Path]:
    folder = scene.run.parent / "own"
    drawn.data(folder)
    return folder, folder / "data"


def _weigh(scene: Scene, folder: Path, right: str, ended: Ended) -> None:
    """The file is whole where the command ended well, and not there under its name where it did not."""
    found = [path for path in (folder / "root").rglob(FILE) if path.is_file()]
    whole = [hashlib.sha256(path.read_bytes()).hexdigest() == right for path in found]
    if (ended.code == 0) != (whole == [True]):
        scene.harm = f"ended with {ended.code}, and of {FILE} there is: {json.dumps(whole)}"


def _fault(name: str, says: str, do: Callable[[Scene], Ended], code: int) -> Fault:
    return Fault(name=f"fetch_{name}", number="F20", says=says, do=do, codes=(code,), start="done")


BUSY: Faulty = {"after": REST_S, "always": True}
FAULTS = (
    _fault(
        "busy",
        "503, and an hour's rest asked for",
        _fetched([{"status": 503, **BUSY}], "3,600 s of rest"),
        75,
    ),
    _fault(
        "too_many",
        "429, and an hour's rest asked for",
        _fetched([{"status": 429, **BUSY}], "3,600 s of rest"),
        75,
    ).quickly(),
    _fault("passing", "500 once, then well", _fetched([{"status": 500}]), 0),
    _fault("cut", "the line is cut after 1,000 bytes, then well", _fetched([{"cut": 1000}]), 0),
    _fault(
        "other_bytes", "one bit is not that of the card's checksum", _fetched([], "sha256", other=True), 65
    ).quickly(),
    _fault("gone", "404", _fetched([{"status": 404, "always": True}], "404"), 66),
    _fault("forbidden", "403", _fetched([{"status": 403, "always": True}], "403"), 77),
    _fault("killed", "SIGKILL in a download, then the same command", _killed, 0),
)
