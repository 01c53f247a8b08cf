"""What is not finite, or of absurd size: losses, gradients, weights and rewards."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from lingshu_train import dist
from lingshu_train.drill.command import Ended
from lingshu_train.drill.drawn import StageName
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.running.warm import Spoil

STEP = 5
ALWAYS = 1_000_000
LEAVE_OUT = "+stages.sft.on_divergence={leave_out: 1}"


def _loss(times: int, *, rank: int = 0) -> Spoil:
    """The loss of a step is infinite on one rank, so often."""

    def spoil() -> None:
        from trl import GRPOTrainer, SFTTrainer

        left = times if dist.place().rank == rank else 0
        for kind in (SFTTrainer, GRPOTrainer):
            whole = kind.compute_loss

            def compute_loss(self, *args, _whole=whole, **kwargs):  # type: ignore[no-untyped-def]
                nonlocal left
                loss = _whole(self, *args, **kwargs)
                if left and self.state.global_step + 1 == STEP:
                    left -= 1
                    return loss + float("inf")
                return loss

            kind.compute_loss = compute_loss

    return spoil


def _gradient() -> None:
    """One element of a gradient is NaN, once."""
    from trl import GRPOTrainer, SFTTrainer

    left = 1
    for kind in (SFTTrainer, GRPOTrainer):
        whole = kind._clip_grad_norm

        def clip(self, model, _whole=whole):  # type: ignore[no-untyped-def]
            nonlocal left
            if left and self.state.global_step + 1 == STEP:
                left -= 1
                next(p for p in model.parameters() if p.grad is not None).grad.view(-1)[0] = float("nan")
            return _whole(self, model)

        kind._clip_grad_norm = clip


def _weight(step: int) -> Spoil:
    """A weight becomes NaN before a step, once; in a process that begins anew it does not."""

    def spoil() -> None:
        import torch
        from trl import SFTTrainer

        whole = SFTTrainer.training_step
        left = 1

        def training_step(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal left
            if left and self.state.global_step + 1 == step:
                left -= 1
                with torch.no_grad():
                    next(self.model.parameters()).view(-1)[0] = float("nan")
            return whole(self, *args, **kwargs)

        SFTTrainer.training_step = training_step

    return spoil


def _reward(value: float | None, *, status: str = "scored", share: int = 1) -> Spoil:
    """A built-in reward gives this value to one completion in `share`, and its own to the others."""

    def spoil() -> None:
        from lingshu_train.rewards import repetition

        whole = repetition.score

        def score(sample: Sample, completion: Completion, params: repetition.Params) -> Score:
            if crc32(completion.text.encode()) % share == 0:
                return Score(value=value, status=status)
            return whole(sample, completion, params)

        repetition.score = score

    return spoil


def _spoilt(spoil: Spoil, *more: str) -> Callable[[Scene], Ended]:
    return lambda scene: scene.go_on(*more, spoil=spoil)


def _now_and_then(scene: Scene) -> Ended:
    """One reward in four is 1e39. The run is held against one in which the same completions are unscored."""
    scene.expected = scene.alongside(_reward(None, status="out_of_range", share=4))
    return scene.go_on(spoil=_reward(1e39, share=4))


def _fault(
    name: str,
    says: str,
    do: Callable[[Scene], Ended],
    code: int,
    *,
    stage: StageName = "sft",
) -> Fault:
    return Fault(name=name, number="F16", says=says, do=do, codes=(code,), stage=stage)


FAULTS = (
    _fault("loss_once", "an infinite loss, once", _spoilt(_loss(1)), 0).quickly(),
    _fault("loss_once", "an infinite loss on rank 1, once", _spoilt(_loss(1, rank=1)), 0).on(2),
    _fault("loss_once", "an infinite loss in GRPO, once", _spoilt(_loss(1)), 0, stage="rl"),
    _fault("loss_always", "an infinite loss whenever step 5 is tried", _spoilt(_loss(ALWAYS)), 70),
    _fault("loss_always", "the same on rank 1", _spoilt(_loss(ALWAYS, rank=1)), 70).on(2),
    _fault("loss_always", "the same in GRPO", _spoilt(_loss(ALWAYS)), 70, stage="rl"),
    _fault("gradient_once", "one NaN in a gradient, once", _spoilt(_gradient), 0),
    _fault("weight_spoilt", "a weight becomes NaN", _spoilt(_weight(STEP)), 70),
    _fault(
        "weight_spoilt_going_back",
        "the same with on_divergence: {leave_out: 1}",
        _spoilt(_weight(STEP), LEAVE_OUT),
        0,
    ),
    _fault("reward_nan", "every reward is NaN", _spoilt(_reward(float("nan"))), 70, stage="rl"),
    _fault("reward_absurd", "every reward is 1e39", _spoilt(_reward(1e39)), 70, stage="rl"),
    _fault("reward_absurd_at_times", "one reward in four is 1e39", _now_and_then, 0, stage="rl"),
)
