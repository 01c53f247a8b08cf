"""What training added: the model that a recipe starts from answers the same held-out questions."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from lingshu_train.runs import results


@pytest.mark.slow
def test_the_model_that_a_recipe_starts_from_is_asked_first(base: Path, tmp_path: Path) -> None:
    config = {
        "kind": "evaluate",
        "models": ["warm"],
        "with_base": True,
        "corpus": "data",
        "max_completion": 16,
        "per_device_batch": 8,
    }
    model = {**tiny.MODEL, "base": str(base / "base" / "model")}
    parents = {"data": base / "data", "warm": base / "warm"}
    stage = tiny.make_stage(tmp_path, "evaluate", config, parents=parents, model=model)
    facts = tiny.run_here(stage)
    found = results.read(stage.path)
    assert list(found.models) == ["base", "warm"]
    assert list(facts["accuracy"]) == ["base", "warm"]  # type: ignore[call-overload]
    lines = {name: results.predictions(stage.path, name) for name in ("base", "warm")}
    assert [line.id for line in lines["base"]] == [line.id for line in lines["warm"]], "on the same questions"
    said = {name: [line.completion for line in lines[name]] for name in lines}
    assert said["base"] != said["warm"], "two models"
