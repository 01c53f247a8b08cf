"""A simulated pass against the same pass for real on the processor: weights, gradients, optimizer, saved activations."""

from __future__ import annotations

import pytest

from lingshu_train.planning import estimate, recipe, states
from lingshu_train.planning.recipe import Recipe
from lingshu_train.planning.states import Division
from lingshu_train.simulation import depths, load, measured, passing
from lingshu_train.simulation.passed import Setting
from lingshu_train.stages.sft.config import Config

SIZES = [
    "model.shape.text.hidden=128",
    "model.shape.text.intermediate=352",
    "model.shape.text.vocabulary=2048",
    "model.shape.text.mrope_section=[4,6,6]",
]
QWEN3, INTERNVL, GEMMA = "model=tiny_qwen3_vl", "model=tiny_internvl3", "model=tiny_gemma3"
"""Of these, features of a layer of the first's tower pass the text's layers on their own way."""
OTHERS = {QWEN3: SIZES[:3], INTERNVL: SIZES[2:3], GEMMA: SIZES[2:3]}
"""What of these sizes another family takes: three heads want another width where theirs is no size of its own."""
LORA = "stages.instruct.train={vision_tower: full, merger: full, language_model: {lora: {rank: 4}}}"

WITHOUT = ["~stages.instruct.learning_rate.vision_tower", "~stages.instruct.learning_rate.language_model"]


def of(*overrides: str) -> tuple[Recipe, Config]:
    sizes = next((sizes for model, sizes in OTHERS.items() if model in overrides), SIZES)
    loaded = recipe.load("quickstart", [*dict.fromkeys([*sizes, *overrides])])
    config = next(block.config for block in loaded.stages if block.name == "instruct")
    assert isinstance(config, Config)
    return loaded, config.model_copy(update={"max_length": 96, "per_device_batch": 2})


@pytest.mark.parametrize(
    ("overrides", "packed"),
    [
        ((), False),
        ((), True),
        (("model.dtype=bfloat16",), False),
        (("model.dtype=bfloat16", LORA), False),
        (("stages.instruct.train=[merger]", *WITHOUT), False),
        *(((model, "model.dtype=bfloat16"), True) for model in OTHERS),
    ],
)
def test_a_simulated_pass_is_the_real_one(overrides: tuple[str, ...], packed: bool) -> None:
    loaded, config = of(*overrides)
    config = config.model_copy(update={"layout": "packs" if packed else "padded"})
    given = load.of(loaded.model, config)
    setting = Setting(settings=loaded.model, config=config, divided=False, on_gpu=False)
    shape = loaded.model.shape
    simulated = passing.Tracer(setting, given).measure(shape)
    real = measured.run(setting, given, shape)
    held = states.of(
        estimate.parameters(loaded.model, config),
        Division(level=0, world=1, low=loaded.model.dtype == "bfloat16"),
    )
    assert held.weights == real.weights
    assert held.gradients == real.gradients
    assert held.optimizer == real.optimizer
    assert sum(simulated.saved.values()) == pytest.approx(real.saved, rel=0.02)
    grown = sum(
        value
        for name, value in simulated.with_gradients["vision_back"].items()
        if name.startswith("gradients_")
    )
    assert grown <= real.gradients


@pytest.mark.parametrize(
    ("model", "checkpointing"), [((), False), ((), True), *(((model,), True) for model in OTHERS)]
)
def test_few_layers_say_what_all_take(model: tuple[str, ...], checkpointing: bool) -> None:
    """Also of the peak of the text's forward pass where features of the tower are added in its first layers alone."""
    switch = f"model.gradient_checkpointing={str(checkpointing).lower()}"
    loaded, config = of(*model, switch, "model.dtype=bfloat16")
    given = load.of(loaded.model, config)
    setting = Setting(settings=loaded.model, config=config, divided=True)
    deep = loaded.model.shape.with_depths({"text": 6, "vision": 5, "vision_beside": 3})
    few = depths.measure(setting, given, deep)
    whole = depths.measure(setting, given, deep, whole=True)
    for phase, by in whole.peaks.items():
        assert sum(few.peaks[phase].values()) == pytest.approx(sum(by.values()), rel=0.01), phase
    assert sum(few.saved.values()) == pytest.approx(sum(whole.saved.values()), rel=1e-6)
    assert sum(few.flops.values()) == pytest.approx(sum(whole.flops.values()), rel=1e-6)


@pytest.mark.parametrize("checkpointing", ["false", "true"])
def test_layers_in_4_bits_keep_no_more_than_in_16(checkpointing: str) -> None:
    """Neither their unpacked weights nor their inputs, of which an adapter keeps those that it needs itself."""
    adapter = LORA.replace("vision_tower: full, ", "")
    switch = f"model.gradient_checkpointing={checkpointing}"
    loaded, config = of("model.dtype=bfloat16", switch, adapter, WITHOUT[0])
    kept = {}
    for form in ("none", "nf4"):
        settings = loaded.model.model_copy(update={"quantize": form})
        setting = Setting(settings=settings, config=config, divided=False)
        found = passing.Tracer(setting, load.of(settings, config)).measure(settings.shape)
        kept[form] = sum(found.saved.values())
    assert 0.5 * kept["none"] < kept["nf4"] <= kept["none"]


def test_checkpointing_does_the_layers_again_and_keeps_less() -> None:
    kept, again = [], []
    for checkpointing in ("false", "true"):
        loaded, config = of(f"model.gradient_checkpointing={checkpointing}")
        setting = Setting(settings=loaded.model, config=config, divided=False)
        found = passing.Tracer(setting, load.of(loaded.model, config)).measure(loaded.model.shape)
        kept.append(sum(found.saved.values()))
        again.append(found.flops.get("text_again", 0.0) + found.flops.get("vision_again", 0.0))
        forward = found.flops["text"] + found.flops["vision"]
    assert kept[1] < kept[0] / 2
    assert again[0] == 0 and 0.5 * forward < again[1] <= forward


def test_operations_are_those_of_the_matrices() -> None:
    """Two for each weight and token forward, four backward; attention comes on top."""
    loaded, config = of()
    setting = Setting(settings=loaded.model, config=config, divided=False)
    given = load.of(loaded.model, config)
    found = passing.Tracer(setting, given).measure(loaded.model.shape)
    weights = sum(one.weights for one in loaded.model.shape.linear()["language_model"].values())
    least = 2 * weights * given.total
    assert least < found.flops["text"] < 1.5 * least
    assert 1.9 * found.flops["text"] < found.flops["text_back"] < 2.3 * found.flops["text"]
    head = 2 * 128 * 2048 * given.answer * given.rows
    assert found.flops["head"] == pytest.approx(head, rel=0.02)
