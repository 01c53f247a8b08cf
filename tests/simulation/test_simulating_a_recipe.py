"""`lingshu plan --simulate`: what it prints, its JSON, its remedies, and what is wrong with what it was given."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lingshu_train import cli, gpus
from lingshu_train.errors import RecipeError, UsageError
from lingshu_train.planning import estimate, recipe
from lingshu_train.simulation import load, memory, remedies, speed
from lingshu_train.simulation import stage as stages
from lingshu_train.simulation.passed import PHASES, Passed
from lingshu_train.simulation.stage import GIB, Passes, Way
from lingshu_train.stages.grpo import scored


def way(name: str, stage: str, *overrides: str, gpu: str = "H100", world: int = 1) -> Way:
    loaded = recipe.load(name, overrides)
    config = next(block.config for block in loaded.stages if block.name == stage)
    how = estimate.division(loaded.model, loaded.cluster.dividing(config.divided), config, world=world)
    return Way(
        settings=loaded.model,
        config=stages.refuse_unknown(config, f"stages.{stage}"),
        how=how,
        gpu=gpus.named(gpu),
    )


class Traced(Passes):
    """Passes of made-up sizes: `kept` bytes a row without checkpointing, an eighth of it with."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self._kept = kept

    def of(self, setting: object, given: load.Load) -> Passed:
        again = setting.settings.gradient_checkpointing  # type: ignore[attr-defined]
        by = {"text": float(self._kept * given.rows // (8 if again else 1))}
        return Passed(
            peaks=dict.fromkeys(PHASES, by),
            with_gradients=dict.fromkeys(PHASES, by),
            saved=by,
            flops={"text": 1e12, "text_back": 2e12, "head": 1e10, "head_back": 2e10},
            pixel_bytes=0,
        )


def test_the_command_tells_memory_speed_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "quickstart", "--simulate", "--gpu", "rtx4090", "stages.rl.per_device_batch=8"]
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["stages"]] == ["shallow", "deep", "instruct", "rl"]
    assert {one["verdict"] for one in found["stages"]} == {"fits"}
    assert found["gpu"]["name"] == "RTX 4090" and found["gpus"] == 1
    rl = found["stages"][3]
    moments = {one["moment"] for one in rl["peaks"]}
    assert {memory.PREFILL, memory.DECODING, memory.STEP} < moments
    assert rl["memory"]["reference"] == 4 * found["parameters"]
    assert rl["speed"]["generation_seconds"] > 0 and rl["speed"]["hours"] > 0


