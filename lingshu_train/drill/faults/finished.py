"""Finished stages that are damaged afterwards: what was done once is not for ever."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.drawn import StageName
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import Start
from lingshu_train.drill.scene import Scene

Break = Callable[[Scene], None]


def _after(break_: Break) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        break_(scene)
        return scene.go_on()

    return do


def _flip_parent(scene: Scene) -> None:
    scenes.flip(scene.of("base") / "model" / "model.safetensors", scene.draw)


def _flip_parent_of_rl(scene: Scene) -> None:
    scenes.flip(scene.of("sft") / "model" / "model.safetensors", scene.draw)


def _cut_parent(scene: Scene) -> None:
    scenes.cut(scene.of("base") / "model" / "model.safetensors")


def _flip_tokenizer(scene: Scene) -> None:
    scenes.flip(scene.of("base") / "model" / "tokenizer.json", scene.draw)


def _model_gone(scene: Scene) -> None:
    shutil.rmtree(scene.folder / "model")


def _model_flipped(scene: Scene) -> None:
    scenes.flip(scene.folder / "model" / "model.safetensors", scene.draw)


def _manifest(data: bytes | None) -> Break:
    def break_(scene: Scene) -> None:
        path = scene.folder / "manifest.json"
        whole = path.read_bytes()
        scenes.rewrite(path, whole[: len(whole) // 2] if data is None else data)

    return break_


def _manifest_flipped(scene: Scene) -> None:
    path = scene.folder / "manifest.json"
    data = bytearray(path.read_bytes())
    data[scene.draw.randrange(len(data))] |= 0x80
    scenes.rewrite(path, bytes(data))


def _manifest_of_another(scene: Scene) -> None:
    scenes.rewrite(scene.folder / "manifest.json", (scene.of("base") / "manifest.json").read_bytes())


def _ledger_gone(scene: Scene) -> None:
    (scene.folder / "ledger.jsonl").unlink()


def _ledger_line_changed(scene: Scene) -> None:
    path = scene.folder / "ledger.jsonl"
    scenes.rewrite(path, path.read_bytes().replace(b'"step": 5', b'"step": 6'))


def _stage_flipped(scene: Scene) -> None:
    path = scene.folder / "stage.json"
    scenes.rewrite(path, b"\xff" + path.read_bytes())


def _run_gone(scene: Scene) -> None:
    (scene.run / "run.json").unlink()


def _run_not_utf8(scene: Scene) -> None:
    scenes.rewrite(scene.run / "run.json", b"\xff\xfe{}")


def _restored(*stages: str) -> Callable[[Scene], object]:
    return lambda scene: scene.restore(*stages)


def _fault(
    name: str,
    says: str,
    break_: Break,
    *,
    stage: StageName = "sft",
    start: Start = "done",
    restored: str = "sft",
) -> Fault:
    return Fault(
        name=name,
        number="F4",
        says=says,
        do=_after(break_),
        codes=(65,),
        stage=stage,
        start=start,
        mend=_restored(restored),
    )


def _written_again(name: str, says: str, break_: Break) -> Fault:
    """What the command itself writes anew."""
    return Fault(name=name, number="F6", says=says, do=_after(break_), codes=(0,), start="halfway")


FAULTS = (
    _fault(
        "parent_flipped",
        "one bit of the weights that SFT starts from",
        _flip_parent,
        start="fresh",
        restored="base",
    ).quickly(),
    _fault(
        "parent_flipped_for_rl",
        "one bit of the weights that GRPO starts from",
        _flip_parent_of_rl,
        stage="rl",
        start="fresh",
    ),
    _fault(
        "parent_cut",
        "the weights that SFT starts from cut in half",
        _cut_parent,
        start="fresh",
        restored="base",
    ),
    _fault("tokenizer_flipped", "one bit of the tokenizer", _flip_tokenizer, start="fresh", restored="base"),
    _fault(
        "parent_flipped_midway",
        "one bit of the base, before a resume",
        _flip_parent,
        start="halfway",
        restored="base",
    ),
    _fault("model_gone", "the model of the finished last stage deleted", _model_gone),
    _fault("model_flipped", "one bit of the model of the finished last stage", _model_flipped),
    _fault("manifest_empty", "manifest.json emptied", _manifest(b"")),
    _fault("manifest_cut", "manifest.json cut in half", _manifest(None)).quickly(),
    _fault("manifest_not_utf8", "manifest.json no longer UTF-8", _manifest_flipped),
    _fault("manifest_of_another", "another stage's manifest.json", _manifest_of_another),
    _fault("finished_ledger_gone", "the ledger of the finished stage deleted", _ledger_gone),
    _fault("finished_ledger_changed", "a line of the finished ledger changed", _ledger_line_changed),
    _written_again("run_json_gone", "run.json deleted", _run_gone),
    _written_again("run_json_not_utf8", "run.json no longer UTF-8", _run_not_utf8),
    _written_again("stage_json_not_utf8", "stage.json no longer UTF-8 before a resume", _stage_flipped),
)
