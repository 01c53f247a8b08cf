"""Recipes that a stranger wrote: names that lead out, bombs, calls, credentials. Nothing of them runs or is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene

REFUSED = 78
TOKEN = "hf_" + "Ab3" * 12
_MARK = "code-ran"

Change = Callable[[Scene, dict[str, object]], str]
"""The text of a recipe that starts from the drill's own."""


def _dumped(change: Callable[[Scene, dict[str, object]], None]) -> Change:
    def text(scene: Scene, recipe: dict[str, object]) -> str:
        change(scene, recipe)
        return yaml.safe_dump(recipe, sort_keys=False)

    return text


def _with(change: Change) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        recipe = yaml.safe_load(scene.ground.recipe.read_text(encoding="utf-8"))
        path = scene.run.parent / "stranger.yaml"
        path.write_text(change(scene, recipe), encoding="utf-8")
        before = _files(scene.run.parent)
        process = scene.command(scene.words(recipe=path), variables={"DRILL_SECRET": TOKEN})
        ended = scene.finish(process)
        made = sorted(str(name) for name in _files(scene.run.parent) - before if name.suffix != ".log")
        if ended.code == 0 or made:
            scene.harm = f"a recipe of a stranger was taken ({', '.join(made[:3])})"
        elif TOKEN in scene.log:
            scene.harm = "what looks like a token was printed"
        return ended

    return do


def _files(folder: Path) -> set[Path]:
    return {
        path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", ".hashes.json")
    }


def _stages(recipe: dict[str, object]) -> dict[str, dict[str, object]]:
    found = recipe["stages"]
    assert isinstance(found, dict)
    return found


def _named(name: str) -> Change:
    def change(_: Scene, recipe: dict[str, object]) -> None:
        _stages(recipe)[name] = dict(_stages(recipe)["base"])
        recipe["pipeline"] = ["data", name]
        recipe["stages"] = _stages(recipe)

    def text(scene: Scene, recipe: dict[str, object]) -> str:
        change(scene, recipe)
        # The pipeline of the command line would hide the one of the recipe.
        return yaml.safe_dump({**recipe, "pipeline": recipe["pipeline"]}, sort_keys=False)

    return text


def _target(scene: Scene, recipe: dict[str, object]) -> None:
    mark = scene.run.parent / _MARK
    _stages(recipe)["sft"]["watch"] = {"_target_": "os.system", "command": f"touch {mark}"}


def _reads(scene: Scene, recipe: dict[str, object]) -> None:
    recipe["title"] = "${oc.env:DRILL_SECRET}"


def _token(scene: Scene, recipe: dict[str, object]) -> None:
    recipe["model"] = {"system_prompt": f"You are a doctor. {TOKEN}"}


def _bomb(scene: Scene, recipe: dict[str, object]) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    return "\n".join([yaml.safe_dump(recipe, sort_keys=False), *lines])


def _grows(scene: Scene, recipe: dict[str, object]) -> str:
    lines = ["notes:", "  b0: " + "x" * 100]
    lines += [f"  b{n}: " + f"${{notes.b{n - 1}}}" * 10 for n in range(1, 8)]
    text = yaml.safe_dump({key: value for key, value in recipe.items() if key != "notes"}, sort_keys=False)
    return "\n".join([text, *lines])


def _deep(scene: Scene, recipe: dict[str, object]) -> str:
    return f"{yaml.safe_dump(recipe, sort_keys=False)}\nextra: {'[' * 2000}{']' * 2000}\n"


def _python(scene: Scene, recipe: dict[str, object]) -> str:
    mark = scene.run.parent / _MARK
    return f"{yaml.safe_dump(recipe, sort_keys=False)}\nextra: !!python/object/apply:os.system ['touch {mark}']\n"


def _large(scene: Scene, recipe: dict[str, object]) -> str:
    return f"{yaml.safe_dump(recipe, sort_keys=False)}\n# {'x' * 2_000_000}\n"


def _unknown(scene: Scene, recipe: dict[str, object]) -> None:
    _stages(recipe)["sft"]["learning_rats"] = 1


def _negative(scene: Scene, recipe: dict[str, object]) -> None:
    _stages(recipe)["sft"]["steps"] = -1


def _defaults(scene: Scene, recipe: dict[str, object]) -> None:
    recipe["defaults"] = ["../../../../etc/passwd", "_self_"]


def _fault(name: str, says: str, change: Change, *, number: str = "F33") -> Fault:
    return Fault(name=name, number=number, says=says, do=_with(change), codes=(REFUSED,), start="done")


FAULTS = (
    _fault("name_leads_out", "a stage called ../../evil", _named("../../evil")).quickly(),
    _fault("name_hidden", "a stage called .hidden", _named(".hidden")),
    _fault("calls", "_target_: os.system in a block", _dumped(_target)),
    _fault("reads_environment", "${oc.env:...} in a title", _dumped(_reads)),
    _fault("reads_files", "defaults that lead to /etc/passwd", _dumped(_defaults)),
    _fault("python_tag", "!!python/object/apply", _python),
    _fault("anchors", "eight levels of ten YAML anchors", _bomb).quickly(),
    _fault("interpolations", "eight levels of ten interpolations", _grows),
    _fault("nested", "two thousand brackets", _deep),
    _fault("large", "two megabytes", _large),
    _fault(
        "token_in_recipe",
        "a Hugging Face token in the system prompt",
        _dumped(_token),
        number="F35",
    ).quickly(),
    _fault("unknown_key", "a key that does not exist", _dumped(_unknown)),
    _fault("negative_steps", "steps: -1", _dumped(_negative)),
)
