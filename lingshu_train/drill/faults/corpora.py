"""A finished corpus, and the caches beside it, damaged on the disk."""

from __future__ import annotations

from collections.abc import Callable

from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import Start
from lingshu_train.drill.scene import Scene


def _flip(pattern: str) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        (path,) = (scene.of("data") / "corpus").glob(pattern)
        scenes.flip(path, scene.draw)
        return scene.go_on()

    return do


def _answers(scene: Scene) -> Ended:
    """One bit makes another digit: the row stays readable and is wrong."""
    path = scene.of("data") / "corpus" / "rows-00000.arrow"
    scenes.rewrite(path, path.read_bytes().replace(b"1 spots", b"3 spots", 1))
    return scene.go_on()


def _cut(pattern: str) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        for path in (scene.of("data") / "corpus").glob(pattern):
            scenes.cut(path)
        return scene.go_on()

    return do


def _restored(scene: Scene) -> None:
    scene.restore("data")


def _fault(
    name: str,
    says: str,
    do: Callable[[Scene], Ended],
    code: int = 65,
    start: Start = "fresh",
) -> Fault:
    mend = _restored if code else None
    return Fault(name=name, number="F24", says=says, do=do, codes=(code,), mend=mend, start=start)


FAULTS = (
    _fault("answer_changed", "one answer in the corpus changed by a bit", _answers).quickly(),
    _fault("answer_changed_midway", "the same before a resume", _answers, start="halfway"),
    _fault("rows_flipped", "one bit of the rows", _flip("rows-*.arrow")),
    _fault("rows_cut", "the rows cut in half", _cut("rows-*.arrow")),
    _fault("picture_flipped", "one bit of the pictures", _flip("images-*.tar")),
    _fault("index_flipped", "one bit of the table of pictures", _flip("images.sqlite")),
    _fault("summary_flipped", "one bit of corpus.json", _flip("corpus.json")),
    _fault("choice_flipped", "one bit of the cached choice of rows", _flip("chosen-*.npy"), 0),
    _fault("choice_cut", "the cached choice of rows cut in half", _cut("chosen-*.npy"), 0),
    _fault("lengths_flipped", "one bit of the cached lengths", _flip("lengths-*.npy"), 0),
    _fault("lengths_cut", "the cached lengths cut in half", _cut("lengths-*.npy"), 0),
)