def test_one_card_that_offloads_is_under_deepspeed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cluster.deepspeed=zero2", "cluster.offload=optimizer", "pipeline=[data, base, shallow]"]
    assert cli.main(["plan", "quickstart", "--simulate", *words]) == 0
    assert "attention sdpa, DeepSpeed zero2, optimizer on the host\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (
            ["quickstart", "--simulate", "--gpu", "H1000"],
            64,
            "--gpu: unknown card 'H1000'; known: H100, H200",
        ),
        (["quickstart", "--gpu", "H100"], 64, "--gpu: only with --simulate"),
        (["quickstart", "--json"], 64, "--json: only with --simulate"),
        (["quickstart", "-m", "--simulate", "seed=0,1"], 64, "--simulate: of one recipe at a time"),
        (
            ["quickstart", "--simulate", "pipeline=[data]"],
            78,
            "no stage trains, so there is nothing to simulate",
        ),
        (
            ["lingshu_7b", "--simulate", "--gpus", "7"],
            78,
            "stages.rl.per_device_batch: 2048 completions a step",
        ),
    ],
)
def test_what_cannot_be_simulated_is_one_line(
    words: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plan", *words]) == code
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


def test_a_card_is_found_however_it_is_spelled() -> None:
    assert gpus.named("rtx-4090") is gpus.named("4090") is gpus.named("RTX 4090")
    with pytest.raises(UsageError, match="A100, L40S"):
        gpus.named("")


def test_rows_are_the_limit_and_full_of_pictures() -> None:
    found = way("lingshu_7b", "instruct")
    given = load.of(found.settings, found.config)
    assert given.rows * given.tokens == 8192 and given.packed
    assert given.pictures == 6 and given.patches == 6 * 4 * given.picture_tokens
    shorter = load.of(found.settings, found.config, row_tokens=800)
    assert shorter.tokens == 800 and shorter.rows == 10


def test_the_least_change_that_fits_is_told_first() -> None:
    plain = way("lingshu_7b", "instruct", "model.gradient_checkpointing=false", world=8)
    assert remedies.found("instruct", plain, Traced(GIB)) == ()
    told = remedies.found("instruct", plain, Traced(100 * GIB))
    assert told[0] == "model.gradient_checkpointing=true"


def test_one_card_is_told_to_offload_or_to_train_less() -> None:
    alone = way("lingshu_7b", "instruct", world=1)
    told = remedies.found("instruct", alone, Traced(8 * GIB))
    assert told and any("offloaded" in one for one in told) and any("lora" in one for one in told)


def test_nothing_fits_on_a_card_too_small_for_the_weights() -> None:
    told = remedies.found("instruct", way("lingshu_32b", "instruct", gpu="RTX 4090"), Traced(400 * GIB))
    assert told == ()


def generated(*overrides: str) -> list[memory.Memory]:
    found = way("lingshu_7b", "rl", *overrides, world=8)
    given = load.of(found.settings, found.config)
    one, two = (Traced(GIB).of(found, given.model_copy(update={"rows": rows})) for rows in (1, 2))
    return list(memory.generating(found.settings, found.config, found.how, given, one, two))  # type: ignore[arg-type]


@pytest.mark.parametrize(("batch", "together"), [(64, 64), (24, 24), (5000, 1024)])
def test_generation_counts_every_sequence_of_a_slice(batch: int, together: int) -> None:
    peaks = generated(f"stages.rl.rollout_batch={batch}")
    # Sequences of 4,096 tokens, 28 layers of 4 heads of 128 numbers, keys and values, in bfloat16.
    assert peaks[1].cache == together * 4096 * 28 * 2 * 4 * 128 * 2
    assert peaks[0].temporaries == together * GIB // 8
    shape = way("lingshu_7b", "rl", world=8).settings.shape
    assert peaks[0].gathered == 2 * sum(shape.parameters().values())


def test_smaller_slices_are_a_remedy_of_generation() -> None:
    found = way("lingshu_7b", "rl", "stages.rl.rollout_batch=1024", world=8)
    told = remedies.found("rl", found, Traced(GIB))
    assert told[0] == "stages.rl.rollout_batch=8"


def test_smaller_slices_take_longer() -> None:
    found = way("lingshu_7b", "rl", world=8)
    given = load.of(found.settings, found.config)
    row = speed.usual(found.settings, found.config, given, mean_tokens=None)
    seconds = []
    for batch in (1024, 64):
        work = speed.Work(
            settings=found.settings,
            config=found.config.model_copy(update={"rollout_batch": batch}),
            how=found.how,
            gpu=found.gpu,
            load=given,
            passed=Traced(GIB).of(found, given),
            row=row,
            rows=100_000,
        )
        seconds.append(speed.of(work).generation_seconds)
    # Sixteen slices of 2,048 tokens, 0.05 s each, for four steps.
    assert seconds[1] - seconds[0] == pytest.approx(15 * 2048 * 0.05 / 4, rel=0.2)


def test_hours_follow_from_rows_or_steps() -> None:
    found = way("lingshu_7b", "shallow", world=8)
    given = load.of(found.settings, found.config)
    row = speed.usual(found.settings, found.config, given, mean_tokens=800)
    passed = Traced(GIB).of(found, given)
    common = dict(
        settings=found.settings,
        config=found.config,
        how=found.how,
        gpu=found.gpu,
        load=given,
        passed=passed,
        row=row,
    )
    told = speed.of(speed.Work(**common, rows=64_000))  # type: ignore[arg-type]
    assert told.steps == 1000 and told.hours == pytest.approx(told.step_seconds * 1000 / 3600)
    assert speed.of(speed.Work(**common, rows=None)).hours is None  # type: ignore[arg-type]


def test_a_kind_that_is_unknown_is_told() -> None:
    loaded = recipe.load("quickstart")
    with pytest.raises(RecipeError, match="only sft and grpo can be simulated"):
        stages.refuse_unknown(loaded.stages[0].config, "stages.data")


def test_an_8_bit_optimizer_is_told_where_deepspeed_is_not() -> None:
    alone = way(
        "adapt",
        "instruct",
        "stages.data.cards=[slake]",
        "+stages.data.card_splits={slake: {train: train, validation: held_out}}",
        gpu="L40S",
    )
    assert remedies.found("instruct", alone, Traced(8 * GIB))[0] == "an 8-bit optimizer"
    divided = way("lingshu_32b", "instruct", "cluster.offload=none", world=8)
    told = remedies.found("instruct", divided, Traced(16 * GIB))
    assert told and not any("8-bit" in one for one in told)


def test_pictures_of_a_window_wait_on_the_host_and_a_pass_has_its_own() -> None:
    assert memory.SCORED == scored.SHARE
    one = way("lingshu_7b", "rl", world=8)
    assert isinstance(one.config, memory.Grpo)
    given = load.of(one.settings, one.config)
    passed = replace(Traced(0).of(one, given), pixel_bytes=1000 * given.rows)
    completions = one.config.rollout_prompts * one.config.group_size // 8
    assert memory.window_pixels(one.config, one.how, given, passed) == 1000 * completions
    for moment in memory.learning(one.settings, one.config, one.how, given, passed):
        assert moment.pixels == 1000 * given.rows
    single = replace(passed, pixel_bytes=1000)
    (scoring,) = memory.scoring(one.settings, one.config, one.how, given, single, single)
    assert scoring.pixels == 1000 * max(given.rows, one.config.rollout_batch // memory.SCORED)


def test_a_server_takes_its_share_of_the_same_card_or_one_of_its_own_and_draws_what_has_room() -> None:
    engine = "+stages.rl.rollouts={engine: vllm, params: {%s}}"
    beside, apart = (
        way("lingshu_7b", "rl", engine % more, world=8) for more in ("gpu_share: 0.4", "gpus: ['7']")
    )
    passes = Traced(GIB // 10)
    found = {}
    for name, one in (("beside", beside), ("apart", apart)):
        peaks = stages.peaks(one, passes)[2]
        assert {memory.PREFILL, memory.DECODING}.isdisjoint({each.moment for each in peaks})
        found[name] = stages.simulate("rl", one, {}, passes, ())
        assert {each.server for each in peaks} == {int(32 * GIB) if name == "beside" else 0}
    server = found["beside"].server
    assert server is not None and not server.elsewhere and server.bytes == int(32 * GIB)
    each = beside.settings.shape.cached * 2 * found["beside"].load.tokens
    assert server.together == int((server.bytes * 0.9 - server.weights) // each) > 10
    assert found["apart"].server is not None and found["apart"].server.elsewhere
    own = stages.simulate("rl", way("lingshu_7b", "rl", world=8), {}, passes, ())
    assert own.server is None
    assert found["apart"].speed.generation_seconds < own.speed.generation_seconds


def test_a_server_without_room_for_one_completion_does_not_fit_and_says_what_would(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["plan", "quickstart", "--simulate", "--gpu", "rtx4090", "stages.rl.per_device_batch=8"]
    assert cli.main([*words, "+stages.rl.rollouts={engine: vllm, params: {gpu_share: 0.0001}}"]) == 0
    said = capsys.readouterr().out
    assert "rl (grpo): does not fit" in said
    assert "no room for one completion: more gpu_share, or a card of its own" in said
