"""`lingshu eval RUN/STAGE` asks the engine that the run's recipe names, unless another is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from pydantic import JsonValue

from lingshu_train import rollouts
from lingshu_train.errors import MissingInput
from lingshu_train.evaluation import opened, trained
from lingshu_train.model.settings import Settings
from lingshu_train.rollouts import Choice, Weights
from lingshu_train.runs import run as runs
from lingshu_train.runs.files import write_json

SERVED: dict[str, JsonValue] = {
    "engine": "vllm",
    "params": {"replicas": 2, "weights": "folder", "sleep": True, "batch": 32},
}


def begun(root: Path, rollouts_of_evaluate: dict[str, JsonValue]) -> Path:
    """A run of two stages that have begun; `warm` says nothing of engines."""
    prepare = root / "data"
    warm = tiny.make_stage(root, "warm", tiny.sft(), parents={"data": prepare})
    warm = warm.model_copy(update={"folder": str(root / "warm-1")})
    config = {
        "kind": "evaluate",
        "models": ["warm"],
        "corpus": "data",
        "max_completion": 8,
        "rollouts": {"engine": rollouts_of_evaluate["engine"]},
    }
    measured = tiny.make_stage(root, "evaluate", config, parents={"data": prepare, "warm": warm.path})
    measured = measured.model_copy(update={"config": {**config, "rollouts": rollouts_of_evaluate}})
    runs.write(root, recipe="test", stages=[warm, measured], plan="plan")
    for stage in (warm, measured):
        stage.path.mkdir()
        write_json(stage.path / "stage.json", stage.model_dump(mode="json"))
    return root


def test_the_engine_is_that_of_the_stage_that_measures_the_model(tmp_path: Path) -> None:
    run = begun(tmp_path, SERVED)
    assert trained.choice(run, "warm").engine == "vllm"
    with pytest.raises(MissingInput, match="no stage 'cold' in this run; it has: warm, evaluate"):
        trained.choice(run, "cold")


def test_a_run_that_names_no_engine_is_asked_in_this_process(tmp_path: Path) -> None:
    assert trained.choice(begun(tmp_path, {"engine": "transformers"}), "warm") == Choice()


def test_eval_starts_it_with_the_recipes_keys_but_those_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path, SERVED)
    (run / "warm-1" / "model").mkdir()
    weights = Weights(source=str(run / "warm-1" / "model"), settings=Settings(**tiny.MODEL), device="cpu")
    monkeypatch.setattr(trained, "weights", lambda *_, **__: weights)
    started: list[tuple[str, dict[str, JsonValue]]] = []
    monkeypatch.setattr(rollouts, "start", lambda engine, params, **_: started.append((engine, params)))
    plain = opened.model(f"{run}/warm", opened.Wish(engine="transformers"))
    for wish in (opened.Wish(), opened.Wish(batch=4)):
        named = opened.model(f"{run}/warm", wish)
        assert named.identity != plain.identity, "engines round otherwise"
        named.starts()
    plain.starts()
    own = {"replicas": 2, "batch": 32}
    assert started == [("vllm", own), ("vllm", own | {"batch": 4}), ("transformers", {"batch": 16})]
    assert plain.together == 16
